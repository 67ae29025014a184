"""Figures of lesson 01: one neuron's line, what the layers see, how sure an answer is, and how a training goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from bdlab.plots.plot import BLUE, GREY, LOOKS, ORANGE, Plot, axes_of, figure_of, image_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def sure(columns: Sequence[tuple[str, Tensor, Tensor]], *, alt: str, title: str = "") -> Plot:
    """Pictures beside each other, and below each how its shares spread over the classes.

    columns: (words below the picture, image (C, H, W) in [0, 1], shares (K,)).
    """
    count = len(columns)
    figure = figure_of((max(2.3 * count + 0.5, 3.6), 4.6), alt)
    axes = figure.subplots(2, count, squeeze=False, height_ratios=(1.15, 1))
    for place, (words, image, shares) in enumerate(columns):
        image_row([axes[0, place]], "", image[None])
        best = int(shares.argmax())
        axes[0, place].set_xlabel(words, fontsize=12)
        colours = [ORANGE if label == best else GREY for label in range(len(shares))]
        axes[1, place].bar(range(len(shares)), shares.tolist(), color=colours)
        axes[1, place].set(ylim=(0, 1.24), yticks=(0, 0.5, 1), xticks=range(len(shares)), xlabel="class")
        axes[1, place].annotate(
            f"{100 * shares[best]:.0f} %", (best, float(shares[best])), (0, 3), textcoords="offset points",
            ha="center", fontweight="bold", fontsize=12, color=ORANGE,
        )  # fmt: skip
        axes[1, place].spines[["top", "right"]].set_visible(False)
        if place:
            axes[1, place].set_yticks([])
            axes[1, place].spines["left"].set_visible(False)
    axes[1, 0].set_ylabel("share", fontsize=12)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def line(
    groups: Mapping[str, Tensor], weights: Sequence[float], angles: Sequence[float], errors: Sequence[float], chosen: int,
    *, axes: tuple[str, str], alt: str, title: str,
) -> Plot:  # fmt: skip
    """One neuron of two inputs: points (n, 2) of two groups, the line w1 x + w2 y + b = 0, and errors over its angle."""
    figure, (left, right) = axes_of(1, 2, (9.2, 4.2), alt)
    for (name, points), (colour, marker) in zip(groups.items(), LOOKS, strict=False):
        left.scatter(
            points[:, 0].tolist(), points[:, 1].tolist(), s=14, color=colour, marker=marker, alpha=0.6, label=name
        )
    w1, w2, b = weights
    limits = [(float(p.min()) - 0.02, float(p.max()) + 0.02) for p in _columns(groups)]
    norm = (w1**2 + w2**2) ** 0.5
    foot = (-b * w1 / norm**2, -b * w2 / norm**2)
    left.axline(foot, (foot[0] - w2, foot[1] + w1), color="black", linewidth=2)
    middle = (sum(limits[0]) / 2, sum(limits[1]) / 2)
    shift = (w1 * middle[0] + w2 * middle[1] + b) / norm**2
    start = (middle[0] - shift * w1, middle[1] - shift * w2)
    left.annotate(
        "fires", start, (start[0] + 0.13 * w1 / norm, start[1] + 0.13 * w2 / norm), fontsize=12, fontweight="bold",
        arrowprops={"arrowstyle": "<-", "linewidth": 2}, ha="center", va="center",
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1},
    )  # fmt: skip
    left.set(xlabel=axes[0], ylabel=axes[1], xlim=limits[0], ylim=limits[1])
    left.set_aspect("equal", adjustable="box")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=2, frameon=False)
    right.plot(angles, errors, color=BLUE, marker=".")
    right.plot(angles[chosen], errors[chosen], "o", color=ORANGE, markersize=11)
    right.set(xlabel="angle of the neuron's weights, degrees", ylabel="share on the wrong side", ylim=(-0.03, 1.03))
    right.set_xticks(range(0, 361, 90))
    right.grid(alpha=0.3)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def _columns(groups: Mapping[str, Tensor]) -> list[Tensor]:
    """The first and the second numbers of all points."""
    import torch

    both = torch.cat(list(groups.values()))
    return [both[:, 0], both[:, 1]]


def firing(names: Sequence[str], pictures: Tensor, x: Tensor, strength: Tensor, *, alt: str, title: str) -> Plot:
    """What hand-made neurons say to images: a table of numbers.

    pictures: weights (M, H, W) in [-1, 1]; x (N, C, H, W) in [0, 1]; strength (N, M).
    """
    count, neurons = strength.shape
    figure, axes = axes_of(neurons + 1, count + 1, (0.95 * (count + 1) + 1.3, 0.98 * (neurons + 1) + 0.3), alt)
    axes[0].set_axis_off()
    image_row(axes[1 : count + 1], "", x)
    most = max(float(strength.max()), 1e-9)
    for m in range(neurons):
        row = axes[(m + 1) * (count + 1) : (m + 2) * (count + 1)]
        row[0].imshow(pictures[m].tolist(), cmap="RdBu_r", vmin=-1, vmax=1)
        row[0].set(xticks=[], yticks=[])
        row[0].set_ylabel(names[m], rotation=0, ha="right", va="center", fontsize=12)
        for n in range(count):
            share = float(strength[n, m]) / most
            row[n + 1].set_facecolor((1 - 0.9 * share, 1 - 0.45 * share, 1 - 0.25 * share))
            row[n + 1].set(xticks=[], yticks=[])
            row[n + 1].text(0.5, 0.5, f"{float(strength[n, m]):.1f}", ha="center", va="center", fontsize=12,
                            transform=row[n + 1].transAxes)  # fmt: skip
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def layers(
    image: Tensor, first: Tensor, second: Tensor, neurons: Tensor, shares: Tensor, *, alt: str, title: str
) -> Plot:
    """One image on its way: image (H, W), maps (8, h, w) of two layers, neurons (64,), all in [0, 1]; shares (K,)."""
    figure = figure_of((9.4, 4.9), alt)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 3.6))[0]
    upper, lower = left.subplots(2, 1, height_ratios=(1, 1.1))
    image_row([upper], "", image[None, None])
    upper.set_title("image", fontsize="medium")
    _bars(lower, shares)
    rows = right.subfigures(3, 1, squeeze=False, height_ratios=(1, 1, 0.75))[:, 0]
    for rowfigure, maps, name in zip(rows, (first, second), ("first layer, 8 of 24 maps", "second layer, 8 of 32 maps"),
                                     strict=False):  # fmt: skip
        for axis, one in zip(rowfigure.subplots(1, 8), maps, strict=True):
            axis.imshow(one.tolist(), cmap="viridis", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        rowfigure.suptitle(name, fontsize="medium")
    axis = rows[2].subplots()
    axis.bar(range(len(neurons)), neurons.tolist(), color=BLUE)
    axis.set(xlim=(-1, len(neurons)), ylim=(0, 1), yticks=[], xticks=[])
    axis.spines[["top", "right", "left"]].set_visible(False)
    rows[2].suptitle("64 neurons: how strongly each fires", fontsize="medium")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def _bars(axis: Axes, shares: Tensor) -> None:
    best = int(shares.argmax())
    axis.barh(range(len(shares)), shares.tolist(), color=[ORANGE if k == best else GREY for k in range(len(shares))])
    axis.set(yticks=range(len(shares)), xlim=(0, 1), xticks=(0, 1), xlabel="share")
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)


def learning(
    loss: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    accuracy: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *, steps: float, alt: str, title: str,
) -> Plot:  # fmt: skip
    """A training as far as it has come: curves (name, steps, values) of the loss, and of the share that is right."""
    figure, (left, right) = axes_of(1, 2, (9.2, 3.6), alt)
    for axis, curves, name in ((left, loss, "mean loss"), (right, accuracy, "share read rightly")):
        for (label, at, values), (colour, marker) in zip(curves, LOOKS, strict=False):
            dense = len(at) > 12
            axis.plot(at, values, color=colour, marker="" if dense else marker, label=label, linewidth=2)
        axis.set(xlim=(0, 1.02 * steps), xlabel="training step (one batch each)", ylabel=name)
        axis.grid(alpha=0.3)
        if curves:
            axis.legend(loc="upper right" if axis is left else "lower right", framealpha=0.9)
    left.set_ylim(bottom=0)
    right.set_ylim(0, 1.03)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def rates(curves: Sequence[tuple[str, Sequence[float]]], chosen: int | None, *, alt: str, title: str) -> Plot:
    """Loss over the steps for several learning rates, on a logarithmic axis; the chosen one is drawn strongly."""
    figure, (axis,) = axes_of(1, 1, (7.4, 4.0), alt)
    for place, ((name, values), (colour, _)) in enumerate(zip(curves, LOOKS, strict=False)):
        strong = chosen is None or place == chosen
        axis.plot(values, color=colour, alpha=1 if strong else 0.18, linewidth=2 if strong else 1, label=name)
    axis.axhline(2.303, color="black", linestyle="--", linewidth=1, label="guessing: ln 10 = 2.3")
    axis.set(yscale="log", ylim=(0.01, 1e3), xlabel="training step", ylabel="loss of the batch")
    axis.grid(alpha=0.3)
    axis.legend(loc="upper right", framealpha=0.9)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)
