"""The sources of a lesson under solutions/: its percent notebook, and the answers in reference.py, right and wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.course.folder import ROOT

if TYPE_CHECKING:
    from nbformat import NotebookNode

REGION = re.compile(r"^(?P<indent>[ ]*)### BEGIN SOLUTION\n(?P<body>.*?)^[ ]*### END SOLUTION\n?", re.M | re.S)
SETUP = "import torch\nfrom torch import Tensor\n"
"""What the setup cell has imported when an answer runs."""


@dataclass(frozen=True)
class Answer:
    """One way to answer an exercise: the source of its answer cell.  points: what a mutant deserves."""

    exercise: str
    name: str
    source: str
    points: float | None = None

    @property
    def cells(self) -> list[str]:
        """What a submission with this answer consists of."""
        return [SETUP, self.source]


def folder(lesson: str, root: Path = ROOT) -> Path:
    """solutions/03_badnets of the lesson '03_badnets', '03' or 'l03'.  Raises: `ValueError` where there is none."""
    homes = sorted(path for path in (root / "solutions").glob("[0-9][0-9]_*") if path.is_dir())
    for home in homes:
        if lesson in (home.name, home.name[:2], f"l{home.name[:2]}"):
            return home
    raise ValueError(f"lesson must be one of {', '.join(home.name for home in homes)}; got {lesson!r}")


def notebook(home: Path) -> NotebookNode:
    """The lesson's percent source as a notebook."""
    import jupytext

    return jupytext.read(home / f"{home.name}.py", fmt="py:percent")


@cache
def references(home: Path) -> dict[str, Answer]:
    """Exercise -> the reference: the answer cell of the lesson, its markers taken out."""
    found = {}
    for cell in notebook(home).cells:
        if cell.metadata.get("role") == "answer":
            exercise = cell.metadata["exercise"]
            source = re.sub(r"^ *### (BEGIN|END) SOLUTION\n?", "", cell.source + "\n", flags=re.M)
            found[exercise] = Answer(exercise, "reference", source)
    return found


@cache
def others(home: Path) -> tuple[tuple[Answer, ...], tuple[Answer, ...]]:
    """(right alternatives, mutants) of reference.py; a mutant's header says what it deserves."""
    import jupytext

    alternatives, mutants = [], []
    for cell in jupytext.read(home / "reference.py", fmt="py:percent").cells:
        about = cell.metadata
        if "alternative" in about:
            alternatives.append(Answer(about["exercise"], about["alternative"], cell.source))
        elif "mutant" in about:
            mutants.append(Answer(about["exercise"], about["mutant"], cell.source, float(about["points"])))
    return tuple(alternatives), tuple(mutants)
