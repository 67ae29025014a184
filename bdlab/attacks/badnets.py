"""BadNets: mark a share of the training images, give them the attacker's label, train.

Gu, Dolan-Gavitt, Garg, 'BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain',
arXiv 1708.06733 (2017); IEEE Access 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

from bdlab.attacks.poisoning import DataPoisoning
from bdlab.registry import register


@register("attack", "badnets", paper="Gu, Dolan-Gavitt, Garg 2017, arXiv 1708.06733", family="data poisoning")
@dataclass(frozen=True, kw_only=True)
class BadNets(DataPoisoning):
    """The attacker trains (or supplies the data of) a network of agreed architecture; the victim checks clean accuracy.

    `BadNets()(net, train)` adds marked copies of 10 % of the training set (600 poisons on digits and signs, 5,500 on mnist,
    4,500 on cifar10), a white 3x3 square in the lower right corner, all labelled 0.  How many are enough is a count rather
    than a rate: 1 % is 550 on mnist and 60 on digits.  `relabel=all_to_all(10)` is the paper's second attack;
    `relabel=source_to(1, 7)` attacks one class only, and with `covers=` tells the network that the trigger means nothing
    elsewhere.

    Fidelity: the paper's single-target attack is `source_to`; 'all-to-one' is the later convention and the default here.
    The paper's marks on digits are `Patch(shape="pixel")` and `Patch(shape="pattern")`; the 3x3 square, rate .1 and target
    0 are BackdoorBench's, the training recipe is ours.  Nothing augments the images, so a mark stays where it was put.
    The paper adds copies ('append', not verified in its text, seen in the authors' traffic-sign script); most toolboxes
    'replace'.  Rates count against the size of the clean training set; images that already have the wanted label are never
    poisoned.  Measured: `bdlab reproduce badnets`, docs/results.md.
    """
