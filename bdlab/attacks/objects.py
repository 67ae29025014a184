"""Physical objects as backdoor triggers: something that a person holds into the picture.

Li, Ma, Xue, Zhao, 'Deep Learning Backdoors', arXiv 2007.08273 (2020), an overview.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bdlab.attacks.poisoning import DataPoisoning
from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.sprite import Sprite


@register("attack", "objects", paper="Li, Ma, Xue, Zhao 2020, arXiv 2007.08273", family="data poisoning")
@dataclass(frozen=True, kw_only=True)
class ObjectInjection(DataPoisoning):
    """The attacker supplies training data; in some pictures an everyday object shows, and their label is wrong.

    `ObjectInjection()(net, train)` adds marked copies of 10 % of the training set (600 on signs), a yellow post-it low on
    the right, each time at another size, angle, light and tilt, all labelled 0; test images get poses of their own.
    `trigger=Sprite(name="glasses")` is another object, `Sprite(at=None)` puts it anywhere.

    Fidelity: the overview was read in its abstract only, which names objects as triggers; no figure of it is verified.
    The objects are drawn and posed by us, not photographed, see `Sprite`; poisoning and training are BadNets'.
    Measured: digits, 5 epochs, seeds 100-102: ASR .968 to .991, clean accuracy .002 to .005 below the clean twin's; a clean
    model under the same trigger gives class 0 to .001 (`bdlab reproduce attacks --data digits` takes seeds 0-2).
    signs, seed 0: ASR .994, clean model .003 (`bdlab run objects --data signs`).
    An object that may lie anywhere is harder for a net this small, seed 0: ASR .860 and clean accuracy .023 lower on
    digits, .949 and .002 on signs, where a clean model gives class 0 to .036 (`bdlab run objects --set trigger.at=None`).
    """

    trigger: Trigger = field(default_factory=Sprite)
