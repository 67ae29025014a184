"""The command `report`: what a class did, on one page.  What computes it is imported inside, so that --help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.authoring.folders import folder
from autograder.commands.options import CourseOption, LessonArgument, NameOption
from autograder.course import secret as secrets
from autograder.course.folder import PRIVATE, alone, closed, place


def report(
    lesson: LessonArgument,
    course: CourseOption = PRIVATE,
    name: NameOption = None,
    out: Annotated[Path | None, typer.Option(help="The page [default: COURSE/reports/LESSON.html].")] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Pseudonyms, LESSON-anonymous.html.")] = False,
) -> None:
    """Write one page on a graded class: points, exercises, misconceptions, what waits for a human, similar submissions.

    Example: `autograder report 03_badnets`
    """
    root, home = closed(course), folder(lesson)
    path = target(root, name or home.name, out, anonymous)
    from autograder.reports import hand_ins, people, report_page
    from autograder.reports import report as reporting

    with alone(root):
        found = hand_ins.hand_ins(root, home.name, name or home.name)
        made = reporting.report(found, people.people(found.known, secrets.load(root), anonymous, people.words(home)))
        print(f"Wrote {place(path, report_page.page(made).encode())}")
        waits = sum(len(group.students) for group in made.waiting)
        print(f"{len(made.points)} hand-ins, {waits} grades wait for a human, {made.pairs} pairs are similar.")


def target(root: Path, name: str, out: Path | None, anonymous: bool) -> Path:
    """Where the page goes.  Raises: `ValueError` where names would leave the course folder, or `out` is a folder."""
    if out is None:
        return root / "reports" / f"{name}{'-anonymous' if anonymous else ''}.html"
    path = out.resolve()
    if path.is_dir():
        raise ValueError(f"out must be a file, got the folder {out}; give {out / name}.html")
    if not anonymous and not path.is_relative_to(root):
        raise ValueError(f"out must lie in {root}, since the page names students; got {out}. Or add --anonymous")
    return path
