"""Figures of lesson 06: shares over the strength of a pane, and what choosing among candidates is worth."""

from __future__ import annotations

from collections.abc import Sequence

from bdlab.plots.plot import BLUE, GREY, LOOKS, ORANGE, Plot, axes_of


def over_strength(
    strengths: Sequence[float],
    curves: Sequence[tuple[str, Sequence[Sequence[float]]]],
    *,
    alt: str,
    title: str,
    xlabel: str = "w, share of the light that the pane mirrors",
    ylabel: str = "share of test images",
    marked: float | None = None,
) -> Plot:
    """At most four curves (name, one sequence of seeds per strength): the mean, with the range over the seeds.

    marked: a strength at which a line stands.
    """
    figure, (axis,) = axes_of(1, 1, (7.4, 4.0), alt)
    dashes = ("-", "--", "-.", ":")
    for (name, seeds), (colour, marker), dash in zip(curves, LOOKS, dashes, strict=False):
        means = [sum(values) / len(values) for values in seeds]
        axis.plot(strengths, means, dash, color=colour, marker=marker, linewidth=2, label=name)
        low, high = [min(v) for v in seeds], [max(v) for v in seeds]
        axis.fill_between(strengths, low, high, color=colour, alpha=0.2, linewidth=0)
    if marked is not None:
        axis.axvline(marked, color="black", linestyle="--", linewidth=1.5, label=f"yours, {marked:g}")
    axis.set(xlabel=xlabel, ylabel=ylabel, ylim=(-0.03, 1.03))
    axis.grid(alpha=0.3)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize="small")
    axis.set_title(title, fontsize="medium")
    return Plot(figure, alt)


def chosen(
    worth: Sequence[float], choices: Sequence[tuple[str, Sequence[int]]], *, alt: str, title: str, xlabel: str
) -> Plot:
    """One line a choice: what every candidate is worth in grey, the chosen ones in colour; their numbers, and both means."""
    figure, axes = axes_of(1, 1, (9.0, 0.75 * len(choices) + 1.5), alt)
    axis, mean = axes[0], sum(worth) / len(worth)
    for place, (_, numbers) in enumerate(choices):
        axis.plot(worth, [place] * len(worth), "o", color=GREY, alpha=0.45, markersize=7, label="a candidate")
        for at, number in enumerate(sorted(numbers, key=worth.__getitem__)):
            axis.plot(worth[number], place, "s", color=ORANGE, markersize=9, label="chosen")
            axis.annotate(str(number), (worth[number], place), (0, 7 if at % 2 else -16), textcoords="offset points",
                          ha="center", color=ORANGE, fontsize="small", zorder=5,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip
        if len(numbers):
            own = sum(worth[number] for number in numbers) / len(numbers)
            axis.plot([own, own], [place - 0.28, place + 0.28], color=ORANGE, linewidth=3, label="mean of the chosen")
            told = f"{', '.join(map(str, numbers))}: {own:.0%}"
            axis.annotate(told, (1, place), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                          va="center", color=ORANGE, fontweight="bold")  # fmt: skip
    axis.axvline(mean, color=BLUE, linestyle="--", linewidth=2, label="mean of all: by lot")
    axis.set_yticks(range(len(choices)), [name for name, _ in choices])
    axis.set(xlabel=xlabel, xlim=(-0.03, 1.03), ylim=(len(choices) - 0.45, -0.55))
    axis.grid(axis="x", alpha=0.3)
    named = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    axis.legend(named.values(), named.keys(), loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=4, frameon=False,
                fontsize="small")  # fmt: skip
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)
