"""What a report is made from, read without changing it: verdicts, graded notebooks, gradebook."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.course.folder import handed_in, released
from autograder.gradebook import read
from autograder.handin.reader import ask
from autograder.handin.sanitize import is_student
from autograder.reports.people import Person
from autograder.verdict.journal import Journal, Record
from bdlab.exercises import lessons
from bdlab.exercises.specification import Lesson


@dataclass(frozen=True)
class HandIns:
    """One assignment of a course folder.

    records: student -> verdict.  answers: student -> exercise -> what was written there.  stubs: exercise -> the released
    answer cell.  missing: who handed in and has no verdict yet.  waiting: (student, cell) that a human is to grade; None
    where the gradebook does not know the assignment.  known: everyone in the course.
    """

    name: str
    lesson: Lesson
    records: Mapping[str, Record] = field(repr=False)
    answers: Mapping[str, Mapping[str, str]] = field(repr=False)
    stubs: Mapping[str, str] = field(repr=False)
    missing: Sequence[str]
    waiting: Sequence[tuple[str, str]] | None
    known: Sequence[Person] = field(repr=False)


def hand_ins(root: Path, lesson: str, name: str) -> HandIns:
    """The assignment `name`, whose lesson is 'NN_topic', in the course folder `root`.

    Raises: `ValueError` where it was not released, or nothing was graded.
    """
    release, journal = released(root, lesson, name), root / "journal" / f"{name}.jsonl"
    if not journal.is_file():
        raise ValueError(f"nothing of {name} was graded in {root}; run `autograder grade {lesson}` first")
    there = handed_in(root, name)
    students = [student for student in there if is_student(student)]
    found = Journal.read(journal).records
    records = {student: found[student] for student in students if student in found}
    if not records:
        raise ValueError(f"nothing that lies in {root / 'submitted'} was graded; run `autograder grade {lesson}` first")
    stubs = _answers(release, {})
    graded = {student: root / "autograded" / student / name / f"{lesson}.ipynb" for student in records}
    answers = {student: _answers(path, stubs) for student, path in graded.items() if path.is_file()}
    path = root / "gradebook.db"
    called = dict.fromkeys([*there, *found], ("",)) | read.people(path)
    known = [Person(student, tuple(filter(None, names))) for student, names in called.items()]
    cells = [(student, *cell) for student, own in read.scores(path, name).items() for cell in own.items()]
    waiting = [(student, cell) for student, cell, (_, waits) in cells if waits and student in records]
    return HandIns(
        name, lessons.lesson(lesson), records, answers, stubs, [one for one in students if one not in records],
        waiting if read.knows(path, name) else None, known,
    )  # fmt: skip


def _answers(path: Path, stubs: Mapping[str, str]) -> dict[str, str]:
    """Exercise -> the answer in a notebook of our own making, stubs left out."""
    book: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    found = {}
    for cell in book["cells"]:
        about = cell["metadata"].get("bdlab", {})
        if about.get("role") == "answer":
            source = "".join(cell["source"])
            if source.strip() not in ("", stubs.get(about["exercise"], "").strip()):
                found[about["exercise"]] = ask("python", source)
    return found
