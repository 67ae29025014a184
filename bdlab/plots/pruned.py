"""Figures of pruning: how active channels are, and what is lost as they fall."""

from __future__ import annotations

from collections.abc import Sequence

from bdlab.plots.plot import BLUE, GREEN, GREY, ORANGE, Plot, axes_of, figure_of

KINDS = (("unused", GREY, ""), ("wakes at the mark", ORANGE, "///"), ("works on clean signs", BLUE, ""))
"""What a channel is, its colour and its hatch."""


def activations(panels: Sequence[tuple[str, Sequence[float], Sequence[float]]], *, alt: str, title: str) -> Plot:
    """Channels by how active they are on clean signs: panels (name, clean, marked), each a mean per channel.

    Bars, the quietest at the left, are clean signs; points are marked ones.
    """
    figure, axes = axes_of(1, len(panels), (4.1 * len(panels), 3.3), alt)
    top = 1.08 * max(max(*clean, *marked) for _, clean, marked in panels)
    for axis, (name, clean, marked) in zip(axes, panels, strict=True):
        order = sorted(range(len(clean)), key=lambda n: clean[n])
        axis.bar(range(len(order)), [clean[n] for n in order], color=BLUE, label="clean signs")
        axis.plot([marked[n] for n in order], "D", color=ORANGE, markersize=3.5, linestyle="", label="marked signs")
        axis.set(title=name, xlabel="channels, the quietest first", ylim=(0, top))
    axes[0].set(ylabel="mean activation")
    axes[0].legend(fontsize="small")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def falling(
    clean: Sequence[float], asr: Sequence[float], means: Sequence[float], kinds: Sequence[int], fallen: int, *, alt: str,
    title: str,
) -> Plot:  # fmt: skip
    """Three pictures at once: what is lost as channels fall, how active they are, and the layer as squares.

    clean, asr: share of signs with 0, 1, ... channels fallen.  means: mean activation of each channel, in the order in which
    they fall; kinds: of each the number of its kind in `KINDS`.  fallen: how many have.
    """
    figure = figure_of((10.4, 3.7), alt)
    curve, strip, layer = figure.subplots(1, 3, width_ratios=(1.25, 1.25, 0.9))
    for values, colour, style, name in ((clean, BLUE, "-", "clean accuracy"), (asr, ORANGE, "--", "ASR")):
        curve.plot(values, color=colour, linestyle=style, label=name)
        curve.plot(fallen, values[fallen], "o", color=colour, markersize=8)
    curve.axvline(fallen, color="black", linewidth=1, linestyle=":")
    curve.set(xlabel="channels fallen", ylabel="share of test signs", ylim=(-0.04, 1.08))
    curve.legend(loc="lower left", fontsize="small")
    for place, (mean, kind) in enumerate(zip(means, kinds, strict=True)):
        _, colour, hatch = KINDS[kind]
        if place < fallen:
            strip.bar(place, max(mean, 0.006), 0.9, color="none", edgecolor=colour, linewidth=0.6)
        else:
            strip.bar(place, max(mean, 0.006), 0.9, color=colour, edgecolor="white", hatch=hatch, linewidth=0)
    strip.set(xlabel="channels, as they fall", ylabel="mean activation, clean signs")
    for place, kind in enumerate(kinds):
        row, column = divmod(place, 8)
        gone = place < fallen
        layer.text(column, -row, "×" if gone else "■", ha="center", va="center", fontsize=11 if gone else 15,
                   color=GREY if gone else KINDS[kind][1])  # fmt: skip
    layer.set(xlim=(-0.6, 7.6), ylim=(-7.7, 0.7), xticks=[], yticks=[])
    layer.set_title("the layer", fontsize="medium")
    for name, colour, hatch in KINDS:
        layer.bar(-99, 0, color=colour, hatch=hatch, edgecolor="white", label=name)
    figure.legend(*layer.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def stopped(held: Sequence[float], count: int, least: float, *, alt: str, title: str) -> Plot:
    """Accuracy on the defender's own signs as channels fall, the bar that it must not pass, and where it stops."""
    figure, (axis,) = axes_of(1, 1, (6.6, 3.4), alt)
    axis.plot(held, color=BLUE, label="accuracy on the city's 1,000 signs")
    axis.axhline(least, color=GREY, linestyle="--", label=f"no lower than {least:.1%}")
    axis.axvline(count, color="black", linestyle=":", label=f"stops: {count} have fallen")
    axis.plot(count, held[count], "o", color=GREEN, markersize=9)
    axis.set(xlabel="channels fallen", ylabel="share of signs", ylim=(0.55, 1.02))
    axis.legend(loc="lower left", fontsize="small")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def ways(rows: Sequence[tuple[str, Sequence[tuple[float, float]]]], names: Sequence[str], *, alt: str, title: str) -> Plot:
    """What repairs leave: rows (reader, (clean accuracy, ASR) of each way); a panel a reader, a point a way.

    The lower right corner is where a repair should end.
    """
    figure, axes = axes_of(1, len(rows), (2.9 * len(rows), 3.5), alt)
    looks = tuple(zip((GREY, BLUE, ORANGE, GREEN), "s^oD", strict=True))
    for axis, (reader, points) in zip(axes, rows, strict=True):
        for (clean, left), (colour, marker), name in zip(points, looks, names, strict=False):
            axis.plot(clean, left, marker, color=colour, markersize=10, markeredgecolor="white", label=name)
        axis.set(title=reader, xlabel="clean accuracy", xlim=(0.905, 1.0), ylim=(-0.06, 1.06), xticks=(0.92, 0.96, 1.0))
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="ASR")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names), fontsize="small")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)
