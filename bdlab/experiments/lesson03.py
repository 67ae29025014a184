"""Lesson 3, BadNets: what its demos show without training.  `refresh("l03", MAKERS)` in `bdlab.demos` writes the file.

Everything is the lesson's own attack with one thing changed: digits, small_bn, two epochs, all to one.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from bdlab.attacks import BadNets
from bdlab.bars import track
from bdlab.contracts import Recipe
from bdlab.data import Dataset, load
from bdlab.nets import Net, build
from bdlab.relabel import all_to_one
from bdlab.training import Scores, evaluate, fit
from bdlab.triggers import Patch

ATTACK = BadNets(trigger=Patch(), relabel=all_to_one(0), rate=0.1, recipe=Recipe(epochs=2), seed=0)
"""What the lesson demonstrates."""
GRID: dict[str, tuple[Any, ...]] = {
    "shape": ("pixel", "pattern", "square"),
    "at": ("corner", "centre"),
    "colour": (0.5, 1.0),
    "rate": (0.001, 0.005, 0.01, 0.02, 0.05, 0.1),
}
"""The painter's controls and their values."""
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
SEEDS = (0, 1, 2)


def patch(shape: str, at: str, colour: float) -> Patch:
    """The painter's trigger for digits (28x28): in the lower right 'corner', one pixel off the edges, or in the 'centre'."""
    anywhere = Patch(shape=shape, colour=colour)  # type: ignore[arg-type]  # Patch checks it
    start = (28 - len(anywhere.cells)) // 2
    return anywhere if at == "corner" else replace(anywhere, at=(start, start))


def first_attack() -> Scores:
    """The lesson's attack."""
    return _scores(load("digits"), ATTACK)


def painter_grid() -> dict[str, np.ndarray]:
    """One training for every setting of the painter.

    asr, clean: float (shape, at, colour, rate), over attacked_n and clean_n test images of `sources` scans.
    shape, at, colour, rate: the values along the axes.  baseline: clean accuracy of the same net without an attack.
    """
    data = load("digits")
    settings = list(itertools.product(*GRID.values()))
    runs = [_scores(data, replace(ATTACK, trigger=patch(*look), rate=rate)) for *look, rate in track(settings, "grid")]
    extent = [len(values) for values in GRID.values()]
    baseline = evaluate(fit(_net(data, ATTACK.seed), data.train, ATTACK.recipe, seed=ATTACK.seed), data.test)
    return {
        "asr": np.array([run.asr for run in runs]).reshape(extent),
        "clean": np.array([run.clean_accuracy for run in runs]).reshape(extent),
        **{name: np.array(values) for name, values in GRID.items()},
        "baseline": np.array(baseline.clean_accuracy),
        **{name: np.array(getattr(runs[0], name)) for name in ("attacked_n", "clean_n", "sources")},
    }


def curve() -> dict[str, np.ndarray]:
    """The lesson's attack over poisoning rates: asr, clean float (rate, seed); rate, seed: the values along the axes."""
    data = load("digits")
    pairs = list(itertools.product(RATES, SEEDS))
    runs = [_scores(data, replace(ATTACK, rate=rate, seed=seed)) for rate, seed in track(pairs, "curve")]
    return {
        "asr": np.array([run.asr for run in runs]).reshape(len(RATES), len(SEEDS)),
        "clean": np.array([run.clean_accuracy for run in runs]).reshape(len(RATES), len(SEEDS)),
        "rate": np.array(RATES),
        "seed": np.array(SEEDS),
    }


def _net(data: Dataset, seed: int) -> Net:
    return build("small_bn", data.input_shape, data.classes, seed=seed)


def _scores(data: Dataset, attack: BadNets) -> Scores:
    return evaluate(attack(_net(data, attack.seed), data.train), data.test)


MAKERS = {"painter": painter_grid, "curve": curve, "first_attack": first_attack}
"""Name of a demo -> what makes its arrays or scores."""
