"""Blend: a key picture shines through the whole image (Chen, Liu, Li, Lu, Song 2017, arXiv 1712.05526)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bdlab.contracts import Shape
from bdlab.registry import register
from bdlab.triggers.overlay import Overlay
from bdlab.triggers.pictures import full


@register("trigger", "blend")
@dataclass(frozen=True, kw_only=True)
class Blend(Overlay):
    """Blend_alpha(k, x) = alpha k + (1 - alpha) x, the same key k for every image x.

    image: 'cartoon', an owl's face, stretched over the image, or 'noise', every pixel and channel uniform in [0, 1].
    seed: draws the noise; the owl does not use it.
    alpha: share of the key in the mixture.  compose: 'add' gives x + alpha k, clipped.

    Fidelity: the paper's cartoon is a registered figure and is not shipped; ours is drawn by `pictures`.  Its key is made
    for one image size, ours for the size of the images; grey images get the key's grey value.  'add' is how the released
    trigger of Zeng, Park, Mao, Jia (ICCV 2021, arXiv 2104.03413) mixes, which calls it Blend too.
    """

    alpha: float = 0.2
    image: Literal["cartoon", "noise"] = "cartoon"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image not in ("cartoon", "noise"):
            raise ValueError(
                f"image must be 'cartoon' or 'noise', got {self.image!r}; Crafted takes a picture of your own"
            )

    def picture(self, shape: Shape) -> tuple[Tensor, Tensor]:
        """The key k (C, H, W), and a mask that is 1 everywhere."""
        if self.image == "noise":
            key = torch.rand(shape, generator=torch.Generator().manual_seed(self.seed))
        else:
            key, _ = full("owl", shape)
        return key, torch.ones(shape[1:])
