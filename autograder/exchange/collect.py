"""A class comes in: from a learning platform's archive into submitted/, with its times; the roster into the gradebook.

Nothing is written before everything was read.  A student who is not in the archive keeps what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from autograder.course.folder import handed_in, released
from autograder.exchange import collected as store
from autograder.exchange import roster as rosters
from autograder.exchange.archives import opened
from autograder.exchange.arrival import Times
from autograder.exchange.collected import Note
from autograder.exchange.matching import HandIn
from autograder.exchange.platforms import moodle
from autograder.exchange.roster import Student
from autograder.exchange.sorting import Collected, Plan, sort_out
from autograder.gradebook import read
from autograder.handin import timestamp


def collect(plan: Plan) -> Collected:
    """Collect.  Raises: `ValueError`, one line, for what cannot be read or is refused; then nothing was written."""
    released(plan.root, plan.lesson, plan.name)
    read.required(plan.root, plan.lesson, plan.name)
    students = rosters.roster(plan.roster)
    unused = rosters.unused(plan.roster)
    participants = moodle.worksheet(plan.worksheet) if plan.worksheet else {}
    personal = rosters.exceptions(plan.extensions, students) if plan.extensions else {}
    longer = {student: given for student, (given, _) in personal.items() if given is not None}
    result = Collected()
    result.told += [("roster", f"nothing is taken from the column {head!r}") for head in unused]
    with opened(plan.archive, plan.leave_out) as (members, refused), store.staging(plan.root, plan.name) as stage:
        result.refused = refused
        hand_ins = sort_out(plan, members, students, participants, result)
        notes = store.notes(plan.root, plan.name)
        times = Times(plan, participants, {student: when for student, (_, when) in personal.items() if when})
        with _gradebook(plan, students, hand_ins, longer, result) as entered:
            changes = [_staged(plan, one, notes, stage, times, entered, result) for one in hand_ins]
        for change in filter(None, changes):
            change()
        store.keep(plan.root, plan.name, notes)
    _rest(plan, students, hand_ins, entered, result)
    return result


@dataclass
class _Entered:
    """What the gradebook says.  rows: of those who have one for this assignment."""

    due: datetime | None
    rows: dict[str, Any]
    spans: dict[str, timedelta]

    def due_of(self, student: str) -> datetime | None:
        """With their extension."""
        return None if self.due is None else self.due + self.spans.get(student, timedelta(0))


@contextmanager
def _gradebook(
    plan: Plan,
    students: Mapping[str, Student],
    hand_ins: Sequence[HandIn],
    longer: Mapping[str, timedelta | None],
    result: Collected,
) -> Iterator[_Entered]:
    """Roster, due date and extensions into the gradebook, when the body has ended well."""
    with read.opened(plan.root / "gradebook.db") as book, read.together(book) as session:
        assignment = book.find_assignment(plan.name)
        result.enrolled = rosters.enter(book, students.values())
        session.flush()
        result.left = sorted(set(read.students(book)) - set(students))
        if plan.due is not None:
            assignment.duedate = plan.due
        rows = read.submissions(book, assignment)
        there = {one.student for one in hand_ins} | set(handed_in(plan.root, plan.name))
        for student, span in longer.items():
            if student not in rows and student in there and span:
                rows[student] = book.add_submission(plan.name, student)
            if student in rows:
                rows[student].extension = span or None
            elif span:
                result.told.append((student, "has an extension but handed in nothing; give it again when they do"))
        spans = {student: row.extension for student, row in rows.items() if row.extension is not None}
        result.due = assignment.duedate
        yield _Entered(assignment.duedate, rows, spans)


def _staged(
    plan: Plan, one: HandIn, notes: dict[str, Note], stage: Path, times: Times, entered: _Entered, result: Collected
) -> Callable[[], object] | None:
    """Read one hand-in, note it, write it beside.  Returns: what puts it in place."""
    student, folder = one.student, plan.root / "submitted" / one.student / plan.name
    try:
        data = {name: member.load() for name, member in one.files.items()}
    except ValueError as why:
        if not plan.leave_out:
            raise
        result.refused.append(f"{student}: {why}")
        return None
    at, by = times.of(one, entered.due_of(student))
    sums, note = {name: store.sha256(found) for name, found in data.items()}, notes.get(student)
    same = store.same(folder, note, sums)
    before = timestamp.handed_in_at(folder) if same else None
    if same and (by not in store.TOLD or at == before):
        at, by = before, note.by if note else "an earlier run"
        result.unchanged.append(student)
        change = None
    elif same:
        result.retimed.append(student)
        change = partial(timestamp.write, folder, at)
    else:
        (result.replaced if folder.exists() else result.new).append(student)
        store.stage(stage / "new" / student, data, at)
        change = partial(store.move_in, stage / "new" / student, folder, stage / "old" / student)
    notes[student] = Note(plan.platform, one.claim, sums, "" if at is None else at.isoformat(), by)
    result.times[by] = result.times.get(by, 0) + 1
    if student in entered.rows and at is not None:
        entered.rows[student].timestamp = at
    return change


def _rest(
    plan: Plan, students: Mapping[str, Student], hand_ins: Sequence[HandIn], entered: _Entered, result: Collected
) -> None:
    """Who is late, whose time nobody knows, who is not in the archive."""
    for one in hand_ins:
        at = timestamp.handed_in_at(plan.root / "submitted" / one.student / plan.name)
        due = entered.due_of(one.student)
        late = 0.0 if at is None or due is None else max(0.0, (at - due).total_seconds())
        if late or one.late:
            result.late[one.student] = late
        if at is None:
            result.untimed.append(one.student)
    there, now = set(handed_in(plan.root, plan.name)), {one.student for one in hand_ins}
    result.kept = sorted(there - now)
    result.missing = sorted(set(students) - there)
