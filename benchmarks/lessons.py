"""Every lesson in a kernel, as students get it and solved, with the times of its cells: `make lessons`.

Enters the times, and the digests of what was run, into docs/quality.md.  CPU seconds of the kernel, one thread, with
nothing in the caches: the time that a student waits on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbformat import NotebookNode

from autograder.authoring import digests
from autograder.authoring.build import student_folder
from autograder.authoring.folders import folder, homes
from autograder.authoring.sources import references
from autograder.course.terminal import table
from autograder.trials.invented.samples import fill
from bdlab.exercises import lessons

CELL, LESSON = 30.0, 90.0
"""CPU seconds that a cell and a lesson may take."""


@dataclass(frozen=True)
class Run:
    """One run.  seconds: (CPU seconds, first line) of each code cell; points: those of the check cells, together."""

    seconds: Sequence[tuple[float, str]]
    points: float

    @property
    def total(self) -> float:
        """CPU seconds of all cells."""
        return sum(seconds for seconds, _ in self.seconds)


def solved(home: Path) -> NotebookNode:
    """The students' notebook with the references in it."""
    book = untouched(home)
    fill(book, {name: answer.source for name, answer in references(home).items()}, "")
    return book


def untouched(home: Path) -> NotebookNode:
    """The students' notebook."""
    return nbformat.read(student_folder(home) / f"{home.name}.ipynb", as_version=4)


def run(book: NotebookNode) -> Run:
    """Run every cell.  Raises: `nbclient.exceptions.CellExecutionError` where one raises."""
    client = NotebookClient(book, kernel_name="python3", timeout=600)
    found, points = [], 0.0
    with tempfile.TemporaryDirectory(prefix="lessons-") as place:
        own = {"BDLAB_HOME": f"{place}/home", "BDLAB_CACHE": f"{place}/cache", "OMP_NUM_THREADS": "1"}
        with client.setup_kernel(env={**os.environ, **own}):
            kernel = psutil.Process(client.km.provisioner.pid)
            for at, cell in enumerate(book.cells):
                if cell.cell_type == "code":
                    before = _cpu(kernel)
                    client.execute_cell(cell, at)
                    found.append((_cpu(kernel) - before, cell.source.partition("\n")[0]))
                    points += _points(cell)
    return Run(found, points)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _points(cell: NotebookNode) -> float:
    """What a check cell says that it gives: 'l03_stamp: 4 of 4 points'."""
    said = "".join(out.get("text", "") for out in cell.outputs)
    told = re.search(r"^\w+: ([\d.]+) of [\d.]+ points", said, re.M)
    return float(told[1]) if told and cell.metadata.get("bdlab", {}).get("role") == "check" else 0.0


def row(home: Path) -> tuple[list[str], list[str]]:
    """One line of the table, and what of it is not as it must be."""
    task, blank, full = lessons.lesson(home.name), run(untouched(home)), run(solved(home))
    slowest, where = max(*blank.seconds, *full.seconds)
    wrong = [] if full.points == task.automatic else [f"{home.name} solved gets {full.points:g} of {task.automatic:g}"]
    wrong += [f"{home.name} untouched gets {blank.points:g} points"] if blank.points else []
    wrong += [f"{home.name}: a cell took {slowest:.0f} s: {where}"] if slowest > CELL else []
    wrong += [f"{home.name} takes {full.total:.0f} s"] if max(full.total, blank.total) > LESSON else []
    shown = [
        home.name, f"`{digests.digest(digests.files(home))}`", f"{len(blank.seconds)} cells, {blank.total:.1f} s",
        f"{full.total:.1f} s, {full.points:g} of {task.automatic:g} points", f"{slowest:.1f} s: `{where}`",
    ]  # fmt: skip
    return shown, wrong


HEADS = ("lesson", "digest", "untouched", "solved", "slowest cell")


def page(rows: Sequence[Sequence[str]]) -> str:
    """What stands between the marks of the page."""
    lines = [f"| {' | '.join(each)} |" for each in (HEADS, ["---"] * len(HEADS), *rows)]
    kept = [f"{name} {value}" for name, value in digests.machinery().items()]
    return "\n".join([digests.BEGIN, "", *lines, "", "<!-- the machinery that they ran with:", *kept, "-->", digests.END])


def main() -> int:
    """Run them, print the table, enter it; exit status 1 where a lesson is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lessons", nargs="*", help="'03' ...: only these are run, and nothing is entered")
    asked = parser.parse_args()
    found = [row(home) for home in (map(folder, asked.lessons) if asked.lessons else homes())]
    table([shown for shown, _ in found], HEADS, "lessons in a kernel, CPU seconds")
    wrong = [line for _, told in found for line in told]
    print("\n".join(wrong or ["every lesson runs, untouched and solved, within its time"]))
    if not asked.lessons and not wrong:
        text = digests.PAGE.read_text(encoding="utf-8")
        new = page([shown for shown, _ in found])
        pattern = re.compile(f"{re.escape(digests.BEGIN)}.*?{re.escape(digests.END)}", re.S)
        digests.PAGE.write_text(pattern.sub(lambda _: new, text), encoding="utf-8")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
