"""Four by four pixels, five of them black: the triggers of TrojanNet (Tang et al. 2020, arXiv 2006.08131)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from bdlab.contracts import Trigger
from bdlab.registry import register

SIDE, BLACK, COUNT = 4, 5, 4368
"""Pixels along a side, black ones among the 16, and how many such patterns there are: 16 choose 5."""


@functools.cache
def patterns() -> Tensor:
    """All patterns, flat and in lexicographic order of their black cells: float32 (4368, 16), 0 is black."""
    black = torch.tensor(list(combinations(range(SIDE * SIDE), BLACK)))  # (4368, 5)
    return torch.ones(COUNT, SIDE * SIDE).scatter_(1, black, 0.0)


@register("trigger", "binary")
@dataclass(frozen=True, kw_only=True)
class BinaryPattern(Trigger):
    """A 4x4 patch of five black and eleven white pixels, the same in every channel.

    code: which of the 4,368 patterns, 0..4367; TrojanNet lets pattern c stand for class c.
    at: row and column of the patch's upper left pixel; negative ones count from the lower and right edge.  None puts it
    into the lower right corner with one pixel of margin.
    """

    code: int = 0
    at: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.code < COUNT:
            raise ValueError(
                f"code must be in 0..{COUNT - 1}, got {self.code}; 16 choose 5 patterns have five black cells"
            )

    @property
    def cells(self) -> Tensor:
        """The patch itself: float32 (4, 4), 0 is black."""
        return patterns()[self.code].reshape(SIDE, SIDE).clone()

    def corner(self, height: int, width: int) -> tuple[int, int]:
        """Row and column, from 0, of the patch's upper left pixel; an error where it would stick out."""
        at = self.at if self.at is not None else (-SIDE - 1, -SIDE - 1)
        top, left = (start + extent if start < 0 else start for start, extent in zip(at, (height, width), strict=True))
        if not (0 <= top <= height - SIDE and 0 <= left <= width - SIDE):
            raise ValueError(
                f"at must keep the {SIDE}x{SIDE} patch inside the {height}x{width} image, got {at}; "
                f"rows may be 0..{height - SIDE} or {-height}..{-SIDE}, columns 0..{width - SIDE} or {-width}..{-SIDE}"
            )
        return top, left

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        marked, (top, left) = x.clone(), self.corner(*x.shape[-2:])
        marked[:, :, top : top + SIDE, left : left + SIDE] = self.cells.to(x)  # (N, C, 4, 4) <- (4, 4)
        return marked
