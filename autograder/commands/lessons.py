"""The commands that make lessons and give them out: build, release, publish.

What they need is imported inside: torch takes seconds, and `--help` should not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.authoring.folders import folder
from autograder.authoring.folders import homes as every
from autograder.commands.options import CourseOption, LessonArgument
from autograder.course.folder import PRIVATE, ROOT

LessonsArgument = Annotated[list[str] | None, typer.Argument(help="'03_badnets', '03' ...; none: every lesson.")]


def build(
    lessons: LessonsArgument = None,
    check: Annotated[bool, typer.Option("--check", help="Only tell what is stale; exit status 1 then.")] = False,
    refresh: Annotated[bool, typer.Option(help="Also make anew what changed of frozen outcomes and cached demos.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="With --refresh: whether it changed or not.")] = False,
    notebook: Annotated[bool, typer.Option(help="Write the instructor's notebook, to edit it in JupyterLab.")] = False,
    from_notebook: Annotated[bool, typer.Option(help="Take the edited notebook back into the .py.")] = False,
) -> None:
    """Make lessons/ from solutions/: the same bytes on every machine.

    Example: `autograder build 03 --refresh`
    """
    from autograder.authoring import build as building
    from autograder.authoring import editing, frozen, pages

    homes = [folder(name) for name in lessons] if lessons else every()
    if notebook or from_notebook:
        for home in homes:
            print(f"Wrote {editing.write(home) if notebook else editing.take_back(home)}")
        return
    if check:
        found = [line for home in homes for line in (*building.stale(home), *frozen.stale(home))] + pages.stale()
        print(
            "\n".join(
                [*found, "Run `autograder build --refresh` and commit what it writes."] if found else ["nothing to do"]
            )
        )
        raise typer.Exit(bool(found))
    for home in homes:
        for path in frozen.refresh(home, everything) if refresh else ():
            print(f"Wrote {path.relative_to(ROOT)}")
        if nothing := frozen.missing(home):
            raise ValueError(f"{', '.join(nothing)}: no frozen outcomes; run `autograder build {home.name} --refresh`")
        print(f"Wrote {building.build(home).relative_to(ROOT)}")
    print(f"Wrote {pages.write().relative_to(ROOT)}")


def new_lesson(
    number: Annotated[str, typer.Argument(help="Two digits, as in 98.")],
    topic: Annotated[str, typer.Argument(help="Lower-case letters, as in entropy.")],
) -> None:
    """Write a lesson that builds, grades and passes its tests, and build it; then write over it.

    Example: `autograder new-lesson 98 entropy`
    """
    from autograder.authoring import build as building
    from autograder.authoring import frozen, pages, skeleton

    written = skeleton.new_lesson(number, topic)
    home = folder(number)
    for path in (*written, *frozen.refresh(home), building.build(home), pages.write()):
        print(f"Wrote {path.relative_to(ROOT)}")
    print("How to go on: docs/teach/new-lesson.md")


def release(
    lesson: LessonArgument,
    as_: Annotated[str | None, typer.Option("--as", help="A new name, as in 03_badnets_v2.")] = None,
    course: CourseOption = PRIVATE,
) -> None:
    """Enter a lesson into the live gradebook; refuses when that would change what was handed in.

    Example: `autograder release 03`
    """
    from autograder.authoring import release as releasing

    print(f"Released {releasing.release(folder(lesson), as_, course.resolve())}")


def publish(target: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write the students' edition: no solutions, no instructor's pages.

    Example: `autograder publish ../students`
    """
    from autograder.authoring import release as releasing

    print(f"Wrote {releasing.publish(target)}")
