"""What a student's own machine remembers: name, trophies, tries at the boxes.  One JSON file; deleting it forgets all."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

Record = dict[str, Any]
"""{'name': str, 'trophies': {'l03': {...}}, 'boxes': {'l03': {'wrong': int, 'solved': bool}}}"""
FILE = "student.json"
PATIENCE = 10.0
"""Seconds after which the lock of a notebook that died is broken."""
_kept: Record = {}
"""What could not be written, until the kernel stops."""
results: dict[str, Any] = {}
"""Lesson, 'l03' -> what its 'Your ...' cell gave last: a picture and numbers, which its trophy shows."""


def silent() -> bool:
    """Whether no student is there to see it: nbgrader runs the notebook, or a jail, whose bdlab has stand-ins."""
    return "NBGRADER_EXECUTION" in os.environ or importlib.util.find_spec("bdlab._stand_in") is not None


def home() -> Path:
    """BDLAB_HOME, or the user's folder for data."""
    if os.environ.get("BDLAB_HOME"):
        return Path(os.environ["BDLAB_HOME"]).expanduser()
    from platformdirs import user_data_path

    return user_data_path("bdlab", appauthor=False)


def name() -> str:
    """The name that the student gave once; empty before."""
    return "" if silent() else str(load()[0]["name"])


def load() -> tuple[Record, list[str]]:
    """The record, and lines to tell the student: what is wrong with the file, if anything."""
    try:
        stored, notes = _read(home() / FILE)
    except OSError as reason:
        stored, notes = {}, [_unusable(reason)]
    return _merged(stored, _kept), notes


def change(edit: Callable[[Record], None]) -> tuple[Record, list[str]]:
    """Read the record, let `edit` change it, write it: as a whole, and one notebook at a time.

    Returns the record and lines to tell the student.  Where it cannot be written it is kept in memory, and a line says so.
    """
    path = home() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            stored, notes = _read(path)
            record = _merged(stored, _kept)
            edit(record)
            _write(path, record)
            _kept.clear()
    except OSError as reason:
        record, notes = load()
        edit(record)
        _kept.update(record)
        notes = [_unusable(reason)]
    return record, notes


def _unusable(reason: OSError) -> str:
    return (
        f"{home() / FILE} cannot be used ({reason.strerror or reason}): what is new is kept until the kernel stops. "
        "Set BDLAB_HOME to a folder that can be written."
    )


def _read(path: Path) -> tuple[Record, list[str]]:
    """The stored record and what to tell; a damaged file is moved aside, never overwritten.

    Raises: `OSError` for a file that can neither be read nor moved.
    """
    try:
        return _valid(json.loads(path.read_bytes())), []
    except FileNotFoundError:
        return {}, []
    except (ValueError, RecursionError) as damage:
        aside = path.with_name(f"student.damaged-{datetime.now():%Y%m%d-%H%M%S-%f}.json")
        os.replace(path, aside)
        return {}, [f"{path} was damaged ({damage}): it is now {aside.name}, and a new one begins."]


SHAPE: dict[str, dict[str, type]] = {
    "trophies": {"title": str, "picture": str, "numbers": dict, "points": str, "date": str},
    "boxes": {"wrong": int, "solved": bool},
}
"""What a trophy and a box hold."""


def _valid(record: Any) -> Record:
    """The record, if it has the form of one.  Raises: `ValueError` for what is no record."""
    if not isinstance(record, dict) or not isinstance(record.get("name"), str):
        raise ValueError("it holds no record of a student")
    for key, fields in SHAPE.items():
        entries = record.get(key)
        if not isinstance(entries, dict):
            raise ValueError(f"it holds no {key}")
        for name, entry in entries.items():
            if not isinstance(entry, dict) or any(not isinstance(entry.get(f), kind) for f, kind in fields.items()):
                raise ValueError(f"its {key} of {name} are not what bdlab writes")
    for entry in record["trophies"].values():
        date.fromisoformat(entry["date"])
    return record


def _merged(stored: Record, kept: Record) -> Record:
    """Both records as one; what is kept in memory is newer."""
    return {
        "name": kept.get("name") or stored.get("name", ""),
        "trophies": {**stored.get("trophies", {}), **kept.get("trophies", {})},
        "boxes": {**stored.get("boxes", {}), **kept.get("boxes", {})},
    }


def _write(path: Path, record: Record) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as part:
        try:
            json.dump(record, part, indent=1)
            part.close()
            os.replace(part.name, path)
        except BaseException:
            part.close()
            os.unlink(part.name)
            raise


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold the file `lock`, which only one notebook can make; one that is left over from a dead kernel is removed."""
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            try:
                if time.time() - lock.stat().st_mtime > PATIENCE:
                    lock.unlink()
            except FileNotFoundError:
                continue
            time.sleep(0.02)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
