"""From a submission to points and a reason: outcomes, and how they compare with the reference's."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import RandomState

from bdlab.exercises.comparing import difference
from bdlab.exercises.specification import Draw, Exercise, Part, Try, Wrong
from bdlab.submission import Raised, Ref, Submission
from bdlab.submission.submission import ENDINGS

PUBLIC = b"public"
"""The secret of the checks that everyone may see."""
KEPT = 1 << 20
"""Bytes of replies beyond which an answer is asked for again rather than kept."""
UNWRITTEN = "not written yet"
"""What is said of a part that met the stub."""
Outcomes = dict[str, list[Any]]
"""Part -> one outcome per draw."""


@dataclass(frozen=True)
class Result:
    """One part's result.  complaint: None where the part is won; number: the draw that failed; detail: of an exception.
    printed: what the code printed in that try.

    waiting: the part is not judged, since the one before it is not right.
    ended: whether it is lost because the code's process ended, or gave no answer in time.
    """

    part: Part
    complaint: str | None
    number: int | None = None
    detail: str = ""
    printed: str = ""
    waiting: bool = False
    ended: bool = False

    @property
    def points(self) -> float:
        """All of the part's points or none."""
        return self.part.points if self.complaint is None else 0.0


@dataclass(frozen=True)
class Verdict:
    """What a submission gets for one exercise, and why.  mistakes: those that it behaves like, the one to tell first."""

    exercise: Exercise
    results: Sequence[Result]
    mistakes: tuple[str, ...] = ()

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
        self.printed: dict[tuple[str, int], str] = {}

    def draws(self, part: Part) -> tuple[Draw, ...]:
        """The inputs of `part`."""
        return drawn(self.secret, self.exercise.id, part)

    def answer(self, part: Part, number: int) -> tuple[Any, str]:
        """(outcome, detail of an exception); an outcome may be {'raised': class} or {'wrong': reason}."""
        key = part.name, number
        if key in self._known:
            return self._known[key]
        found = self._answer(part, self.draws(part)[number])
        self.printed[key] = self.sub.transport.printed
        if self.sub.heard <= KEPT:
            self._known[key] = found
        return found

    def _answer(self, part: Part, draw: Draw) -> tuple[Any, str]:
        self.sub.renew()  # where no process can be had, that is nobody's wrong answer
        try:
            outcome = Try.of(self.sub, self.exercise, part, draw).outcome()
            return ({"wrong": "the result is a dict"} if _marked(outcome) else outcome, "")
        except Raised as raised:
            return {"raised": raised.name}, raised.detail
        except Wrong as wrong:
            return {"wrong": str(wrong)}, ""
        except Exception as error:  # what came back is not even what `run` can handle
            return {"wrong": _unfit(error)}, ""


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


def _marked(outcome: Any) -> bool:
    """Whether a student's own value reads like one of our marks."""
    return marked(outcome, "raised") or marked(outcome, "wrong")


def marked(outcome: Any, tag: str) -> bool:
    """Whether an outcome is our mark {'raised': class} or {'wrong': reason}."""
    return isinstance(outcome, dict) and set(outcome) == {tag}


def _unfit(error: Exception) -> str:
    return f"the result is not of the kind that was asked for (looking at it gave a {type(error).__name__})"


def judge(tries: Tries, expected: Outcomes) -> list[Result]:
    """Every part of the exercise against the outcomes of the reference on the same draws."""
    results: dict[str, Result] = {}
    for part in in_order(tries.exercise):
        before = results.get(part.after or "")
        if before is not None and before.complaint is not None:
            told = f"not judged until '{part.after}' is right"
            results[part.name] = Result(part, told, waiting=True, ended=before.ended)
        else:
            results[part.name] = judge_part(tries, part, expected)
    return [results[part.name] for part in tries.exercise.parts]


def in_order(exercise: Exercise) -> list[Part]:
    """The parts, each after the one that must be right before it."""
    left, found = list(exercise.parts), list[Part]()
    while left:
        names = {part.name for part in left}
        free = [part for part in left if part.after not in names]
        found += free
        left = [part for part in left if part not in free]
    return found


def judge_part(tries: Tries, part: Part, expected: Outcomes) -> Result:
    """One part, as far as the first draw that is wrong."""
    return next(failures(tries, part, expected), Result(part, None))


def failures(tries: Tries, part: Part, expected: Outcomes) -> Iterator[Result]:
    """A result for each draw of the part that is wrong."""
    for number, draw in enumerate(tries.draws(part)):
        outcome, detail = tries.answer(part, number)
        right = expected[part.name][number] if part.frozen else None
        found = complaint(part, draw, outcome, right)
        if found is not None:
            ended = marked(outcome, "raised") and outcome["raised"] in ENDINGS
            if _is_stub(detail):
                found, detail = UNWRITTEN, ""
            yield Result(part, found, number, detail, tries.printed[part.name, number], ended=ended)


def _is_stub(detail: str) -> bool:
    """Whether the line `raise NotImplementedError` of the answer cell was met; torch's own have a text."""
    text = detail.removeprefix("NotImplementedError:")
    return text != detail and text.lstrip(" ")[:1] in ("", "(")


def complaint(part: Part, draw: Draw, outcome: Any, expected: Any) -> str | None:
    """What is wrong with the outcome of one draw; None where nothing is."""
    if part.judge is not None:
        return next(iter(failed(part, draw, outcome, expected)), None)
    if marked(outcome, "wrong"):
        return outcome["wrong"]
    return difference(outcome, expected, tolerance=part.tolerance, bounds=part.bounds)


def failed(part: Part, draw: Draw, outcome: Any, expected: Any = None) -> list[str]:
    """What does not hold of a free choice."""
    if marked(outcome, "raised"):
        return [f"your code raised {outcome['raised']}"]
    if marked(outcome, "wrong"):
        return [outcome["wrong"]]
    assert part.judge is not None
    try:
        held = part.judge(draw, outcome, expected) if part.reference else part.judge(draw, outcome)
    except Exception as error:  # what came back is not even what a judge can handle
        return [_unfit(error)]
    return [sentence for sentence, holds in held.items() if not holds]
