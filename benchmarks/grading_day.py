"""A grading day, from the learning platform's zip to marks in it, on a drawn class with known points: `make grading-day`.

Prints every command, the first lines of what it says, and its seconds; then whether every point is as deserved and the
planted misconceptions are on top.  docs/teach/grading-day.md tells what to look at.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autograder.trials.invented.sample_files import ROSTER, WORKSHEET
from autograder.trials.invented.sample_report import compare, told

BAR = 180.0
"""Seconds for 300 students on two cores."""
DUE = "2026-01-05 12:00"


def commands(course: Path, lesson: str) -> list[list[str]]:
    """From the zip to the marks.  What the lecturer does by hand, the essays in formgrader, is left out."""
    archive, roster, sheet = course / "inbox" / f"{lesson}-moodle.zip", course / ROSTER, course / WORKSHEET
    moodle = ["--roster", str(roster), "--worksheet", str(sheet), "--due", DUE]
    every = [
        ["init"],
        ["collect", str(archive), lesson, "--from", "moodle", *moodle],
        ["repair", lesson],
        ["grade", lesson],
        ["report", lesson],
        ["export", lesson, "--to", "moodle", "--template", str(sheet), "--with-pending"],
    ]
    return [[*command, "--course", str(course)] for command in every]


def run(command: list[str], lines: int) -> float:
    """Run `autograder COMMAND`, print its first lines and how long it took.  Returns: seconds."""
    print(f"$ autograder {shlex.join(command)}", flush=True)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "autograder.cli", *command],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    took = time.perf_counter() - start
    said = done.stdout.splitlines()
    print("\n".join(said[:lines] + ([f"... {len(said) - lines} more lines"] if len(said) > lines else [])))
    print(f"# {took:.1f} s\n", flush=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return took


def main() -> None:
    """Print the day; exit status 1 where it is not as deserved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lesson")
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, default=14, help="of each command's output that are shown")
    parser.add_argument("--keep", type=Path, help="an empty or new folder for the course, to look at it afterwards")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="day-") as place:
        course = (asked.keep or Path(place) / "private").resolve()
        drawn = ["sample-class", asked.lesson, "--students", str(asked.students), "--seed", str(asked.seed)]
        run([*drawn, "--as-archive", "moodle", "--out", str(course)], asked.lines)
        seconds = sum(run(command, asked.lines) for command in commands(course, asked.lesson))
        right = told(compare(course), f"{asked.students} hand-ins from the zip to the marks in {seconds:.0f} s")
    if asked.students == 300:
        print(f"The bar is {BAR:.0f} s on two cores: {'met' if seconds <= BAR else 'NOT met'}.")
    raise SystemExit(not right)


if __name__ == "__main__":
    main()
