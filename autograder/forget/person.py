"""Who a student is, by nbgrader's gradebook, and their rows out of it."""

from __future__ import annotations

import difflib
import html
import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Person:
    """A student.  exact: what is theirs alone, id and e-mail; names: what texts may call them."""

    id: str
    exact: frozenset[str]
    names: frozenset[str]

    def names_in(self, text: str) -> bool:
        """Whether `text` has one of their names, as a word; 'ada' is not in 'ada_b' or 'ada@example.org'."""
        spelled = {form for name in self.names - {self.id} for form in (name, html.escape(name))}
        words = [rf"(?<![^\W_]){re.escape(name)}(?![^\W_])" for name in spelled]
        own = rf"(?<![\w.@+-]){re.escape(self.id)}(?![\w@+-]|\.(?!ipynb|html|csv|zip)\w)"
        return any(re.search(word, text) for word in (own, *words))


def person(root: Path, student: str) -> Person:
    """`student`, with the names that the gradebook and the notes of `autograder collect` know."""
    first, last, email, number = _row(root / "gradebook.db", student)
    names = {student, email, number if len(number) > 2 else ""}
    if first and last:
        names |= {f"{first} {last}", f"{last}, {first}", re.sub(r"\W", "", f"{last}{first}").lower()}
    for path in (root / "collected").glob("*.json"):
        try:
            names.add(str(json.loads(path.read_text(encoding="utf-8"))[student]["claim"]["prefix"]).strip("_/"))
        except (ValueError, KeyError, TypeError):
            continue
    return Person(student, frozenset({student, email} - {""}), frozenset(names - {""}))


def _row(path: Path, student: str) -> tuple[str, str, str, str]:
    """First name, last name, e-mail, the platform's number; '' for what is not known."""
    if not path.is_file():
        return "", "", "", ""
    columns = "first_name, last_name, email, lms_user_id"
    found = _asked(path, f"SELECT {columns} FROM student WHERE id = ?", student)
    first, last, email, number = (str(value or "") for value in (found[0] if found else ("",) * 4))
    return first, last, email, number


def _asked(path: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    """The rows that a query gives, of a gradebook that is not changed."""
    book = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return book.execute(query, values).fetchall()
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} must be nbgrader's gradebook ({error}); put a backup of it back") from None
    finally:
        book.close()


def rows(path: Path, student: str) -> int:
    """How many rows of the gradebook are about them."""
    from nbgrader.api import Comment, Grade, Gradebook, Student, SubmittedAssignment, SubmittedNotebook

    with Gradebook(f"sqlite:///{path}") as book:
        count = book.db.query(Student).filter_by(id=student).count()
        mine = book.db.query(SubmittedAssignment.id).filter_by(student_id=student)
        books = book.db.query(SubmittedNotebook.id).filter(SubmittedNotebook.assignment_id.in_(mine))
        cells = [book.db.query(kind).filter(kind.notebook_id.in_(books)).count() for kind in (Grade, Comment)]
        return int(count + mine.count() + books.count() + sum(cells))


def remove_rows(path: Path, student: str) -> None:
    """All rows at once, or none; the bytes that they took are overwritten, and so is what was deleted before.

    Raises: `RuntimeError` where somebody else uses the gradebook.
    """
    from nbgrader.api import Gradebook
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    from autograder.gradebook.read import together

    try:
        _compact(path)
        with Gradebook(f"sqlite:///{path}") as book:
            book.db.execute(text("PRAGMA secure_delete = ON"))
            with together(book):
                book.remove_student(student)
        _compact(path)
    except (sqlite3.OperationalError, OperationalError) as error:
        raise RuntimeError(f"{path} cannot be written ({error}); close formgrader and run the command again") from None


def _compact(path: Path) -> None:
    book = sqlite3.connect(path)
    try:
        book.execute("PRAGMA secure_delete = ON")
        book.execute("VACUUM")
    finally:
        book.close()


def difficulty(root: Path, student: str, folders: Iterable[str]) -> str:
    """'; did you mean ...?' where there are names like it."""
    known = {path.name for top in folders for path in (root / top).glob("*")}
    if (root / "gradebook.db").is_file():
        known |= {str(row[0]) for row in _asked(root / "gradebook.db", "SELECT id FROM student")}
    near = difflib.get_close_matches(student, known, 3) or [name for name in known if name.lower() == student.lower()]
    return f"; did you mean {' or '.join(near)}?" if near else ""
