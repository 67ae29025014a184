"""What is looked at of wrong labels, lesson 02: how many, where they lie, what they became, what another generator gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.specification import Draw, Properties, Wrong, made
from bdlab.submission import Submission

NAMES = ("y", "rate", "classes", "generator")


def flip_draws(rng: RandomState) -> Iterator[Draw]:
    """No label, all labels, and numbers between two: above a half, below it, and just half (Python goes to the even one)."""
    yield _flip(torch.tensor([2, 0, 1, 2, 0, 1, 0, 1]), 0.5, 3, 12, wanted=4)
    for number, exact in enumerate((1400.7, 1401.3)):
        y = torch.from_numpy(rng.randint(5 + 2 * number, size=2000))
        yield _flip(y, exact / 2000, 5 + 2 * number, 7 + number, wanted=1401)
    yield _flip(torch.tensor([3, 0, 1, 2, 0]), 0.5, 4, 5, wanted=2)
    yield _flip(torch.tensor([1, 0, 1, 1, 0]), 0.0, 2, 2, wanted=0)
    yield _flip(torch.tensor([1, 0, 1, 1, 0]), 1.0, 2, 3, wanted=5)
    for _ in range(20):
        count, classes = rng.randint(20, 60), rng.randint(3, 12)
        wanted = rng.randint(5, count - 2)
        y = torch.from_numpy(rng.randint(classes - 1, size=count))
        yield _flip(y, (wanted + 0.3) / count, classes, rng.randint(1000), wanted=wanted)
    for count in (7, 9, 13):
        yield _flip(torch.from_numpy(rng.randint(4, size=count)), 0.5, 4, count, wanted=round(0.5 * count))


def _flip(y: Tensor, rate: float, classes: int, seed: int, wanted: int) -> Draw:
    given = (y, float(rate), int(classes), made("generator", int(seed)))
    return {**dict(zip(NAMES, given, strict=True)), "_wanted": wanted}


def run(sub: Submission, draw: Draw) -> dict[str, Any]:
    """With the labels looked at afterwards, and once more by the generator `_again` where the draw has one."""
    flipped = sub.call("flip_labels", *(draw[name] for name in NAMES))
    if not isinstance(flipped, Tensor):
        forgotten = "; is a return missing?" if flipped is None else ""
        raise Wrong(f"flip_labels must return a tensor of labels, yours is a {type(flipped).__name__}{forgotten}")
    y = sub.value(draw["y"])
    if flipped.shape != y.shape or flipped.dtype != torch.int64:
        raise Wrong(f"the labels must be int64 of shape {tuple(y.shape)}, yours are "
                    f"{str(flipped.dtype).removeprefix('torch.')} of shape {tuple(flipped.shape)}")  # fmt: skip
    again = (draw["y"], draw["rate"], draw["classes"], draw["_again"]) if "_again" in draw else None
    return {"flipped": flipped, "y": y, "again": sub.call("flip_labels", *again) if again else None}


NONE, CUT, OWN, LOST, MORE, RANGE, INPUT = (
    "no label differs from y",
    "int(rate * N) labels differ from y, where it should be round(rate * N)",
    "as many labels stay as would be drawn as their own class by chance",
    "fewer than round(rate * N) labels differ from y", "more than round(rate * N) labels differ from y",
    "some label lies outside of 0..classes-1", "your function changed its input y",
)  # fmt: skip


def judge_count(draw: Draw, got: dict[str, Any]) -> Properties:
    """How many labels differ, whether each is a class, and whether the true labels are still there."""
    differ, by_chance = int((got["flipped"] != draw["y"]).sum()), draw["_wanted"] * (1 - 1 / draw["classes"])
    inside = bool(((got["flipped"] >= 0) & (got["flipped"] < draw["classes"])).all())
    return {
        INPUT: torch.equal(got["y"], draw["y"]),
        NONE: differ > 0 or draw["_wanted"] == 0,
        OWN: len(draw["y"]) < 1000 or abs(differ - by_chance) > 4 * (draw["_wanted"] / draw["classes"]) ** 0.5,
        CUT: differ == draw["_wanted"] or differ != int(draw["rate"] * len(draw["y"])),
        LOST: differ >= draw["_wanted"],
        MORE: differ <= draw["_wanted"],
        RANGE: inside,
    }


def large_draws(rng: RandomState) -> Iterator[Draw]:
    """So many labels that what is not spread shows: a fair answer fails with a chance below 1e-9.

    The counts of a class, of a step and of a quarter of the rows are binomial; each must be within 7 standard deviations.
    Of the second the last class is missing, of the third one in the middle; the fourth is sorted, and rich in class 0.
    """
    skewed = rng.randint(6, size=4000) * (rng.rand(4000) < 0.5)
    for seed, (y, rate, classes) in enumerate((
        (rng.randint(5, size=4000), 0.5, 5), (rng.randint(5, size=4000), 0.75, 6),
        ((5 + rng.randint(11, size=8000)) % 12, 0.5, 12), (np.sort(skewed), 0.25, 6),
    )):  # fmt: skip
        draw = _flip(torch.from_numpy(y), rate, classes, 50 + seed, wanted=round(rate * len(y)))
        yield {**draw, "_again": made("generator", 90 + seed)}


UP = "every wrong label is the next class"
ROWS_SPREAD = "the wrong labels do not lie anywhere: some stretch of the rows has too many or too few"
BY_CLASS = "some class has too many or too few wrong labels: all rows must be equally likely"
SAME_ROWS = "another generator gives the same rows: draw them with `generator`"
SAME_STEPS = "the new labels are not drawn with `generator`: they come in turn, or a row always gets the same one"
NEVER, UNEVEN = (
    "some class is never drawn as a new label, or from some class", "the other classes are not equally likely as new labels"
)  # fmt: skip


def judge_spread(draw: Draw, got: dict[str, Any]) -> Properties:
    """Whether wrong labels lie anywhere, and whether every other class is equally likely; a bound of 7 deviations."""
    y, flipped, classes = draw["y"], got["flipped"], draw["classes"]
    off = flipped != y
    pairs = (classes * y + flipped % classes)[off].bincount(minlength=classes**2).reshape(classes, classes)
    quarters = torch.stack([part.float().mean() for part in off.chunk(4)])
    near = (quarters - off.float().mean()).abs() <= 7 * (0.25 / (len(y) / 4)) ** 0.5
    never, uneven = _missing(pairs)
    return {
        NONE: bool(off.any()),
        RANGE: bool(((flipped >= 0) & (flipped < classes)).all()),
        UP: not off.any() or not bool(((flipped - y)[off] % classes == 1).all()),
        ROWS_SPREAD: bool(near.all()),
        BY_CLASS: _as_common(y, off),
        NEVER: not never,
        UNEVEN: not uneven,
        **_judge_again(draw, got),
    }


def _missing(pairs: Tensor) -> tuple[bool, bool]:
    """Whether a class never comes as a new label, or too often or too seldom.  pairs: counts (K, K), old and new.

    Looked at are classes of which so many are flipped that each other class is to come 25 times.
    """
    from_each = pairs.sum(1, keepdim=True)  # (K, 1), how many of each class are flipped
    fair = from_each / (len(pairs) - 1)
    others = ~torch.eye(len(pairs), dtype=torch.bool) & (fair >= 25)  # the diagonal holds none
    even = (pairs - fair).abs() <= 7 * fair.sqrt() + 1
    return bool((pairs == 0)[others].any()), not bool(even[others].all())


def _as_common(y: Tensor, off: Tensor) -> bool:
    """Whether each class has its share of the wrong labels."""
    there, wrong, rate = y.bincount().double(), y[off].bincount(minlength=int(y.max()) + 1), off.double().mean()
    return bool(((wrong - rate * there).abs() <= 7 * (there * rate * (1 - rate)).sqrt() + 1).all())


def _judge_again(draw: Draw, got: dict[str, Any]) -> Properties:
    """Rows and steps of two generators: both must change.  Steps that come in turn are all equally often there."""
    y, classes, again = draw["y"], draw["classes"], got["again"]
    if not isinstance(again, Tensor) or again.shape != y.shape:
        return {"a second call gives something else than the first": False}
    first, second = (got["flipped"] - y) % classes, (again - y) % classes
    both = (first != 0) & (second != 0)
    counts = first[first != 0].bincount(minlength=classes)[1:]
    dealt = classes > 10 and int(counts.max() - counts.min()) <= 1  # by chance once in 1e10
    fixed = classes > 2 and bool(both.any()) and torch.equal(first[both], second[both])
    return {SAME_ROWS: not torch.equal(first != 0, second != 0), SAME_STEPS: not (dealt or fixed)}
