"""Lesson 09's panel: overlays, mode and line -> FRR and FAR, on both data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bdlab import plots, widgets
from bdlab.lessons import l09_strip as lesson
from bdlab.lessons.demos import grading
from bdlab.lessons.l09_figures import measured
from bdlab.lessons.l09_strip import COUNTS, CUTS, SETTINGS
from bdlab.widgets import layout

if TYPE_CHECKING:
    from ipywidgets import VBox

ASKED = (0.005, 0.01, 0.02, 0.05, 0.1)
"""False rejection rates that the panel offers."""
START: dict[str, Any] = {"case": "signs, sticker", "mode": "add_clip", "overlays": 20, "frr": 0.02}
OFFERED: dict[str, tuple[Any, ...]] = {
    "case": tuple(SETTINGS), "mode": lesson.MODES, "overlays": COUNTS, "frr": ASKED,
}  # fmt: skip
"""The panel's controls and their values."""


def guarded(case: str = "signs, sticker", mode: str = "add_clip", overlays: int = 20, frr: float = 0.02) -> plots.Plot:
    """One setting of the panel as a picture.  The line is the quantile `frr` of 500 calibration images.

    Raises: `ValueError` for a value that was not measured.
    """
    for name, value in {"case": case, "mode": mode, "overlays": overlays, "frr": frr}.items():
        if value not in OFFERED[name]:
            raise ValueError(f"{name} must be one of {', '.join(map(str, OFFERED[name]))}, got {value!r}")
    values = torch.from_numpy(measured(SETTINGS[case], mode, overlays)).float()  # type: ignore[arg-type]
    calibration, benign, marked = (group[~group.isnan()] for group in values)
    line = float(torch.quantile(calibration, frr))
    said = _shares(benign, marked, line)
    title = f"{case}; {overlays} overlay{'s' * (overlays > 1)}, {CUTS[mode]}; asked FRR {frr:.1%}: {said}"
    return plots.tails(
        benign, marked, line, label="mean entropy (bits)", title=title,
        alt=f"Two histograms of mean entropies and a line at {line:.3f} bits. {title}.",
    )  # fmt: skip


def _shares(benign: torch.Tensor, marked: torch.Tensor, line: float) -> str:
    return f"FRR {(benign < line).float().mean():.1%}, FAR {(marked >= line).float().mean():.1%}"


def panel() -> VBox | plots.Plot:
    """Choose case, mode, overlays and FRR; see both histograms, the line, FRR and FAR.

    The box has its `controls` (name -> widget), `buttons` (words -> button), the `text` and the `picture` as attributes.
    The still picture alone while nbgrader runs the notebook.
    """
    from ipywidgets import HTML, HBox

    first = guarded(**START)
    if grading():
        return first
    words, picture = widgets.status(), HTML(first._repr_html_(), layout={"width": "100%"})
    controls = {name: _dropdown(name) for name in OFFERED}
    buttons: dict[str, Any] = {}

    def draw(_: object) -> None:
        shown = guarded(**{name: control.value for name, control in controls.items()})
        widgets.say(words, shown.alt.rpartition(": ")[2], shown.alt)
        picture.value = shown._repr_html_()

    for name, control in controls.items():
        control.observe(draw, names="value")
        for sign, step in (("−", -1), ("+", 1)):
            buttons[f"{name} {sign}"] = _step(name, control, sign, step)
    draw(None)
    pairs = [HBox([controls[name], buttons[f"{name} −"], buttons[f"{name} +"]], layout={"margin": "0 12px 0 0"}) for name in controls]
    box = widgets.panel([HBox(pairs, layout={"flex_flow": "row wrap"}), words, picture], first.alt, first._repr_html_())
    box.controls, box.buttons, box.text, box.picture = controls, buttons, words, picture
    return box


LABELS = {"case": "attack", "mode": "sum", "overlays": "overlays", "frr": "FRR asked"}


def _dropdown(name: str) -> Any:
    from ipywidgets import Dropdown

    texts = {"mode": lambda value: CUTS[value], "frr": lambda value: f"{value:.1%}"}.get(name, str)
    return Dropdown(
        description=LABELS[name], options=[(texts(value), value) for value in OFFERED[name]], value=START[name],
        style={"description_width": "initial"}, layout={"width": "auto", "margin": "2px"},
    )  # fmt: skip


def _step(name: str, control: Any, sign: str, step: int) -> Any:
    """A button to the value before or behind; past an end comes the other end: what chooses by keyboard."""
    button = layout.button(sign, f"{'next' if step > 0 else 'previous'} {LABELS[name]}")
    button.on_click(lambda _: setattr(control, "index", (control.index + step) % len(control.options)))
    return button
