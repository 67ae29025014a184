"""Patches: a few pixels of the image get a fixed colour (Gu, Dolan-Gavitt, Garg 2017, arXiv 1708.06733)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bdlab.contracts import Trigger
from bdlab.registry import register

PATTERN = torch.tensor([[0, 0, 1], [0, 1, 0], [1, 0, 1]], dtype=torch.bool)
"""The four bright pixels of BadNets: a falling diagonal's mirror image and the corner."""


@register("trigger", "patch")
@dataclass(frozen=True, kw_only=True)
class Patch(Trigger):
    """A single pixel, the four-pixel pattern of BadNets, or a square.

    size: side of the square in pixels (the pixel has side 1, the pattern side 3).
    at: row and column of the patch's upper left pixel; negative ones count from the lower and right edge.  None puts it
    into the lower right corner with one pixel of margin.
    colour: a grey value, or one value a channel, each in [0, 1]; 0 is a black patch, which shows on bright ground only.

    Fidelity: the mask is explicit and never derived from 'pattern > 0', so black can be stamped.  Coordinates of pixel
    and pattern follow the adversarial-robustness-toolbox (`add_single_bd`, `add_pattern_bd`, distance 2); the paper's
    own were not verified.
    """

    shape: Literal["pixel", "pattern", "square"] = "square"
    size: int = 3
    at: tuple[int, int] | None = None
    colour: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        if self.shape not in ("pixel", "pattern", "square"):
            raise ValueError(f"shape must be one of pixel, pattern, square; got {self.shape!r}")
        if self.size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {self.size}")
        for value in self._colours:
            if not 0 <= value <= 1:
                raise ValueError(f"colour must lie in [0, 1], got {self.colour}; divide 8-bit values by 255")

    @property
    def _colours(self) -> tuple[float, ...]:
        return self.colour if isinstance(self.colour, tuple) else (self.colour,)

    @property
    def cells(self) -> Tensor:
        """Which pixels of the patch's own box are coloured: bool (h, w)."""
        if self.shape == "pattern":
            return PATTERN.clone()
        side = 1 if self.shape == "pixel" else self.size
        return torch.ones(side, side, dtype=torch.bool)

    def mask(self, height: int, width: int) -> Tensor:
        """Which pixels of an image the patch covers: bool (height, width); an error where it would stick out."""
        side = len(self.cells)
        at = self.at if self.at is not None else (-side - 1, -side - 1)
        top, left = (start + extent if start < 0 else start for start, extent in zip(at, (height, width), strict=True))
        if not (0 <= top <= height - side and 0 <= left <= width - side):
            raise ValueError(
                f"at must keep the {side}x{side} patch inside the {height}x{width} image, got {at}; "
                f"rows may be 0..{height - side} or {-height}..{-side}, columns 0..{width - side} or {-width}..{-side}"
            )
        mask = torch.zeros(height, width, dtype=torch.bool)
        mask[top : top + side, left : left + side] = self.cells
        return mask

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        if len(self._colours) not in (1, x.shape[1]):
            raise ValueError(f"colour must have 1 or {x.shape[1]} values for these images, got {self.colour}")
        marked, mask = x.clone(), self.mask(*x.shape[-2:]).to(x.device)
        colour = torch.tensor(self._colours, dtype=x.dtype, device=x.device)
        marked[:, :, mask] = colour.expand(x.shape[1])[:, None]  # (N, C, cells) <- (C, 1)
        return marked
