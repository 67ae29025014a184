"""Marks go out: from nbgrader's gradebook into the file that a learning platform imports.

Without `pending`, whoever waits for a human gets no mark yet: a platform takes an empty cell for "no mark" and would wipe
out an older one, so that they have no line of ours, and in a file of the platform's own their cell stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autograder.exchange import tables
from autograder.exchange.collected import Note, notes
from autograder.exchange.marks import Book, Mark
from autograder.exchange.platforms import canvas, moodle
from autograder.exchange.roster import Student
from autograder.exchange.tables import Table, harmless, identifier, written

BY = {"email": "Email address", "id_number": "ID number", "username": "Username"}
"""By what Moodle's grade import may find a person, and the name of the column."""


@dataclass
class Sent:
    """What went out.  text: of the file; without: (student, why there is no mark); told: what to know."""

    text: bytes
    file: str
    marks: dict[str, float]
    without: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def number(points: float) -> str:
    """Points as every platform reads them: with a point, without a needless nought."""
    return f"{points:.10g}"


def _held_back(marks: Book, pending: bool, students: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """(student, why they get no mark): waiting, not graded, nothing handed in."""
    known = {one.student: one for one in marks.marks}
    found = []
    for student in students if students is not None else marks.enrolled:
        mark = known.get(student)
        if mark is None:
            found.append((student, "handed in nothing"))
        elif not mark.graded:
            found.append((student, f"is not graded yet; run `autograder grade {marks.name}`"))
        elif mark.pending and not pending:
            found.append((student, "waits for a human"))
    return found


def to_csv(marks: Book, pending: bool) -> Sent:
    """Everything: who, when, points of each exercise, penalty, score; one line for each hand-in."""
    cells = list(dict.fromkeys(name for one in marks.marks for name in one.points))
    heads = [
        "student_id", "last_name", "first_name", "email", "lms_user_id", "handed_in_utc", "due_utc", "seconds_late",
        *cells, "late_penalty", "score", "max_score", "needs_human",
    ]  # fmt: skip
    ready = marks.ready(pending)
    rows = []
    for one in marks.marks:
        told = [one.student, one.last, one.first, one.email, one.lms, _iso(one.at), _iso(one.due), number(one.late)]
        points = [number(one.points[name]) if one.graded and name in one.points else "" for name in cells]
        score = number(one.score) if one.student in ready else ""
        end = [number(one.penalty), score, number(marks.maximum), "yes" if one.pending else "no"]
        rows.append([harmless(cell) for cell in (*told, *points, *end)])
    text = written(heads, rows).encode()
    return Sent(text, f"{marks.name}.csv", _scores(ready), _held_back(marks, pending))


def _iso(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def _scores(ready: Mapping[str, Mark]) -> dict[str, float]:
    return {student: one.score for student, one in ready.items()}


def to_moodle(marks: Book, pending: bool, by: str = "email", people: Mapping[str, Student] | None = None) -> Sent:
    """For Moodle's grade import (Grades > Import > CSV file): who it is, and the points.

    by: 'email', 'id_number' or 'username'; people: a roster that knows the last two.  Moodle stops the whole import at a
    person whom it does not find, and takes capitals in addresses for others.
    Raises: `ValueError` where somebody has no such name.
    """
    if by not in BY:
        raise ValueError(f"--by must be one of {', '.join(BY)}; got {by!r}")
    ready, rows = marks.ready(pending), []
    for student, one in ready.items():
        said = (people or {}).get(student)
        known = {
            "email": one.email,
            "id_number": said.number if said else "",
            "username": said.username if said else "",
        }
        value = known[by] or (said.email if said and by == "email" else "")
        if not value:
            raise ValueError(f"{student} has no {by}; give --roster with that column, or --by another")
        rows.append([identifier(value, f"{by} of {student}"), number(one.score)])
    text = written([BY[by], marks.name], rows).encode()
    told = [
        f"In Moodle: Grades > Import > CSV file; map {BY[by]!r} to the user's field and {marks.name!r} to the assignment.",
        "Moodle then counts the marks as overridden in the gradebook; a worksheet (--template) does not do that.",
    ]
    return Sent(text, f"{marks.name}-moodle-import.csv", _scores(ready), _held_back(marks, pending), told)


def to_worksheet(marks: Book, pending: bool, root: Path, template: Path) -> Sent:
    """The grading worksheet that was downloaded, with the column Grade filled in; all else stays as it was.

    Raises: `ValueError` for another file, and for points above the worksheet's maximum, which Moodle skips in silence.
    """
    table = tables.read(template)
    identifies, grades = moodle.grade_column(table)
    participants = moodle.worksheet(template)
    numbers = {note.claim.key: who for who, note in notes(root, marks.name).items() if note.platform == "moodle"}
    _same_assignment(template, participants, notes(root, marks.name))
    emails = {one.email.casefold(): one.student for one in marks.marks if one.email}
    whose, ready, top = {}, marks.ready(pending), table.column("Maximum Grade")
    for row in table.rows:
        line = participants[moodle.IDENTIFIER.fullmatch(row[identifies].strip())[1]]  # type: ignore[index]
        student = numbers.get(line.number) or emails.get(line.email.casefold())
        if student in ready:
            whose[row[identifies]] = student
            limit = row[top].strip().replace(",", ".") if top is not None else ""
            if tables.NUMBER.fullmatch(limit) and ready[student].score > float(limit):
                told = f"{template.name} has the maximum grade {limit}, {student} has {number(ready[student].score)} points"
                raise ValueError(
                    f"{told}; set it to {number(marks.maximum)} in Moodle and download the worksheet again"
                )
    rows = [_with(row, grades, ready, whose.get(row[identifies])) for row in table.rows]
    scores = {student: ready[student].score for student in whose.values()}
    without = _held_back(marks, pending) + [
        (who, "has no line in the worksheet") for who in sorted(set(ready) - {*scores})
    ]
    how = ["In Moodle: the assignment > Submissions > Upload grading worksheet."]
    return Sent(_same_kind(table, rows), f"{marks.name}-moodle-worksheet.csv", scores, without, how)


def _same_assignment(template: Path, participants: Mapping[str, moodle.Participant], known: Mapping[str, Note]) -> None:
    """A participant's number is of one assignment: in another it is somebody else's."""
    for student, note in known.items():
        line = participants.get(note.claim.key) if note.platform == "moodle" else None
        if line is not None and moodle.cleaned(line.name) != moodle.cleaned(note.claim.name):
            raise ValueError(
                f"{template.name} must be the worksheet of this assignment: its participant {line.number} is "
                f"{line.name!r}, {student} was collected as {note.claim.name!r}"
            )


def _with(row: Sequence[str], at: int, ready: Mapping[str, Mark], student: str | None) -> list[str]:
    cell = number(ready[student].score) if student is not None else row[at]
    return [*row[:at], cell, *row[at + 1 :]]


def _same_kind(table: Table, rows: Sequence[Sequence[str]]) -> bytes:
    return written(table.heads, rows, table.separator, table.newline).encode(table.encoding)


def to_gradebook(marks: Book, pending: bool, template: Path, assignment: str | None) -> Sent:
    """Canvas's gradebook as it was exported, with one column filled in; all else stays as it was.

    A student is found by Canvas's ID (the gradebook's lms_user_id), else by SIS Login ID or SIS User ID, where one of them
    is the student's name or address here.
    Raises: `ValueError` for another file, and where the assignment is not one of its columns.
    """
    table = tables.read(template)
    at, who = canvas.assignment_column(table, assignment, marks.name), table.needs("ID")
    logins = [column for column in (table.column("SIS Login ID"), table.column("SIS User ID")) if column is not None]
    ready = marks.ready(pending)
    by_id = {one.lms: one.student for one in marks.marks if one.lms}
    names = {key: one.student for one in marks.marks for key in (one.student, one.email) if key}
    rows, scores, told = [], {}, [f"Only {table.heads[at]!r} was filled in.  In Canvas: Grades > Import."]
    for row in table.rows:
        student = by_id.get(row[who].strip()) or next((names[row[i]] for i in logins if row[i] in names), None)
        if "Points Possible" in row[0] and row[at].strip() and number(marks.maximum) != number(_float(row[at])):
            told.append(f"Canvas has {row[at].strip()} points possible, the lesson {number(marks.maximum)}")
        if student not in ready or row[at].strip() == "N/A":
            rows.append(list(row))
            continue
        scores[student] = ready[student].score
        rows.append(_with(row, at, ready, student))
    without = _held_back(marks, pending)
    without += [
        (student, "has no line or no such assignment in the file") for student in sorted(set(ready) - {*scores})
    ]
    return Sent(_same_kind(table, rows), f"{marks.name}-canvas-gradebook.csv", scores, without, told)


def _float(cell: str) -> float:
    text = cell.strip().replace(",", ".")
    return float(text) if tables.NUMBER.fullmatch(text) else -1.0


def to_canvas(marks: Book, pending: bool, assignment: str) -> Sent:
    """A gradebook of one assignment for Canvas.  assignment: its title and number, as in an export: 'Lesson 3 (4711)'.

    Raises: `ValueError` for a title without number, which Canvas takes for a new assignment, and for a student without
    Canvas's ID.
    """
    if not canvas.ASSIGNMENT.fullmatch(assignment):
        raise ValueError(f"--assignment must be like 'Lesson 3 (4711)', as Canvas's export has it, got {assignment!r}")
    ready, rows = marks.ready(pending), [[canvas.POINTS, "", "", "", "", number(marks.maximum)]]
    for student, one in ready.items():
        if not canvas.NUMBER.fullmatch(one.lms):
            raise ValueError(f"{student} has no canvas_id; collect with a roster that has it, or give --template")
        name = f"{one.last}, {one.first}" if one.last and one.first else one.last or one.first or student
        rows.append([harmless(name), one.lms, "", "", "", number(one.score)])
    text = written([*canvas.HEADS, harmless(assignment)], rows).encode()
    told = [f"Canvas takes {number(marks.maximum)} as the assignment's points possible.  In Canvas: Grades > Import."]
    return Sent(text, f"{marks.name}-canvas-import.csv", _scores(ready), _held_back(marks, pending), told)
