"""The exercise `flip_labels` of lesson 02: which labels become wrong is a free choice, so it has judges."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import RandomState

from bdlab.exercises.l02_flips import (
    BY_CLASS,
    CUT,
    INPUT,
    LOST,
    MORE,
    NONE,
    OWN,
    RANGE,
    ROWS_SPREAD,
    SAME_ROWS,
    SAME_STEPS,
    UNEVEN,
    flip_draws,
    judge_count,
    judge_spread,
    large_draws,
    run,
)  # fmt: skip
from bdlab.exercises.parts import deterministic, property_holds
from bdlab.exercises.specification import Draw, Exercise, Mistake, made


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
    mixed = torch.equal(got["flipped"].bincount(), draw["y"].bincount())  # the same labels in another order
    return LOST in failed and RANGE not in failed and (len(draw["y"]) < 1000 or (OWN in failed and not mixed))


def _one_step_twice(draw: Draw, got: Any, failed: Any) -> bool:
    """One step comes twice as often as it should, the others as they should."""
    steps = (got["flipped"] - draw["y"]) % draw["classes"]
    shares = steps[steps != 0].bincount(minlength=draw["classes"])[1:].double() * draw["classes"] / (steps != 0).sum()
    often = shares.max()
    rest = (shares.sum() - often) / (draw["classes"] - 2)
    return failed == [UNEVEN] and bool(1.7 < often < 2.3) and bool(0.8 < rest < 1.2)


def seeded_draws(rng: RandomState) -> Iterator[Draw]:
    """So many labels that two draws never agree."""
    for seed in range(5):
        y = torch.from_numpy(rng.randint(6, size=50))
        yield {"y": y, "rate": 0.5, "classes": 6, "generator": made("generator", seed)}


FLIP_LABELS = Exercise(
    "flip_labels(y, rate, classes, generator)", minutes=20, difficulty=2, importance=3,
    parts=[
        property_holds(1, flip_draws, judge_count, "29 draws: exactly round(rate * N) labels differ, y stays",
                       name="how many", run=run, watched=True, probes=4),
        property_holds(1, large_draws, judge_spread, "4,000 to 8,000 labels: any row, every other class",
                       name="spread", run=run, watched=True),
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
        "up": Mistake("You round up what is to be rounded down: 6.3 labels are 6, and Python's round takes a half to the "
            "even neighbour, 2.5 to 2.", part="how many",
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
        "seed_only": "Whoever calls twice with one generator gets the same labels twice: you take its seed, not its state. "
        "Pass `generator=generator` on.",
    },
    onward="see what wrong labels do to a reader, and what they do not",
)  # fmt: skip
