"""The command `sample-class`; what it needs is imported inside, so that --help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.authoring.folders import folder
from autograder.commands.options import LessonArgument
from autograder.course.folder import PRIVATE


def sample_class(
    lesson: LessonArgument,
    students: Annotated[int | None, typer.Option(help="How many are drawn [default: the eight fixed ones].")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    grade: Annotated[bool, typer.Option("--grade", help="Grade them, on a fresh gradebook.")] = False,
    jobs: Annotated[int, typer.Option(help="How many hand-ins at a time.", min=1, max=64)] = 2,
    archive: Annotated[str | None, typer.Option("--as-archive", help="moodle, canvas, plain: a zip to collect.")] = None,
    out: Annotated[Path | None, typer.Option(help="Course folder [default: private/sample-class/LESSON].")] = None,
) -> None:
    """Invented hand-ins whose points are known; with --grade, deserved beside given.

    With --students a class is drawn: right answers in several styles, mistakes of which three are the most frequent,
    damaged files, blanks, essays, copies.  COURSE/deserved.json says what each deserves.

    Example: `autograder sample-class 03_badnets --students 300 --seed 1 --grade`
    """
    try:
        from autograder.trials.invented import sample_report as told
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("autograder.trials"):
            raise RuntimeError(
                "sample-class needs autograder/trials, which no wheel holds: run it in a checkout"
            ) from None
        raise

    home = folder(lesson)
    root = (out or PRIVATE / "sample-class" / home.name).resolve()
    if students is None and archive is not None:
        raise ValueError("--as-archive needs --students: the eight fixed hand-ins have no roster")
    right = told.eight(home, root, grade) if students is None else told.drawn(
        home, root, students, seed, archive, jobs if grade else 0
    )  # fmt: skip
    if not right:
        raise typer.Exit(1)
