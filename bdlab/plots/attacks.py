"""Figures of attacks: rates, planes, triggers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from bdlab.plots.plot import BLUE, GREEN, LOOKS, Plot, axes_of, figure_of, image_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rate_curve(
    rates: Sequence[float], curves: Sequence[tuple[str, Sequence[Sequence[float]]]], *, alt: str, title: str
) -> Plot:
    """Shares over poisoning rates: curves (name, one sequence of seeds per rate), mean with the range over the seeds."""
    figure, (axis,) = axes_of(1, 1, (5.6, 3.8), alt)
    _over_rates(axis, rates, curves)
    axis.set_title(title, fontsize="medium")
    axis.legend()
    return Plot(figure, alt)


def _over_rates(axis: Axes, rates: Sequence[float], curves: Sequence[tuple[str, Sequence[Sequence[float]]]]) -> None:
    for (name, seeds), (colour, marker) in zip(curves, LOOKS, strict=False):
        means = [sum(values) / len(values) for values in seeds]
        axis.plot(rates, means, color=colour, marker=marker, label=name)
        axis.fill_between(rates, [min(v) for v in seeds], [max(v) for v in seeds], color=colour, alpha=0.2, linewidth=0)
    axis.set(xscale="log", xlabel="poisoning rate (share of the training set)", ylabel="share of test images")
    axis.set_xticks(list(rates), [f"{rate:.2g}" for rate in rates], rotation=45)
    axis.minorticks_off()
    axis.set(ylim=(-0.03, 1.03))
    axis.grid(alpha=0.3)


def planes(panels: Sequence[tuple[str, Tensor, Tensor, Tensor, Tensor]], *, alt: str, span: float = 4.5) -> Plot:
    """Points of two classes and a decision line: panels (title, points (N, 2), labels (N,), moved bool (N,), line).

    labels: -1 or 1.  line: (w1, w2, b) of w x + b = 0.  Points of class 1 that were moved are red triangles.
    """
    import numpy as np

    figure, axes = axes_of(1, len(panels), (4.2 * len(panels), 4.6), alt)
    for axis, (title, x, y, moved, line) in zip(axes, panels, strict=True):
        for rows, colour, marker, name in (
            (y < 0, BLUE, "o", "class -1"),
            ((y > 0) & ~moved, GREEN, "s", "class 1"),
            (moved, "#CC0000", "^", "class 1, moved"),
        ):
            if rows.any():
                axis.scatter(
                    x[rows, 0].tolist(),
                    x[rows, 1].tolist(),
                    c=colour,
                    marker=marker,
                    s=22,
                    label=f"{name}, n = {int(rows.sum())}",
                )
        (w1, w2, b), ends = line.tolist(), np.linspace(-span, span, 2)
        across, along = np.array((-b * w1, -b * w2)) / (w1**2 + w2**2), np.array((-w2, w1)) / np.hypot(w1, w2)
        axis.plot(*(across[:, None] + along[:, None] * 3 * ends[None]), color="black", label="decision line")
        axis.set(
            title=title, xlim=(-span, span), ylim=(-span, span), xlabel="feature 1", ylabel="feature 2", aspect="equal"
        )
        axis.legend(fontsize="small", loc="upper left", framealpha=1)
    return Plot(figure, alt)


def wall(rows: Sequence[tuple[str, int, Tensor, Tensor, Tensor, Tensor]], *, alt: str) -> Plot:
    """Triggers below each other: (name, factor, clean, marked, change, spectrum), images (n, C, H, W), spectrum (H, W)."""
    import numpy as np

    n = len(rows[0][2])
    figure, axes = axes_of(len(rows), 3 * n + 1, (1.05 * (3 * n + 1) + 2.6, 1.1 * len(rows) + 0.4), alt)
    for r, (name, factor, clean, marked, change, spectrum) in enumerate(rows):
        mine = axes[r * (3 * n + 1) : (r + 1) * (3 * n + 1)]
        for part, images_ in enumerate((clean, marked, change)):
            image_row(mine[part * n : (part + 1) * n], name if part == 0 else "", images_)
        mine[-1].imshow(np.log10(spectrum.numpy() + 1e-3), cmap="viridis")
        mine[-1].set(xticks=[], yticks=[])
        mine[2 * n].set_ylabel(f"x{factor}", rotation=0, ha="right", va="center", fontsize="small")
    for part, title in enumerate(("clean", "triggered", "change", "spectrum")):
        axes[min(part * n, 3 * n)].set_title(title, fontsize="medium")
    return Plot(figure, alt)


def painted(
    clean: Tensor,
    triggered: Tensor,
    rates: Sequence[float],
    curves: Sequence[tuple[str, Sequence[float]]],
    chosen: int,
    *,
    alt: str,
    title: str,
) -> Plot:
    """A trigger and what it does: images (n, C, H, W) without and with it, beside them shares over the poisoning rates.

    curves: (name, one share per rate); bars with numbers show them at rates[chosen], the dashed line of the lower panel.
    """
    counts = {name: len(values) for name, values in curves}
    if len(triggered) != len(clean) or set(counts.values()) != {len(rates)}:
        raise ValueError(
            f"triggered must hold {len(clean)} images and every curve {len(rates)} shares, as `clean` and `rates` do, "
            f"got {len(triggered)} images and shares {counts}"
        )
    figure = figure_of((1.5 * len(clean) + 5.6, 4.1), alt)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.5 * len(clean) + 0.8, 4.8))[0]
    above, below = left.subplots(2, len(clean), squeeze=False)
    image_row(above, "clean", clean)
    image_row(below, "triggered", triggered)
    upper, lower = right.subplots(2, 1, height_ratios=(1, 3))
    _bars(upper, [(name, shares[chosen]) for name, shares in curves])
    _over_rates(lower, rates, [(name, [[share] for share in shares]) for name, shares in curves])
    lower.axvline(rates[chosen], color="black", linestyle="--", zorder=1)
    lower.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(curves), frameon=False)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def _bars(axis: Axes, shares: Sequence[tuple[str, float]]) -> None:
    names, values = zip(*shares, strict=True)
    drawn = axis.barh(names, values, color=[colour for colour, _ in LOOKS[: len(shares)]])
    axis.bar_label(drawn, [f"{value:.1%}" for value in values], padding=4)
    axis.set(xlim=(0, 1.2), xticks=[])
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.invert_yaxis()
