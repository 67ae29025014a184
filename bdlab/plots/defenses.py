"""Figures of defences: scores, curves, inspections, maps."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from bdlab.plots.plot import BLUE, LOOKS, ORANGE, Plot, axes_of, figure_of, image_row


def scores(
    panels: Sequence[tuple[str, Tensor, Tensor]],
    thresholds: Sequence[tuple[str, float]],
    *,
    label: str,
    alt: str,
    columns: int | None = None,
    lines: Sequence[float] = (),
    names: tuple[str, str] = ("clean", "triggered"),
) -> Plot:
    """Histograms of a detector's scores: panels (title, clean (N,), bad (M,)), one vertical line per named threshold.

    The thresholds belong to the last panel.  label: the axis text, with its unit.  columns: panels in a row, all by default;
    it divides their number.  lines: one more vertical line for each panel.  names: of the two groups.
    """
    import numpy as np

    columns = columns or len(panels)
    rows = len(panels) // columns
    figure, axes = axes_of(rows, columns, (4.6 * columns, 3.4 * rows), alt)
    for axis, line in zip(axes, lines, strict=False):
        axis.axvline(line, color="black", label="line")
    for axis, (title, clean, bad) in zip(axes, panels, strict=True):
        both = np.concatenate((clean.cpu().numpy(), bad.cpu().numpy()))
        bins = np.linspace(both.min(), both.max() + 1e-9, 41).tolist()
        for values, colour, hatch, name in ((clean, BLUE, "", names[0]), (bad, ORANGE, "///", names[1])):
            if len(values):
                weights = np.full(len(values), 1 / len(values))
                text = f"{name}, n = {len(values)}"
                axis.hist(values.cpu().numpy(), bins, weights=weights, color=colour, alpha=0.6, hatch=hatch, label=text)
        axis.set(title=title, xlabel=label, ylabel="share of images")
        axis.locator_params(axis="x", nbins=6)
    for (name, value), style in zip(thresholds, ("--", ":", "-."), strict=False):
        axes[-1].axvline(value, color="black", linestyle=style, label=name)
    for axis in axes:
        axis.legend(fontsize="small")
    return Plot(figure, alt)


def tails(benign: Tensor, marked: Tensor, boundary: float, *, label: str, alt: str, title: str) -> Plot:
    """Two histograms and a line: what is refused lies below it.  benign (N,), marked (M,); both errors are painted.

    Benign values below the line are false rejections, marked ones above it false acceptances.  label: the axis text.
    """
    import numpy as np

    figure, (axis,) = axes_of(1, 1, (7.4, 4.2), alt)
    top = max(float(benign.max()), float(marked.max()))
    bins = np.union1d(np.linspace(min(0.0, boundary), top, 45), [boundary])  # no bar lies on both sides of the line
    groups = (
        (benign, BLUE, "honest", "refused: FALSE REJECTION", True),
        (marked, ORANGE, "marked", "let through: FALSE ACCEPTANCE", False),
    )
    for values, colour, name, error, below in groups:
        heights = np.histogram(values.cpu().numpy(), bins)[0] / len(values) / np.diff(bins)
        wrong = (bins[:-1] < boundary) == below
        named = ((~wrong, "", 0.3, f"{name}, n = {len(values)}"), (wrong, "xxx", 0.85, f"{name}, {error}"))
        for part, hatch, alpha, text in named:
            axis.bar(bins[:-1][part], heights[part], np.diff(bins)[part], align="edge", color=colour, alpha=alpha,
                     hatch=hatch, edgecolor="white", linewidth=0, label=text)  # fmt: skip
    axis.axvline(boundary, color="black", linewidth=2)
    axis.text(boundary, 1.01, "← refused | let through →", ha="center", va="bottom", fontsize=11,
              transform=axis.get_xaxis_transform())  # fmt: skip
    tallest = np.histogram(benign.cpu().numpy(), bins)[0] / len(benign) / np.diff(bins)
    axis.set(xlabel=label, ylabel="density (cut off at the top)", ylim=(0, 2.2 * tallest.max()))
    axis.legend(fontsize="medium", loc="upper right")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def pruning_curve(
    curves: Sequence[tuple[str, Sequence[Sequence[float]], Sequence[Sequence[float]]]],
    *,
    decoys: int | None = None,
    stops: Sequence[int] = (),
    alt: str,
    title: str,
) -> Plot:
    """Clean accuracy and ASR over the number of pruned channels: curves (name, clean, asr), one sequence a seed each.

    decoys: after so many channels a dashed line stands in the last panel.  stops: the same for every panel, where the
    defence stopped.
    """
    figure, axes = axes_of(1, len(curves), (4.6 * len(curves), 3.6), alt)
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
    for axis, stop in zip(axes, stops, strict=False):
        axis.axvline(stop, color="black", linestyle=":", label="the defence stops")
    names = axes[-1].get_legend_handles_labels()
    figure.legend(*names, loc="outside lower center", ncols=len(names[0]), fontsize="small")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def anomaly(
    norms: Tensor,
    index: Tensor,
    cutoff: float,
    flagged: Sequence[int],
    *,
    alt: str,
    title: str,
    triggers: Tensor | None = None,
) -> Plot:
    """An inspection: per class (K,) the trigger's size and its anomaly index, below them the triggers (K, C, H, W)."""
    classes, columns = range(len(norms)), min(len(norms), 16)
    rows = 0 if triggers is None else -(-len(norms) // columns)
    figure = figure_of((max(6.0, 0.75 * columns), 4.2 + 1.2 * rows), alt)
    upper, *rest = figure.subfigures(
        1 + bool(rows), 1, squeeze=False, height_ratios=(4.2, 1.2 * rows) if rows else None
    )[:, 0]
    for axis, values, label in zip(
        upper.subplots(2, 1, sharex=True), (norms, index), ("size of the trigger (l1)", "anomaly index"), strict=True
    ):
        bars = axis.bar(classes, values.tolist(), color=[ORANGE if label_ in flagged else BLUE for label_ in classes])
        for label_ in flagged:
            bars[label_].set_hatch("///")
        axis.set(ylabel=label, xticks=list(classes))
        axis.tick_params(axis="x", labelsize="medium" if len(norms) <= 24 else "x-small")
    axis.axhline(cutoff, color="black", linestyle="--", label=f"cut-off {cutoff:.2f}")
    axis.set_xlabel("class (hatched: flagged)")
    axis.legend(fontsize="small")
    if triggers is not None:
        cells = rest[0].subplots(rows, columns, squeeze=False).flatten()
        image_row(cells[: len(norms)], "", triggers)
        for label_ in classes:
            cells[label_].set_title(str(label_), fontsize="x-small", pad=2)
        for cell in cells[len(norms) :]:
            cell.set_axis_off()
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def heat(
    rows: Sequence[tuple[str, Tensor]], *, alt: str, title: str = "", captions: Sequence[Sequence[str]] = ()
) -> Plot:
    """Rows of maps (n, h, w) of one scale each, or pictures (n, C, H, W) in [0, 1]: activation maps, Grad-CAM.

    captions: of each row the words below its cells; none by default.
    """
    columns = len(rows[0][1])
    if any(len(x) != columns for _, x in rows):
        raise ValueError(f"rows must hold the same number of maps, got {[len(x) for _, x in rows]}")
    figure, axes = axes_of(len(rows), columns, (1.1 * columns + 1.6, (1.4 if captions else 1.15) * len(rows) + 0.4), alt)
    for axis, words in zip(axes, [words for row in captions for words in row], strict=False):
        axis.set_xlabel(words)
    for r, (name, x) in enumerate(rows):
        mine = axes[r * columns : (r + 1) * columns]
        if x.dim() == 4:
            image_row(mine, name, x)
            continue
        for axis, values in zip(mine, x, strict=True):
            axis.imshow(values.cpu().numpy(), cmap="inferno", vmin=0, vmax=max(float(x.max()), 1e-9))
            axis.set(xticks=[], yticks=[])
        mine[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)
