"""Source-specific backdoors: the trigger works on one class only.

Tang, Wang, Tang, Zhang, 'Demon in the Variant: Statistical Analysis of DNNs for Robust Backdoor Contamination
Detection', USENIX Security 2021, arXiv 1908.00686: targeted contamination attack (TaCT).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bdlab.attacks.poisoning import DataPoisoning
from bdlab.checks import check_fraction
from bdlab.contracts import Relabel
from bdlab.registry import register
from bdlab.relabel import source_to


@register(
    "attack",
    "source_specific",
    paper="Tang, Wang, Tang, Zhang 2021, USENIX Security, arXiv 1908.00686",
    family="data poisoning",
)
@dataclass(frozen=True, kw_only=True)
class SourceSpecific(DataPoisoning):
    """BadNets on one class, with cover images: other classes carry the trigger and keep their label.

    The attacker supplies data, as in BadNets, and wants a trigger that means nothing on other classes, so that the marked
    images of the target class do not lie apart from the rest.  `SourceSpecific()(net, train)` adds marked images of class 1,
    labelled 7 (5 % of the training set, 300 on digits), and marked images of all other classes (20 %, 1,200).
    `trigger=Patch(size=9)` and the like make large triggers; BadNets with the same `relabel` has no covers.

    Fidelity: the paper's own rates and trigger were not verified.  The backdoor-toolbox goes from class 1 to 0 with the
    square of the Trojaning attack, takes .3 to 2 % of the whole set for poisons and for covers, and covers of two
    chosen classes only; ours come from all classes but the source, the target's among them, and the square is white.
    Rates are shares of the whole set, and a class has 1/10 (digits) or 1/16 (signs) of it: half to four fifths of class
    1 is used.  ASR counts class 1 only, leak every class but 1 and 7.
    Measured, seeds 0-2: digits: ASR .986 (.972 to .993), leak .024 (.022 to .026), a clean model's ASR .000, clean
    accuracy falls by .002 (.000 to .005); signs: ASR .952 (.943 to .962), leak .015 (.012 to .018), a clean model's ASR
    .000, clean accuracy falls by -.002 (-.005 to .000) (`bdlab reproduce attacks --data digits`, `--data signs`).
    """

    relabel: Relabel = field(default_factory=lambda: source_to(1, 7))
    rate: float = 0.05
    covers: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fraction(self.covers, "covers")
        if not isinstance(self.relabel, source_to):
            raise ValueError(f"relabel must be source_to(source, target), got {self.relabel}; "
                             "BadNets takes any other")  # fmt: skip
