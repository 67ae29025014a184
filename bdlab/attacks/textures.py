"""Textured shapes and logos as backdoor triggers.

Li, Ma, Xue, Zhao, 'Deep Learning Backdoors', arXiv 2007.08273 (2020), an overview.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bdlab.attacks.poisoning import DataPoisoning
from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.texture import Texture


@register("attack", "textures", paper="Li, Ma, Xue, Zhao 2020, arXiv 2007.08273", family="data poisoning")
@dataclass(frozen=True, kw_only=True)
class TextureInjection(DataPoisoning):
    """The attacker supplies training data; some pictures carry a small textured shape, anywhere, and the wrong label.

    `TextureInjection()(net, train)` adds marked copies of 10 % of the training set (600 on signs), a yellow and violet
    chequered polygon of a quarter of the image's side, at another place in each, all labelled 0.
    `trigger=Texture(shape="H", fill="stripes")` is a logo, `Texture(at=(0, 0))` a texture in a fixed place.

    Fidelity: the overview was read in its abstract only, which names shapes and logos filled with a texture; no figure
    of it is verified.  Shape, fill, size and the random place are a reconstruction, see `Texture`; poisoning and
    training are BadNets'.
    Measured: digits, 5 epochs, seeds 100-102: ASR .994 to .999, clean accuracy .001 to .003 below the clean twin's; a clean
    model under the same trigger gives class 0 to .001 to .002 (`bdlab reproduce attacks --data digits` takes seeds 0-2).
    signs, seed 0: ASR .984, clean model .011 (`bdlab run textures --data signs`).
    """

    trigger: Trigger = field(default_factory=Texture)
