"""What an exercise is.  One declaration feeds the notebook, the check, the grading, the mutation tests and the tables."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.boxes import Box
from bdlab.exercises.draws import Draw, Made, Signature, arguments, inputs, kinds_of
from bdlab.submission import FIXTURES, Ref, Submission

Draws = Callable[[RandomState], Iterable[Draw]]
"""Inputs from a source of chance, odd shapes among them."""
Properties = dict[str, bool]
"""What is wrong where it does not hold -> whether it holds, in the order in which a student should hear of it."""


class Wrong(Exception):
    """Raised by a part's `run` when what came back cannot be looked at any further; the text tells the student why."""


def images(rng: RandomState, shape: tuple[int, ...]) -> Tensor:
    """Random images: float32 of `shape`, in [0, 1)."""
    return torch.from_numpy(rng.rand(*shape).astype("float32"))


def made(kind: str, /, *args: Any, **named: Any) -> Made:
    """A fixture of `bdlab.submission.fixtures` as a value of a draw.  Its arguments may be made, too.

    One object that stands in a draw twice is built once: `net = made("model", "tiny")`, then `made("sgd", net, 0.1)`.
    """
    if kind not in FIXTURES:
        raise ValueError(f"kind must be one of {', '.join(FIXTURES)}, got {kind!r}; add it to bdlab.submission.fixtures")
    return Made(kind, args, named)


@dataclass(frozen=True)
class Part:
    """A named share of an exercise's points, won when every one of its draws is right.

    run: asks the student's code, given the draw with its fixtures built, and returns plain values; None calls what the
    signature `calls` names, the first one by default.  look: what is kept of one try, by default what `run` returns.  Both
    are run on the reference in the same way.
    judge: None compares with the reference's outcome.  Where right answers differ by chance it takes the outcome as given
    and returns what holds of it; with `reference` it gets the reference's outcome as its third argument.
    watched: tensors of a draw are passed so that they can be looked at afterwards.
    after: a part that must be right before this one is judged.  uses: fixtures that only `run` asks for.
    tolerance: absolute and relative.  bounds: outside of them a value is told as out of range.
    probes: draws by which a mistake is recognised.  verified: what a pass has shown.
    """

    name: str
    points: float
    draws: Draws
    verified: str
    run: Callable[[Submission, Draw], Any] | None = None
    calls: str | None = None
    look: Callable[[Try], Any] | None = None
    judge: Callable[..., Properties] | None = None
    reference: bool = False
    watched: bool = False
    after: str | None = None
    uses: tuple[str, ...] = ()
    tolerance: float = 1e-5
    bounds: tuple[float, float] | None = None
    probes: int = 3

    @property
    def frozen(self) -> bool:
        """Whether the reference's outcomes are needed to judge it."""
        return self.judge is None or self.reference


