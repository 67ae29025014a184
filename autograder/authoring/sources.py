"""The sources of a lesson under solutions/: its percent notebook, right answers in another style, and wrong ones."""

from __future__ import annotations

import re
import runpy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.authoring.wrong import Edit
from bdlab.exercises import lessons
from bdlab.exercises.specification import Exercise

if TYPE_CHECKING:
    from nbformat import NotebookNode

MARKERS = re.compile(r"^ *### (?:BEGIN|END) SOLUTION\n?", re.M)


@dataclass(frozen=True)
class Answer:
    """One way to answer an exercise, by its id: the source of its answer cell, and of the setup cell before it.

    loses: the parts that a wrong answer loses, without those that wait for them.
    """

    exercise: str
    name: str
    source: str
    setup: str
    loses: tuple[str, ...] = ()

    @property
    def cells(self) -> list[str]:
        """What a submission with this answer consists of."""
        return [self.setup, self.source]

    @property
    def lost(self) -> set[str]:
        """All parts that it loses."""
        task = lessons.find(self.exercise)
        return {*self.loses}.union(*(task.behind(name) for name in self.loses))

    @property
    def points(self) -> float:
        """What it deserves."""
        task = lessons.find(self.exercise)
        return float(sum(part.points for part in task.parts if part.name not in self.lost))


def notebook(home: Path) -> NotebookNode:
    """The lesson's percent source as a notebook."""
    import jupytext

    return jupytext.read(home / f"{home.name}.py", fmt="py:percent")


def tasks(home: Path) -> dict[str, Exercise]:
    """'stamp' -> the exercise, by what stands for it in files about it."""
    return {task.key: task for task in lessons.lesson(home.name).exercises}


@cache
def _marked(home: Path) -> dict[str, str]:
    """Exercise's id -> its answer cell, with the tag and the markers of the solution."""
    found = {}
    for cell in notebook(home).cells:
        if cell.metadata.get("role") == "answer":
            task = _task(home, cell.metadata["exercise"])
            found[task.id] = f"# [{task.id}]\n{cell.source}\n"
    return found


def _task(home: Path, key: str) -> Exercise:
    known = tasks(home)
    if key not in known:
        raise ValueError(f"exercise in the files of {home.name} must be one of {', '.join(known) or '(none)'}; got {key!r}")
    return known[key]


@cache
def references(home: Path) -> dict[str, Answer]:
    """Exercise's id -> the reference: the answer cell of the lesson, its markers taken out."""
    setup = lessons.lesson(home.name).setup
    return {name: Answer(name, "reference", MARKERS.sub("", cell), setup) for name, cell in _marked(home).items()}


@cache
def alternatives(home: Path) -> tuple[Answer, ...]:
    """The right answers of right.py: cells `# %% exercise="stamp" alternative="loop"`."""
    import jupytext

    setup = lessons.lesson(home.name).setup
    if not (home / "right.py").exists():
        return ()
    cells = jupytext.read(home / "right.py", fmt="py:percent").cells
    return tuple(
        Answer(task.id, cell.metadata["alternative"], f"# [{task.id}]\n{cell.source}\n", setup)
        for cell in cells
        if "alternative" in cell.metadata
        for task in [_task(home, cell.metadata["exercise"])]
    )


@cache
def mistakes(home: Path) -> tuple[Answer, ...]:
    """The wrong answers of wrong.py, in its order.

    Raises: `ValueError` for an edit that does not fit, or names a part that the exercise does not have.
    """
    if not (home / "wrong.py").exists():
        return ()
    setup, found = lessons.lesson(home.name).setup, []
    for key, held in runpy.run_path(str(home / "wrong.py")).items():
        if isinstance(held, type):
            task = _task(home, key)
            for name, change in vars(held).items():
                if isinstance(change, Edit):
                    found.append(_wrong(home, task, name, change, setup))
    return tuple(found)


def _wrong(home: Path, task: Exercise, name: str, change: Edit, setup: str) -> Answer:
    unknown = set(change.loses) - {part.name for part in task.parts}
    if unknown:
        raise ValueError(f"{task.id}, {name}: loses must name parts of it, got {', '.join(sorted(unknown))}")
    try:
        source = change.applied(_marked(home)[task.id])
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"{task.id}, {name}: {error}") from None
    return Answer(task.id, name, MARKERS.sub("", source), setup, change.loses)
