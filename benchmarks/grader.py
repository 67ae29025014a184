"""Times of grading beside stock nbgrader's, on this machine: `make bench-grader`.

One thread; a figure is the median of the runs, with the smallest and the largest.  A machine may be half as fast an hour
later, so a bar is a share of what stock nbgrader takes for one hand-in in the same run.
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


Measured = list[tuple[str, float | None, list[float]]]
"""What, the most of stock nbgrader's seconds that it may take, and its seconds."""


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
            ("one hand-in, functions that return at once", 1 / 61,
             [timed(lambda a=a: grade(a, small.master, warden), 1)[0] for a in rebuilt]),
            ("the same from reading its file", 1 / 61,
             [timed(lambda s=s: grade(small.rebuilt(s).answers, small.master, warden), 1)[0] for s in names]),
            ("one perfect hand-in", None, timed(lambda: grade(perfect, small.master, warden), runs)),
        ]  # fmt: skip


def whole_commands(home: Path, small: Path, large: Path, runs: int) -> Measured:
    """What a lecturer waits for."""
    return [
        ("20 hand-ins into the gradebook", 1.45, timed(command(small, home.name, "--no-feedback"), runs)),
        ("20 hand-ins, with feedback HTML", 2.5, timed(command(small, home.name), runs)),
        ("200 hand-ins, 2 jobs, no feedback", 3.6, timed(command(large, home.name, "--no-feedback", "--jobs", "2"), runs)),
    ]


def shown(row: tuple[str, float | None, list[float]], theirs: float) -> tuple[str, str, str, str]:
    """A row of the table."""
    what, bar, seconds = row
    share = statistics.median(seconds) / theirs
    verdict = "" if bar is None else f"{_share(bar)}, {'met' if share <= bar else 'NOT met'}"
    unit, name = (1000, "ms") if seconds[0] < 1 else (1, "s")
    return what, f"{spread(seconds, unit)} {name}", _share(share), verdict


def _share(value: float) -> str:
    return f"{value:.2f}" if value > 0.5 else f"1/{1 / value:.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lesson", nargs="?", default=FIRST)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tier", choices=(A, B), default=A)
    asked = parser.parse_args()
    home = folder(asked.lesson)
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        small, large = course(Path(place) / "20", home, 20), course(Path(place) / "200", home, 200)
        rows = in_one_process(home, small, asked.tier, asked.runs)
        theirs = stock(small.root, home.name)
        rows += whole_commands(home, small.root, large.root, asked.runs)
    table(
        [("one hand-in by stock nbgrader", f"{theirs:.3g} s", "1", ""), *(shown(row, theirs) for row in rows)],
        ("what", "median (smallest to largest)", "of stock", "bar"),
        f"grading {home.name} behind tier {asked.tier}, one thread",
    )


if __name__ == "__main__":
    main()
