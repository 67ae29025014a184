"""Whether a neighbour's hand-in costs others their points: `make neighbours`.

Thirty right hand-ins are graded beside five that are dear to read or to run, two at a time, while other programs keep
every core busy; a few times over, with a quarter of the usual limits, which is harder on everyone.  Prints what the
thirty got, and what each of the five took of its limit.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from autograder.authoring.folders import folder
from autograder.course import secret
from autograder.course.terminal import table
from autograder.handin import reader
from autograder.jail.limits import Limits
from autograder.trials.hostile.case import Material, notebook
from autograder.trials.hostile.exhausting import hogs
from autograder.trials.invented import samples
from autograder.verdict import assignment
from autograder.warden.policy import DEFAULT_POLICY, guarded

COPIES = 30
"""Right hand-ins."""
LIMITS = Limits(call=2.5, cell=5.0, wall=30.0, cpu=15.0)


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many programs beside us that take all that they get."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for one in loops:
            one.kill()
            one.wait()


def course(home: Path, root: Path) -> float:
    """A course with everybody in it.  Returns: the points that each of the thirty deserves."""
    samples.fresh(home, root)
    secret.init(root)
    of = Material(home)
    books = {f"hog{number}": write for number, write in enumerate(hogs(of).values())}
    for number in range(COPIES):
        own = {name: f"{source}\n# {number}\n" for name, source in of.right.items()}  # no two have one key
        books[f"right{number:02d}"] = notebook(of.book(own))
    for student, write in books.items():
        place = root / "submitted" / student / home.name
        place.mkdir(parents=True)
        write(place, f"{home.name}.ipynb")
    return of.full


def main() -> None:
    """Grade, tell; exit status 1 where one of the thirty lost a point, or one of the five took more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lesson")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    home, held = folder(asked.lesson), True
    for number in range(1, asked.runs + 1):
        with tempfile.TemporaryDirectory(prefix="neighbours-") as place, busy(2), guarded(DEFAULT_POLICY, False) as warden:
            root, warden.limits = Path(place) / "course", LIMITS
            full = course(home, root)
            begin = time.monotonic()
            records = {one.student: one for one in
                       assignment.run(assignment.assignment(root, home), warden, jobs=asked.jobs)}  # fmt: skip
            took = time.monotonic() - begin
        right = [one for name, one in records.items() if name.startswith("right")]
        whole = sum(one.points == full and not one.doubts for one in right)
        limit = 2 * (warden.limits.wall + reader.SECONDS)
        rows = [
            (what, f"{records[f'hog{n}'].points:g} of {full:g}", f"{records[f'hog{n}'].seconds:.1f} s of {limit:.0f}")
            for n, what in enumerate(hogs(Material(home)))
        ]
        table(rows, ("who", "points", "took"), f"run {number}: {whole} of {COPIES} have every point, {took:.0f} s")
        held = held and whole == COPIES and all(one.seconds <= limit for one in records.values())
    raise SystemExit(not held)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
