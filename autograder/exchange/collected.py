"""Hand-ins on their way into submitted/: staged beside, then moved in; and the notes of what was taken, from where."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder.course.folder import place
from autograder.exchange.platforms.claim import Claim
from autograder.handin import timestamp

TOLD = ("the worksheet", "--time", "--extensions")
"""Where a time comes from that corrects an earlier one."""


@dataclass(frozen=True)
class Note:
    """What was taken for one student.  files: name -> sha256; at: ISO time in UTC or ''; by: what told the time."""

    platform: str
    claim: Claim
    files: Mapping[str, str] = field(default_factory=dict)
    at: str = ""
    by: str = ""


def notes(root: Path, name: str) -> dict[str, Note]:
    """Student -> note.  Raises: `ValueError` for a file that is not as it was written."""
    path = root / "collected" / f"{name}.json"
    if not path.exists():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {student: Note(**{**note, "claim": Claim(**note["claim"])}) for student, note in found.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(f"{path} is damaged; move it away and collect again") from None


def keep(root: Path, name: str, found: Mapping[str, Note]) -> None:
    """Write the notes."""
    plain = {student: asdict(note) for student, note in sorted(found.items())}
    place(root / "collected" / f"{name}.json", json.dumps(plain, indent=1, ensure_ascii=False).encode())


@contextmanager
def staging(root: Path, name: str) -> Iterator[Path]:
    """A folder beside submitted/, gone afterwards.  What a killed run left of one is put back first."""
    for left in sorted(root.glob(".collecting-*")):
        for aside in left.glob("old/*"):
            target = root / "submitted" / aside.name / name
            if not target.exists():
                os.rename(aside, target)
        shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=".collecting-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sha256(data: bytes) -> str:
    """Of a file."""
    return hashlib.sha256(data).hexdigest()


def same(folder: Path, note: Note | None, files: Mapping[str, str]) -> bool:
    """Whether just these files (name -> sha256) were collected for `folder`, or stand in it."""
    for one in (folder, folder.parent):
        if one.is_symlink():
            raise ValueError(f"{one} must be a folder, not a link; remove it")
    if not folder.is_dir():
        return False
    if note is not None and files == note.files and all((folder / name).is_file() for name in files):
        return True  # a human may have mended it since
    found = sorted(path for path in folder.glob("*.ipynb") if not path.is_symlink())
    return files == {path.name: sha256(path.read_bytes()) for path in found}


def stage(stage_at: Path, files: Mapping[str, bytes], at: datetime | None) -> None:
    """Write one student's folder."""
    stage_at.mkdir(parents=True)
    for name, data in files.items():
        (stage_at / name).write_bytes(data)
    timestamp.write(stage_at, at)


def move_in(staged: Path, target: Path, aside: Path) -> None:
    """Put a staged folder where it belongs; what stood there is put back if that fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    there = target.exists()
    if there:
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.rename(target, aside)
    try:
        os.rename(staged, target)
    except OSError:
        if there:
            os.rename(aside, target)
        raise
