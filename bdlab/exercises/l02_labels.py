"""The exercise `flip_labels` of lesson 02: which labels become wrong is a free choice, so it has judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import deterministic, property_holds
from bdlab.exercises.specification import Draw, Exercise, Mistake, Properties, Wrong, made
from bdlab.submission import Submission

NAMES = ("y", "rate", "classes", "generator")


def flip_draws(rng: RandomState) -> Iterator[Draw]:
    """Sizes and rates whose product is never a half: the rounding is the same for everyone.  No label, all labels."""
    yield _flip(torch.tensor([2, 0, 1, 2, 0, 1, 0, 1]), 0.5, 3, 12, wanted=4)
    for number in range(2):
        y = torch.from_numpy(rng.randint(5 + 2 * number, size=2000))
        yield _flip(y, (1401 - 0.3) / 2000, 5 + 2 * number, 7 + number, wanted=1401)  # 1400.7, which cutting makes 1400
    yield _flip(torch.tensor([1, 0, 1, 1, 0]), 0.0, 2, 2, wanted=0)
    yield _flip(torch.tensor([1, 0, 1, 1, 0]), 1.0, 2, 3, wanted=5)
    for _ in range(20):
        count, classes = rng.randint(20, 60), rng.randint(3, 12)
        wanted = rng.randint(5, count - 2)
        y = torch.from_numpy(rng.randint(classes - 1, size=count))
        yield _flip(y, (wanted + 0.3) / count, classes, rng.randint(1000), wanted=wanted)


def _flip(y: Tensor, rate: float, classes: int, seed: int, wanted: int) -> Draw:
    given = (y, float(rate), int(classes), made("generator", int(seed)))
    return {**dict(zip(NAMES, given, strict=True)), "_wanted": wanted}


def _run(sub: Submission, draw: Draw) -> dict[str, Any]:
    """With the labels looked at afterwards."""
    flipped = sub.call("flip_labels", *(draw[name] for name in NAMES))
    if not isinstance(flipped, Tensor):
        forgotten = "; is a return missing?" if flipped is None else ""
        raise Wrong(f"flip_labels must return a tensor of labels, yours is a {type(flipped).__name__}{forgotten}")
    y = sub.value(draw["y"])
    if flipped.shape != y.shape or flipped.dtype != torch.int64:
        raise Wrong(f"the labels must be int64 of shape {tuple(y.shape)}, yours are "
                    f"{str(flipped.dtype).removeprefix('torch.')} of shape {tuple(flipped.shape)}")  # fmt: skip
    return {"flipped": flipped, "y": y}


CUT, OWN, LOST, MORE, RANGE, INPUT = (
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
        OWN: len(draw["y"]) < 1000 or abs(differ - by_chance) > 4 * (draw["_wanted"] / draw["classes"]) ** 0.5,
        CUT: differ == draw["_wanted"] or differ != int(draw["rate"] * len(draw["y"])),
        LOST: differ >= draw["_wanted"],
        MORE: differ <= draw["_wanted"],
        RANGE: inside,
    }


def large_draws(rng: RandomState) -> Iterator[Draw]:
    """So many labels that what is not spread shows: a fair answer fails with a chance below 1e-9.

    The counts of a class and of a quarter of the rows are binomial; each must be within 7 standard deviations.
    The last class does not occur in the second one.
    """
    for seed, (rate, classes, there) in enumerate(((0.5, 5, 5), (0.75, 6, 5), (0.25, 10, 10))):
        y = torch.from_numpy(rng.randint(there, size=4000))
        yield _flip(y, rate, classes, 50 + seed, wanted=round(rate * 4000))


UP = "every wrong label is the next class"
ROWS_SPREAD = "the wrong labels do not lie anywhere: some stretch of the rows has too many or too few"
NEVER, UNEVEN = (
    "some class is never drawn as a new label, or from some class", "the other classes are not equally likely as new labels"
)  # fmt: skip


def _judge_spread(draw: Draw, got: dict[str, Any]) -> Properties:
    y, flipped, classes = draw["y"], got["flipped"], draw["classes"]
    off = flipped != y
    pairs = (classes * y + flipped % classes)[off].bincount(minlength=classes**2).reshape(classes, classes)
    from_each = pairs.sum(1, keepdim=True)  # (K, 1), how many of each class are flipped
    fair = from_each / (classes - 1)
    even = (pairs - fair).abs() <= 7 * fair.sqrt() + 1  # the diagonal holds none
    others = ~torch.eye(classes, dtype=torch.bool) & (from_each > 0)
    quarters = torch.stack([part.float().mean() for part in off.chunk(4)])
    near = (quarters - off.float().mean()).abs() <= 7 * (0.25 / (len(y) / 4)) ** 0.5
    up = bool(((flipped - y)[off] % classes == 1).all())
    return {
        UP: not up,
        ROWS_SPREAD: bool(near.all()),
        NEVER: bool((pairs > 0)[others].all()),
        UNEVEN: bool(even[others].all()),
    }


def _only(*failing: str) -> Callable[[Draw, Any, Any], bool]:
    return lambda draw, got, failed: failed == [*failing]


def _number_by_chance(draw: Draw, got: Any, failed: Any) -> bool:
    """Off by what tossing a coin for every row would give, in either direction."""
    there, wanted = int((got["flipped"] != draw["y"]).sum()), draw["_wanted"]
    spread = (wanted * (1 - draw["rate"])) ** 0.5
    return failed in ([LOST], [MORE]) and abs(there - wanted) <= 4 * spread + 1 and 0 < draw["rate"] < 1


def seeded_draws(rng: RandomState) -> Iterator[Draw]:
    """So many labels that two draws never agree."""
    for seed in range(5):
        y = torch.from_numpy(rng.randint(6, size=50))
        yield {"y": y, "rate": 0.5, "classes": 6, "generator": made("generator", seed)}


FLIP_LABELS = Exercise(
    "flip_labels(y, rate, classes, generator)", minutes=15, difficulty=2, importance=3,
    parts=[
        property_holds(1, flip_draws, _judge_count, "25 draws: exactly round(rate * N) labels differ, y stays",
                       name="how many", run=_run, watched=True),
        property_holds(1, large_draws, _judge_spread, "4,000 labels: any row, every other class equally likely",
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
        "own_class": "A new label can be the old one: fewer labels are wrong than asked for. Draw among the *other* "
        "classes.",
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
        "first_rows": Mistake(
            "The wrong labels lie in one stretch, the first rows perhaps. Sorted data would then be poisoned in one class "
            "only: draw the rows.", when=_only(ROWS_SPREAD), part="spread"),
        "global_chance": "You draw from a global generator. The same `generator` then gives other labels, and nobody can "
        "repeat the attack.",
        "seed_only": "Whoever calls twice with one generator gets the same labels twice: you take its seed, not its state. "
        "Pass `generator=generator` on.",
    },
    onward="see what wrong labels do to a reader, and what they do not",
)  # fmt: skip
