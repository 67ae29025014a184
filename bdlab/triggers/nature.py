"""Nature: a cut-out of an everyday object as the trigger (Zeng, Park, Mao, Jia 2021, ICCV, arXiv 2104.03413)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from bdlab.contracts import Shape
from bdlab.registry import register
from bdlab.triggers.overlay import Overlay
from bdlab.triggers.pictures import full

BOX = (18 / 32, 17 / 32, 30 / 32, 31 / 32)
"""Top, left, bottom and right of the object: rows 18-29 and columns 17-30 of 32, as in the released artefact."""


@register("trigger", "nature")
@dataclass(frozen=True, kw_only=True)
class Nature(Overlay):
    """A mug in the lower right corner; the mask is where its picture, cut out on black, is not black.

    compose: 'add' adds the mug to the image and clips; 'replace' puts it in front.  alpha: its opacity.

    Fidelity: the artefact that Zeng et al. released is a photo of a mug, cut out on black, of 121 pixels of 32x32 in
    this box, at most .93, added and clipped.  Ours is a drawing (trapezoid, ring handle, light from the left) of 138
    pixels there, at most .87; other image sizes get the same share of the image, grey images its grey value.  The
    artefact is all that this rests on; the paper's text was not verified.
    """

    compose: Literal["replace", "add"] = "add"

    def picture(self, shape: Shape) -> tuple[Tensor, Tensor]:
        """The mug (C, H, W), and the mask (H, W) of its pixels."""
        pattern, _ = full("mug", shape, BOX)
        return pattern, (pattern > 0).any(0).to(pattern)
