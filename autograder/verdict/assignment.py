"""A class of hand-ins: found, read, graded in parallel, written to the journal; nothing here touches the gradebook."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.authoring import judged_by
from autograder.course import secret as secrets
from autograder.course.folder import handed_in, released
from autograder.handin.reader import TooMuch, ask
from autograder.handin.rebuild import Rebuilt
from autograder.handin.sanitize import is_student
from autograder.verdict.grade import Master, grade, master, unsure, unwritten
from autograder.verdict.journal import CellGrade, Journal, Record
from autograder.warden.pool import Warden
from autograder.warden.tiers import TIERS, Refused

OURS = "grading failed, by a fault of ours"


@dataclass(frozen=True)
class Assignment:
    """What one assignment's hand-ins are graded against.

    name: of the assignment; home: solutions/NN_topic; path: of the released notebook.
    """

    root: Path
    home: Path
    name: str
    path: Path
    release: NotebookNode = field(repr=False)
    master: Master = field(repr=False)
    secret: str = ""

    @property
    def journal(self) -> Path:
        """Where its verdicts are kept."""
        return self.root / "journal" / f"{self.name}.jsonl"

    def students(self) -> list[str]:
        """Who handed something in."""
        return [name for name in handed_in(self.root, self.name) if is_student(name)]

    def strangers(self) -> list[str]:
        """Folders whose names no gradebook and no page should be shown."""
        return [name for name in handed_in(self.root, self.name) if not is_student(name)]

    def rebuilt(self, student: str) -> Rebuilt:
        """The hand-in of one student; what cannot be read is refused, never raised."""
        folder = self.root / "submitted" / student / self.name
        try:
            found = Rebuilt.of(ask("rebuild", str(folder), self.path.name, str(self.path), self.master.lesson.names))
        except TooMuch as refused:
            found = Rebuilt(refused=str(refused))
        except RuntimeError as error:  # of ours: it costs this hand-in alone, and a human is asked
            found = Rebuilt(refused=f"{OURS}: it could not be read ({error})")
        return replace(found, student=student, remarks=(*found.remarks, *found.answers.unread))

    def key(self, rebuilt: Rebuilt, limits: dict[str, float]) -> str:
        """See `Record`."""
        own = self.master.key(rebuilt.answers, limits)
        return hashlib.sha256(json.dumps([own, rebuilt.refused]).encode()).hexdigest()


def assignment(root: Path, home: Path, name: str | None = None) -> Assignment:
    """The assignment `name` of the course folder `root`, whose lesson is solutions/NN_topic.

    Raises: `ValueError` where it was not released, or there is no secret.
    """
    name = name or home.name
    path = released(root, home.name, name)
    course = secrets.load(root)
    release = nbformat.read(path, as_version=4)
    judge = master(home, name, course, judged_by.kept(root, home, name))
    return Assignment(root, home, name, path, release, judge, secrets.fingerprint(course))


def grade_one(work: Assignment, student: str, warden: Warden, journal: Journal) -> tuple[Rebuilt, Record]:
    """One hand-in and its record: the journal's where it knows the same answers, else a new one."""
    start = time.monotonic()
    rebuilt = work.rebuilt(student)
    key = work.key(rebuilt, warden.limits.plain())
    last, alike = journal.records.get(rebuilt.student), journal.by_key.get(key)
    if alike is not None and (TIERS.index(alike.tier) > TIERS.index(warden.tier) or unsure(alike)):
        alike = None  # graded behind weaker walls, or on a machine that was too busy
    if alike is not None and last is not None and last.key == key and last.tier == alike.tier:
        return rebuilt, last
    if rebuilt.refused:
        cells = {task.id: unwritten(task, rebuilt.refused) for task in work.master.lesson.exercises}
    elif alike is not None:
        cells = dict(alike.cells)
    else:
        cells = grade(rebuilt.answers, work.master, warden)
    tier = alike.tier if alike is not None else warden.tier
    record = Record(
        rebuilt.student, work.name, key, tier, work.secret, cells, tuple(rebuilt.remarks), rebuilt.refused,
        round(time.monotonic() - start, 3), datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    journal.add(record)
    return rebuilt, record


def run(
    work: Assignment,
    warden: Warden,
    *,
    jobs: int = 1,
    students: Sequence[str] | None = None,
    done: Callable[[Record], None] = lambda record: None,
) -> list[Record]:
    """Grade the hand-ins of `students`, or all; `done` is called with each record as it comes.

    A stop in the middle keeps every record that was there.  An exception that nobody foresaw costs its hand-in alone: a
    human is asked, the journal does not know of it, and the next run tries again.
    """
    journal = Journal.open(work.journal)
    names = work.students() if students is None else list(students)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(jobs))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        futures = [pool.submit(_graded, work, name, warden, journal) for name in names]
        for future in as_completed(futures):
            done(future.result())
    return [future.result() for future in futures]


def _graded(work: Assignment, student: str, warden: Warden, journal: Journal) -> Record:
    try:
        return grade_one(work, student, warden, journal)[1]
    except (Refused, OSError):  # walls, or a disk: no other hand-in would fare better
        raise
    except Exception as error:
        told = f"needs a human: {OURS} ({type(error).__name__}: {error})"[:200]
        tasks = work.master.lesson.exercises
        cells = {task.id: CellGrade(0.0, task.points, (f"{task.id}: {OURS}",), (told,)) for task in tasks}
        return Record(student, work.name, "", warden.tier, work.secret, cells, (), "", 0.0, "")


def changes(before: Mapping[str, Mapping[str, float]], after: Sequence[Record]) -> list[tuple[str, str, float, float]]:
    """(student, exercise, points before, points now) where they differ.  before: student -> exercise -> points."""
    return [
        (record.student, name, before[record.student][name], cell.points)
        for record in after
        for name, cell in record.cells.items()
        if before.get(record.student, {}).get(name, cell.points) != cell.points
    ]
