"""nbgrader's gradebook, changed as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
