"""A scrub bar: one picture after the other, by slider, by button, or played."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bdlab import student
from bdlab.widgets.layout import beside, button, panel, say, status, text

if TYPE_CHECKING:
    from ipywidgets import VBox

Show = Callable[[int], Any]
"""index -> a Plot, a matplotlib figure, or PNG bytes."""


WIDE = 1.7
"""A picture that is wider than this times its height has the controls above it, others beside it."""


@dataclass(frozen=True, repr=False)
class Picture:
    """A PNG with its description."""

    png: bytes
    alt: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as a PNG's first block says."""
        return int.from_bytes(self.png[16:20], "big"), int.from_bytes(self.png[20:24], "big")

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode()
        width, height = self.size
        return (
            f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}" width="{width}" height="{height}" '
            'style="max-width: 100%; height: auto">'
        )

    def __repr__(self) -> str:
        return self.alt


def still(frames: Sequence[str], show: Show, label: str, index: int) -> Picture:
    """One frame as a plain picture.  frames, show, label: as for `scrub`; index: which frame, counted from 0."""
    _check(frames, label, index, "index")
    return _picture(show(index), f"{label}: {frames[index]}")


def scrub(
    frames: Sequence[str], show: Show, label: str, *, start: int = 0, play: float | None = None
) -> VBox | Picture:
    """Move through pictures; while nbgrader runs the notebook, the picture at `start` alone.

    frames: what each picture shows, in words: 'step 20: clean 71 %, ASR 80 %'; it is said aloud, and stands for the
    picture where that brings no description of its own.  show: index -> a Plot, a matplotlib figure (it is closed), or
    PNG bytes; called once for each frame that is looked at, so keep its pictures of one size.
    label: what the slider moves over: 'training step'.  play: seconds per frame; None leaves the button out.
    The box has its `controls` (name -> widget), the `text` of the frame and the `picture` as attributes.
    """
    from ipywidgets import HBox

    _check(frames, label, start, "start")
    if play is not None and not play >= 0.1:
        raise ValueError(f"play must be at least 0.1 s per frame, got {play}")
    first = still(frames, show, label, start)
    if student.silent():
        return first
    controls, image, words = _controls(label, len(frames), start, play), text(), status()
    drawn = {start: first}

    def draw(index: int) -> None:
        if index not in drawn:
            try:
                drawn[index] = still(frames, show, label, index)
            except Exception as error:  # in a callback it would show nowhere
                say(words, f"✗ Frame {index + 1} cannot be drawn: {type(error).__name__}: {error}")
                return
        image.value = drawn[index]._repr_html_()
        say(words, frames[index], f"({index + 1} of {len(frames)})")

    draw(start)
    controls["slider"].observe(lambda change: draw(change.new), names="value")
    _connect(controls, len(frames), play)
    row = HBox(list(controls.values()), layout={"flex_flow": "row wrap", "align_items": "center"})
    hint = text('<p class="bdlab-quiet">No reaction? Run this cell again.</p>')
    width, height = first.size
    parts = [row, words, image, hint] if width > WIDE * height else [beside([row, words, hint], [image])]
    box = panel(parts, f"{label}: {frames[start]}", first._repr_html_())
    box.controls, box.text, box.picture = controls, words, image
    return box


def _controls(label: str, count: int, start: int, play: float | None) -> dict[str, Any]:
    from ipywidgets import IntSlider

    slider = IntSlider(
        value=start, max=max(count - 1, 1), description=label, readout=False,
        style={"description_width": "initial"}, layout={"flex": "1 1 190px", "width": "auto"},
    )  # fmt: skip
    controls = {
        "back": button("− back", f"one {label} back"),
        "forward": button("+ forward", f"one {label} forward"),
        "slider": slider,
    }
    if play is not None:
        controls = {"play": button("▶ play", f"show one {label} after the other"), **controls}
    return controls


def _connect(controls: dict[str, Any], count: int, play: float | None) -> None:
    """What the buttons do.  None is ever disabled: it would lose the focus of whoever uses the keyboard."""
    slider = controls["slider"]
    tasks: list[asyncio.Task[None]] = []

    def step(by: int) -> None:
        slider.value = min(max(slider.value + by, 0), count - 1)

    controls["back"].on_click(lambda _: step(-1))
    controls["forward"].on_click(lambda _: step(1))
    if play is None:
        return

    async def run() -> None:
        if slider.value >= count - 1:
            slider.value = 0
        while slider.value < count - 1 and tasks:
            await asyncio.sleep(play)
            step(1)
        tasks.clear()
        controls["play"].description = "▶ play"

    def toggle(_: Any) -> None:
        if tasks:
            tasks.pop().cancel()
            controls["play"].description = "▶ play"
        else:
            controls["play"].description = "■ stop"
            tasks.append(asyncio.get_running_loop().create_task(run()))

    controls["play"].on_click(toggle)


def _check(frames: Sequence[str], label: str, index: int, name: str) -> None:
    if isinstance(frames, str) or not frames or not all(isinstance(f, str) and f.strip() for f in frames):
        raise ValueError(f"frames must hold a text for every picture, which says what it shows, got {frames!r}")
    if not label.strip():
        raise ValueError("label must say what the slider moves over, got an empty text")
    if isinstance(index, bool) or not 0 <= index < len(frames):
        raise ValueError(f"{name} must be 0..{len(frames) - 1}, got {index!r}")


def _picture(shown: Any, words: str) -> Picture:
    """The PNG of what `show` gave; its figure is closed, so that it neither stays in memory nor shows below the cell."""
    if isinstance(shown, bytes):
        return Picture(shown, words)
    if hasattr(shown, "png") and hasattr(shown, "alt"):
        figure, png, words = shown.figure, shown.png(), shown.alt
    elif hasattr(shown, "savefig"):
        out = io.BytesIO()
        shown.savefig(out, format="png", dpi=100)
        figure, png = shown, out.getvalue()
    else:
        raise TypeError(f"show must return a Plot, a matplotlib figure or PNG bytes, got {type(shown).__name__}")
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(figure)
    return Picture(png, words)
