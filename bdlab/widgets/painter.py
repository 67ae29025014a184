"""Lesson 03: paint a trigger, see how well the attack does."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from bdlab import plots
from bdlab.data import load
from bdlab.demos import Arrays, cached
from bdlab.experiments.lesson03 import patch

if TYPE_CHECKING:
    from ipywidgets import VBox

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
