"""The exercise `flip_labels` of lesson 02: which labels become wrong is a free choice, so it has judges."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import deterministic, property_holds
from bdlab.exercises.specification import Draw, Exercise, Mistake, Properties, Wrong, made
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


def _run(sub: Submission, draw: Draw) -> dict[str, Any]:
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


def _judge_count(draw: Draw, got: dict[str, Any]) -> Properties:
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


def _judge_spread(draw: Draw, got: dict[str, Any]) -> Properties:
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


def _differ(got: Any) -> int:
    return int((got["flipped"] != got["y"]).sum())


def _many(number: Callable[[Draw], int]) -> Callable[[Draw, Any, Any], bool]:
    """Whether just so many labels differ, and nothing but their number is wrong."""
    return lambda draw, got, failed: set(failed) <= {NONE, CUT, LOST, MORE} and _differ(got) == number(draw)


def _by_class(draw: Draw, got: Any, failed: Any) -> bool:
    """Each class has the rounded share of its own."""
    there, wrong = draw["y"].bincount().tolist(), draw["y"][got["flipped"] != draw["y"]].bincount().tolist()
    wrong += [0] * (len(there) - len(wrong))
    return INPUT not in failed and wrong in ([cut(draw["rate"] * n) for n in there] for cut in (round, int, math.ceil))


def _number_by_chance(draw: Draw, got: Any, failed: Any) -> bool:
    """Off by what tossing a coin for every row would give, in either direction; of many rows by more than one."""
    off, spread = _differ(got) - draw["_wanted"], (draw["_wanted"] * (1 - draw["rate"])) ** 0.5
    near = abs(off) <= 4 * spread + 1 and (len(draw["y"]) < 1000 or abs(off) > 1)
    return failed in ([LOST], [MORE], [NONE, LOST]) and near and 0 < draw["rate"] < 1


def _own_class(draw: Draw, got: Any, failed: Any) -> bool:
    """Fewer than wanted, and of many rows as many fewer as are drawn as their own class."""
    return LOST in failed and RANGE not in failed and (len(draw["y"]) < 1000 or OWN in failed)


def _one_step_twice(draw: Draw, got: Any, failed: Any) -> bool:
    """One step comes twice as often as it should, the others as they should."""
    steps = (got["flipped"] - draw["y"]) % draw["classes"]
    shares = steps[steps != 0].bincount(minlength=draw["classes"])[1:].double() * draw["classes"] / (steps != 0).sum()
    often = shares.max()
    rest = (shares.sum() - often) / (draw["classes"] - 2)
    return failed == [UNEVEN] and bool(1.7 < often < 2.3) and bool(0.8 < rest < 1.2)


def _fails(*started: str) -> Callable[[Draw, Any, Any], bool]:
    """Whether just the properties that begin like this fail."""
    return lambda draw, got, failed: len(failed) == len(started) and all(map(str.startswith, failed, started))


def seeded_draws(rng: RandomState) -> Iterator[Draw]:
    """So many labels that two draws never agree."""
    for seed in range(5):
        y = torch.from_numpy(rng.randint(6, size=50))
        yield {"y": y, "rate": 0.5, "classes": 6, "generator": made("generator", seed)}


FLIP_LABELS = Exercise(
    "flip_labels(y, rate, classes, generator)", minutes=15, difficulty=2, importance=3,
    parts=[
        property_holds(1, flip_draws, _judge_count, "29 draws: exactly round(rate * N) labels differ, y stays",
                       name="how many", run=_run, watched=True, probes=4),
        property_holds(1, large_draws, _judge_spread, "4,000 to 8,000 labels: any row, every other class",
                       name="spread", run=_run, watched=True),
        deterministic(1, seeded_draws, after="how many"),
    ],
    hints=(
        "Two things are left to chance: which rows, and which of the other classes each gets. What makes sure that a new "
        "label is never the old one?",
        "Draw rows without repetition: a random order, cut off after round(rate * N). For each of them draw a step from 1 "
        "to classes - 1, and go so many classes further; behind the last class comes 0.",
        "`torch.randperm(len(y), generator=generator)` orders the rows. `torch.randint(1, classes, (n,), "
        "generator=generator)` draws n steps. Add them to a copy of y at these rows, and take the remainder by classes.",
    ),
    mistakes={
        "in_place": "The right number of labels is wrong, but y itself has changed. The true labels are lost, and nobody "
        "can count what was flipped.",
        "nothing": Mistake(
            "What you return are the labels that came: is the copy that you changed returned, and changed by assigning to "
            "its rows?", when=lambda draw, got, failed: NONE in failed and _differ(got) == 0),
        "outside": Mistake(
            "Some labels lie outside of 0..classes-1. Behind the last class comes 0: take the remainder of the sum, "
            "(y + step) % classes.", when=lambda draw, got, failed: RANGE in failed),
        "rounded_rate": Mistake(
            "Every label is wrong, or none: so it is where the rate is rounded before it is multiplied. Round the product.",
            when=_many(lambda draw: round(draw["rate"]) * len(draw["y"])), part="how many"),
        "half_up": Mistake(
            "You round a half up. Python's round takes the even neighbour, round(2.5) is 2; the docstring asks for it.",
            when=_many(lambda draw: int(draw["rate"] * len(draw["y"]) + 0.5)), part="how many"),
        "up": Mistake("You round up: 6.3 labels are 6.", part="how many",
                      when=_many(lambda draw: math.ceil(draw["rate"] * len(draw["y"])))),
        "stay": Mistake(
            "You flip the rows that were to stay, N - n of them: n rows are those *before* n, [:n].",
            when=_many(lambda draw: len(draw["y"]) - draw["_wanted"]), part="how many"),
        "each_class": Mistake(
            "You take the share of every class by itself, and the rounded numbers do not add up to round(rate * N). Draw "
            "among all rows at once.", when=_by_class, part="how many"),
        "own_class": Mistake(
            "A new label can be the old one: fewer labels are wrong than asked for. Draw among the *other* classes; a step "
            "of 0, or of `classes`, leads back.", when=_own_class, part="how many"),
        "coin": Mistake(
            "The number of wrong labels is left to chance, as where each row is tossed for. It must be round(rate * N), "
            "exactly: order the rows at random, take the first n.", when=_number_by_chance, part="how many"),
        "twice": "You draw rows with repetition: some are drawn twice, and fewer labels are wrong than asked for.",
        "truncates": "You cut the number down instead of rounding it: 6.7 labels are 7.",
        "shuffled": "You mix labels among the chosen rows. Some rows get the label that they had, and the counts of the "
        "classes stay as they were.",
        "all_rows": "Rows that were not drawn get another label, too. Only round(rate * N) labels may differ.",
        "next_class": "Every class goes to one other class, always the same. Each of the other classes must be equally "
        "likely.",
        "one_step": "You draw one step for all rows. Each row must be drawn for by itself.",
        "last_never": "One of the other classes never comes. torch.randint leaves its upper end out: from 1 up to classes.",
        "largest_label": "You take the largest label in y for the last class. A set of labels need not hold every class: "
        "use `classes`.",
        "only_those_there": "You draw among the classes that occur in y. A set of labels need not hold every class: the "
        "others are those of 0..classes-1.",
        "moved_on": Mistake(
            "One step comes twice as often as the others: so it is where a draw that hit the old class is moved on. Draw "
            "among the other classes from the start.", when=_one_step_twice, part="spread"),
        "first_rows": Mistake(
            "The wrong labels lie in one stretch, the first rows perhaps. Sorted data would then be poisoned in one class "
            "only: draw the rows.", when=lambda draw, got, failed: ROWS_SPREAD in failed, part="spread"),
        "by_class": Mistake(
            "Which rows, depends on their labels, as where y is sorted and the first n are taken. Order the rows at random.",
            when=lambda draw, got, failed: BY_CLASS in failed, part="spread"),
        "own_seed": Mistake(
            "Every call gives the same labels, whatever the generator: nothing is drawn from its state. Pass "
            "`generator=generator` on, and seed nothing.",
            when=lambda draw, got, failed: failed[-2:] == [SAME_ROWS, SAME_STEPS], part="spread"),
        "same_rows": Mistake(
            "Another generator gives the same rows. Only the new labels are drawn with `generator`: draw the rows with it, "
            "too.", when=lambda draw, got, failed: failed == [SAME_ROWS], part="spread"),
        "same_steps": Mistake(
            "The rows are drawn, their new labels are not: the steps come in turn, or go with the row. Draw one for each "
            "row with `generator`.", when=lambda draw, got, failed: failed == [SAME_STEPS], part="spread"),
        "global_chance": "You draw from a global generator. The same `generator` then gives other labels, and nobody can "
        "repeat the attack.",
        "seeds_global": Mistake(
            "You seed the global generators, from the seed of `generator` perhaps: other code draws from them, too. Pass "
            "`generator=generator` on.", when=_fails("a generator that has moved", "your function moves"), part="at random"),
        "seed_only": "Whoever calls twice with one generator gets the same labels twice: you take its seed, not its state. "
        "Pass `generator=generator` on.",
    },
    onward="see what wrong labels do to a reader, and what they do not",
)  # fmt: skip
