"""The commands on what students handed in, apart from grading: repair, forget.  What they need is imported inside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.authoring.folders import folder
from autograder.commands.options import CourseOption, LessonArgument, NameOption
from autograder.course.folder import PRIVATE, alone, closed
from autograder.course.terminal import table

if TYPE_CHECKING:
    from autograder.forget.forget import Finding


def repair(
    lesson: LessonArgument,
    who: Annotated[str | None, typer.Argument(help="A student, or a notebook; none: the whole class.")] = None,
    course: CourseOption = PRIVATE,
    name: NameOption = None,
    out: Annotated[Path | None, typer.Option(help="For a notebook [default: beside it, NAME.repaired.ipynb].")] = None,
) -> None:
    """Put damaged hand-ins together again, from the released lesson and the student's text; `grade` does so by itself.

    What was handed in stays as it is: repairs of a class go to repaired/ in the course folder.

    Example: `autograder repair 03_badnets ada`
    """
    from autograder.handin import repaired

    home = folder(lesson)
    if who is not None and (who.endswith(".ipynb") or "/" in who or "\\" in who):
        done = repaired.one(Path(who), home, out)
        print("\n".join(done.lines()))
        return
    if out is not None:
        raise ValueError("out must be given with a notebook only; the repairs of a class go to repaired/")
    root = closed(course)
    with alone(root):
        found = repaired.several(root, home, name or home.name, who)
    for each in found:
        if each.written or each.refused:
            print("\n".join(f"{each.student}: {line}" for line in each.lines()))
    counts = {word: sum(each.word == word for each in found) for word in ("sound", "repaired", "refused")}
    new = sum(each.written for each in found)
    print(
        f"{len(found)} hand-ins: {counts['sound']} sound, {counts['repaired']} repaired ({new} of them now), "
        f"{counts['refused']} refused. Nothing in submitted/ was changed."
    )


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
