"""Lesson 13: the city plants marks of its own into copies of its readers; they choose rate and steps of the shadow."""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import Tensor, nn

from bdlab import metrics
from bdlab.attacks import BadNets, SourceSpecific
from bdlab.bars import track
from bdlab.data import load
from bdlab.lessons import l13_parts as lesson
from bdlab.lessons.demos import Arrays, cached
from bdlab.lessons.l09_strip import backdoor, honest
from bdlab.relabel import all_to_one, source_to
from bdlab.triggers import Patch

RATES = (1e-4, 3e-4, 1e-3)
"""Adam's rates that were tried, each with the steps of MARKS."""
MARKS = (4, 8, 12, 16, 24, 32, 48, 64)
MARK = Patch(size=4, at=(2, 2), colour=(0.1, 0.3, 1.0))
"""The city's own: a blue sticker in the upper left corner, at no place and in no colour of a supplier's."""
SOURCE, TARGET = 5, 8
"""'no entry', which one of the planted marks turns alone, and 'priority road'."""
PLANTS = {
    "any sign": BadNets(trigger=MARK, relabel=all_to_one(TARGET)),
    "one class": SourceSpecific(trigger=MARK, relabel=source_to(SOURCE, TARGET)),
}


def bought() -> dict[str, nn.Module]:
    """The four readers that the city has; which of them is honest it does not know, and does not ask here."""
    return {net: backdoor(net).model for net in lesson.NETS.values()} | {"signs-clean": honest("signs")}


@cache
def copy_with(net: str, kind: str) -> nn.Module:
    """A copy of a reader, trained on 1,000 held-out signs and on marked ones: what the city plants."""
    return PLANTS[kind](bought()[net], load("signs").held_out).model


def pair(kind: str) -> tuple[Tensor, Tensor]:
    """Signs of the calibration set without and with the planted mark, which may change all of the latter."""
    x, y = load("signs").calibration.x, load("signs").calibration.y
    if kind == "one class":
        return x[y == SOURCE], MARK(x[y == SOURCE])
    return x[::2], MARK(x[1::2][y[1::2] != TARGET])


def planted() -> Arrays:
    """auroc: float (kind, rate, step, reader, seed), of the planted mark against unmarked signs; agree: (rate, step)."""
    shape = (len(PLANTS), len(RATES), len(MARKS), len(bought()), lesson.SEEDS)
    found, agree = np.zeros(shape), np.zeros(shape)
    for place, net in enumerate(track(list(bought()), "planted marks, readers")):
        for number, kind in enumerate(PLANTS):
            model, (plain, marked), x = copy_with(net, kind), pair(kind), load("signs").calibration.x
            known = lesson.answers(model, x)
            for at, rate in enumerate(RATES):
                for seed in range(lesson.SEEDS):
                    for step, shadow in enumerate(lesson.shadows(lesson.shadow_step, model, MARKS, rate, seed)):
                        scores = [lesson.rbd_score(model, shadow, part) for part in (plain, marked)]
                        found[number, at, step, place, seed] = metrics.auroc(*scores)
                        agree[number, at, step, place, seed] = metrics.accuracy(lesson.answers(shadow, x), known)
    return {"auroc": found, "agree": agree.mean((0, 3, 4))}


def ranked() -> list[tuple[float, int, float]]:
    """Of each rate its best number of steps and the mean AUROC there, the best rate first: (rate, steps, AUROC)."""
    mean = cached("l13", "planted")["auroc"].mean((0, 3, 4))  # (rate, step)
    best = [(rate, MARKS[row.argmax()], float(row.max())) for rate, row in zip(RATES, mean, strict=True)]
    return sorted(best, key=lambda one: -one[2])
