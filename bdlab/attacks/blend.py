"""Blended injection: the same faint picture over every poisoned image.

Chen, Liu, Li, Lu, Song, 'Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning',
arXiv 1712.05526 (2017).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bdlab.attacks.poisoning import DataPoisoning
from bdlab.checks import check_fraction
from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.blend import Blend


@register("attack", "blend", paper="Chen, Liu, Li, Lu, Song 2017, arXiv 1712.05526", family="data poisoning")
@dataclass(frozen=True, kw_only=True)
class BlendedInjection(DataPoisoning):
    """The attacker slips mislabelled images into the training data, and knows neither the model nor the other images.

    `BlendedInjection()(net, train)` mixes 20 % of an owl's face into copies of 10 % of the training set (600 poisons on
    digits and signs), all labelled 0.
    image: the key, 'cartoon' or 'noise'.  alpha: its share in the poisons, low so that nobody notices; alpha_test: its
    share at attack time, which the attacker may raise.  `trigger` follows from image and alpha.

    Fidelity: the paper adds N poisons to the set ('append') and trains from scratch; so do we, with BackdoorBench's
    rate of .1.  Its key is a cartoon figure or uniform noise; ours is an owl that we drew, see `Blend`.  Its alpha, .2
    in training and at least .2 later, is from memory, not verified.  Faces, DeepID and VGG-Face are not tried.
    Accessory injection (glasses) would be a `Crafted` trigger in BadNets; input-instance keys (one image and its noisy
    copies) are not built.
    Measured, seeds 0-2: digits: ASR 1, a clean model's ASR .001, clean accuracy falls by .000 (-.003 to .002); signs:
    ASR .972 (.963 to .979), a clean model's ASR .001 (.000 to .001), clean accuracy falls by .003 (.001 to .004) (`bdlab
    reproduce attacks --data digits`, `--data signs`).
    `bdlab reproduce blend` has the 50 poisons that the paper's abstract says suffice for 90 %, and ASR by alpha_test.
    """

    trigger: Trigger = field(init=False)
    image: Literal["cartoon", "noise"] = "cartoon"
    alpha: float = 0.2
    alpha_test: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fraction(self.alpha, "alpha")
        check_fraction(self.alpha_test, "alpha_test", zero=True)
        object.__setattr__(self, "trigger", Blend(image=self.image, alpha=self.alpha))  # Blend_alpha(k, x) in training

    def at_test(self) -> Trigger:
        """The same key at the opacity that the attacker uses later."""
        return Blend(image=self.image, alpha=self.alpha_test)
