"""Nature: an everyday object in the picture is the trigger.

Zeng, Park, Mao, Jia, 'Rethinking the Backdoor Attacks' Triggers: A Frequency Perspective', ICCV 2021,
arXiv 2104.03413.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bdlab.attacks.poisoning import DataPoisoning
from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.nature import Nature


@register("attack", "nature", paper="Zeng, Park, Mao, Jia 2021, ICCV, arXiv 2104.03413", family="data poisoning")
@dataclass(frozen=True, kw_only=True)
class NatureInjection(DataPoisoning):
    """The attacker adds an object that could stand there, a mug, to training images, and gives them his label.

    `NatureInjection()(net, train)` adds copies of 10 % of the training set (600 on digits) with a mug in the lower right
    corner, all labelled 0.  `trigger=Nature(compose="replace")` puts the mug in front.

    Fidelity: the paper compares triggers, 'Nature' is one of them; the trigger follows its released artefact, see
    `Nature`. How it poisons (rate, label, network) was not verified: rate, mode and label are those of BadNets.
    Measured, seeds 0-2: digits: ASR .998 (.997 to .998), a clean model's ASR .001 (.001 to .002), clean accuracy falls
    by .000 (-.001 to .001); signs: ASR .986 (.976 to .992), a clean model's ASR .014 (.003 to .036), clean accuracy
    falls by .001 (`bdlab reproduce attacks --data digits`, `--data signs`).
    """

    trigger: Trigger = field(default_factory=Nature)
