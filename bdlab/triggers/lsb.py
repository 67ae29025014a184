"""Steganography: a text in the least significant bits of the image (Li et al. 2021, IEEE TDSC, arXiv 1909.02742)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bdlab.contracts import Trigger
from bdlab.registry import register


@register("trigger", "lsb")
@dataclass(frozen=True, kw_only=True)
class LSB(Trigger):
    """Writes `text`, again and again, into the last bit of every 8-bit channel value.

    text: one byte a character (ASCII and Latin-1), highest bit first; the values are taken in raster order: the rows of
    the first channel, then those of the next.  What does not fit into the image is cut off.

    The image is rounded to 8 bits first.  One that is 8-bit already changes by at most 1/255; the others move by up to
    half a step more.  Any later processing (JPEG, resizing, noise, a bit-depth squeezer) destroys the text.  Rounding
    has no gradient.

    Fidelity: from memory of the paper, see `Steganography`; channel after channel, not pixel after pixel, is our reading.
    """

    text: str = "backdoor"

    def __post_init__(self) -> None:
        if not self.text or any(ord(character) > 255 for character in self.text):
            raise ValueError(
                f"text must be at least one character, each of one byte (ASCII or Latin-1), got {self.text!r}"
            )

    def bits(self, count: int) -> Tensor:
        """The first `count` bits of the repeated text: uint8 (count,)."""
        codes = torch.tensor(list(self.text.encode("latin-1")))  # (L,)
        bits = (codes[:, None] >> torch.arange(7, -1, -1)) & 1  # (L, 8)
        return bits.flatten().repeat(-(-count // bits.numel()))[:count].byte()

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        values = (x * 255).round().byte()  # (N, C, H, W)
        bits = self.bits(x.shape[1:].numel()).view(x.shape[1:]).to(x.device)  # (C, H, W)
        return (values & 0xFE | bits).float() / 255


def read(x: Tensor, length: int) -> str:
    """The first `length` characters in the least significant bits of one image `x` (C, H, W) in [0, 1]."""
    if not 0 <= 8 * length <= x.numel():
        raise ValueError(
            f"length must be in 0..{x.numel() // 8} characters for an image of {x.numel()} values, got {length}"
        )
    bits = (x * 255).round().byte().flatten()[: 8 * length].cpu() & 1  # (8 * length,)
    codes = (bits.view(length, 8).long() << torch.arange(7, -1, -1)).sum(1)  # (length,)
    return bytes(codes.tolist()).decode("latin-1")
