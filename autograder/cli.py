"""The command `autograder`: build the lessons, release them, try the grading on a sample class.

Each command imports what it needs inside: torch takes seconds, and `--help` should not.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from autograder import grading, tending
from autograder.course import table
from autograder.exchange import intake
from autograder.grading import LessonArgument
from autograder.reports import reporting
from autograder.sources import ROOT, folder

app = typer.Typer(
    name="autograder",
    help="What instructors run: build lessons from their sources, release them, grade them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
LessonsArgument = Annotated[list[str] | None, typer.Argument(help="'03_badnets', '03' ...; none: every lesson.")]
for _command in (
    grading.init, intake.collect, tending.repair, grading.grade, grading.regrade, grading.explain, reporting.report,
    intake.export, tending.forget, tending.sample_class,
):  # fmt: skip
    app.command(_command.__name__.replace("_", "-"))(_command)


def main() -> None:
    """Run the command; what is refused becomes one line on stderr and exit status 2."""
    # jsonschema would build a grammar of addresses as it is imported: a processor second for what no notebook needs
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    try:
        app()
    except (ValueError, OSError, RuntimeError) as refused:
        if os.environ.get("BDLAB_TRACEBACK"):
            raise
        typer.echo(f"error: {refused}", err=True)
        raise SystemExit(2) from None


def _homes(names: list[str] | None) -> list[Path]:
    found = names or [path.name for path in sorted((ROOT / "solutions").glob("[0-9][0-9]_*"))]
    return [folder(name) for name in found]


@app.command()
def build(
    lessons: LessonsArgument = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit status 1 where lessons/ is stale.")
    ] = False,
    refresh: Annotated[bool, typer.Option(help="Also make frozen outcomes and cached demos anew.")] = False,
    notebook: Annotated[bool, typer.Option(help="Write the instructor's notebook, to edit it in JupyterLab.")] = False,
    from_notebook: Annotated[bool, typer.Option(help="Take the edited notebook back into the .py.")] = False,
) -> None:
    """Make lessons/ from solutions/: the same bytes on every machine.

    Example: `autograder build 03 --refresh`
    """
    from autograder import build as building
    from autograder import editing, pages, refreshing

    homes = _homes(lessons)
    if notebook or from_notebook:
        for home in homes:
            print(f"Wrote {editing.write(home) if notebook else editing.take_back(home)}")
        return
    if check:
        found = [line for home in homes for line in (*building.stale(home), *refreshing.stale(home))] + pages.stale()
        print(
            "\n".join(
                [*found, "Run `autograder build --refresh` and commit what it writes."] if found else ["nothing to do"]
            )
        )
        raise typer.Exit(bool(found))
    for home in homes:
        for path in refreshing.refresh(home) if refresh else ():
            print(f"Wrote {path.relative_to(ROOT)}")
        print(f"Wrote {building.build(home).relative_to(ROOT)}")
    print(f"Wrote {pages.write().relative_to(ROOT)}")


@app.command()
def release(
    lesson: LessonArgument,
    as_: Annotated[str | None, typer.Option("--as", help="A new name, as in 03_badnets_v2.")] = None,
) -> None:
    """Enter a lesson into the live gradebook below private/; refuses when that would change what was handed in.

    Example: `autograder release 03`
    """
    from autograder import release as releasing

    print(f"Released {releasing.release(folder(lesson), as_)}")


@app.command()
def publish(target: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write the students' edition: no solutions, no instructor's pages.

    Example: `autograder publish ../students`
    """
    from autograder import release as releasing

    print(f"Wrote {releasing.publish(target)}")


@app.command()
def doctor() -> None:
    """Whether this machine has what instructors need, and which walls stand: each is tried with hostile code.

    Example: `autograder doctor`
    """
    from autograder import guard, probes

    rows = []
    for name in ("nbgrader", "jupytext", "alembic"):
        found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
        rows.append((name, "ok" if found else "PROBLEM", found or "missing: pip install -e '.[teach]'"))
    table(rows, ("what", "", "found"), "autograder doctor")
    tiers = probes.try_tiers()
    for tier in tiers:
        table(
            [(row.what, "held" if row.held else "NOT HELD", row.detail) for row in tier.rows],
            ("tried from inside a jail", "", "what came of it"),
            f"tier {tier.name}"
            + (", which shows what the same code does without walls" if tier.name == guard.TIERS[-1] else ""),
        )
    best = next((tier.name for tier in tiers if tier.ok), guard.TIERS[-1])
    print(f"Grading here runs behind walls of tier {best}; the policy asks for {guard.DEFAULT_POLICY} or better.")
    if best not in guard.TIERS[: guard.TIERS.index(guard.DEFAULT_POLICY) + 1]:
        print(probes.RECIPE)
        raise typer.Exit(1)
    if any(row[1] != "ok" for row in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
