"""Where things lie, what course.toml says, and how nbgrader is run."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.sources import ROOT

CONFIG = ROOT / "nbgrader_config.py"
STOCK = Path(__file__).parent / "stock"
"""Where the settings lie by which nbgrader runs students' code itself."""
PRIVATE = ROOT / "private"


@dataclass(frozen=True)
class Course:
    """course.toml.  repository and ref make the Colab badge, wheel and sha256 the setup cell's download."""

    repository: str = ""
    ref: str = ""
    wheel: str = ""
    sha256: str = ""
    salt: str = ""


def course(path: Path = ROOT / "course.toml") -> Course:
    """Read course.toml.  Raises: `ValueError` for a wheel without its checksum, or a repository without ref."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    found = Course(
        table["repository"]["name"], table["repository"]["ref"], table["wheel"]["url"], table["wheel"]["sha256"],
        table["term"]["salt"],
    )  # fmt: skip
    if found.wheel and len(found.sha256) != 64:
        raise ValueError(
            f"sha256 in {path.name} must be 64 hex digits for the wheel {found.wheel}, got {found.sha256!r}"
        )
    if found.repository and not found.ref:
        raise ValueError(f"ref in {path.name} must name a branch or tag of {found.repository}, got an empty one")
    return found


def nbgrader(root: Path, *arguments: str | Path, stock: bool = False) -> None:
    """Run `nbgrader ARGUMENTS` on the course folder `root` with the settings of nbgrader_config.py.

    stock: with nbgrader's own executor, which runs what students wrote with our rights; for our own samples only.

    Raises: `RuntimeError` with what it said when it fails.
    """
    command = [sys.executable, "-m", "nbgrader", *map(str, arguments), f"--CourseDirectory.root={root}"]
    folder = STOCK if stock else CONFIG.parent
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(root), cwd=folder)
    if done.returncode:
        raise RuntimeError(f"nbgrader {arguments[0]} failed:\n{_last(done.stderr or done.stdout)}")


def _environment(root: Path) -> dict[str, str]:
    """nbgrader makes a gradebook with `alembic`, by name: its folder must be on PATH.  One thread, nobody's own settings."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JUPYTER_CONFIG_DIR": str(root / ".jupyter")}
    return {**os.environ, **own}


def _last(text: str, lines: int = 12) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def closed(course: Path) -> Path:
    """The course folder, shut to everybody but its owner.  A folder that is no course folder stays as it is."""
    root = course.resolve()
    ours = any((root / name).exists() for name in ("gradebook.db", "secret"))
    if os.name == "posix" and ours and stat.S_IMODE(root.stat().st_mode) & 0o077:
        root.chmod(0o700)
        print(f"{root} could be read by others; now it is its owner's alone")
    return root


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


def listed(title: str, lines: Sequence[tuple[str, str]], shown: int = 40) -> Iterator[str]:
    """A list for the terminal, (who, what) each; what is longer than `shown` is counted."""
    if lines:
        yield f"{title}: {len(lines)}"
        yield from (f"  {who}: {what}" if what else f"  {who}" for who, what in lines[:shown])
    if len(lines) > shown:
        yield f"  and {len(lines) - shown} more"


def table(rows: Sequence[Sequence[object]], heads: Sequence[str], title: str = "") -> None:
    """Print rows on stdout."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(*heads, title=title or None, title_justify="left")
    for row in rows:
        shown.add_row(*map(str, row))
    Console(width=None if sys.stdout.isatty() else 120).print(shown)
