"""The command `repair`; what it needs is imported inside, so that --help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.authoring.folders import folder
from autograder.commands.options import CourseOption, LessonArgument, NameOption
from autograder.course.folder import PRIVATE, closed


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
    from autograder.handin import repaired

    home = folder(lesson)
    if who is not None and (who.endswith(".ipynb") or "/" in who or "\\" in who):
        done = repaired.one(Path(who), home, out)
        print("\n".join(done.lines()))
        return
    if out is not None:
        raise ValueError("out must be given with a notebook only; the repairs of a class go to repaired/")
    found = repaired.several(closed(course), home, name or home.name, who)
    for each in found:
        if each.written or each.refused:
            print("\n".join(f"{each.student}: {line}" for line in each.lines()))
    counts = {word: sum(each.word == word for each in found) for word in ("sound", "repaired", "refused")}
    new = sum(each.written for each in found)
    print(
        f"{len(found)} hand-ins: {counts['sound']} sound, {counts['repaired']} repaired ({new} of them now), "
        f"{counts['refused']} refused. Nothing in submitted/ was changed."
    )
