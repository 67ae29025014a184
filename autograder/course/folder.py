"""Where things lie: the checkout, the course folder below it; who may read there, and who changes it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
PRIVATE = ROOT / "private"
"""The course folder, where no other is named."""


def closed(course: Path) -> Path:
    """The course folder, shut to everybody but its owner.  A folder that is no course folder stays as it is."""
    root = course.resolve()
    ours = any((root / name).exists() for name in ("gradebook.db", "secret"))
    if os.name == "posix" and ours and stat.S_IMODE(root.stat().st_mode) & 0o077:
        root.chmod(0o700)
        print(f"{root} could be read by others; now it is its owner's alone")
    return root


def released(root: Path, lesson: str, name: str) -> Path:
    """The notebook of the assignment `name`.  Raises: `ValueError` where it was not released."""
    path = root / "release" / name / f"{lesson}.ipynb"
    if not path.is_file():
        raise ValueError(f"{name} is not released in {root}; run `autograder release {lesson}` first")
    return path


def handed_in(root: Path, name: str) -> list[str]:
    """Who has a folder for the assignment `name` in submitted/, also under a name that can be no student's."""
    return sorted(path.parent.name for path in (root / "submitted").glob(f"*/{name}") if path.is_dir())


def place(path: Path, data: bytes, mode: int = 0o600) -> Path:
    """Write a file at one stroke, and to the disk; by default its owner alone reads it.  A link there is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return path


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Nobody else changes the course meanwhile; a killed command holds nothing back.  Windows knows no such lock.

    Raises: `RuntimeError` where another command is at work.
    """
    if os.name != "posix" or not root.is_dir():
        yield
        return
    import fcntl

    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"another autograder command is at work on {root}; start this one again when it has ended"
            ) from None
        yield
    finally:
        os.close(handle)
