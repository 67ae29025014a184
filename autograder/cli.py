"""The command `autograder`: build the lessons, release them, try the grading on a sample class.

Each command imports what it needs inside: torch takes seconds, and `--help` should not.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings

import typer

from autograder.commands import exchange, grading, hand_ins, lessons, report, sample_class

app = typer.Typer(
    name="autograder",
    help="What instructors run: build lessons from their sources, release them, grade them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for _command in (
    grading.doctor, grading.init, exchange.roster, exchange.collect, hand_ins.repair, grading.grade, grading.regrade,
    grading.explain, report.report, exchange.phrases, exchange.export, hand_ins.forget, sample_class.sample_class,
    lessons.new_lesson, lessons.build, lessons.release, lessons.publish,
):  # fmt: skip
    app.command(_command.__name__.replace("_", "-"))(_command)


def main() -> None:
    """Run the command; what is refused becomes one line on stderr and exit status 2, 1 where the machine is at fault.

    A request to end (SIGTERM) is an exit: jails are closed, and nothing is left in the folder for scratch files.  What
    Python warns of in students' text, and in what came of it, stays out of the terminal.
    """
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        app()
    except Exception as refused:
        book = getattr(refused, "orig", None)  # sqlalchemy's
        full = isinstance(refused, OSError) and refused.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
        if os.environ.get("BDLAB_TRACEBACK") or not (book or isinstance(refused, (ValueError, OSError, RuntimeError))):
            raise
        told = f"the gradebook: {book}; close what has it open, or put a backup back" if book else refused
        typer.echo("; ".join([f"error: {told}", *getattr(refused, "__notes__", [])]), err=True)
        raise SystemExit(1 if book or full or type(refused.__cause__).__module__ == "sqlite3" else 2) from None


if __name__ == "__main__":
    main()
