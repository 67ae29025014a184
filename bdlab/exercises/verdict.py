"""From a submission to points and a reason: outcomes, their comparison, and the mistake that they look like."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.comparing import difference
from bdlab.exercises.specification import Draw, Exercise, Part, Wrong
from bdlab.submission import Raised, Ref, Submission
from bdlab.submission.remote import ENDINGS

PUBLIC = b"public"
"""The secret of the checks that everyone may see."""
PROBES = 3
"""Draws of each part by which a mistake is recognised."""
KEPT = 1 << 20
"""Bytes of replies beyond which an answer is asked for again rather than kept."""
Outcomes = dict[str, list[Any]]
"""Part -> one outcome per draw."""


@dataclass(frozen=True)
class Result:
    """One part's result.  complaint: None where the part is won; tried: on what it failed; detail: of an exception;
    ended: whether it is lost because the code's process ended, or gave no answer in time.
    """

    part: Part
    complaint: str | None
    tried: str = ""
    detail: str = ""
    ended: bool = False

    @property
    def points(self) -> float:
        """All of the part's points or none."""
        return self.part.points if self.complaint is None else 0.0


@dataclass(frozen=True)
class Verdict:
    """What a submission gets for one exercise, and why.  mistake: the mutant that it behaves like."""

    exercise: Exercise
    results: Sequence[Result]
    mistake: str | None = None

    @property
    def points(self) -> float:
        """A plain sum, within what the exercise can give."""
        return float(min(max(sum(result.points for result in self.results), 0.0), self.exercise.points))


class Chance(RandomState):
    """A source of draws whose stream is the same in every version and on every system.

    numpy's RandomState is frozen for good, but its own `randint` takes C longs, which have 32 bits on Windows.
    """

    def randint(self, low: int, high: int | None = None, size: Any = None, dtype: Any = int) -> Any:  # type: ignore[override]
        """Integers in [low, high), or in [0, low): int, or int64 of shape `size`."""
        start, end = (0, low) if high is None else (low, high)
        drawn = np.floor(start + (end - start) * self.random_sample(size))
        return int(drawn) if size is None else drawn.astype(np.int64)


def chance(secret: bytes, exercise: str, part: Part) -> Chance:
    """The source of one part's draws: fixed by the secret, unpredictable without it.  exercise: its id."""
    digest = hmac.digest(secret, f"{exercise}/{part.name}".encode(), "sha256")
    return Chance(np.frombuffer(digest, "<u4"))


@lru_cache(1024)
def drawn(secret: bytes, exercise: str, part: Part) -> tuple[Draw, ...]:
    """All draws of one part: made once, however many hand-ins answer them."""
    return tuple(part.draws(chance(secret, exercise, part)))


class Tries:
    """What the code behind `sub` answers to the draws of `exercise`; no draw is tried twice, but for long answers."""

    def __init__(self, exercise: Exercise, sub: Submission, secret: bytes = PUBLIC) -> None:
        self.exercise, self.sub, self.secret = exercise, sub, secret
        self._known: dict[tuple[str, int], tuple[Any, str]] = {}

    def draws(self, part: Part) -> tuple[Draw, ...]:
        """The inputs of `part`."""
        return drawn(self.secret, self.exercise.id, part)

    def answer(self, part: Part, number: int) -> tuple[Any, str]:
        """(outcome, detail of an exception); an outcome may be {'raised': class} or {'wrong': reason}."""
        key = part.name, number
        if key in self._known:
            return self._known[key]
        found = _answer(part, self.sub, self.draws(part)[number])
        if self.sub.heard <= KEPT:
            self._known[key] = found
        return found


def outcomes(exercise: Exercise, sub: Submission, secret: bytes = PUBLIC) -> Outcomes:
    """What the code behind `sub` answers to all draws.

    Raises: `TypeError` where a part would compare objects, which stay on the student's side.
    """
    tries = Tries(exercise, sub, secret)
    found = {
        part.name: [tries.answer(part, number)[0] for number in range(len(tries.draws(part)))]
        for part in exercise.parts
    }
    for part in exercise.parts:
        if part.judge is None and _holds_ref(found[part.name]):
            raise TypeError(f"{exercise.id}, {part.name}: run returned a Ref; look at it by invoke, state or value")
    return found


