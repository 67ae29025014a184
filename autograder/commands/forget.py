"""The command `forget`; what it needs is imported inside, so that --help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.commands.options import CourseOption
from autograder.course.folder import PRIVATE, alone, closed
from autograder.course.terminal import table

if TYPE_CHECKING:
    from autograder.forget.forget import Finding


def forget(
    student: Annotated[str, typer.Argument(help="The name, exactly as the gradebook has it.")],
    course: CourseOption = PRIVATE,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without, it is only shown.")] = False,
) -> None:
    """Remove a student: gradebook, hand-ins, verdicts, feedback, and pages and exports that name them.

    Without --yes it only shows what it would remove.

    Example: `autograder forget ada --yes`
    """
    from autograder.forget import forget as forgetting

    root = closed(course)
    found = forgetting.find(root, student)
    _show([one for one in found if one.remove], root, f"{student}: {'removed' if yes else 'would be removed'}")
    if yes:
        with alone(root):
            forgetting.forget(root, student)
        print(f"{student} is out of {root}; everything else is as it was.")
    _show([one for one in found if not one.remove], root, "For you to look at: it stays")
    print("This command cannot know of:")
    print("\n".join(f"  - {line}" for line in forgetting.UNKNOWN))
    if not yes:
        print(f"Nothing was removed. `autograder forget {student} --yes` removes it; it cannot be undone.")


def _show(found: list[Finding], root: Path, title: str) -> None:
    if found:
        table([(one.path.relative_to(root), one.what) for one in found], ("where", "what"), title)
