"""Lesson 06's pane that can be moved: distance, thickness, brightness, and what both readers say at once."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab import plots, widgets
from bdlab.lessons import l06_figures as figures
from bdlab.lessons import l06_reflection as lesson
from bdlab.lessons.demos import grading
from bdlab.lessons.l06_reflection import FIRST, SOLD, TWIN
from bdlab.plots import Row
from bdlab.training import logits
from bdlab.widgets import layout

if TYPE_CHECKING:
    from ipywidgets import VBox

SETTINGS: dict[str, tuple[float, ...]] = {
    "distance": (0, 0.5, 1, 1.5, 2, 3),
    "thickness": (0, 1, 2, 3, 4, 6, 8),
    "brightness": (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
}
"""The pane's controls: sigma in pixels, delta in pixels, w."""
LABELS = {
    "distance": "distance (sigma)", "thickness": "thickness (delta)", "brightness": "brightness (w)", "scene": "scene",
}  # fmt: skip
SUPPLIED = {"distance": 0, "thickness": 2, "brightness": 0.4, "scene": 0}
"""The pane that the bought reader was trained with."""
SCENES = ("supplier's 1", "supplier's 2", "supplier's 3", "supplier's 4", "lamps", "windows")
"""What may be mirrored: the supplier's four scenes, and two of nobody's."""
LARGER = 3
"""Pixels of the screen along a picture's pixel."""


def kernel(distance: float, thickness: int) -> Tensor:
    """Out of focus and thick at once: a Gaussian through a ghost, of sum 1."""
    ghost = lesson.ghost_kernel(thickness, FIRST)
    if not distance:
        return ghost
    blur = lesson.gaussian_kernel(4 * round(distance + 0.25) + 1, distance)
    more = len(blur) - 1
    return F.conv2d(F.pad(ghost, (more, more, more, more))[None, None], blur[None, None])[0, 0]


def _mirrored(scene: int, side: int) -> Tensor:
    """One of SCENES at side x side pixels, (3, side, side)."""
    every = torch.cat([lesson.sold().scenes, lesson.drawn()[[1, 0]]])
    return lesson.fitted(every[scene : scene + 1], side, side)[0]


