"""The marks of an assignment as they stand in nbgrader's gradebook."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder.course.folder import released
from autograder.gradebook import read


@dataclass(frozen=True)
class Mark:
    """What one student has.  points: cell -> points, in the order of the notebook; penalty: taken off for lateness;
    pending: cells that wait for a human; graded: whether anything was graded at all; at: UTC; late: seconds."""

    student: str
    first: str
    last: str
    email: str
    lms: str
    points: Mapping[str, float] = field(repr=False)
    penalty: float
    pending: tuple[str, ...]
    graded: bool
    at: datetime | None
    due: datetime | None
    late: float

    @property
    def score(self) -> float:
        """What counts: the sum less the penalty, as nbgrader's own export has it."""
        return max(0.0, sum(self.points.values()) - self.penalty)


@dataclass(frozen=True)
class Book:
    """The marks of an assignment.  maximum: points that can be had; enrolled: who is in the course; left: who is no more."""

    name: str
    maximum: float
    marks: Sequence[Mark]
    enrolled: Sequence[str]
    left: Sequence[str] = ()

    def ready(self, pending: bool) -> dict[str, Mark]:
        """Student -> mark, of those whose mark goes out."""
        return {one.student: one for one in self.marks if one.graded and (pending or not one.pending)}


def book(root: Path, lesson: str, name: str, zeros: bool = False, there: Collection[str] | None = None) -> Book:
    """The marks as they stand in the gradebook, in one look.

    zeros: who handed in nothing has 0, not no mark; there: who is in the course, None: everyone in the gradebook.

    Raises: `ValueError` where there is no such assignment.
    """
    with read.opened(read.required(root, lesson, name)) as gradebook:
        assignment = gradebook.find_assignment(name)
        rows = read.submissions(gradebook, assignment, whole=True)
        cells = json.loads(released(root, lesson, name).read_text(encoding="utf-8"))["cells"]
        known = [cell["metadata"].get("nbgrader", {}) for cell in cells]
        order = [mark["grade_id"] for mark in known if mark.get("grade")]
        everyone = read.students(gradebook)
        enrolled = sorted(everyone if there is None else set(everyone) & set(there))
        marks = [_mark(rows[student], order) for student in enrolled if student in rows]
        nothing = [everyone[student] for student in enrolled if student not in rows] if zeros else []
        marks += [Mark(*_who(one), {}, 0.0, (), True, None, assignment.duedate, 0.0) for one in nothing]
        return Book(name, float(assignment.max_score), marks, enrolled, sorted(set(everyone) - set(enrolled)))


def _who(one: Any) -> tuple[str, str, str, str, str]:
    return one.id, one.first_name or "", one.last_name or "", one.email or "", one.lms_user_id or ""


def _mark(row: Any, order: Sequence[str]) -> Mark:
    cells = {grade.cell.name: grade for notebook in row.notebooks for grade in notebook.grades}
    names = sorted(cells, key=lambda name: (order.index(name) if name in order else len(order), name))
    own = cells.values()
    return Mark(
        *_who(row.student), {name: float(cells[name].score) for name in names},
        float(sum(notebook.late_submission_penalty or 0.0 for notebook in row.notebooks)),
        tuple(name for name in names if cells[name].needs_manual_grade),
        any(grade.auto_score is not None or grade.manual_score is not None for grade in own),
        row.timestamp, row.duedate, float(row.total_seconds_late),
    )  # fmt: skip
