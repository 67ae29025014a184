"""Whether a sample class got what it deserves, printed."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.authoring.folders import folder
from autograder.course import secret
from autograder.course.terminal import table
from autograder.gradebook.read import scores
from autograder.reports.hand_ins import hand_ins
from autograder.reports.people import people, words
from autograder.reports.report import report
from autograder.trials.invented import sample_class, sample_files, samples

SHOWN = 40
"""Rows of what went wrong."""


@dataclass(frozen=True)
class Compared:
    """wrong: (student, cell, deserved, given), a cell that has no number gives None; mistakes: (exercise, mutant, how
    many), the most frequent first; planted: those that should come first.
    """

    students: int
    wrong: list[tuple[str, str, float, float | None]]
    mistakes: list[tuple[str, str, int]]
    planted: list[tuple[str, str]]

    @property
    def right(self) -> bool:
        """Everybody has what they deserve, and the planted mistakes are the most frequent, in their order."""
        return not self.wrong and [(task, name) for task, name, _ in self.mistakes[: len(self.planted)]] == self.planted


def compare(root: Path, name: str | None = None) -> Compared:
    """What the gradebook and the report of a drawn class say, beside its key.  name: of the assignment.

    Raises: `ValueError` where `root` has no drawn class in it.
    """
    path = root / sample_files.KEY
    if not path.is_file():
        raise ValueError(f"{root} must hold a drawn class; `autograder sample-class LESSON --students 300` makes one")
    key: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    name = name or key["lesson"]
    given = scores(root / "gradebook.db", name)
    wrong = [
        line for student, about in key["students"].items() for line in _wrong(student, about, given.get(student, {}))
    ]
    planted = [(one["exercise"], one["mistake"]) for one in key["planted"]]
    return Compared(len(key["students"]), wrong, _reported(root, key["lesson"], name), planted)


def _reported(root: Path, lesson: str, name: str) -> list[tuple[str, str, int]]:
    """The misconceptions that `autograder report` shows, in its order."""
    found = hand_ins(root, lesson, name)
    page = report(found, people(found.known, secret.load(root), anonymous=False, words=words(folder(lesson))))
    return [(one.exercise, one.name, one.count) for one in page.mistakes]


def _wrong(
    student: str, about: Mapping[str, Any], cells: Mapping[str, tuple[float | None, bool]]
) -> list[tuple[str, str, float, float | None]]:
    """Of one student; an essay that should wait for a human counts 1 for waiting."""
    given = {task: cells.get(task, (None, False))[0] for task in about["points"]}
    wrong = [(student, task, points, given[task]) for task, points in about["points"].items() if given[task] != points]
    waits = any(waiting for cell, (_, waiting) in cells.items() if cell.endswith("_essay"))
    essays = any(cell.endswith("_essay") for cell in cells)
    if essays and waits != about["essay"]:
        wrong.append((student, "essay waits for a human", float(about["essay"]), float(waits)))
    return wrong


def drawn(home: Path, root: Path, students: int, seed: int, archive: str | None, jobs: int) -> bool:
    """Draw, write and, with `jobs` > 0, grade a class.  Returns: whether everything is as deserved."""
    start = time.perf_counter()
    made = sample_class.draw(home, students, seed, sample_files.IN_ARCHIVES if archive else sample_class.NAMES)
    took = time.perf_counter() - start
    target = sample_files.write(made, root, archive)
    _shares(made)
    print(
        f"Drew {students} hand-ins in {took:.1f} s, wrote them to {target}; the key is {root / sample_files.KEY}",
        flush=True,
    )
    if not jobs:
        return True
    if archive:
        _collect(home, root, target, archive)
    print("Grading each in a jail ...", flush=True)
    start = time.perf_counter()
    tier = samples.grade_all(home, root, jobs)
    took = time.perf_counter() - start
    return told(compare(root), f"graded in {took:.1f} s with {jobs} jobs behind walls of tier {tier}")


def told(found: Compared, how: str) -> bool:
    """Print the comparison.  Returns: whether everything is as deserved."""
    if found.wrong:
        rows = [
            (who, cell, f"{due:g}", "-" if got is None else f"{got:g}") for who, cell, due, got in found.wrong[:SHOWN]
        ]
        table(rows, ("student", "cell", "deserved", "given"), f"not as deserved: {len(found.wrong)} cells")
    rows = [
        (task, name, f"{count}", "planted" if (task, name) in found.planted else "")
        for task, name, count in found.mistakes
    ]
    table(rows[: len(found.planted) + 2], ("exercise", "mistake", "how often", ""), "most frequent mistakes")
    right = found.students - len({who for who, *_ in found.wrong})
    print(f"given = deserved: {right} of {found.students}, {how}.")
    if not found.wrong and not found.right:
        print(
            f"The most frequent mistakes should be {', '.join(' '.join(one) for one in found.planted)}, in this order."
        )
    return found.right


def _shares(made: sample_class.Drawn) -> None:
    rows = []
    for kind in sample_class.SHARES:
        own = [one for one in made.hand_ins if one.kind == kind]
        mean = f"{statistics.mean(one.total for one in own):.1f}" if own else "-"
        damaged = sum(bool(one.mishap) for one in own)
        rows.append(
            (kind, len(own), damaged, sum(bool(one.essay) for one in own), sum(bool(o.copied) for o in own), mean)
        )
    heads = ("kind", "hand-ins", "damaged", "with essay", "copied", "mean points")
    table(rows, heads, f"{made.home.name}: a class of {len(made.hand_ins)}, seed {made.seed}")


def _collect(home: Path, root: Path, archive: Path, source: str) -> None:
    """Take the archive in, as `autograder collect` does."""
    from autograder.exchange.arrival import timezone
    from autograder.exchange.collect import collect
    from autograder.exchange.sorting import Plan

    worksheet = root / sample_files.WORKSHEET if source == "moodle" else None
    roster = root / sample_files.ROSTER
    plan = Plan(root, home.name, home.name, archive, source, roster, worksheet, zone=timezone(None))
    found = collect(plan)
    print(
        f"Collected {len(found.new)} hand-ins; nobody's: {len(found.unmatched)}, more than one: {len(found.duplicates)}."
    )


def eight(home: Path, root: Path, grade: bool) -> bool:
    """Write and, if asked, grade the eight fixed hand-ins.  Returns: whether everything is as deserved."""
    print(f"Wrote eight hand-ins below {samples.write(home, root)}", flush=True)
    if not grade:
        return True
    print("Grading each in a jail ...", flush=True)
    graded, tier = samples.grade(home, root)
    rows = [
        (g.sample.student, g.sample.about, f"{g.sample.deserved:g}", "-" if g.given is None else f"{g.given:g}",
         "to be read" if g.essay else "empty: 0") for g in graded
    ]  # fmt: skip
    table(rows, ("student", "what it is", "deserved", "given", "essay"), f"{home.name}: automatic points")
    right = sum(g.given == g.sample.deserved for g in graded)
    print(f"given = deserved: {right} of {len(graded)}, behind walls of tier {tier}.  Feedback: {root / 'feedback'}")
    return right == len(graded)
