"""Times of grading beside stock nbgrader's, on this machine: `make bench-grader`.

One thread; a figure is the median of the runs, with the smallest and the largest.  The bars in seconds are those of a quiet
machine on which stock nbgrader takes 5.5 s for one hand-in of lesson 03; what it takes here stands in the first row.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from autograder.authoring.folders import folder
from autograder.authoring.sources import references
from autograder.course import secret as secrets
from autograder.course.nbgrader import nbgrader
from autograder.course.terminal import table
from autograder.handin.runnable import Answers
from autograder.trials import STOCK
from autograder.trials.hostile.case import Material
from autograder.trials.invented import samples
from autograder.verdict import assignment
from autograder.verdict.grade import grade
from autograder.warden.pool import Warden
from autograder.warden.tiers import A, B
from bdlab.exercises import lessons

FIRST = next(one.id for one in lessons.all_lessons() if one.exercises)
"""The first lesson that has exercises."""
STUDENTS = 6
"""Hand-ins by which stock nbgrader is timed."""


RATIO = 1 / 25
"""The most of stock nbgrader's seconds that one hand-in may take."""
Measured = list[tuple[str, float | None, list[float]]]
"""What, the most seconds that it may take, and its seconds."""


def timed(work: Callable[[], object], runs: int) -> list[float]:
    """Seconds of each run."""
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def spread(seconds: list[float], unit: float = 1.0) -> str:
    """'median (smallest to largest)'."""
    shown = [f"{value * unit:.3g}" for value in (statistics.median(seconds), min(seconds), max(seconds))]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def course(root: Path, home: Path, copies: int) -> assignment.Assignment:
    """A course folder with `copies` hand-ins, whose functions return at once, so that what is timed is the grader."""
    samples.write(home, root)
    secrets.init(root)
    work = assignment.assignment(root, home)
    for old in (root / "submitted").iterdir():
        subprocess.run(["rm", "-r", str(old)], check=True)
    for number in range(copies):
        sample = samples.Sample(f"s{number:03}", "", 0.0, Material(home).wrong(str(number)))
        samples.hand_in(root, home.name, sample.student, json.dumps(samples.handed_in(work.release, sample)))
    return work


def command(root: Path, lesson: str, *more: str) -> Callable[[], object]:
    """A whole `autograder grade` from an empty journal."""

    def work() -> None:
        (root / "journal" / f"{lesson}.jsonl").unlink(missing_ok=True)
        run = [sys.executable, "-m", "autograder.cli", "grade", lesson, "--course", str(root), *more]
        subprocess.run(run, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    return work


def stock(root: Path, lesson: str) -> float:
    """Seconds for one hand-in by nbgrader's own executor, its start taken off."""
    few, many = (timed(lambda n=n: _stock(root, lesson, f"s00[0-{n - 1}]"), 1)[0] for n in (1, STUDENTS))
    return (many - few) / (STUDENTS - 1)


def _stock(root: Path, lesson: str, students: str) -> None:
    nbgrader(root, "autograde", lesson, f"--student={students}", "--force", settings=STOCK)


def in_one_process(home: Path, small: assignment.Assignment, tier: str, runs: int) -> Measured:
    """What one hand-in takes where walls and fork server stand."""
    task = lessons.lesson(home.name)
    right = {name: answer.source for name, answer in references(home).items()}
    perfect = Answers((task.setup, *right.values()), right)
    names = small.students()
    with Warden(tier) as warden:
        rebuilt = [small.rebuilt(student).answers for student in names]
        grade(rebuilt[0], small.master, warden)
        return [
            ("one hand-in, functions that return at once", 0.090,
             [timed(lambda a=a: grade(a, small.master, warden), 1)[0] for a in rebuilt]),
            ("the same from reading its file", None,
             [timed(lambda s=s: grade(small.rebuilt(s).answers, small.master, warden), 1)[0] for s in names]),
            ("one perfect hand-in", None, timed(lambda: grade(perfect, small.master, warden), runs)),
        ]  # fmt: skip


def whole_commands(home: Path, small: Path, large: Path, runs: int) -> Measured:
    """What a lecturer waits for."""
    return [
        ("20 hand-ins into the gradebook", 8.0, timed(command(small, home.name, "--no-feedback"), min(runs, 3))),
        ("20 hand-ins, with feedback HTML", 14.0, timed(command(small, home.name), min(runs, 3))),
        ("200 hand-ins, 2 jobs, no feedback", 20.0,
         timed(command(large, home.name, "--no-feedback", "--jobs", "2"), min(runs, 3))),
    ]  # fmt: skip


def shown(row: tuple[str, float | None, list[float]], theirs: float) -> tuple[str, str, str, str]:
    """A row of the table."""
    what, bar, seconds = row
    middle = statistics.median(seconds)
    unit, name = (1000, "ms") if seconds[0] < 1 else (1, "s")
    told = "" if bar is None else f"<= {bar * unit:g} {name}, {'met' if middle <= bar else 'NOT met'}"
    return what, f"{spread(seconds, unit)} {name}", _share(middle / theirs), told


def _share(value: float) -> str:
    return f"{value:.2f}" if value > 0.5 else f"1/{1 / value:.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lesson", nargs="?", default=FIRST)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tier", choices=(A, B), default=A)
    asked = parser.parse_args()
    home = folder(asked.lesson)
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        small, large = course(Path(place) / "20", home, 20), course(Path(place) / "200", home, 200)
        rows = in_one_process(home, small, asked.tier, asked.runs)
        theirs = stock(small.root, home.name)
        rows += whole_commands(home, small.root, large.root, asked.runs)
    share = statistics.median(rows[0][2]) / theirs
    table(
        [("one hand-in by stock nbgrader", f"{theirs:.3g} s", "1", ""), *(shown(row, theirs) for row in rows)],
        ("what", "median (smallest to largest)", "of stock", "bar"),
        f"grading {home.name} behind tier {asked.tier}, one thread",
    )
    print(f"{rows[0][0]}: {_share(share)} of stock; <= {_share(RATIO)}, {'met' if share <= RATIO else 'NOT met'}")


if __name__ == "__main__":
    main()
