"""Marks and feedback go out: from nbgrader's gradebook into the file that a learning platform imports, pages into a zip.

Without `pending`, whoever waits for a human gets no mark yet: a platform takes an empty cell for "no mark" and would wipe
out an older one, so that they have no line of ours, and in a file of the platform's own their cell stays as it was.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autograder.exchange import tables
from autograder.exchange.collected import Note, notes
from autograder.exchange.marks import Book
from autograder.exchange.platforms import canvas, moodle, platform
from autograder.exchange.platforms.claim import Claim
from autograder.exchange.tables import Table, harmless, written
from autograder.handin.read import Unreadable, contents

WHEN = (1980, 1, 1, 0, 0, 0)
"""The time of every member: equal pages make equal zips."""
Owner = Callable[[Sequence[str]], str | None]
"""Row of a table -> student."""


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


def _held_back(marks: Book, pending: bool) -> list[tuple[str, str]]:
    """(student, why they get no mark): waiting, not graded, nothing handed in."""
    known, found = {one.student: one for one in marks.marks}, []
    for student in marks.enrolled:
        mark = known.get(student)
        if mark is None:
            found.append((student, "handed in nothing"))
        elif not mark.graded:
            found.append((student, f"is not graded yet; run `autograder grade {marks.name}`"))
        elif mark.pending and not pending:
            found.append((student, f"waits for a human: {', '.join(mark.pending)}"))
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
    scores = {student: one.score for student, one in ready.items()}
    return Sent(written(heads, rows).encode("utf-8-sig"), f"{marks.name}.csv", scores, _held_back(marks, pending))


def _iso(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def to_moodle(marks: Book, pending: bool, root: Path, template: Path) -> Sent:
    """The grading worksheet that was downloaded, with the column Grade filled in; all else stays as it was.

    Raises: `ValueError` for another file, and for points above the worksheet's maximum, which Moodle skips in silence.
    """
    table, known = tables.read(template), notes(root, marks.name)
    participants, (grade, changed, maximum) = moodle.worksheet(template), moodle.GRADE
    identifies, grades, _ = (table.needs(*names) for names in (moodle.COLUMNS["number"], grade, changed))
    numbers = {note.claim.key: who for who, note in known.items() if note.platform == "moodle"}
    _same_assignment(template, participants, known)
    emails = {one.email.casefold(): one.student for one in marks.marks if one.email}
    ready, top = marks.ready(pending), table.column(*maximum)

    def whose(row: Sequence[str]) -> str | None:
        line = participants[moodle.IDENTIFIER.fullmatch(row[identifies].strip())[1]]  # type: ignore[index]
        student = numbers.get(line.number) or emails.get(line.email.casefold())
        limit = -1.0 if top is None else _float(row[top])
        if student in ready and 0 <= limit < ready[student].score:
            told = f"{template.name} has the maximum grade {row[top or 0]}, {student} has {number(ready[student].score)}"
            raise ValueError(f"{told} points; set it to {number(marks.maximum)} in Moodle and download the worksheet again")
        return student

    how = ["In Moodle: the assignment > Submissions > Upload grading worksheet."]
    return _filled(marks, pending, table, grades, whose, f"{marks.name}-moodle-worksheet.csv", how)


def _same_assignment(template: Path, participants: Mapping[str, moodle.Participant], known: Mapping[str, Note]) -> None:
    """A participant's number is of one assignment: in another it is somebody else's."""
    for student, note in known.items():
        line = participants.get(note.claim.key) if note.platform == "moodle" else None
        if line is not None and moodle.cleaned(line.name) != moodle.cleaned(note.claim.name):
            raise ValueError(
                f"{template.name} must be the worksheet of this assignment: its participant {line.number} is "
                f"{line.name!r}, {student} was collected as {note.claim.name!r}"
            )


def to_canvas(marks: Book, pending: bool, template: Path, assignment: str | None) -> Sent:
    """Canvas's gradebook as it was exported, with one column filled in; all else stays as it was.

    A student is found by Canvas's ID (the gradebook's lms_user_id), else by SIS Login ID or SIS User ID, where one of them
    is the student's name or address here.
    Raises: `ValueError` for another file, and where the assignment is not one of its columns.
    """
    table = tables.read(template)
    at, who = canvas.assignment_column(table, assignment, marks.name), table.needs("ID")
    logins = [column for column in (table.column("SIS Login ID"), table.column("SIS User ID")) if column is not None]
    by_id = {one.lms: one.student for one in marks.marks if one.lms}
    names = {key: one.student for one in marks.marks for key in (one.student, one.email) if key}
    told, excused = [f"Only {table.heads[at]!r} was filled in.  In Canvas: Grades > Import."], list[str | None]()
    for row in table.rows:
        if "Points Possible" in row[0] and row[at].strip() and marks.maximum != _float(row[at]):
            told.append(f"Canvas has {row[at].strip()} points possible, the lesson {number(marks.maximum)}")

    def whose(row: Sequence[str]) -> str | None:
        found = by_id.get(row[who].strip()) or next((names[row[i]] for i in logins if row[i] in names), None)
        if row[at].strip() not in ("EX", "N/A"):
            return found
        told.append(f"{found or harmless(row[0])} is {row[at].strip()!r} in Canvas: excused or not assigned; that stays")
        excused.append(found)
        return None

    sent = _filled(marks, pending, table, at, whose, f"{marks.name}-canvas-gradebook.csv", told)
    sent.without = [(student, why) for student, why in sent.without if student not in excused]
    return sent


def _filled(marks: Book, pending: bool, table: Table, at: int, whose: Owner, file: str, told: list[str]) -> Sent:
    """A platform's own file with column `at` filled in for those whose mark goes out."""
    ready, rows, scores = marks.ready(pending), [], dict[str, float]()
    cells = {cell for row in table.rows for cell in row}
    comma = any(map(re.compile(r"\d+,\d+").fullmatch, cells)) and not any(map(re.compile(r"\d+\.\d+").fullmatch, cells))
    for row in table.rows:
        student = whose(row)
        if student in ready:
            scores[student] = ready[student].score
            points = number(scores[student])
            row = (*row[:at], points.replace(".", ",") if comma else points, *row[at + 1 :])
        rows.append(row)
    without = [(student, f"has no line in {table.path.name}") for student in sorted(set(ready) - {*scores})]
    text = written(table.heads, rows, table.separator, table.newline).encode(table.encoding)
    return Sent(text, file, scores, _held_back(marks, pending) + without, told)


