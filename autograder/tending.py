"""The commands that tend a class: repair, forget, sample-class.

What they need is imported inside: nbgrader and torch take seconds, and `--help` should not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.course import PRIVATE, alone, closed, table
from autograder.grading import CourseOption, LessonArgument, NameOption
from autograder.sources import folder

if TYPE_CHECKING:
    from autograder.forget import Finding


def repair(
    lesson: LessonArgument,
    who: Annotated[str | None, typer.Argument(help="A student, or a notebook; none: the whole class.")] = None,
    course: CourseOption = PRIVATE,
    name: NameOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Where a notebook's repair goes [default: beside it, NAME.repaired.ipynb].")
    ] = None,
) -> None:
    """Put damaged hand-ins together again, from the released lesson and the student's text; `grade` does so by itself.

    What was handed in stays as it is: repairs of a class go to repaired/ in the course folder.

    Example: `autograder repair 03_badnets ada`
    """
    from autograder import repairing

    home = folder(lesson)
    if who is not None and (who.endswith(".ipynb") or "/" in who or "\\" in who):
        done = repairing.one(Path(who), home, out)
        print("\n".join(done.lines()))
        return
    if out is not None:
        raise ValueError("out must be given with a notebook only; the repairs of a class go to repaired/")
    found = repairing.several(closed(course), home, name or home.name, who)
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
    from autograder import forget as forgetting

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


def sample_class(
    lesson: LessonArgument,
    students: Annotated[int | None, typer.Option(help="How many are drawn [default: the eight fixed ones].")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    grade: Annotated[bool, typer.Option("--grade", help="Grade them, on a fresh gradebook.")] = False,
    jobs: Annotated[int, typer.Option(help="How many hand-ins at a time.", min=1, max=64)] = 2,
    archive: Annotated[
        str | None, typer.Option("--as-archive", help="moodle, canvas or plain: a zip, to be collected.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Course folder [default: private/sample-class/LESSON].")] = None,
) -> None:
    """Invented hand-ins whose points are known; with --grade, deserved beside given.

    With --students a class is drawn: right answers in several styles, mistakes of which three are the most frequent,
    damaged files, blanks, essays, copies.  COURSE/deserved.json says what each deserves.

    Example: `autograder sample-class 03_badnets --students 300 --seed 1 --grade`
    """
    from autograder.invented import sample_report as told

    home = folder(lesson)
    root = (out or PRIVATE / "sample-class" / home.name).resolve()
    if students is None and archive is not None:
        raise ValueError("--as-archive needs --students: the eight fixed hand-ins have no roster")
    right = told.eight(home, root, grade) if students is None else told.drawn(
        home, root, students, seed, archive, jobs if grade else 0
    )  # fmt: skip
    if not right:
        raise typer.Exit(1)
