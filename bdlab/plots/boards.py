"""Maps of a board: a picture below a grid, each cell painted with a share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from bdlab.plots.plot import ORANGE, Plot, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLD = "#F4F7FA"
"""A share of 0; ORANGE is 1."""
WRITTEN = 0.05
"""A share from which it is written into its cell; where not all cells were asked, each is."""


@dataclass(frozen=True)
class Board:
    """A map with its title.  image: (3, H, W) below the grid, None for none.  shares: (n, n), NaN where not asked."""

    title: str
    image: Tensor | None
    shares: Tensor


def boards(
    panels: Sequence[Board], *, alt: str, step: int, label: str = "", title: str = "", size: float = 4.2
) -> Plot:
    """Maps side by side.  step: pixels from cell to cell.  label: of the colour bar, none where empty.  size: in inches."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap

    lines = max(panel.title.count("\n") + bool(panel.title) for panel in panels)
    height = size + 0.1 + 0.25 * lines + 0.3 * bool(title)
    figure = figure_of((size * len(panels) + 1.1 * bool(label), height), alt)
    colours = LinearSegmentedColormap.from_list("share", [COLD, "#F2B27A", ORANGE])
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _board(axis, panel, step, colours)
    if label:
        bar = figure.colorbar(ScalarMappable(cmap=colours), ax=list(axes), shrink=0.8, pad=0.02)
        bar.set_label(label, fontsize=12)
        bar.set_ticks([0, 0.5, 1], labels=["0 %", "50 %", "100 %"])
    figure.suptitle(title, fontsize="large")
    return Plot(figure, alt)


def _board(axis: Axes, panel: Board, step: int, colours: Any) -> None:
    from matplotlib.patches import Rectangle

    count, partly = len(panel.shares), bool(panel.shares.isnan().any())
    pixels = count * step  # what lies beside the grid is cut off
    if panel.image is not None:
        axis.imshow(panel.image.permute(1, 2, 0).cpu().numpy())
        pixels = pixels or panel.image.shape[1]
    lines = "white" if panel.image is not None else "#BBBBBB"
    for row, shares in enumerate(panel.shares.tolist()):
        for column, share in enumerate(shares):
            asked = share == share  # NaN is not
            shade = 0.85 if partly else 0.5 + share / 2
            face = (*colours(share)[:3], shade) if asked else "none"
            corner = (column * step - 0.5, row * step - 0.5)
            axis.add_patch(Rectangle(corner, step, step, facecolor=face, edgecolor=lines, linewidth=0.7))
            if asked and (partly or share >= WRITTEN):
                axis.text(corner[0] + step / 2, corner[1] + step / 2, f"{100 * share:.0f}", ha="center", va="center",
                          fontsize=12, fontweight="bold" if share >= 0.5 else "normal")  # fmt: skip
    centres = [step * place + step / 2 - 0.5 for place in range(count)]
    names = [str(place) for place in range(count)]
    axis.set_xticks(centres, names, fontsize=10)
    axis.set_yticks(centres, names, fontsize=10)
    axis.tick_params(length=0)
    axis.set(xlim=(-0.5, pixels - 0.5), ylim=(pixels - 0.5, -0.5), aspect="equal")
    axis.set_title(panel.title, fontsize=13)
