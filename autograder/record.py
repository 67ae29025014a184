"""What is kept of one graded hand-in: plain values that survive the run, the machine and an appeal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from autograder.grade import CellGrade


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

    def plain(self) -> dict[str, Any]:
        """For a line of the journal."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Record:
        """The record of such a line."""
        cells = {
            name: CellGrade(**{**cell, "reasons": tuple(cell["reasons"]), "doubts": tuple(cell["doubts"])})
            for name, cell in plain["cells"].items()
        }
        return cls(**{**plain, "cells": cells, "remarks": tuple(plain["remarks"])})
