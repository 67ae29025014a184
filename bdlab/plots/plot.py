"""What all figures share: colours, axes, rows of pictures."""

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
        """The picture; its description alone while nbgrader grades the notebook, where nobody looks and seconds count."""
        if os.environ.get("NBGRADER_EXECUTION") == "autograde":
            return f"<p>{html.escape(self.alt)}</p>"
        data = base64.b64encode(self.png()).decode()
        return f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}" style="max-width: 100%">'


def figure_of(size: tuple[float, float], alt: str) -> Figure:
    """An empty figure, size in inches; `alt` must not be empty."""
    from matplotlib.figure import Figure

    if not alt.strip():
        raise ValueError("alt must say what the figure shows, got an empty text; describe it in a sentence")
    return Figure(figsize=size, layout="constrained")


def axes_of(rows: int, columns: int, size: tuple[float, float], alt: str) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, row by row."""
    figure = figure_of(size, alt)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def images(rows: Sequence[tuple[str, Tensor]], *, alt: str, title: str = "") -> Plot:
    """Rows of pictures, each named: (name, images (n, C, H, W) in [0, 1]); the same n in every row."""
    columns = len(rows[0][1])
    if any(len(x) != columns for _, x in rows):
        raise ValueError(f"rows must hold the same number of images, got {[len(x) for _, x in rows]}")
    figure, axes = axes_of(len(rows), columns, (1.1 * columns + 1.2, 1.15 * len(rows) + 0.4), alt)
    for r, (name, x) in enumerate(rows):
        image_row(axes[r * columns : (r + 1) * columns], name, x)
    figure.suptitle(title, fontsize="medium")
    return Plot(figure, alt)


def image_row(axes: Sequence[Axes], name: str, x: Tensor) -> None:
    """Pictures (n, C, H, W) in [0, 1], their name at the left."""
    for axis, image in zip(axes, x, strict=True):
        axis.imshow(image.permute(1, 2, 0).squeeze(-1).cpu().numpy(), cmap="gray", vmin=0, vmax=1)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
