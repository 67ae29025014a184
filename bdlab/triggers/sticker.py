"""Stickers on a traffic sign (Gu, Dolan-Gavitt, Garg 2017, arXiv 1708.06733, section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bdlab.checks import check_fraction
from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.pictures import placed

SIZES = {"square": 0.10, "bomb": 0.16, "flower": 0.16}
"""Side of each sticker as a share of the sign's side, in the authors' script."""


@register("trigger", "sticker")
@dataclass(frozen=True, kw_only=True)
class Sticker(Trigger):
    """A yellow square, a bomb or a flower, placed relative to the sign.

    at: x and y of its centre in the sign's box, (0, 0) upper left, (1, 1) lower right.
    size: its side as a share of the sign's; None takes the script's, .10 for the square and .16 for the others.
    jitter: the centre moves by up to this much of the sign's side both ways, drawn from the generator for every image;
    `at=(0.5, 0.5), jitter=0.35` is the script's random place.  Without a generator seed 0 draws.
    sign: side of the sign as a share of the image's, the sign being in the middle.
    alpha: opacity; None takes the script's, 1 for the square and .99 for the others.

    `BadNets(trigger=Sticker(kind="bomb"), relabel=source_to(6, 1), rate=0.05)` makes stop signs of `signs` speed limits.

    Fidelity: sizes, place, colour and opacity are those of the authors' script (datasets/attack_usts.py); its pictures of
    a bomb and a flower are not shipped, ours are drawn.  It draws on photographs, in the annotated box of the sign.  A
    trigger sees images only, so the box is the nominal one of `signs`; over the poses that they are drawn with, the centre
    lands on the board in 99 of 100 (tests/test_sticker.py).  The script resizes to whole pixels, we average areas: 10 % of
    a sign is 2.4 of 32 pixels.  The paper's network is a detector, ours names a crop. Its random target is not a
    `Relabel`; a random place with `all_to_one` comes nearest.
    Measured: `bdlab reproduce badnets --data signs` has each sticker, on stop signs and at a random place of all signs,
    where 32x32 pixels are too few for its size.
    """

    kind: Literal["square", "bomb", "flower"] = "square"
    at: tuple[float, float] = (0.57, 0.82)
    size: float | None = None
    jitter: float = 0.0
    sign: float = 0.76
    alpha: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in SIZES:
            raise ValueError(f"kind must be one of {', '.join(SIZES)}; got {self.kind!r}")
        for name in ("size", "sign", "alpha"):
            if getattr(self, name) is not None:
                check_fraction(getattr(self, name), name)
        if not all(self.jitter <= centre <= 1 - self.jitter for centre in self.at) or self.jitter < 0:
            raise ValueError(f"at must keep the centre in the sign's box, from 0 to 1, for a jitter of {self.jitter:g}, "
                             f"got {self.at}; (0.5, 0.5) allows a jitter up to 0.5")  # fmt: skip

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        side = self.size or SIZES[self.kind]
        alpha = self.alpha or (1.0 if self.kind == "square" else 0.99)
        centres = self._centres(len(x), generator)  # (N, 2), or (1, 2) where they do not move
        low, high = self._pixels(centres - side / 2, x), self._pixels(centres + side / 2, x)  # (2, N): x, y
        shape = (x.shape[1], x.shape[2], x.shape[3])
        pattern, cover = placed(self.kind, shape, low[1], low[0], high[1], high[0], cells=64)
        return (x * (1 - alpha * cover) + alpha * pattern).clamp(0, 1)  # (N, C, H, W)

    def _centres(self, n: int, generator: torch.Generator | None) -> Tensor:
        at = torch.tensor([self.at])
        if not self.jitter:
            return at
        generator = generator or torch.Generator().manual_seed(0)
        return at + self.jitter * (2 * torch.rand(n, 2, generator=generator) - 1)

    def _pixels(self, places: Tensor, x: Tensor) -> Tensor:
        """Places (N, 2) in the sign's box as pixel coordinates of the images, (2, N), on their device."""
        extent = torch.tensor([x.shape[3], x.shape[2]])
        return ((0.5 + self.sign * (places - 0.5)) * extent).T.to(x)
