"""Times of grading beside stock nbgrader's, on this machine: `make bench-grader`.

One thread; a figure is the median of the runs, with the smallest and the largest.  Milliseconds need a quiet machine.
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

from autograder.authoring.sources import folder, references
from autograder.course import secret as secrets
from autograder.course.nbgrader import nbgrader
from autograder.course.terminal import table
from autograder.handin.runnable import Answers
from autograder.trials import STOCK
from autograder.trials.invented import samples
from autograder.verdict import assignment
from autograder.verdict.grade import grade
from autograder.warden.pool import Warden
from autograder.warden.tiers import A, B

HOME = folder("03")


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


def course(root: Path, copies: int) -> assignment.Assignment:
    """A course folder with `copies` hand-ins, whose functions return at once, so that what is timed is the grader."""
    samples.write(HOME, root)
    secrets.init(root)
    work = assignment.assignment(root, HOME)
    for old in (root / "submitted").iterdir():
        subprocess.run(["rm", "-r", str(old)], check=True)
    for number in range(copies):
        sample = samples.Sample(f"s{number:03}", "", 0.0, _at_once(work, number))
        samples.hand_in(root, HOME.name, sample.student, json.dumps(samples.handed_in(work.release, sample)))
    return work


def _at_once(work: assignment.Assignment, number: int) -> dict[str, str]:
    tasks = work.master.lesson.exercises
    return {task.id: f"# [{task.id}]\ndef {task.name}(*args, **named):\n    return {number}\n" for task in tasks}


def command(root: Path, *more: str) -> Callable[[], object]:
    """A whole `autograder grade` from an empty journal."""

    def work() -> None:
        (root / "journal" / f"{HOME.name}.jsonl").unlink(missing_ok=True)
        run = [sys.executable, "-m", "autograder.cli", "grade", HOME.name, "--course", str(root), *more]
        subprocess.run(run, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    return work


def stock(root: Path, students: int) -> list[float]:
    """Seconds for each of `students` hand-ins by nbgrader's own executor, its start taken off."""
    found = []
    for count in (1, students):
        names = f"s00[0-{count - 1}]"
        found.append(timed(lambda names=names: _stock(root, names), 1)[0])
    return [(found[1] - found[0]) / (students - 1)]


def _stock(root: Path, students: str) -> None:
    nbgrader(root, "autograde", HOME.name, f"--student={students}", "--force", settings=STOCK)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tier", choices=(A, B), default=A)
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        small, large = course(Path(home) / "20", 20), course(Path(home) / "200", 200)
        with Warden(asked.tier) as warden:
            answers = [small.rebuilt(student).answers for student in small.students()]
            grade(answers[0], small.master, warden)
            one = [timed(lambda a=a: grade(a, small.master, warden), 1)[0] for a in answers]
            known = references(HOME).values()
            right = Answers((next(iter(known)).setup, *(r.source for r in known)), _written())
            real = timed(lambda: grade(right, small.master, warden), asked.runs)
        ours = statistics.median(one)
        theirs = stock(small.root, 6)
        rows.append(("one hand-in, functions that return at once", f"{spread(one, 1000)} ms", "<= 90 ms, aim 60"))
        rows.append(
            ("the same by stock nbgrader", f"{spread(theirs, 1000)} ms", f"ratio 1/{theirs[0] / ours:.0f}, bar 1/25")
        )
        rows.append((f"one perfect hand-in of {HOME.name}", f"{spread(real, 1000)} ms", "-"))
        for what, work, bar in (
            ("20 hand-ins into the gradebook", command(small.root, "--no-feedback"), "<= 8 s"),
            ("20 hand-ins, with feedback HTML", command(small.root), "<= 14 s"),
            ("200 hand-ins, 2 jobs, no feedback", command(large.root, "--no-feedback", "--jobs", "2"), "<= 20 s"),
        ):
            rows.append((what, f"{spread(timed(work, min(asked.runs, 3)))} s", bar))
    table(rows, ("what", "median (smallest to largest)", "bar"), f"grading behind tier {asked.tier}, one thread")


def _written() -> dict[str, str]:
    return {name: answer.source for name, answer in references(HOME).items()}


if __name__ == "__main__":
    main()
