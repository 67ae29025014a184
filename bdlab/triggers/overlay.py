"""A picture put over the input: what Blend, Nature and every trigger that an attack crafts have in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bdlab.checks import check_fraction, digest
from bdlab.contracts import Shape, Trigger


@dataclass(frozen=True, kw_only=True)
class Overlay(Trigger):
    """Where the mask is set, 'replace' moves the image towards the pattern, 'add' adds the pattern and clips.

    alpha: opacity in [0, 1]; 0 leaves the image as it is.
    """

    alpha: float = 1.0
    compose: Literal["replace", "add"] = "replace"

    def __post_init__(self) -> None:
        check_fraction(self.alpha, "alpha", zero=True)
        if self.compose not in ("replace", "add"):
            raise ValueError(f"compose must be 'replace' or 'add', got {self.compose!r}")

    @abstractmethod
    def picture(self, shape: Shape) -> tuple[Tensor, Tensor]:
        """Pattern (C, H, W) and mask (H, W) in [0, 1] for images of `shape` (C, H, W)."""

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        pattern, mask = (part.to(x) for part in self.picture((x.shape[1], x.shape[2], x.shape[3])))
        if self.compose == "add":
            return (x + self.alpha * mask * pattern).clamp(0, 1)  # (N, C, H, W) + (C, H, W)
        return torch.lerp(x, pattern.expand_as(x), (self.alpha * mask).expand_as(x)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Crafted(Overlay):
    """A trigger that an attack made for one network.

    pattern: (C, H, W), negative values allowed where compose is 'add'.  mask: (H, W) in [0, 1].
    """

    pattern: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pattern.ndim != 3 or not self.pattern.isfinite().all():
            raise ValueError(f"pattern must be (C, H, W) and finite, got shape {tuple(self.pattern.shape)} with "
                             f"{int((~self.pattern.isfinite()).sum())} values that are not")  # fmt: skip
        if self.mask.shape != self.pattern.shape[1:] or not ((self.mask >= 0) & (self.mask <= 1)).all():
            raise ValueError(f"mask must be {tuple(self.pattern.shape[1:])}, as the pattern is, with values in [0, 1], "
                             f"got {tuple(self.mask.shape)} from {self.mask.min():g} to {self.mask.max():g}")  # fmt: skip

    def picture(self, shape: Shape) -> tuple[Tensor, Tensor]:
        if tuple(self.pattern.shape) != tuple(shape):
            raise ValueError(f"x must be of shape (N, {', '.join(map(str, self.pattern.shape))}), as the crafted "
                             f"trigger is, got images {tuple(shape)}; craft it again for them")  # fmt: skip
        return self.pattern, self.mask

    def __repr__(self) -> str:
        cells = int((self.mask > 0).sum())
        return (
            f"Crafted({cells} of {self.mask.numel()} pixels, compose={self.compose!r}, alpha={self.alpha:g}, "
            f"pattern and mask {digest(self.pattern, self.mask)})"
        )
