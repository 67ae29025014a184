"""Figures of threats: planes with a reader's decisions, where attackers stand, shares beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bdlab.plots.plot import BLUE, GREY, LOOKS, ORANGE, Plot, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from torch import Tensor

CLOUDS = ((BLUE, "o"), ("#E69F00", "s"))
"""Colour and marker of class 0 and class 1."""


@dataclass(frozen=True)
class Plane:
    """Decisions over a plane: shares (S, S) of class 1 in per cent, points (N, 2), classes (N,).

    odd: rows that an attacker chose, drawn as red triangles; arrows: (start, end) pairs; lit: else it is drawn faintly.
    """

    title: str
    shares: Tensor
    points: Tensor
    classes: Tensor
    odd: Tensor
    arrows: Sequence[tuple[Sequence[float], Sequence[float]]] = field(default=())
    lit: bool = True


def pockets(
    panels: Sequence[Plane],
    extent: tuple[float, float],
    stations: Sequence[tuple[str, str]] = (),
    *,
    alt: str,
    title: str,
) -> Plot:
    """Planes side by side; stations: (name, who stands there), boxes in a row above, orange where somebody does."""
    figure = figure_of((3.7 * len(panels), 4.1 + (1.2 if stations else 0)), alt)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1 if stations else 0.01, 3.4))[:, 0]
    if stations:
        _stations(above.subplots(), stations)
    for axis, panel in zip(below.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _plane(axis, panel, extent)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def _plane(axis: Axes, panel: Plane, extent: tuple[float, float]) -> None:
    low, high = extent
    strength = 1.0 if panel.lit else 0.18
    shares = panel.shares.numpy()
    axis.imshow(
        shares, origin="lower", extent=(low, high, low, high), cmap=_ground(), vmin=0, vmax=100, alpha=strength
    )
    axis.contour(shares, levels=[50], origin="lower", extent=(low, high, low, high), colors="black", alpha=strength)
    for label, (colour, marker) in enumerate(CLOUDS):
        rows = (panel.classes == label) & ~panel.odd
        across, up = panel.points[rows].T.tolist()
        axis.scatter(across, up, c=colour, marker=marker, s=14, alpha=0.75 * strength)
    across, up = panel.points[panel.odd].T.tolist()
    axis.scatter(across, up, c="#CC0000", marker="^", s=34, alpha=strength)
    for start, end in panel.arrows:
        look = {"arrowstyle": "-|>", "lw": 2.2, "color": "#CC0000", "alpha": strength}
        axis.annotate("", (end[0], end[1]), (start[0], start[1]), arrowprops=look)
    axis.set(xticks=[], yticks=[], xlim=(low, high), ylim=(low, high))
    colour = "black" if panel.lit else GREY
    axis.set_title(panel.title, fontsize="medium", fontweight="bold" if panel.lit else "normal", color=colour)


def _ground() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("two", ["#BBD7EA", "#FFFFFF", "#F8E3B5"])


def _stations(axis: Axes, stations: Sequence[tuple[str, str]]) -> None:
    """Boxes in a row with arrows between them."""
    axis.set(xlim=(0, len(stations)), ylim=(0, 1))
    axis.axis("off")
    for place, (name, who) in enumerate(stations):
        box = {"boxstyle": "round,pad=0.5", "facecolor": ORANGE if who else "white", "edgecolor": "black"}
        axis.text(place + 0.5, 0.62, name, ha="center", va="center", color="white" if who else "black", bbox=box,
                  fontweight="bold" if who else "normal")  # fmt: skip
        axis.text(place + 0.5, 0.08, who, ha="center", va="center", color=ORANGE, fontweight="bold", fontsize="small")
        if place:
            axis.annotate("", (place + 0.16, 0.62), (place - 0.16, 0.62), arrowprops={"arrowstyle": "-|>"})


def grid(rows: Sequence[tuple[str, Sequence[str]]], columns: Sequence[str], *, alt: str, title: str = "") -> Plot:
    """A table of words as a picture: rows (name, one word a column); the same word has the same colour."""
    figure = figure_of((2.2 + 2.1 * len(columns), 0.42 * (len(rows) + 1) + 0.5), alt)
    axis = figure.subplots()
    axis.axis("off")
    words = list(dict.fromkeys(word for _, cells in rows for word in cells))
    tints = ("#D7E8F4", "#FBE3CF", "#D3EDE4", "#EEE3F2", "#FFF3C4", "#E4E4E4", "#F6D5DF", "#DDEBC8", "#CFE6EE", "#EADFCB")
    table = axis.table(
        cellText=[list(cells) for _, cells in rows], rowLabels=[name for name, _ in rows], colLabels=list(columns),
        cellColours=[[tints[words.index(word) % len(tints)] for word in cells] for _, cells in rows],
        cellLoc="center", loc="center",
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(12)
    table.scale(1, 1.6)
    axis.set_title(title, fontsize="medium")
    return Plot(figure, alt)


def over_steps(
    steps: Sequence[str], curves: Sequence[tuple[str, Sequence[float]]], *, alt: str, title: str, xlabel: str, ylabel: str
) -> Plot:
    """Shares at named steps, one curve each (name, shares), with the numbers beside the points."""
    figure = figure_of((6.4, 3.9), alt)
    axis = figure.subplots()
    for number, ((name, shares), (colour, marker)) in enumerate(zip(curves, LOOKS, strict=False)):
        axis.plot(range(len(steps)), shares, color=colour, marker=marker, label=name)
        for place, share in enumerate(shares):
            axis.annotate(f"{share:.0%}", (place, share), (0, -15 if number else 7), textcoords="offset points",
                          ha="center", color=colour, fontsize="small")  # fmt: skip
    axis.set_xticks(range(len(steps)), steps)
    axis.set(xlabel=xlabel, ylabel=ylabel, ylim=(-0.09, 1.12))
    axis.grid(alpha=0.3)
    axis.legend(loc="lower left")
    axis.set_title(title, fontsize="medium")
    return Plot(figure, alt)