def _float(cell: str) -> float:
    text = cell.strip().replace(",", ".")
    return float(text) if tables.NUMBER.fullmatch(text) else -1.0


def pack(root: Path, lesson: str, name: str, to: str, students: Iterable[str]) -> tuple[bytes, list[tuple[str, str]]]:
    """The zip, and (student, why there is no page of theirs).  to: 'moodle', 'canvas' or 'plain'."""
    known, kind = notes(root, name), platform(to)
    out, without, used = io.BytesIO(), [], set()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for student in students:
            note = known.get(student)
            if to != "plain" and (note is None or note.platform != to):
                without.append((student, f"was not collected from {to}, so its name there is not known"))
                continue
            claim = note.claim if note is not None and to != "plain" else Claim(student, "", "", f"{student}/")
            page, member = root / "feedback" / student / name / f"{lesson}.html", kind.feedback(claim, name)
            try:
                data = contents(page)
            except (Unreadable, OSError):
                without.append((student, "has no feedback page; `autograder grade` writes it"))
                continue
            if member in used:
                raise ValueError(f"two feedback pages would be called {member!r}; collect again")
            used.add(member)
            archive.writestr(zipfile.ZipInfo(member, WHEN), data, zipfile.ZIP_DEFLATED, 1)
    return out.getvalue(), without
