"""nbgrader's gradebook: how it is opened, and every question that its tables are asked.

Answers are nbgrader's rows where it is open, else plain values; for these it is opened for reading alone, which nbgrader's
own `Gradebook` does not: it would enter a course where it finds none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
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


def students(book: Any) -> dict[str, Any]:
    """Student -> row, of everyone in the gradebook."""
    from nbgrader.api import Student

    return {row.id: row for row in book.db.query(Student)}


def submissions(book: Any, assignment: Any, students: Collection[str] | None = None, whole: bool = False) -> dict[str, Any]:
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


def knows(path: Path, name: str) -> bool:
    """Whether there is a gradebook that has the assignment `name`."""
    return bool(_asked(path, "SELECT 1 FROM assignment WHERE name = ?", name))


def required(root: Path, lesson: str, name: str) -> Path:
    """The gradebook of the course folder `root`.  Raises: `ValueError` where it has no assignment `name`."""
    path = root / "gradebook.db"
    if not knows(path, name):
        as_ = "" if name == lesson else f" --as {name}"
        raise ValueError(f"the gradebook {path} has no {name}; run `autograder release {lesson}{as_}` first")
    return path


def handed_in(path: Path, lesson: str, name: str) -> tuple[int, dict[str, float]]:
    """(how many handed in, graded cell -> its points) of an assignment; (0, {}) where the gradebook does not know it."""
    of = "JOIN assignment ON assignment.id = assignment_id WHERE assignment.name = ?"
    cells = "SELECT cell.name, max_score FROM grade_cells JOIN base_cell AS cell USING (id)"
    own = f"{cells} JOIN notebook ON notebook.id = notebook_id {of} AND notebook.name = ?"
    return len(_asked(path, f"SELECT 1 FROM submitted_assignment {of}", name)), dict(_asked(path, own, name, lesson))


def scores(path: Path, name: str) -> dict[str, dict[str, tuple[float | None, bool]]]:
    """Student -> graded cell -> (automatic points, whether it waits for a human), of an assignment."""
    query = """SELECT student_id, cell.name, auto_score, needs_manual_grade
        FROM grade JOIN base_cell AS cell ON cell.id = grade.cell_id
        JOIN submitted_notebook AS book ON book.id = grade.notebook_id
        JOIN submitted_assignment AS submission ON submission.id = book.assignment_id
        JOIN assignment ON assignment.id = submission.assignment_id WHERE assignment.name = ?"""
    found: dict[str, dict[str, tuple[float | None, bool]]] = {}
    for student, cell, score, waits in _asked(path, query, name):
        found.setdefault(student, {})[cell] = score, bool(waits)
    return found


def standing(path: Path, name: str, student: str) -> list[tuple[Any, ...]]:
    """All that a feedback page shows of the gradebook, one row for each cell.

    cell, automatic points, a human's, extra credit, whether it waits for a human, two comments, penalty, seconds late.
    """
    query = """SELECT cell.name, auto_score, manual_score, extra_credit, needs_manual_grade, auto_comment, manual_comment,
        late_submission_penalty, max(0.0, round((julianday(timestamp) - julianday(duedate)) * 86400
            - coalesce(strftime('%s', extension), 0))) FROM submitted_assignment AS submission
        JOIN assignment ON assignment.id = submission.assignment_id
        JOIN submitted_notebook AS book ON book.assignment_id = submission.id
        JOIN base_cell AS cell ON cell.notebook_id = book.notebook_id
        LEFT JOIN grade ON grade.cell_id = cell.id AND grade.notebook_id = book.id
        LEFT JOIN comment ON comment.cell_id = cell.id AND comment.notebook_id = book.id
        WHERE assignment.name = ? AND student_id = ? ORDER BY cell.name"""
    return _asked(path, query, name, student)


def people(path: Path) -> dict[str, tuple[str, str, str, str]]:
    """Student -> first name, last name, e-mail, the platform's number; '' for what is not known."""
    rows = _asked(path, "SELECT id, first_name, last_name, email, lms_user_id FROM student")
    return {str(row[0]): tuple(str(value or "") for value in row[1:]) for row in rows}  # type: ignore[misc]


def count(path: Path, student: str) -> int:
    """How many rows of the gradebook are about them."""
    mine = "SELECT id FROM submitted_assignment WHERE student_id = ?"
    books = f"SELECT id FROM submitted_notebook WHERE assignment_id IN ({mine})"
    cells = [f"SELECT id FROM {table} WHERE notebook_id IN ({books})" for table in ("grade", "comment")]
    queries = ("SELECT id FROM student WHERE id = ?", mine, books, *cells)
    return sum(len(_asked(path, query, student)) for query in queries)


def _asked(path: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    """The rows that a query gives, none where there is no gradebook."""
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as book:
            return book.execute(query, values).fetchall()
    except sqlite3.DatabaseError as error:
        way = "close what has it open, or put a backup of it back"
        raise ValueError(f"{path} must be nbgrader's gradebook ({error}); {way}") from error
