"""nbgrader's gradebook: how it is opened, and every question that its tables are asked.

Answers are plain values, or nbgrader's rows where the gradebook stays open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def opened(path: Path) -> Any:
    """The gradebook at `path`, as a context.  One that is not there is made."""
    from nbgrader.api import Gradebook

    return Gradebook(f"sqlite:///{path}")


@contextmanager
def together(book: Any) -> Iterator[Any]:
    """All changes of an open gradebook or none: nbgrader's functions commit, and wait for the disk, after each."""
    session = book.db
    session.commit = session.flush
    try:
        with session.no_autoflush:
            yield session
    except BaseException:
        session.rollback()
        raise
    finally:
        del session.commit
    session.commit()


def assignment(book: Any, name: str, lesson: str) -> Any:
    """The row of an assignment.  Raises: `ValueError` where there is none."""
    from nbgrader.api import MissingEntry

    try:
        return book.find_assignment(name)
    except MissingEntry:
        raise ValueError(f"the gradebook has no {name}; run `autograder release {lesson}` first") from None


def students(book: Any) -> dict[str, Any]:
    """Student -> row, of everyone in the gradebook."""
    from nbgrader.api import Student

    return {row.id: row for row in book.db.query(Student)}


def submissions(
    book: Any, assignment: Any, students: Collection[str] | None = None, whole: bool = False
) -> dict[str, Any]:
    """Student -> row, of those who have one for the assignment; of `students`, or of all.

    whole: what hangs on it comes with it, in a few steps: the student, notebooks, grades, comments.
    """
    from nbgrader.api import Grade, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy.orm import joinedload, selectinload

    found = book.db.query(SubmittedAssignment).filter_by(assignment_id=assignment.id)
    if students is not None:
        found = found.filter(SubmittedAssignment.student_id.in_(students))
    if whole:
        parts = selectinload(SubmittedAssignment.notebooks)
        grades = parts.selectinload(SubmittedNotebook.grades).joinedload(Grade.cell)
        comments = parts.selectinload(SubmittedNotebook.comments)
        found = found.options(joinedload(SubmittedAssignment.student), grades, comments)
    return {row.student_id: row for row in found}


def handed_in(path: Path, lesson: str, name: str) -> tuple[int, dict[str, float]]:
    """(how many handed in, graded cell -> its points) of an assignment; (0, {}) where the gradebook does not know it."""
    from nbgrader.api import MissingEntry

    if not path.exists():
        return 0, {}
    with opened(path) as book:
        try:
            many = len(book.assignment_submissions(name))
            return many, {cell.name: float(cell.max_score) for cell in book.find_notebook(lesson, name).grade_cells}
        except MissingEntry:
            return 0, {}


def scores(path: Path, name: str) -> dict[str, dict[str, tuple[float | None, bool]]]:
    """Student -> graded cell -> (automatic points, whether it waits for a human), of an assignment."""
    found: dict[str, dict[str, tuple[float | None, bool]]] = {}
    with opened(path) as book:
        for student, cell, score, waits in _cells(book.db, name):
            found.setdefault(student, {})[cell] = score, bool(waits)
    return found


def standing(path: Path, name: str) -> tuple[list[tuple[str, tuple[str, ...]]], list[tuple[str, str]] | None]:
    """(everyone, with what they are called; (student, cell) that wait for a human, None where it knows no such assignment).

    The gradebook is not changed: nbgrader's own `Gradebook` would enter a course where it finds none.
    """
    from nbgrader.api import Assignment, Grade, Student
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    with Session(create_engine("sqlite://", creator=lambda: _unchanged(path))) as book:
        rows = book.query(Student.id, Student.first_name, Student.last_name, Student.email, Student.lms_user_id)
        known: list[tuple[str, tuple[str, ...]]] = [(row[0], tuple(text for text in row[1:] if text)) for row in rows]
        if not book.query(Assignment.id).filter(Assignment.name == name).all():
            return known, None
        return known, [(student, cell) for student, cell, *_ in _cells(book, name).filter(Grade.needs_manual_grade)]


def _cells(session: Any, name: str) -> Any:
    """(student, cell, automatic points, whether it waits for a human) of every graded cell of an assignment."""
    from nbgrader.api import Assignment, BaseCell, Grade, SubmittedAssignment, SubmittedNotebook

    return (
        session.query(SubmittedAssignment.student_id, BaseCell.name, Grade.auto_score, Grade.needs_manual_grade)
        .select_from(Grade)
        .join(BaseCell, Grade.cell_id == BaseCell.id)
        .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .filter(Assignment.name == name)
    )


def names(path: Path) -> list[str]:
    """Everyone in the gradebook, by their id."""
    return [str(row[0]) for row in _asked(path, "SELECT id FROM student")]


def person(path: Path, student: str) -> tuple[str, str, str, str]:
    """First name, last name, e-mail, the platform's number; '' for what is not known."""
    columns = "first_name, last_name, email, lms_user_id"
    found = _asked(path, f"SELECT {columns} FROM student WHERE id = ?", student)
    first, last, email, number = (str(value or "") for value in (found[0] if found else ("",) * 4))
    return first, last, email, number


def count(path: Path, student: str) -> int:
    """How many rows of the gradebook are about them."""
    from nbgrader.api import Comment, Grade, Student, SubmittedAssignment, SubmittedNotebook

    with opened(path) as book:
        own = book.db.query(Student).filter_by(id=student).count()
        mine = book.db.query(SubmittedAssignment.id).filter_by(student_id=student)
        books = book.db.query(SubmittedNotebook.id).filter(SubmittedNotebook.assignment_id.in_(mine))
        cells = [book.db.query(kind).filter(kind.notebook_id.in_(books)).count() for kind in (Grade, Comment)]
        return int(own + mine.count() + books.count() + sum(cells))


def _asked(path: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    """The rows that a query gives, of a gradebook that is not changed."""
    book = _unchanged(path)
    try:
        return book.execute(query, values).fetchall()
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} must be nbgrader's gradebook ({error}); put a backup of it back") from None
    finally:
        book.close()


def _unchanged(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
