"""Figures of what models answer: pictures with captions, over training, and published figures beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from bdlab.plots.plot import BLUE, GREY, LOOKS, ORANGE, Plot, axes_of, figure_of, image_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Row:
    """Pictures (n, C, H, W) in [0, 1] with their name at the left and one caption below each, in bold where `told`."""

    name: str
    x: Tensor
    captions: Sequence[str]
    told: Sequence[bool]


def answers(rows: Sequence[Row], *, alt: str, title: str = "", scale: float = 1.0) -> Plot:
    """Rows of pictures with a caption below each; the same number in every row.  scale: of the pictures."""
    columns = len(rows[0].x)
    if any(len(row.x) != columns or len(row.captions) != columns for row in rows):
        raise ValueError(f"rows must hold {columns} images and captions each, got {[len(row.x) for row in rows]}")
    figure, axes = axes_of(
        len(rows), columns, (1.12 * scale * columns + 1.3, (1.12 * scale + 0.3) * len(rows) + 0.4), alt
    )
    for number, row in enumerate(rows):
        captioned(axes[number * columns : (number + 1) * columns], row)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def captioned(axes: Sequence[Axes], row: Row) -> None:
    """One row of `answers`."""
    image_row(axes, row.name, row.x)
    for axis, caption, told in zip(axes, row.captions, row.told, strict=True):
        colour, weight = (ORANGE, "bold") if told else ("black", "normal")
        axis.set_xlabel(caption, fontsize=12, labelpad=3, color=colour, fontweight=weight)


def trace(
    row: Row,
    steps: Sequence[float],
    curves: Sequence[tuple[str, Sequence[Sequence[float]]]],
    chosen: int,
    *,
    alt: str,
    title: str,
) -> Plot:
    """Pictures with captions above shares over training steps: curves (name, one sequence of seeds per step).

    What lies behind steps[chosen] is drawn faintly: it has not been trained yet.
    """
    columns = len(row.x)
    figure = figure_of((1.12 * columns + 1.3, 5.2), alt)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.45, 3.3))[:, 0]
    captioned(above.subplots(1, columns, squeeze=False)[0], row)
    axis = below.subplots()
    ends = []
    for (name, seeds), (colour, marker) in zip(curves, LOOKS, strict=False):
        means = [sum(values) / len(values) for values in seeds]
        ends.append((means[chosen], name, colour))
        axis.plot(steps, means, color=colour, alpha=0.25)
        axis.plot(steps[: chosen + 1], means[: chosen + 1], color=colour, linewidth=2.5)
        axis.plot(steps[chosen], means[chosen], color=colour, marker=marker, markersize=9)
        axis.fill_between(
            steps, [min(v) for v in seeds], [max(v) for v in seeds], color=colour, alpha=0.12, linewidth=0
        )
    left, above_last = steps[chosen] < 0.7 * steps[-1], -1.0
    for share, name, colour in sorted(ends):
        above_last = max(share, above_last + 0.085)  # no label on another
        axis.annotate(
            f"{name} {share:.0%}", (steps[chosen], above_last), (10 if left else -10, 0), textcoords="offset points",
            color=colour, fontweight="bold", fontsize=12, ha="left" if left else "right", va="center",
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    axis.axvline(steps[chosen], color="black", linestyle="--", linewidth=1, zorder=1)
    axis.set(xlabel="training step (one batch each)", ylabel="share of test images", ylim=(-0.05, 1.14))
    axis.grid(alpha=0.3)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


@dataclass(frozen=True)
class Claim:
    """A published figure and ours with its range over seeds, per cent.  published: with '<=' where it is a bound."""

    name: str
    published: float
    bound: bool
    low: float
    mean: float
    high: float
    holds: bool


def paper_and_here(
    claims: Sequence[Claim],
    *,
    alt: str,
    title: str,
    least: float = 0.005,
    xlabel: str = "per cent of triggered test images that do not obey (1 - ASR)",
    words: tuple[str, str] = ("holds", "does NOT hold"),
) -> Plot:
    """A dot plot: per claim the paper's figure, ours with its range; a logarithmic axis that begins at `least`.

    words: beside a claim that holds, and beside one that does not.
    """
    figure, (axis,) = axes_of(1, 1, (8.6, 0.46 * len(claims) + 1.3), alt)
    for place, claim in enumerate(claims):
        colour = BLUE if claim.holds else ORANGE
        shown = [max(value, least) for value in (claim.low, claim.mean, claim.high)]
        axis.plot(shown[::2], [place, place], color=colour, linewidth=3, solid_capstyle="round")
        axis.plot(
            shown[1],
            place,
            "o",
            color=colour,
            markersize=8,
        )
        axis.plot(max(claim.published, least), place, "<" if claim.bound else "D", color="black", markersize=8,
                  fillstyle="none", label="paper: at most" if claim.bound else "paper")  # fmt: skip
        word = words[0 if claim.holds else 1]
        axis.annotate(word, (1, place), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      ha="left", va="center", color=colour, fontweight="bold")  # fmt: skip
    axis.plot([], [], "o-", color=GREY, linewidth=3, markersize=8, label="here, mean and range of 3 seeds")
    axis.set_yticks(range(len(claims)), [claim.name for claim in claims])
    axis.set(xscale="log", xlabel=xlabel)
    axis.set_xlim(least * 0.8, 200)
    ticks = [tick for tick in (0.01, 0.1, 1, 10, 100) if tick >= least * 0.8]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.invert_yaxis()
    axis.grid(axis="x", alpha=0.3)
    named = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    axis.legend(named.values(), named.keys(), loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3, frameon=False)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def sets(curves: Sequence[tuple[str, Sequence[float], Sequence[Sequence[float]]]], *, alt: str, title: str) -> Plot:
    """ASR over the poisoning rate, one curve a data set: (name, rates, one sequence of seeds per rate)."""
    figure, (axis,) = axes_of(1, 1, (6.4, 4.0), alt)
    for (name, rates, seeds), (colour, marker) in zip(curves, LOOKS, strict=False):
        axis.plot(rates, [sum(v) / len(v) for v in seeds], color=colour, marker=marker, label=name)
        axis.fill_between(rates, [min(v) for v in seeds], [max(v) for v in seeds], color=colour, alpha=0.2, linewidth=0)
    axis.set(xscale="log", xlabel="poisoning rate", ylabel="ASR", ylim=(-0.03, 1.03))
    ticks = (0.0002, 0.001, 0.01, 0.1, 0.33)
    axis.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    axis.set_title(title, fontsize="medium")
    return Plot(figure, alt)


def bars(
    groups: Sequence[str],
    parts: Sequence[tuple[str, Sequence[Sequence[float]]]],
    *,
    alt: str,
    title: str,
    ylabel: str,
    form: str = ".0%",
    top: float = 1.0,
) -> Plot:
    """Bars side by side: parts (name, one sequence of seeds per group); the mean, a line for the range, '-' for none.

    form: how a mean is written.  top: where the axis ends, but for the room that the labels need.
    """
    figure, (axis,) = axes_of(1, 1, (7.0, 3.6), alt)
    width = 0.8 / len(parts)
    for number, (name, seeds) in enumerate(parts):
        colour, hatch = (LOOKS[number][0], ("", "//", "..", "xx")[number])
        for place, values in enumerate(seeds):
            at, mean = place + (number - (len(parts) - 1) / 2) * width, sum(values) / len(values)
            if mean != mean:  # NaN: there is no such share
                axis.text(at, 0.02 * top, "every class\nis attacked", ha="center", color=GREY)
                continue
            axis.bar(at, mean, width * 0.92, color=colour, hatch=hatch, edgecolor="white", label=name)
            axis.plot([at, at], [min(values), max(values)], color="black", linewidth=2)
            axis.text(at, max(values) + 0.02 * top, f"{mean:{form}}", ha="center", fontweight="bold")
    axis.set_xticks(range(len(groups)), groups)
    axis.set(ylabel=ylabel, ylim=(0, 1.12 * top))
    axis.spines[["top", "right"]].set_visible(False)
    named = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    axis.legend(
        named.values(), named.keys(), loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=len(parts), frameon=False
    )
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)
