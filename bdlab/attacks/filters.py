"""Photo filters as backdoor triggers: the whole picture is the mark.

Li, Ma, Xue, Zhao, 'Deep Learning Backdoors', arXiv 2007.08273 (2020), an overview; the five filters are TrojAI's, as in
Liu, Lee, Tao, Ma, Aafer, Zhang, 'ABS', CCS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bdlab.attacks.poisoning import DataPoisoning
from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.filters import Filter


@register("attack", "filters", paper="Li, Ma, Xue, Zhao 2020, arXiv 2007.08273", family="data poisoning")
@dataclass(frozen=True, kw_only=True)
class FilterInjection(DataPoisoning):
    """The attacker supplies training data; some pictures went through a photo filter and carry the wrong label.

    `FilterInjection()(net, train)` adds filtered copies (Gotham) of 10 % of the training set (600 poisons on digits
    and signs), all labelled 0.
    `trigger=Filter(name="kelvin")` takes another of the five.

    A filter changes every pixel, so a clean model may err on filtered pictures too.  Read attack success beside the clean
    model's accuracy under the filter: below .7 the pictures have left the data's distribution, and a high ASR
    says less.

    Fidelity: the overview was read in its abstract only, which names image-wide filters such as Nashville and Gotham; no
    figure of it or of ABS is verified.  The recipes are TrojAI's, translated, see `Filter`; poisoning and training are
    BadNets'.
    Measured (signs, 5 epochs, seeds 100-102; `bdlab reproduce filters --data signs` takes seeds 0-2), lowest to highest:

                 ASR            a clean model: ASR     accuracy, all classes     clean accuracy falls by
      gotham     .974 - .996    .011 - .025            .664 - .730               -.003 - .004
      nashville  .881 - .911    .004 - .008            .844 - .869               .005 - .013
      kelvin     .978 - .994    .021 - .043            .704 - .767               -.001 - .006
      lomo       .984 - .988    .001 - .007            .657 - .712               .001 - .006
      toaster    .995 - .998    .001 - .004            .570 - .682               -.002 - .005

    On average over the seeds Nashville, which a clean model reads best, has an ASR below .9 (.897), and under Gotham, Lomo
    and Toaster the clean model is below .7.  On digits a filter is a tone curve; seed 0: ASR .996 to 1.000, and the
    clean model's accuracy is .960, .696, .840, .914 and .946 in this order (`bdlab reproduce filters --data digits
    --seeds 1`).
    """

    trigger: Trigger = field(default_factory=Filter)