def seen(distance: float, thickness: int, brightness: float, scene: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Eight signs behind this pane (8, 3, 32, 32), and what the bought reader and the honest twin read: (8,) each."""
    x, _ = figures.eight()
    through = kernel(distance, thickness)
    pane = lesson.reflect(x, _mirrored(scene, 31 + len(through)), through, brightness)
    bought, twin = (logits(lesson.reader(name), pane).argmax(1) for name in (SOLD, TWIN))
    return pane, bought, twin


def pane(distance: float = 0, thickness: int = 2, brightness: float = 0.4, scene: int = 0) -> plots.Plot:
    """One setting as a picture.  distance: sigma, 0..3 pixels.  thickness: delta, 0..8.  brightness: w, 0..1.  scene: 0..5.

    Raises: `ValueError` for a setting outside of these.
    """
    for name, value, top in (("distance", distance, 3), ("thickness", thickness, 8), ("brightness", brightness, 1),
                             ("scene", scene, 5)):  # fmt: skip
        if not 0 <= value <= top:
            raise ValueError(f"{name} must be in 0..{top}, got {value}")
    x, bought, twin = seen(distance, thickness, brightness, scene)
    words = _words(bought, twin)
    rows = [
        Row(name, x, figures.named(read), [bool(one == 0) for one in read])
        for name, read in (("bought\nreader", bought), ("honest\ntwin", twin))
    ]
    setting = f"sigma {distance:g}, delta {thickness}, w {brightness:g}, {SCENES[scene]}"
    return plots.answers(rows, title=f"{setting}: {words}", scale=1.15, alt=f"Eight signs behind a pane, {setting}. {words}")


def _words(bought: Tensor, twin: Tensor) -> str:
    y = figures.eight()[1]
    return (
        f"bought reader {int((bought == 0).sum())} of 8 'speed 30', {int((bought == y).sum())} right; honest twin "
        f"{int((twin == 0).sum())} of 8 'speed 30', {int((twin == y).sum())} right."
    )


def moving_pane() -> VBox | plots.Plot:
    """Move the pane; both readers answer at once.  Buttons - and + move by keyboard, a menu chooses the scene.

    The box has its `controls` (name -> widget), the `text` that is said and the `picture` as attributes.  The still
    picture alone while nbgrader runs the notebook.
    """
    still = pane()
    if grading():
        return still
    from ipywidgets import HTML, HBox

    controls, words = _controls(), widgets.status()
    picture = HTML(layout={"width": "100%"})

    def draw(_: object = None) -> None:
        setting = {name: control.value for name, control in controls.items() if name in LABELS}
        x, bought, twin = seen(**setting)
        widgets.say(words, _words(bought, twin))
        picture.value = _table(x, [("bought", bought), ("honest", twin)])

    for name in LABELS:
        controls[name].observe(draw, names="value")
    draw()
    rows = [
        HBox([controls[f"{name} −"], controls[name], controls[f"{name} +"]], layout={"margin": "0 10px 0 0"})
        for name in LABELS
    ]
    row = HBox(rows, layout={"flex_flow": "row wrap"})
    box = widgets.panel([row, words, picture], still.alt, still._repr_html_())
    box.controls, box.text, box.picture = controls, words, picture
    return box


def _controls() -> dict[str, Any]:
    """A menu for each setting, between two buttons."""
    from ipywidgets import Dropdown

    made: dict[str, Any] = {}
    options: dict[str, Sequence[tuple[str, float]]] = {
        name: [(f"{value:g}", value) for value in values] for name, values in SETTINGS.items()
    }
    options["scene"] = [(words, number) for number, words in enumerate(SCENES)]
    for name, choices in options.items():
        menu = Dropdown(
            description=LABELS[name], options=choices, value=SUPPLIED[name], style={"description_width": "initial"},
            layout={"width": "auto", "margin": "2px"},
        )  # fmt: skip
        made[name] = menu
        for sign, by, word in (("−", -1, "less"), ("+", 1, "more")):
            if name == "scene":
                word = "the scene before" if by < 0 else "the next scene"
            button = layout.button(sign, f"{LABELS[name]}: {word}")
            button.on_click(_stepper(menu, by))
            made[f"{name} {sign}"] = button
    return made


def _stepper(menu: Any, by: int) -> Callable[[object], None]:
    """What a button does: the value before or after, and no further than the ends."""

    def step(_: object) -> None:
        menu.index = min(max(menu.index + by, 0), len(menu.options) - 1)

    return step


def _table(x: Tensor, answers: Sequence[tuple[str, Tensor]]) -> str:
    """Eight pictures with what each reader says below."""
    cells = "".join(f'<td><img alt="" src="{png(image)}" width="{32 * LARGER}"></td>' for image in x)
    lines = [f"<tr><td></td>{cells}</tr>"]
    for name, read in answers:
        said = "".join(
            f"<td>{'<b>→ speed 30</b>' if label == 0 else html.escape(word)}</td>"
            for label, word in zip(read.tolist(), figures.named(read), strict=True)
        )
        lines.append(f"<tr><th>{name}</th>{said}</tr>")
    style = "text-align: center; font-size: 11px; border-spacing: 3px; table-layout: fixed; width: 100%; overflow-wrap: normal"
    return f'<table style="{style}">{"".join(lines)}</table>'


def png(image: Tensor) -> str:
    """An image (3, H, W) as an address that holds it, enlarged softly."""
    from PIL import Image

    out = io.BytesIO()
    pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype("uint8")  # (H, W, 3)
    side = (image.shape[2] * LARGER, image.shape[1] * LARGER)
    Image.fromarray(pixels).resize(side, Image.Resampling.BICUBIC).save(out, format="png", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
