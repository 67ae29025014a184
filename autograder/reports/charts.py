"""The charts of a report, as SVG that stands in the page itself: axes with units, n, a title and a description.

matplotlib draws; its inline styles, which a strict policy forbids, become attributes, its metadata and names go.
Blue and vermillion are Okabe and Ito's, which colour-blind readers can tell apart; lines differ in their dashes, too.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

BLUE, VERMILLION, INK, GRID = "#0072B2", "#B34700", "#1a1a1a", "#c8c8c8"
"""Vermillion is darker than the palette's, so that it can be read on white."""
LOOKS: Any = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 14, "axes.titlesize": 14, "text.color": INK,
    "axes.edgecolor": INK, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "grid.color": GRID, "xtick.major.size": 0, "ytick.major.size": 0, "legend.frameon": False,
}  # fmt: skip
"""Words stay words, in the page's own letters, and names of exercises are no formulas."""


@mpl.rc_context(LOOKS)
def histogram(points: Sequence[float], maximum: float, mean: float, median: float) -> Markup:
    """How many hand-ins have how many points.  points: each in [0, maximum]."""
    width = max(1, math.ceil(maximum / 25))
    bins = int(maximum // width) + 1
    counts = np.bincount([min(int(value // width), bins - 1) for value in points], minlength=bins)
    figure, axes = _axes(270)
    axes.bar(np.arange(bins) * width + width / 2, counts, 0.9 * width, color=BLUE)
    ticks = np.arange(0, bins, math.ceil(bins / 16)) * width
    axes.set_xticks(ticks + width / 2, ticks)
    for name, value, colour, dash in (("mean", mean, VERMILLION, (0, (3, 2))), ("median", median, INK, (0, (1, 1)))):
        at = value + 0.5 if width == 1 else value  # bars of one point are centred on it
        axes.axvline(at, color=colour, linewidth=2.5, linestyle=dash, label=f"{name} {value:.2f}")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    unit = "points" if width == 1 else f"points, {width} to a bar"
    axes.set(xlabel=f"automatic {unit}, of {maximum:g} (n = {len(points)})", ylabel="hand-ins")
    told = ", ".join(f"{number * width}: {count}" for number, count in enumerate(counts) if count)
    alt = f"Histogram of {len(points)} hand-ins, mean {mean:.2f}, median {median:.2f}. Points: hand-ins: {told}."
    return _svg(figure, "points", "Automatic points", alt)


@mpl.rc_context(LOOKS)
def intervals(rows: Sequence[tuple[str, float, float, float]], n: int) -> Markup:
    """One row each: (name, share, low, high), all in [0, 1]; a dot and its interval.  n: hand-ins."""
    figure, axes = _axes(96 + 30 * len(rows), [row[0] for row in rows])
    (_, shares, lows, highs), places = zip(*rows, strict=True), range(len(rows))
    axes.hlines(places, lows, highs, INK, linewidth=2)
    axes.plot(lows, places, "|", highs, places, "|", color=INK, markersize=10, markeredgewidth=2)
    axes.plot(shares, places, "o", color=BLUE, markersize=10)
    axes.set_title("dot: share, bar: 95 % interval", loc="left")
    axes.set(xlim=(-0.02, 1.02), xlabel=f"share of the points that were earned (n = {n})")
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    told = "; ".join(f"{name} {share:.0%}, {low:.0%} to {high:.0%}" for name, share, low, high in rows)
    return _svg(figure, "difficulty", "Difficulty", f"Share of points earned, with its 95 % interval: {told}.")


@mpl.rc_context(LOOKS)
def bars(rows: Sequence[tuple[str, int]], n: int) -> Markup:
    """One row each: (name, count), the count written at its end.  n: hand-ins."""
    figure, axes = _axes(66 + 30 * len(rows), [row[0] for row in rows])
    axes.bar_label(axes.barh(range(len(rows)), [count for _, count in rows], 0.65, color=BLUE), padding=5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set(xlabel=f"hand-ins (n = {n})", xlim=(0, 1.12 * max([1, *(count for _, count in rows)])))
    told = "; ".join(f"{name}: {count}" for name, count in rows)
    return _svg(figure, "mistakes", "Most frequent misconceptions", f"Hand-ins with each misconception: {told}.")


def _axes(height: int, names: Sequence[str] = ()) -> tuple[Figure, Axes]:
    """480 wide, of points that are units of the picture.  names: of the rows of a chart that has rows, from the top."""
    figure = Figure((480 / 72, height / 72), layout="constrained")
    axes = figure.subplots()
    axes.grid(axis="x" if names else "y")
    if names:
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
    return figure, axes


def _svg(figure: Figure, name: str, title: str, alt: str) -> Markup:
    """A picture that a screen reader reads as its title and its description."""
    file, mpl.rcParams["svg.hashsalt"] = io.StringIO(), name  # its ids are its own, and the same every time
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawn = re.search(r"<g .*</defs>(?=\s*</svg>)", file.getvalue(), re.DOTALL)[0]  # type: ignore[index]
    drawn = re.sub(r' id="[\w.]+_\d+"', "", drawn).replace("xlink:href", "href")
    drawn = re.sub(r' style="([^"]*)"', lambda style: "".join(_attributes(style[1])), drawn)
    head = Markup(
        '<svg class="chart" viewBox="0 0 {0:.0f} {1:.0f}" role="img" aria-labelledby="{2}-title {2}-text">'
        '<title id="{2}-title">{3}</title><desc id="{2}-text">{4}</desc>'
    ).format(*figure.get_size_inches() * 72, name, title, alt)
    return head + Markup(drawn + "</svg>")


def _attributes(style: str) -> Iterator[str]:
    """The same as attributes of SVG; the letters are those of the page."""
    for part in style.split("; "):
        name, _, value = part.partition(": ")
        if not name.startswith("font"):
            yield f' {name}="{value}"'
