"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LessonArgument = Annotated[str, typer.Argument(help="'03_badnets', '03' or 'l03'.")]
CourseOption = Annotated[Path, typer.Option("--course", help="The folder of submitted/, release/, gradebook, secret.")]
NameOption = Annotated[str | None, typer.Option("--as", help="The assignment's name, where it is not the lesson's.")]
JobsOption = Annotated[int, typer.Option(help="How many hand-ins at a time.", min=1, max=64)]
PolicyOption = Annotated[str, typer.Option(help="The least tier of walls to write grades behind: A or B.")]
TrustOption = Annotated[
    bool, typer.Option("--i-trust-these-submissions", help="Go on below the policy; every record says so.")
]
