"""Lesson 03, BadNets: its figures and widgets, and the trainings that its demos show without training.

Everything is the lesson's own attack with one thing changed: digits, small_bn, two epochs, all to one.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from bdlab import plots
from bdlab.attacks import BadNets
from bdlab.bars import track
from bdlab.contracts import Recipe
from bdlab.data import Dataset, load
from bdlab.lessons.demos import Arrays, cached
from bdlab.nets import Net, build
from bdlab.relabel import all_to_one
from bdlab.training import Scores, evaluate, fit
from bdlab.triggers import Patch

if TYPE_CHECKING:
    from ipywidgets import VBox

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


SQUARE = {"pattern": torch.ones(1, 3, 3), "mask": torch.ones(3, 3, dtype=torch.bool), "pos": (24, 24)}
"""The lesson's trigger, as arguments of `stamp`."""


def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    """The library's part of the exercise `stamp`, which see."""
    (row, column), (height, width) = pos, mask.shape
    margins = (column, x.shape[3] - column - width, row, x.shape[2] - row - height)
    return torch.where(pad(mask, margins), pad(pattern, margins), x)


def stamped(stamp: Callable[..., Tensor]) -> plots.Plot:
    """Eight test images as they are, and as `stamp` marks them with the lesson's square."""
    test = load("digits").test
    marked = stamp(test.x[:8], *SQUARE.values())
    return plots.images(
        [("clean", test.x[:8]), ("stamped", marked)],
        title=f"digits: labels {test.y[:8].tolist()}",
        alt=f"Eight digits with the labels {test.y[:8].tolist()}: above as they are, below as your function marks them. "
        f"{int((marked != test.x[:8]).flatten(1).any(1).sum())} of them changed.",
    )


MAKERS = {"painter": painter_grid, "curve": curve, "first_attack": first_attack}
"""Name of a demo -> what makes its arrays or scores."""

# --- the trigger painter ---

PAINTER = ("shape", "at", "colour", "rate")
"""The trigger painter's controls, in the order of the axes of what was measured."""


def painted(shape: str = "square", at: str = "corner", colour: float = 1.0, rate: float = 0.05) -> plots.Plot:
    """One setting of the trigger painter as a picture: three digits with the trigger, and what BadNets does with it.

    shape: 'pixel', 'pattern' (four pixels) or 'square' (3x3).  at: 'corner' or 'centre'.  colour: a grey value.
    rate: share of the training set.  The numbers are measured, one training each; other values are refused.
    """
    grid = cached("l03", "painter")
    *look, chosen = _index(grid, shape=shape, at=at, colour=colour, rate=rate)
    rates, asr, clean = grid["rate"].tolist(), grid["asr"][*look].tolist(), grid["clean"][*look].tolist()
    digits = _digits()
    ordered = ", ".join(f"{100 * r:g}%: {share:.1%}" for r, share in zip(rates, asr, strict=True))
    return plots.painted(
        digits,
        patch(shape, at, colour)(digits),
        rates,
        [("ASR", asr), ("clean accuracy", clean)],
        chosen,
        title=f"{_look(shape, at, colour)}, rate {rate:g}; digits, small_bn, seed 0",
        alt=f"Three digits, clean above, with the trigger below. {_numbers(grid, shape, at, colour, rate)} "
        f"ASR of this trigger over the poisoning rates: {ordered}.",
    )


def trigger_painter() -> VBox:
    """Choose a trigger and a poisoning rate; see the marked digits, and how well the attack does.

    The box has its `controls` (name -> widget) and the `text` with the numbers as attributes.
    """
    from IPython.display import clear_output, display
    from ipywidgets import HTML, Output, VBox

    grid = cached("l03", "painter")
    controls, text, out = _painter_controls(grid), HTML(), Output()

    def draw(_: object = None) -> None:
        with out:  # an error in a callback shows here or nowhere
            clear_output(wait=True)
            setting = {name: control.value for name, control in controls.items()}
            text.value = f"<p>{html.escape(_numbers(grid, **setting))}</p>"
            display(painted(**setting))

    for control in controls.values():
        control.observe(draw, names="value")
    draw()
    box = VBox([*controls.values(), text, out])
    box.controls, box.text = controls, text
    return box


def _painter_controls(grid: Arrays) -> dict[str, Any]:
    from ipywidgets import Dropdown, SelectionSlider

    shape, at, colour, rate = (grid[name].tolist() for name in PAINTER)
    return {
        "shape": Dropdown(description="shape", options=shape, value="square"),
        "at": Dropdown(description="at", options=at, value="corner"),
        "colour": SelectionSlider(description="colour", options=colour, value=1.0),
        "rate": SelectionSlider(description="rate", options=[(f"{r:g}", r) for r in rate], value=0.05),
    }


def _index(grid: Arrays, **setting: str | float) -> tuple[int, ...]:
    """Where a setting stands in the grid; an error for one that was not measured."""
    for name, value in setting.items():
        allowed = grid[name].tolist()
        if value not in allowed:
            raise ValueError(
                f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}; "
                "for any other trigger or rate train BadNets yourself"
            )
    return tuple(grid[name].tolist().index(setting[name]) for name in PAINTER)


def _look(shape: str, at: str, colour: float) -> str:
    name = {"pixel": "one pixel", "pattern": "four-pixel pattern", "square": "3x3 square"}[shape]
    return f"{name}, {at}, colour {colour:g}"


def _numbers(grid: Arrays, shape: str, at: str, colour: float, rate: float) -> str:
    """What was measured at one setting, in words."""
    cell = _index(grid, shape=shape, at=at, colour=colour, rate=rate)
    return (
        f"Trigger: {_look(shape, at, colour)}; poisoning rate {rate:g}: "
        f"{grid['asr'][cell]:.1%} of {grid['attacked_n']} triggered test images are called 0 (ASR), "
        f"clean accuracy {grid['clean'][cell]:.1%} of {grid['clean_n']} "
        f"({grid['baseline']:.1%} without an attack). "
        f"One training each; the test images are made from {grid['sources']} scans."
    )


def _digits() -> Any:
    """One test image each of 1, 4 and 7: (3, 1, 28, 28)."""
    test = load("digits").test
    return test.x[[int((test.y == label).nonzero()[0]) for label in (1, 4, 7)]]
