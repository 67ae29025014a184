"""What an exercise is.  One declaration feeds the notebook, the check, the grading, the mutation tests and the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.boxes import Box
from bdlab.submission import Submission

Draw = dict[str, Any]
"""The inputs of one try, plain values: name -> value."""


class Wrong(Exception):
    """Raised by a part's `run` when what came back cannot be looked at any further; the text tells the student why."""


def images(rng: RandomState, shape: tuple[int, ...]) -> Tensor:
    """Random images: float32 of `shape`, in [0, 1)."""
    return torch.from_numpy(rng.rand(*shape).astype("float32"))


@dataclass(frozen=True)
class Part:
    """A named share of an exercise's points, won when every one of its draws is right.

    draws: inputs from a source of chance, odd shapes among them.
    run: asks the student's code and returns plain values; it is run on the reference in the same way.
    judge: None compares with the reference's outcome.  Where right answers differ by chance it takes the outcome as given
    and returns what holds of it, complaint -> bool, in the order in which a student should hear of it.
    verified: what a pass has shown.
    """

    name: str
    points: float
    draws: Callable[[RandomState], Sequence[Draw]]
    run: Callable[[Submission, Draw], Any]
    verified: str
    judge: Callable[[Draw, Any], dict[str, bool]] | None = None


@dataclass(frozen=True)
class Exercise:
    """One exercise.  id: 'l03_stamp', also the grade_id of its check cell; name: what the student defines.

    fixtures: the kinds of `bdlab.submission.fixtures` that its parts use.  arguments: the function's parameters in their
    order.  forbid: dotted names that an answer must not use, needs: names that it must.  messages: mutant -> what the
    student hears who made that mistake.  onward: what comes next.
    """

    id: str
    name: str
    minutes: int
    difficulty: int
    importance: int
    parts: Sequence[Part]
    hints: tuple[str, str, str]
    messages: dict[str, str]
    onward: str
    fixtures: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ("bdlab",)

    @property
    def points(self) -> float:
        """All that the check can give."""
        return float(sum(part.points for part in self.parts))


@dataclass(frozen=True)
class Lesson:
    """One lesson.  id: '03_badnets', the name of its folder; essay: points that a human gives; box: its mystery box."""

    id: str
    title: str
    minutes: int
    exercises: Sequence[Exercise] = field(repr=False)
    essay: float = 5.0
    box: Box | None = None

    @property
    def points(self) -> float:
        """Automatic points and the essay's."""
        return self.essay + sum(exercise.points for exercise in self.exercises)

    @property
    def short(self) -> str:
        """'l03': what the ids of its exercises begin with."""
        return f"l{self.id[:2]}"
