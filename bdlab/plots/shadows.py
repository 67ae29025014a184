"""Figures of a shadow: AUROC over its steps, two scores of the same images, and alarms in time."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from bdlab.plots.plot import BLUE, GREY, LOOKS, ORANGE, Plot, axes_of, figure_of, image_row


def settings(
    panels: Sequence[tuple[str, Sequence[tuple[str, Sequence[Sequence[float]]]]]],
    steps: Sequence[int],
    chosen: tuple[int, int],
    *,
    alt: str,
    title: str,
) -> Plot:
    """AUROC over steps: panels (name, curves), a curve (name, one sequence of values a step); mean and range.

    chosen: the numbers of the curve and of the step that a ring shows.
    """
    figure, axes = axes_of(1, len(panels), (4.4 * len(panels), 3.9), alt)
    for axis, (name, curves) in zip(axes, panels, strict=True):
        for (label, values), (colour, marker), dash in zip(curves, LOOKS, ("-", "--", "-.", ":"), strict=False):
            means = [sum(one) / len(one) for one in values]
            axis.plot(steps, means, dash, color=colour, marker=marker, markersize=5, label=label)
            low, high = [min(one) for one in values], [max(one) for one in values]
            axis.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
        best = curves[chosen[0]][1][chosen[1]]
        axis.plot(steps[chosen[1]], sum(best) / len(best), "o", color="black", markersize=15, fillstyle="none",
                  markeredgewidth=2, label="chosen", linestyle="")  # fmt: skip
        axis.axhline(0.5, color="black", linewidth=1, linestyle=":")
        axis.set(title=name, xlabel="steps of the shadow", ylim=(-0.03, 1.05), xscale="log")
        axis.set_xticks(list(steps), [str(step) for step in steps])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("AUROC (0.5: chance)")
    names = axes[0].get_legend_handles_labels()
    figure.legend(*names, loc="outside lower center", ncols=len(names[0]), frameon=False)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def beside(panels: Sequence[tuple[str, str, Sequence[tuple[str, Tensor]]]], *, alt: str, title: str = "") -> Plot:
    """Histograms of other scores of the same images: panels (name, axis text, groups), a group (name, scores (n,)).

    Groups are drawn below each other, at most four; a tick shows each one's median.
    """
    figure, axes = axes_of(1, len(panels), (4.4 * len(panels), 3.6), alt)
    for axis, (name, label, groups) in zip(axes, panels, strict=True):
        low = min(float(values.min()) for _, values in groups)
        high = max(float(values.max()) for _, values in groups) + 1e-9
        for row, ((_, values), (colour, _)) in enumerate(zip(groups, LOOKS, strict=False)):
            counts = values.float().histc(30, low, high)
            heights, at = 0.85 * counts / counts.max(), [low + (n + 0.5) * (high - low) / 30 for n in range(30)]
            axis.bar(at, heights.tolist(), (high - low) / 30, bottom=-row, color=colour, hatch=("", "//", "..", "xx")[row],
                     edgecolor="white", linewidth=0.3)  # fmt: skip
            axis.plot([float(values.median())] * 2, [-row, -row + 0.95], color="black", linewidth=2)
        names = [f"{text}\nn = {len(values)}" for text, values in groups]
        axis.set_yticks([-row + 0.4 for row in range(len(groups))], names)
        axis.set(title=name, xlabel=label)
        axis.tick_params(axis="y", length=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def road(rows: Sequence[tuple[str, Tensor, Sequence[str], Tensor, Tensor]], *, alt: str, title: str) -> Plot:
    """Streams in time: rows (name, some images (n, C, H, W), captions, marked (N,), refused (N,)).

    One stroke a sign, a tall one where it is marked; a triangle above it where the alarm rang.
    """
    count = len(rows[0][1])
    figure = figure_of((8.2, 1.9 * len(rows) + 0.5), alt)
    for part, (name, x, captions, marked, refused) in zip(
        figure.subfigures(len(rows), 1, squeeze=False)[:, 0], rows, strict=True
    ):
        left, right = part.subfigures(1, 2, width_ratios=(1.0, 1.3))
        cells = left.subplots(1, count, squeeze=False)[0]
        image_row(cells, "", x)
        for cell, caption in zip(cells, captions, strict=True):
            told = caption == "REFUSED"
            cell.set_xlabel(caption, fontsize=9, color=ORANGE if told else "black", fontweight="bold" if told else "normal")
        part.suptitle(name, x=0.01, ha="left", fontsize="medium")
        axis = right.subplots()
        for n, (bad, rang) in enumerate(zip(marked.tolist(), refused.tolist(), strict=True)):
            axis.bar(n, 1.0 if bad else 0.3, 0.7, color=ORANGE if bad else BLUE)
            if rang:
                axis.plot(n, 1.25, "v", color="black" if bad else GREY, markersize=7)
        axis.set(ylim=(0, 1.55), yticks=[], xlim=(-1.5, len(marked) + 0.5))
        axis.spines[["top", "right", "left"]].set_visible(False)
    axis.set_xlabel("signs, as they come; tall: marked; triangle: alarm (grey: false)")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)
