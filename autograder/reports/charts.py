"""The charts of a report, as SVG that stands in the page itself: axes with units, n, a title and a description.

Written by hand: a page of a few bars needs no plotting library, and no style or script that a strict policy would forbid.
Blue and vermillion are Okabe and Ito's, which colour-blind readers can tell apart; lines differ in their dashes, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 480, 52, 14, 44, 52
"""Of the drawing, and of its margins, in units of the picture."""
ROW = 30
"""Height of one row of a chart with rows."""
BLUE, VERMILLION, INK, GRID = "#0072B2", "#B34700", "#1a1a1a", "#c8c8c8"
"""Vermillion is darker than the palette's, so that it can be read on white."""


def histogram(points: Sequence[float], maximum: float, mean: float, median: float) -> Markup:
    """How many hand-ins have how many points.  points: each in [0, maximum]."""
    width = max(1, math.ceil(maximum / 25))
    bins = int(maximum // width) + 1
    counts = [0] * bins
    for value in points:
        counts[min(int(value // width), bins - 1)] += 1
    height, inner = 270, WIDTH - LEFT - RIGHT
    bottom, step = height - BOTTOM, inner / bins
    ticks = _ticks(max(counts))
    parts = [_line(LEFT, y, WIDTH - RIGHT, y, GRID) for y in (_scale(t, ticks[-1], bottom, TOP) for t in ticks)]
    parts += [_text(LEFT - 6, _scale(t, ticks[-1], bottom, TOP) + 5, t, "end") for t in ticks]
    for number, count in enumerate(counts):
        y = _scale(count, ticks[-1], bottom, TOP)
        parts.append(_bar(LEFT + number * step + 1, y, step - 2, bottom - y))
        if number % math.ceil(bins / 16) == 0:
            parts.append(_text(LEFT + (number + 0.5) * step, bottom + 18, number * width, "middle"))
    for value, colour, dash, x in ((mean, VERMILLION, "6 4", LEFT), (median, INK, "2 3", LEFT + 190)):
        at = LEFT + (value + 0.5 if width == 1 else value / width) * step  # bars of one point are centred on it
        parts.append(_line(at, TOP, at, bottom, colour, 2.5, dash))
        parts.append(_line(x, 20, x + 30, 20, colour, 2.5, dash))
        parts.append(_text(x + 36, 25, f"{'mean' if value is mean else 'median'} {value:.2f}", "start"))
    parts += [_line(LEFT, bottom, WIDTH - RIGHT, bottom), _line(LEFT, TOP, LEFT, bottom)]
    unit = "points" if width == 1 else f"points, {width} to a bar"
    parts.append(
        _text(LEFT + inner / 2, height - 10, f"automatic {unit}, of {maximum:g} (n = {len(points)})", "middle")
    )
    parts.append(_text(14, TOP + (bottom - TOP) / 2, "hand-ins", "middle", turned=True))
    told = ", ".join(f"{number * width}: {count}" for number, count in enumerate(counts) if count)
    alt = f"Histogram of {len(points)} hand-ins, mean {mean:.2f}, median {median:.2f}. Points: hand-ins: {told}."
    return _svg("points", height, "Automatic points", alt, parts)


def intervals(rows: Sequence[tuple[str, float, float, float]], n: int) -> Markup:
    """One row each: (name, share, low, high), all in [0, 1]; a dot and its interval.  n: hand-ins."""
    left, height = _margin([row[0] for row in rows]), TOP + ROW * len(rows) + BOTTOM
    bottom = height - BOTTOM
    parts: list[Markup] = []
    for tick in (0, 25, 50, 75, 100):
        x = _scale(tick, 100, left, WIDTH - RIGHT - 16)
        parts += [_line(x, TOP, x, bottom, GRID), _text(x, bottom + 18, f"{tick} %", "middle")]
    for number, (name, share, low, high) in enumerate(rows):
        y = TOP + ROW * (number + 0.5)
        start, at, end = (_scale(value, 1, left, WIDTH - RIGHT - 16) for value in (low, share, high))
        parts += [_text(left - 8, y + 5, name, "end"), _line(start, y, end, y, INK, 2)]
        parts += [_line(x, y - 5, x, y + 5, INK, 2) for x in (start, end)]
        parts.append(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="5.5" fill="{}"/>').format(at, y, BLUE))
    parts.append(_line(left, bottom, WIDTH - RIGHT - 16, bottom))
    parts.append(
        _text((left + WIDTH - RIGHT) / 2, height - 10, f"share of the points that were earned (n = {n})", "middle")
    )
    parts.append(_text(left, 25, "dot: share, bar: 95 % interval", "start"))
    told = "; ".join(f"{name} {share:.0%}, {low:.0%} to {high:.0%}" for name, share, low, high in rows)
    return _svg("difficulty", height, "Difficulty", f"Share of points earned, with its 95 % interval: {told}.", parts)


def bars(rows: Sequence[tuple[str, int]], n: int) -> Markup:
    """One row each: (name, count), the count written at its end.  n: hand-ins."""
    left, height = _margin([row[0] for row in rows]), 14 + ROW * len(rows) + BOTTOM
    bottom, end = height - BOTTOM, WIDTH - RIGHT - 24
    ticks = _ticks(max((count for _, count in rows), default=1))
    parts: list[Markup] = []
    for tick in ticks:
        x = _scale(tick, ticks[-1], left, end)
        parts += [_line(x, 14, x, bottom, GRID), _text(x, bottom + 18, tick, "middle")]
    for number, (name, count) in enumerate(rows):
        y, x = 14 + ROW * number, _scale(count, ticks[-1], left, end)
        parts += [_bar(left, y + 5, x - left, ROW - 10), _text(left - 8, y + 20, name, "end")]
        parts.append(_text(x + 5, y + 20, count, "start"))
    parts.append(_line(left, 14, left, bottom))
    parts.append(_text((left + end) / 2, height - 10, f"hand-ins (n = {n})", "middle"))
    told = "; ".join(f"{name}: {count}" for name, count in rows)
    return _svg("mistakes", height, "Most frequent misconceptions", f"Hand-ins with each misconception: {told}.", parts)


def _margin(names: Sequence[str]) -> float:
    """Room for names of 14 units; 7.6 is what a letter needs in a wide sans serif."""
    return min(max(map(len, names), default=0) * 7.6 + 14, 250)


def _ticks(top: int) -> list[int]:
    """0, ... at or beyond `top`: whole numbers, six at most."""
    steps = (factor * 10**power for power in range(9) for factor in (1, 2, 5))
    step = next(step for step in steps if step * 5 >= top)
    return [step * number for number in range(max(math.ceil(top / step), 1) + 1)]


def _scale(value: float, top: float, start: float, end: float) -> float:
    return start + (end - start) * value / top


def _bar(x: float, y: float, width: float, height: float) -> Markup:
    shape = '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>'
    return Markup(shape).format(x, y, width, max(height, 0), BLUE)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = INK, width: float = 1, dash: str = "") -> Markup:
    shape = '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}" stroke-width="{}"{}/>'
    dashes = Markup(' stroke-dasharray="{}"').format(dash) if dash else ""
    return Markup(shape).format(x1, y1, x2, y2, colour, width, dashes)


def _text(x: float, y: float, text: object, anchor: str, turned: bool = False) -> Markup:
    turn = Markup(' transform="rotate(-90 {:.1f} {:.1f})"').format(x, y) if turned else ""
    shape = '<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>'
    return Markup(shape).format(x, y, anchor, turn, text)


def _svg(name: str, height: float, title: str, alt: str, parts: Sequence[Markup]) -> Markup:
    """A picture that a screen reader reads as its title and its description."""
    head = Markup(
        '<svg class="chart" viewBox="0 0 {0} {1:.0f}" role="img" aria-labelledby="{2}-title {2}-text">'
        '<title id="{2}-title">{3}</title><desc id="{2}-text">{4}</desc>'
    ).format(WIDTH, height, name, title, alt)
    return head + Markup("\n").join(map(escape, parts)) + Markup("</svg>")