@dataclass(frozen=True)
class Try:
    """One draw before the student's code.  given: the draw with its fixtures built, each a `Ref`."""

    sub: Submission
    task: Exercise
    part: Part
    draw: Draw
    given: Draw

    @classmethod
    def of(cls, sub: Submission, task: Exercise, part: Part, draw: Draw) -> Try:
        """Build what the draw asks for."""
        built: dict[int, Ref] = {}

        def real(value: Any) -> Any:
            if isinstance(value, Made):
                if id(value) not in built:
                    named = {key: real(inner) for key, inner in value.named.items()}
                    built[id(value)] = sub.fixture(value.kind, *map(real, value.args), **named)
                return built[id(value)]
            if isinstance(value, list | tuple):
                return type(value)(map(real, value))
            return value

        given = {name: real(value) for name, value in draw.items()}
        if part.watched:
            own = {name for signature in task.signatures for name in signature.arguments}
            watched = [name for name, value in draw.items() if name in own and isinstance(value, Tensor)]
            given |= {name: sub.fixture("tensor", draw[name]) for name in watched}
        return cls(sub, task, part, draw, given)

    @property
    def watched(self) -> dict[str, Ref]:
        """Argument -> the tensor that was passed for it."""
        names = [name for name, value in self.draw.items() if isinstance(value, Tensor)]
        return {name: self.given[name] for name in names if isinstance(self.given[name], Ref)}

    def outcome(self) -> Any:
        """What is kept of it."""
        return self.part.look(self) if self.part.look else self.ask()

    def ask(self) -> Any:
        """What the student's code gives: by the part's own `run`, else by a call with the arguments of the draw."""
        if self.part.run is not None:
            return self.part.run(self.sub, self.given)
        signature = next(one for one in self.task.signatures if self.part.calls in (None, one.name))
        if signature.kind == "value":
            return self.sub.value(signature.name)
        args, named = arguments(signature, self.given)
        if signature.kind == "function":
            return self.sub.call(signature.name, *args, **named)
        made = self.sub.make(signature.name, *args, **named)
        return self.sub.invoke(made, *inputs(signature, self.given))


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that has a message of its own.  It is recognised when it behaves as the edit of this name in wrong.py.

    when: or else by this predicate on (draw, got, expected), which must be true of every wrong outcome of a part; where
    the part has a judge its third argument is the list of the properties that fail.  It compares and never computes what
    would be right.  part: the part that it looks at, None for any.
    """

    message: str
    when: Callable[[Draw, Any, Any], bool] | None = None
    part: str | None = None


@dataclass(frozen=True, init=False)
class Exercise:
    """One exercise: what the student defines, as `Signature.of` reads it, and how it is looked at.

    minutes, difficulty (1 to 5), importance (1 to 5): told to the student.  hints: a question, the idea, almost the line.
    mistakes: name -> what the student hears who made it, in the order in which they are looked for.  forbid: dotted names
    that an answer must not use, needs: names that it must.  onward: what comes next.
    """

    signatures: tuple[Signature, ...]
    minutes: int
    difficulty: int
    importance: int
    parts: tuple[Part, ...] = field(repr=False)
    hints: tuple[str, str, str] = field(repr=False)
    mistakes: Mapping[str, Mistake] = field(repr=False)
    onward: str = field(repr=False)
    needs: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ("bdlab",)
    lesson: str = ""

    def __init__(
        self,
        *signatures: str,
        minutes: int,
        difficulty: int,
        importance: int,
        parts: Sequence[Part],
        hints: tuple[str, str, str],
        mistakes: Mapping[str, str | Mistake],
        onward: str,
        needs: tuple[str, ...] = (),
        forbid: tuple[str, ...] = ("bdlab",),
    ) -> None:
        names = [part.name for part in parts]
        behind = [part.after for part in parts if part.after is not None and part.after not in names]
        if not signatures or len(set(names)) < len(names) or behind:
            raise ValueError(
                f"an exercise needs a signature and parts of different names, each after one of them; got {signatures}, "
                f"parts {', '.join(names)}" + (f", after {', '.join(behind)}" if behind else "")
            )
        own = {name: Mistake(told) if isinstance(told, str) else told for name, told in mistakes.items()}
        values = {
            "signatures": tuple(map(Signature.of, signatures)), "minutes": minutes, "difficulty": difficulty,
            "importance": importance, "parts": tuple(parts), "hints": hints, "mistakes": own, "onward": onward,
            "needs": needs, "forbid": forbid, "lesson": "",
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def within(self, lesson: str) -> Exercise:
        """The same exercise as one of the lesson 'l03'."""
        other = copy.copy(self)
        object.__setattr__(other, "lesson", lesson)
        return other

    @property
    def name(self) -> str:
        """The first name that the student defines."""
        return self.signatures[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """All names that the student defines."""
        return tuple(one.name for one in self.signatures)

    @property
    def key(self) -> str:
        """'keyed_relu' of the class KeyedReLU: what stands in files about this exercise."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name.replace("ReLU", "Relu")).lower()

    @property
    def id(self) -> str:
        """'l07_keyed_relu': also the grade_id of its check cell."""
        return f"{self.lesson}_{self.key}"

    @property
    def points(self) -> float:
        """All that the check can give."""
        return float(sum(part.points for part in self.parts))

    @property
    def messages(self) -> dict[str, str]:
        """Mistake -> what the student hears."""
        return {name: mistake.message for name, mistake in self.mistakes.items()}

    @cached_property
    def fixtures(self) -> tuple[str, ...]:
        """The kinds of fixtures that its parts use: those of their draws, and what only a `run` asks for."""
        found = {kind for part in self.parts for kind in part.uses}
        for part in self.parts:
            found |= kinds_of(list(part.draws(RandomState(0)))) | ({"tensor"} if part.watched else set())
        return tuple(kind for kind in FIXTURES if kind in found)

    def behind(self, name: str) -> tuple[str, ...]:
        """The parts that are not judged until the part `name` is right."""
        direct = [part.name for part in self.parts if part.after == name]
        return tuple(direct) + tuple(more for one in direct for more in self.behind(one))


@dataclass(frozen=True)
class Question:
    """A question of a quiz, without points.  right: place of the right choice, from 0; why: one explanation per choice.

    ordered: the choices stand as they are, numbers say; else in an order of the student's own.
    """

    text: str
    choices: tuple[str, ...]
    right: int
    why: tuple[str, ...]
    ordered: bool = False


@dataclass(frozen=True)
class Lesson:
    """One lesson.  id: '03_badnets', the name of its folder; essay: points that a human gives, 0 for none.

    questions: 'q1' -> question; a cell asks it by `bdlab.quiz("l03_q1")`.  imports: lines that the setup cell runs after
    its own, and that answers may count on.  needs: lessons that come before it.  box: its mystery box.
    """

    id: str
    title: str
    minutes: int
    exercises: tuple[Exercise, ...] = field(default=(), repr=False)
    questions: Mapping[str, Question] = field(default_factory=dict, repr=False)
    essay: float = 5.0
    imports: tuple[str, ...] = ("import torch", "from torch import Tensor")
    needs: tuple[str, ...] = ()
    box: Box | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "exercises", tuple(one.within(self.short) for one in self.exercises))

    @property
    def points(self) -> float:
        """Automatic points and the essay's."""
        return self.essay + self.automatic

    @property
    def automatic(self) -> float:
        """The points that checks give."""
        return float(sum(exercise.points for exercise in self.exercises))

    @property
    def short(self) -> str:
        """'l03': what the ids of its exercises begin with."""
        return f"l{self.id[:2]}"

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Exercise -> the names that its answer makes."""
        return {task.id: task.names for task in self.exercises}

    @property
    def setup(self) -> str:
        """What the setup cell has imported when an answer runs."""
        return "\n".join(self.imports) + "\n"
