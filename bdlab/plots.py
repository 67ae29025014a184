"""Every figure of the library.  Each call wants `alt=`: what the figure shows, for those who cannot see it."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
"""Okabe and Ito's palette, which colour-blind readers can tell apart; lines carry markers or dashes as well."""
LOOKS = tuple(zip((BLUE, ORANGE, GREEN, GREY), "osD^", strict=True))
"""Colour and marker of the first, second, ... curve."""


@dataclass(frozen=True)
class Plot:
    """A figure with its description; a notebook shows both."""

    figure: Figure
    alt: str

    def png(self) -> bytes:
        """The picture as PNG, with the description inside."""
        out = io.BytesIO()
        self.figure.savefig(out, format="png", dpi=150, metadata={"Description": self.alt})
        return out.getvalue()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the PNG, making its folder where needed."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.png())
        return path

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png()).decode()
        return f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}" style="max-width: 100%">'


def _figure(size: tuple[float, float], alt: str) -> Figure:
    from matplotlib.figure import Figure

    if not alt.strip():
        raise ValueError("alt must say what the figure shows, got an empty text; describe it in a sentence")
    return Figure(figsize=size, layout="constrained")


def _axes(rows: int, columns: int, size: tuple[float, float], alt: str) -> tuple[Figure, list[Axes]]:
    figure = _figure(size, alt)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def images(rows: Sequence[tuple[str, Tensor]], *, alt: str, title: str = "") -> Plot:
    """Rows of pictures, each named: (name, images (n, C, H, W) in [0, 1]); the same n in every row."""
    columns = len(rows[0][1])
    if any(len(x) != columns for _, x in rows):
        raise ValueError(f"rows must hold the same number of images, got {[len(x) for _, x in rows]}")
    figure, axes = _axes(len(rows), columns, (1.1 * columns + 1.2, 1.15 * len(rows) + 0.4), alt)
    for r, (name, x) in enumerate(rows):
        _image_row(axes[r * columns : (r + 1) * columns], name, x)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def _image_row(axes: Sequence[Axes], name: str, x: Tensor) -> None:
    for axis, image in zip(axes, x, strict=True):
        axis.imshow(image.permute(1, 2, 0).squeeze(-1).cpu().numpy(), cmap="gray", vmin=0, vmax=1)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center")


def scores(
    panels: Sequence[tuple[str, Tensor, Tensor]], thresholds: Sequence[tuple[str, float]], *, label: str, alt: str
) -> Plot:
    """Histograms of a detector's scores: panels (title, clean (N,), bad (M,)), one vertical line per named threshold.

    The thresholds belong to the last panel.  label: the axis text, with its unit.
    """
    import numpy as np

    figure, axes = _axes(1, len(panels), (4.6 * len(panels), 3.4), alt)
    for axis, (title, clean, bad) in zip(axes, panels, strict=True):
        both = np.concatenate((clean.cpu().numpy(), bad.cpu().numpy()))
        bins = np.linspace(both.min(), both.max() + 1e-9, 41).tolist()
        for values, colour, hatch, name in ((clean, BLUE, "", "clean"), (bad, ORANGE, "///", "triggered")):
            if len(values):
                weights = np.full(len(values), 1 / len(values))
                text = f"{name}, n = {len(values)}"
                axis.hist(values.cpu().numpy(), bins, weights=weights, color=colour, alpha=0.6, hatch=hatch, label=text)
        axis.set(title=title, xlabel=label, ylabel="share of images")
    for (name, value), style in zip(thresholds, ("--", ":", "-."), strict=False):
        axes[-1].axvline(value, color="black", linestyle=style, label=name)
    for axis in axes:
        axis.legend(fontsize="small")
    return Plot(figure, alt)


def rate_curve(
    rates: Sequence[float], curves: Sequence[tuple[str, Sequence[Sequence[float]]]], *, alt: str, title: str
) -> Plot:
    """Shares over poisoning rates: curves (name, one sequence of seeds per rate), mean with the range over the seeds."""
    figure, (axis,) = _axes(1, 1, (5.6, 3.8), alt)
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
    axis.set_xticks(list(rates), [f"{rate:g}" for rate in rates], rotation=45)
    axis.minorticks_off()
    axis.set(ylim=(-0.03, 1.03))
    axis.grid(alpha=0.3)


def planes(panels: Sequence[tuple[str, Tensor, Tensor, Tensor, Tensor]], *, alt: str, span: float = 4.5) -> Plot:
    """Points of two classes and a decision line: panels (title, points (N, 2), labels (N,), moved bool (N,), line).

    labels: -1 or 1.  line: (w1, w2, b) of w x + b = 0.  Points of class 1 that were moved are red triangles.
    """
    import numpy as np

    figure, axes = _axes(1, len(panels), (4.2 * len(panels), 4.6), alt)
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
    figure, axes = _axes(len(rows), 3 * n + 1, (1.05 * (3 * n + 1) + 2.6, 1.1 * len(rows) + 0.4), alt)
    for r, (name, factor, clean, marked, change, spectrum) in enumerate(rows):
        mine = axes[r * (3 * n + 1) : (r + 1) * (3 * n + 1)]
        for part, images_ in enumerate((clean, marked, change)):
            _image_row(mine[part * n : (part + 1) * n], name if part == 0 else "", images_)
        mine[-1].imshow(np.log10(spectrum.numpy() + 1e-3), cmap="viridis")
        mine[-1].set(xticks=[], yticks=[])
        mine[2 * n].set_ylabel(f"x{factor}", rotation=0, ha="right", va="center", fontsize="small")
    for part, title in enumerate(("clean", "triggered", "change", "spectrum")):
        axes[min(part * n, 3 * n)].set_title(title, fontsize="medium")
    return Plot(figure, alt)


def pruning_curve(
    curves: Sequence[tuple[str, Sequence[Sequence[float]], Sequence[Sequence[float]]]],
    *,
    decoys: int | None = None,
    alt: str,
    title: str,
) -> Plot:
    """Clean accuracy and ASR over the number of pruned channels: curves (name, clean, asr), one sequence a seed each.

    decoys: after so many channels a dashed line stands in the last panel.
    """
    figure, axes = _axes(1, len(curves), (4.6 * len(curves), 3.6), alt)
    for axis, (name, *both) in zip(axes, curves, strict=True):
        for label, seeds, (colour, marker) in zip(("clean accuracy", "ASR"), both, LOOKS, strict=False):
            levels = list(zip(*seeds, strict=True))
            axis.plot([sum(v) / len(v) for v in levels], color=colour, marker=marker, markevery=4, label=label)
            low, high = [min(v) for v in levels], [max(v) for v in levels]
            axis.fill_between(range(len(levels)), low, high, color=colour, alpha=0.2, linewidth=0)
        axis.set(title=name, xlabel="channels pruned", ylabel="share of test images", ylim=(-0.03, 1.03))
        axis.grid(alpha=0.3)
    if decoys is not None:
        axes[-1].axvline(decoys, color="black", linestyle="--", label="decoys gone")
    for axis in axes:
        axis.legend(fontsize="small", loc="lower left")
    figure.suptitle(title, fontsize="medium")
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
    figure = _figure((1.5 * len(clean) + 5.6, 4.1), alt)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.5 * len(clean) + 0.8, 4.8))[0]
    above, below = left.subplots(2, len(clean), squeeze=False)
    _image_row(above, "clean", clean)
    _image_row(below, "triggered", triggered)
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
