"""The journal of one assignment: a line of JSON for each verdict, on disk before the next begins.

A run that was killed is started again and goes on: nothing is lost, nothing is graded twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CAUSES = ("right", "in part", "wrong", "blank", "raised an error", "ended its process")
"""What can come of an answer.  The last two are told where they cost points."""
PLAIN = ("reasons", "doubts", "mistakes")


@dataclass(frozen=True)
class CellGrade:
    """What one check cell gives.  reasons: lines for the student.  doubts: why a human should look, for the lecturer.

    mistakes: those that the answer makes, the one that was told first.  cause: one of `CAUSES`.
    """

    points: float
    maximum: float
    reasons: Sequence[str]
    doubts: Sequence[str] = ()
    mistakes: Sequence[str] = ()
    cause: str = "wrong"


@dataclass(frozen=True)
class Record:
    """The verdict on one hand-in.  key: names all that its points depend on, equal keys have equal points.

    refused: why nothing was run, '' where something was.  secret: the fingerprint of the course's secret.  tier: of the
    walls that stood, 'none' where the lecturer trusts the class.  seconds: how long it took.
    """

    student: str
    assignment: str
    key: str
    tier: str
    secret: str
    cells: Mapping[str, CellGrade] = field(repr=False)
    remarks: Sequence[str] = ()
    refused: str = ""
    seconds: float = 0.0
    at: str = ""

    @property
    def points(self) -> float:
        """The plain sum over its cells."""
        return float(sum(cell.points for cell in self.cells.values()))

    @property
    def doubts(self) -> list[str]:
        """'exercise: why a human should look', of all cells."""
        return [f"{name}: {doubt}" for name, cell in self.cells.items() for doubt in cell.doubts]

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Record:
        """The record of such a line."""
        cells = {
            name: CellGrade(**{**cell, **{key: tuple(cell[key]) for key in PLAIN}})
            for name, cell in plain["cells"].items()
        }
        return cls(**{**plain, "cells": cells, "remarks": tuple(plain["remarks"])})


@dataclass
class Journal:
    """Verdicts by student, the last one counts.  damaged: how many lines are not what their checksum says; none counts."""

    path: Path
    records: dict[str, Record] = field(default_factory=dict)
    by_key: dict[str, Record] = field(default_factory=dict, repr=False)
    damaged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """The journal at `path`; half a last line, which a killed run may leave, is cut off."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        data = path.read_bytes()
        if (whole := data.rfind(b"\n") + 1) < len(data):
            os.truncate(path, whole)
        return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> Journal:
        """The journal at `path` as it stands; half a last line, which a run may be writing now, is left alone."""
        data, journal = path.read_bytes() if path.exists() else b"", cls(path)
        for line in data[: data.rfind(b"\n") + 1].splitlines():
            record = _checked(line)
            if record is None:
                journal.damaged += 1
            else:
                journal._keep(record)
        return journal

    def add(self, record: Record) -> None:
        """Append `record`; it is on the disk when this returns."""
        with self.lock:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                line = memoryview(_line(record))
                while line:
                    line = line[os.write(handle, line) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            self._keep(record)

    def _keep(self, record: Record) -> None:
        self.records[record.student] = record
        self.by_key[record.key] = record


def _line(record: Record) -> bytes:
    text = json.dumps(asdict(record), sort_keys=True)
    return json.dumps({"sum": _sum(text), "record": text}).encode() + b"\n"


def _checked(line: bytes) -> Record | None:
    """The record of a line; None where the line is not as it was written."""
    try:
        found: dict[str, Any] = json.loads(line)
        if found["sum"] != _sum(found["record"]):
            return None
        return Record.of(json.loads(found["record"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
