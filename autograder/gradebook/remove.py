"""A student's rows out of the gradebook, without a trace in its file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from autograder.gradebook.read import opened, together


def remove_rows(path: Path, student: str) -> None:
    """All rows at once, or none; the bytes that they took are overwritten, and so is what was deleted before.

    Raises: `RuntimeError` where somebody else uses the gradebook.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    try:
        _compact(path)
        with opened(path) as book:
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
