"""Photo filters as triggers: the whole picture changes its colours, no place carries the mark.

Liu, Lee, Tao, Ma, Aafer, Zhang, 'ABS', CCS 2019; TrojAI's five filters; in Li, Ma, Xue, Zhao, arXiv 2007.08273 (2020), the
image-wide triggers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.colour import auto_gamma, blend, gamma, levels, luma, modulate, sigmoid, tone, vignette


def gotham(x: Tensor) -> Tensor:
    """Almost grey, a blue sheet over it, strong contrast."""
    x = blend(modulate(x, lightness=1.2, saturation=0.1), "#222b6d", 0.2)
    return sigmoid(sigmoid(gamma(x, 0.9)))


def nashville(x: Tensor) -> Tensor:
    """Blue shadows, cream lights, strong colours, the mean brightness brought to one half."""
    x = tone(x, "#222b6d", 0.5, dark=True)
    x = tone(x, "#f7daae", 0.5, dark=False)
    return auto_gamma(modulate(sigmoid(x), lightness=1.0, saturation=1.5))


def kelvin(x: Tensor) -> Tensor:
    """Light, half the colour, an orange sheet over it."""
    return blend(modulate(auto_gamma(x), lightness=1.2, saturation=0.5), "#ff9900", 0.2)


def lomo(x: Tensor) -> Tensor:
    """Hard red and green, dark towards the edges."""
    return vignette(levels(x, 0.33, 0.67, channels=(0, 1)), "#ffffff", "#000000")


def toaster(x: Tensor) -> Tensor:
    """Reddish shadows, very light, strong contrast, an orange glow in the middle."""
    x = modulate(tone(x, "#330000", 0.5, dark=True), lightness=1.5, saturation=0.8)
    x = sigmoid(sigmoid(gamma(x, 1.2)))
    return vignette(vignette(x, "#ffffff", "#cdc1c5"), "#ff9966", "#ffffff")


FILTERS: dict[str, Callable[[Tensor], Tensor]] = {
    recipe.__name__: recipe for recipe in (gotham, nashville, kelvin, lomo, toaster)
}


@register("trigger", "filter")
@dataclass(frozen=True, kw_only=True)
class Filter(Trigger):
    """One of TrojAI's five photo filters: gotham, nashville, kelvin, lomo, toaster.

    Nothing is drawn; gradients pass.  Grey images are filtered as grey pictures in colour and read back as grey values
    (BT.601): there a filter is little more than a tone curve.

    Fidelity: order and numbers of the steps were read in TrojAI's `instagram_xforms.py`, in its later version (an
    earlier one has stronger gamma, tones and opacity).  It calls ImageMagick; the steps here are its formulas in torch, a
    reconstruction that was not compared with ImageMagick's pixels.  In particular: a tone mixes each pixel with
    its colour by luma times weight, where TrojAI composites two pictures by alpha; Kelvin's sheet is mixed in;
    lightness and saturation are cut at 1; auto gamma keeps the mean in [.02, .98]; a grey value is BT.601's.  Lomo's
    levels are .33 and .67: the command line that TrojAI translates says '-level 33%' (read), which leaves white to
    its default of 67 % (from memory); TrojAI itself has black .5.  The vignettes are as long as ImageMagick's documentation
    says.  No step turns the hue (TrojAI's number for it is 100 throughout), so none is computed.
    """

    name: Literal["gotham", "nashville", "kelvin", "lomo", "toaster"] = "gotham"

    def __post_init__(self) -> None:
        if self.name not in FILTERS:
            raise ValueError(f"name must be one of {', '.join(FILTERS)}; got {self.name!r}")

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        if x.shape[1] not in (1, 3):
            raise ValueError(
                f"x must have 1 or 3 channels for a colour filter, got {x.shape[1]}; take grey or RGB images"
            )
        filtered = FILTERS[self.name](x.expand(-1, 3, -1, -1))  # (N, 3, H, W)
        return (filtered if x.shape[1] == 3 else luma(filtered)).clamp(0, 1)