def _holds_ref(outcome: Any) -> bool:
    inner = outcome.values() if isinstance(outcome, dict) else outcome if isinstance(outcome, list | tuple) else ()
    return isinstance(outcome, Ref) or any(map(_holds_ref, inner))


def _answer(part: Part, sub: Submission, draw: Draw) -> tuple[Any, str]:
    sub.renew()  # where no process can be had, that is nobody's wrong answer
    try:
        outcome = part.run(sub, draw)
        return ({"wrong": "the result is a dict"} if _marked(outcome) else outcome, "")
    except Raised as raised:
        return {"raised": raised.name}, raised.detail
    except Wrong as wrong:
        return {"wrong": str(wrong)}, ""
    except Exception as error:  # what came back is not even what `run` can handle
        return {"wrong": _unfit(error)}, ""


def _marked(outcome: Any) -> bool:
    """Whether a student's own value reads like one of our marks."""
    return _is(outcome, "raised") or _is(outcome, "wrong")


def _unfit(error: Exception) -> str:
    return f"the result is not of the kind that was asked for (looking at it gave a {type(error).__name__})"


def judge(tries: Tries, expected: Outcomes) -> list[Result]:
    """Every part of the exercise against the outcomes of the reference on the same draws."""
    return [judge_part(tries, part, expected) for part in tries.exercise.parts]


def judge_part(tries: Tries, part: Part, expected: Outcomes) -> Result:
    """One part, as far as the first draw that is wrong."""
    for number, draw in enumerate(tries.draws(part)):
        outcome, detail = tries.answer(part, number)
        right = None if part.judge else expected[part.name][number]
        found = complaint(part, draw, outcome, right)
        if found is not None:
            return Result(part, found, _shapes(draw), detail, _is(outcome, "raised") and outcome["raised"] in ENDINGS)
    return Result(part, None)


def complaint(part: Part, draw: Draw, outcome: Any, expected: Any) -> str | None:
    """What is wrong with the outcome of one draw; None where nothing is."""
    if part.judge is None:
        return outcome["wrong"] if _is(outcome, "wrong") else difference(outcome, expected)
    return next(iter(failed(part, draw, outcome)), None)


def failed(part: Part, draw: Draw, outcome: Any) -> list[str]:
    """What does not hold of a free choice."""
    if _is(outcome, "raised"):
        return [f"your code raised {outcome['raised']}"]
    if _is(outcome, "wrong"):
        return [outcome["wrong"]]
    assert part.judge is not None
    try:
        return [sentence for sentence, holds in part.judge(draw, outcome).items() if not holds]
    except Exception as error:  # see _answers
        return [_unfit(error)]


def _is(outcome: Any, tag: str) -> bool:
    return isinstance(outcome, dict) and set(outcome) == {tag}


def _shapes(draw: Draw) -> str:
    """What was passed, where it is short: the shapes of the first two arrays, and every tuple."""
    shapes = [f"{k} {tuple(value.shape)}" for k, value in draw.items() if isinstance(value, Tensor) and value.ndim]
    tuples = [f"{k} {value}" for k, value in draw.items() if isinstance(value, tuple)]
    return "; ".join(tuples + shapes[:2])


def fingerprint(tries: Tries) -> Outcomes:
    """How this code behaves on the first draws of each part; see `_print`."""
    return {
        part.name: [_print(tries, part, number) for number in range(len(tries.draws(part)[:PROBES]))]
        for part in tries.exercise.parts
    }


def _print(tries: Tries, part: Part, number: int) -> Any:
    """The outcome of one draw, or of a free choice the sentences that fail."""
    outcome, _ = tries.answer(part, number)
    return outcome if part.judge is None else failed(part, tries.draws(part)[number], outcome)


def recognise(tries: Tries, mutants: dict[str, Outcomes]) -> str | None:
    """The mutant that behaves as this code does, or None.  tries: of the public draws."""
    left = dict(mutants)
    for part in tries.exercise.parts:
        for number in range(len(tries.draws(part)[:PROBES])):
            if not left:
                return None
            mine = _print(tries, part, number)
            left = {name: its for name, its in left.items() if difference(mine, its[part.name][number]) is None}
    return next(iter(left), None)
