"""A trophy as a card that one would send to a friend, and all trophies on a wall."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bdlab.plots.plot import Plot, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAPER, TILE, EDGE, PALE, DIM, WHITE, GOLD = (
    "#12263A", "#1D3A55", "#2F5573", "#B9CBDA", "#7F97AB", "#FFFFFF", "#FFC145",
)  # fmt: skip
"""Light on dark, the same in both themes of a notebook; every text has a contrast of at least 4.5 to its ground."""
WIDE = 1.5
"""A picture that is wider than this times its height gets the whole width of a card."""


@dataclass(frozen=True)
class Card:
    """What a trophy says.  picture: uint8 (H, W, 3) or None; numbers: label -> value, as text; points: as text."""

    number: str
    title: str
    picture: np.ndarray | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)
    points: str = ""
    star: bool = False
    footer: str = ""


def card(content: Card) -> Plot:
    """One trophy: 960 x 600 pixels."""
    axis, plot = _canvas((6.4, 4.0), f"{_card_in_words(content)} {content.footer}.".replace(" .", ""))
    title = textwrap.wrap(content.title, 40)[:2]
    _text(axis, 0.35, 3.68, f"LESSON {content.number}", 9, GOLD, weight="bold")
    _text(axis, 0.35, 3.42, "\n".join(title), 15, WHITE, weight="bold", va="top")
    if content.star:
        _text(axis, 6.05, 3.68, "★ mystery box", 9, GOLD, ha="right", weight="bold")
    top = 3.26 - 0.27 * len(title)
    if content.picture is None:
        _row_of_numbers(axis, content.numbers, 1.9, 24)
    elif content.picture.shape[1] > WIDE * content.picture.shape[0]:
        _picture(axis, content.picture, (0.35, 1.32, 5.7, top - 1.32))
        _row_of_numbers(axis, content.numbers, 1.03, 17)
    else:
        width = _picture(axis, content.picture, (0.35, 0.62, 2.9, top - 0.62))
        _column_of_numbers(axis, content.numbers, width + 0.7, top)
    axis.plot([0.35, 6.05], [0.45, 0.45], color=EDGE, linewidth=1)
    _text(axis, 0.35, 0.25, content.footer, 8.5, PALE)
    _text(axis, 6.05, 0.25, content.points, 10, WHITE, ha="right", weight="bold")
    return plot


def trophy_wall(cards: Sequence[Card | tuple[str, str, str]], *, title: str, subtitle: str) -> Plot:
    """All lessons, four in a row: a `Card` where one is won, (number, title, state) where not; 1500 pixels wide."""
    rows = -(-len(cards) // 4)
    height = 1.05 + 2.1 * rows
    words = [_card_in_words(one) if isinstance(one, Card) else f"Lesson {one[0]}, {one[1]}: {one[2]}." for one in cards]
    axis, plot = _canvas((10.0, height), f"{title}: {subtitle}. {' '.join(words)}")
    _text(axis, 0.3, height - 0.4, title, 19, WHITE, weight="bold")
    _text(axis, 0.3, height - 0.75, subtitle, 11, PALE)
    for place, one in enumerate(cards):
        x, y = 0.3 + 2.37 * (place % 4), height - 1.0 - 2.1 * (place // 4 + 1) + 0.15
        if isinstance(one, Card):
            _won(axis, one, x, y)
        else:
            _open(axis, one, x, y)
    return plot


def _won(axis: Axes, content: Card, x: float, y: float) -> None:
    """A tile of 2.25 x 1.95 inches with its lower left corner at (x, y)."""
    _box(axis, (x, y, 2.25, 1.95), TILE, GOLD)
    _text(axis, x + 0.12, y + 1.76, content.number, 10, GOLD, weight="bold")
    _text(axis, x + 0.4, y + 1.76, content.title, 9, WHITE, weight="bold")
    lines = list(content.numbers.items())[: 3 if content.picture is None else 1]
    if content.picture is not None:
        low = y + 0.3 + 0.44 * len(lines)
        _picture(axis, content.picture, (x + 0.12, low, 2.01, y + 1.6 - low), centred=True)
    for place, (label, value) in enumerate(reversed(lines)):
        _text(axis, x + 0.12, y + 0.59 + 0.44 * place, value, 12, WHITE, weight="bold")
        _text(axis, x + 0.12, y + 0.41 + 0.44 * place, label, 8, PALE)
    _text(axis, x + 0.12, y + 0.17, content.points, 9, WHITE)
    if content.star:
        _text(axis, x + 2.13, y + 0.17, "★ box", 9, GOLD, ha="right", weight="bold")


def _open(axis: Axes, content: tuple[str, str, str], x: float, y: float) -> None:
    number, title, state = content
    _box(axis, (x, y, 2.25, 1.95), PAPER, EDGE, linestyle=(0, (4, 3)))
    _text(axis, x + 0.12, y + 1.76, number, 10, DIM, weight="bold")
    _text(axis, x + 0.4, y + 1.76, title, 9, DIM)
    _text(axis, x + 1.125, y + 0.95, state, 9, DIM, ha="center")


def _canvas(size: tuple[float, float], alt: str) -> tuple[Axes, Plot]:
    """One dark axis that covers the figure; its coordinates are inches."""
    figure = figure_of(size, alt)
    figure.set_layout_engine("none")
    figure.set_facecolor(PAPER)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, size[0]), ylim=(0, size[1]))
    axis.set_axis_off()
    axis.set_autoscale_on(False)
    return axis, Plot(figure, alt)


def _text(axis: Axes, x: float, y: float, text: str, size: float, colour: str, **more: Any) -> None:
    axis.text(x, y, text, fontsize=size, color=colour, **{"va": "center", "parse_math": False, **more})


def _box(axis: Axes, box: tuple[float, float, float, float], face: str, edge: str, **more: Any) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y, width, height = box
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.1", fc=face, ec=edge, **more)
    axis.add_patch(shape)


def _picture(axis: Axes, picture: np.ndarray, box: tuple[float, float, float, float], centred: bool = False) -> float:
    """The picture, corners rounded, as large as the box (x, y, width, height) lets it be; returns its width in inches."""
    from matplotlib.patches import FancyBboxPatch

    x, y, width, height = box
    ratio = picture.shape[1] / picture.shape[0]
    w, h = min(width, height * ratio), min(height, width / ratio)
    x, y = x + centred * (width - w) / 2, y + (height - h) / 2
    few = picture.shape[1] < 150 * w  # few pixels are shown as squares, many are smoothed
    image = axis.imshow(
        picture, extent=(x, x + w, y, y + h), aspect="auto", interpolation="nearest" if few else "antialiased", zorder=2
    )
    corners = FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0,rounding_size=0.07", transform=axis.transData)
    image.set_clip_path(corners)
    return w


def _column_of_numbers(axis: Axes, numbers: Mapping[str, str], left: float, top: float) -> None:
    step = min(0.72, (top - 0.62) / max(len(numbers), 1))
    for place, (label, value) in enumerate(numbers.items()):
        y = top - 0.3 * step - step * place
        _text(axis, left, y, value, 26 * step, WHITE, weight="bold")
        _text(axis, left, y - 0.4 * step, label, 9, PALE)


def _row_of_numbers(axis: Axes, numbers: Mapping[str, str], y: float, size: float) -> None:
    size, small = (size, 8.5) if len(numbers) < 4 else (12, 7)
    for place, (label, value) in enumerate(numbers.items()):
        x = 0.35 + 5.7 * place / max(len(numbers), 3)
        _text(axis, x, y, value, size, WHITE, weight="bold")
        _text(axis, x, y - 0.018 * size, label, small, PALE)


def _card_in_words(content: Card) -> str:
    parts = [f"{label} {value}" for label, value in content.numbers.items()]
    parts += [content.points] if content.points else []
    parts += ["the mystery box is solved"] if content.star else []
    return f"Trophy of lesson {content.number}, {content.title}: {', '.join(parts) or 'done'}."
