"""What an inspection says: factors of the classes, of many models, and how outliers hide behind each other."""

from __future__ import annotations

from collections.abc import Sequence

from bdlab.plots.plot import BLUE, GREY, ORANGE, Plot, axes_of

PAPER = 2.0
"""The paper's cut-off, which is drawn beside another."""
END = 7.5
"""Where the axis of `crowd` ends; what is larger is drawn there."""


def deviations(
    panels: Sequence[tuple[str, Sequence[float], float | None]],
    *,
    alt: str,
    title: str,
    ylabel: str = "deviation factor",
) -> Plot:
    """A panel a reader: (name, factor of each class, cut-off or None); what lies above it is hatched, NaN is left out."""
    figure, axes = axes_of(1, len(panels), (2.75 * len(panels) + 0.4, 3.3), alt)
    every = [v for _, values, _ in panels for v in values if v == v]
    bounds = [cutoff for _, _, cutoff in panels if cutoff is not None]
    limits = (1.1 * min([0.0, *every]), 1.12 * max([PAPER, *every, *bounds]))
    for axis, (name, values, cutoff) in zip(axes, panels, strict=True):
        for place, value in enumerate(values):
            if value != value:
                axis.text(place, 0.05, "?", ha="center", color=GREY)
                continue
            over = cutoff is not None and value > cutoff
            axis.bar(place, value, 0.8, color=ORANGE if over else BLUE, hatch="///" if over else "", edgecolor="white")
        if cutoff is not None:
            axis.axhline(cutoff, color="black", linestyle="--", linewidth=1.2, label=f"cut-off {cutoff:.2f}")
        axis.axhline(PAPER, color=GREY, linestyle=":", linewidth=1.2, label="the paper's 2")
        axis.set(title=name, xlabel="class", xticks=range(len(values)), xlim=(-0.7, len(values) - 0.3), ylim=limits)
        axis.tick_params(labelsize="small")
    axes[0].set(ylabel=ylabel)
    handles = next((axis.get_legend_handles_labels() for axis in axes if len(axis.get_legend_handles_labels()[0]) > 1),
                   axes[0].get_legend_handles_labels())  # fmt: skip
    figure.legend(*handles, loc="outside lower center", ncols=2, fontsize="small")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def crowd(
    largest: Sequence[float],
    cutoff: float,
    marks: Sequence[tuple[str, Sequence[float]]],
    *,
    alt: str,
    title: str,
    xlabel: str,
) -> Plot:
    """The largest factor of many honest models, sorted; above the cut-off are alarms.  marks: readers and their scans."""
    figure, (axis,) = axes_of(1, 1, (7.6, 3.6), alt)
    ranked = sorted(largest)
    for place, value in enumerate(ranked):
        over = value > cutoff
        axis.plot(value, place, "x" if over else "o", color=ORANGE if over else BLUE, markersize=6 if over else 3.5)
    axis.axvline(cutoff, color="black", linestyle="--", linewidth=1.2)
    axis.text(cutoff, 1.01 * len(ranked), f" cut-off {cutoff:.2f}", fontsize="small")
    for row, (name, values) in enumerate(marks):
        height = len(ranked) * (0.48 - 0.13 * row)
        for value in values:
            colour = ORANGE if value > cutoff else BLUE
            axis.plot(min(value, END), height, "D", color=colour, markersize=8, markeredgecolor="black")
        axis.text(END + 0.6, height, f"reader {name}", va="center", ha="right")
    axis.set(xlabel=xlabel, ylabel="simulated honest models, sorted", xlim=(0, END + 0.7), ylim=(-6, 1.1 * len(ranked)))
    axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def masking(curves: Sequence[tuple[str, Sequence[float]]], *, alt: str, title: str) -> Plot:
    """The factor of the outliers over how many there are, from one on: curves (name, factors)."""
    figure, (axis,) = axes_of(1, 1, (6.6, 3.5), alt)
    for (name, values), (colour, style) in zip(curves, ((ORANGE, "o-"), (BLUE, "s--"), (GREY, "^:")), strict=False):
        axis.plot(range(1, len(values) + 1), values, style, color=colour, markersize=7, label=name)
        for place, value in enumerate(values if colour != GREY else (), 1):
            axis.annotate(
                f"{value:.2f}", (place, value), textcoords="offset points", xytext=(0, 7), ha="center", fontsize="small"
            )
    axis.axhline(PAPER, color="black", linestyle=":", linewidth=1.2, label="the paper's cut-off, 2")
    axis.set(
        xlabel="infected classes, of ten",
        ylabel="their deviation factor",
        xticks=range(1, len(curves[0][1]) + 1),
        yscale="log",
    )
    axis.set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axis.minorticks_off()
    axis.legend(fontsize="small", loc="upper right")
    axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def sizes(
    groups: Sequence[tuple[str, Sequence[Sequence[float]]]], marked: Sequence[int | None], *, alt: str, title: str
) -> Plot:
    """Sizes of the classes' triggers, a panel a reader: (name, one sequence a scan of the classes' sizes).

    marked: of each reader the class that is drawn hatched, None for none.
    """
    figure, axes = axes_of(1, len(groups), (2.75 * len(groups) + 0.4, 2.9), alt)
    top = max(value for _, scans in groups for scan in scans for value in scan)
    for axis, (name, scans), odd in zip(axes, groups, marked, strict=True):
        for place in range(len(scans[0])):
            own = [scan[place] for scan in scans]
            over = place == odd
            axis.bar(
                place,
                sum(own) / len(own),
                0.8,
                color=ORANGE if over else BLUE,
                hatch="///" if over else "",
                edgecolor="white",
            )
            axis.plot([place, place], [min(own), max(own)], color="black", linewidth=1.5)
        axis.set(title=name, xlabel="class", xticks=range(len(scans[0])), ylim=(0, 1.05 * top))
        axis.tick_params(labelsize="small")
    axes[0].set(ylabel="size of the trigger (l1)")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def rowed(
    rows: Sequence[tuple[str, Sequence[tuple[float, int, int]]]], cutoff: float, *, alt: str, title: str, xlabel: str
) -> Plot:
    """A row of dots a model: (name, (largest factor, its class, classes that count) of each scan); NaN: cannot say."""
    figure, (axis,) = axes_of(1, 1, (7.8, 0.33 * len(rows) + 1.3), alt)
    end = max((value for _, scans in rows for value, _, _ in scans if value == value), default=cutoff)
    for place, (_, scans) in enumerate(rows):
        for number, (value, label, _) in enumerate(scans):
            if value != value:
                axis.text(0.1, -place, "cannot say", va="center", color=GREY, fontsize="small")
                continue
            over = value > cutoff
            axis.plot(
                value,
                -place,
                "D" if over else "o",
                color=ORANGE if over else BLUE,
                markersize=7,
                markeredgecolor="white",
            )
            if not number or label != scans[0][1]:
                axis.annotate(
                    str(label),
                    (value, -place),
                    textcoords="offset points",
                    xytext=(0, 5),
                    ha="center",
                    fontsize="x-small",
                )
    axis.axvline(cutoff, color="black", linestyle="--", linewidth=1.2, label=f"cut-off {cutoff:.2f}")
    axis.axvline(PAPER, color=GREY, linestyle=":", linewidth=1.2, label="the paper's 2")
    axis.set_yticks([-place for place in range(len(rows))], [name for name, _ in rows])
    axis.set(xlabel=xlabel, xlim=(0, 1.08 * max(end, cutoff)), ylim=(0.6 - len(rows), 0.8))
    axis.legend(loc="lower right", fontsize="small")
    axis.grid(axis="x", alpha=0.3)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)
