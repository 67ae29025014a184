"""Lesson 03's trigger painter: choose a mark and a rate, see what was measured with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from bdlab import plots, widgets
from bdlab.data import load
from bdlab.lessons.demos import Arrays, cached, grading
from bdlab.lessons.l03_badnets import patch
from bdlab.widgets import layout

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


def trigger_painter() -> VBox | plots.Plot:
    """Choose a trigger and a poisoning rate; see the marked digits, and how well the attack does.

    The box has its `controls` (name -> widget), the `text` with the numbers and the `picture` as attributes.  The still
    picture alone while nbgrader runs the notebook.
    """
    from ipywidgets import HTML, HBox

    first = painted()
    if grading():
        return first
    grid = cached("l03", "painter")
    controls, words, picture = _controls(grid), widgets.status(), HTML(first._repr_html_(), layout={"width": "100%"})

    def draw(_: object) -> None:
        setting = {name: control.value for name, control in controls.items()}
        widgets.say(words, _shares(grid, **setting), _numbers(grid, **setting))
        picture.value = painted(**setting)._repr_html_()

    for control in controls.values():
        control.observe(draw, names="value")
    draw(None)
    pairs = [
        HBox([control, _next(name, control)], layout={"margin": "0 12px 0 0"}) for name, control in controls.items()
    ]
    row = HBox(pairs, layout={"flex_flow": "row wrap"})
    box = widgets.panel([row, words, picture], first.alt, first._repr_html_())
    box.controls, box.text, box.picture = controls, words, picture
    return box


LABELS = {"shape": "mark", "at": "position", "colour": "brightness (0 = black)", "rate": "poisoning rate"}


def _controls(grid: Arrays) -> dict[str, Any]:
    """One dropdown each, for the mouse: JupyterLab takes the keys that would choose in it."""
    from ipywidgets import Dropdown

    start, made = {"shape": "square", "at": "corner", "colour": 1.0, "rate": 0.05}, {}
    for name in PAINTER:
        values = grid[name].tolist()
        options = [(f"{value:g}" if isinstance(value, float) else value, value) for value in values]
        made[name] = Dropdown(
            description=LABELS[name], options=options, value=start[name],
            style={"description_width": "initial"}, layout={"width": "auto", "margin": "2px"},
        )  # fmt: skip
    return made


def _next(name: str, control: Any) -> Any:
    """A button to the next value, and from the last to the first: what chooses by keyboard."""
    button = layout.button("+ next", f"next {LABELS[name]}")
    button.on_click(lambda _: setattr(control, "index", (control.index + 1) % len(control.options)))
    return button


def _shares(grid: Arrays, **setting: Any) -> str:
    cell = _index(grid, **setting)
    return f"ASR {grid['asr'][cell]:.1%}, clean accuracy {grid['clean'][cell]:.1%}."


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


def _digits() -> Tensor:
    """One test image each of 1, 4 and 7: (3, 1, 28, 28)."""
    test = load("digits").test
    return test.x[[int((test.y == label).nonzero()[0]) for label in (1, 4, 7)]]
