"""The PQ backdoor's claims, measured: `bdlab reproduce quantization --data mnist`.

Read in the abstract: dormant in float-32, attack success close to 100 % after int-8 quantisation by two frameworks, on
MNIST, CIFAR-10 and GTSRB with VGG16 and ResNets.  Here: small_bn, fake quantisation of the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bdlab.attacks.quantization import Quantization
from bdlab.bars import track
from bdlab.contracts import Backdoor
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal, Numbers
from bdlab.nets import build
from bdlab.training import evaluate

GRIDS = ((4, True), (4, False), (8, True), (8, False))


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """4 and 8 bits, one grid a channel or a layer: ASR before and after quantisation, and what the victim pays."""
    journal, claims = journal or Journal(), []
    for bits, per_channel in track(GRIDS, "grids"):
        runs = [
            journal.numbers(f"{attack}", _numbers, attack, data, device)
            for attack in (Quantization(bits=bits, per_channel=per_channel, seed=seed) for seed in seeds)
        ]
        name = f"{bits} bits, one grid for each {'channel' if per_channel else 'layer'}"
        shipped, runs_asr, lost = ([run[key] or 0.0 for run in runs] for key in ("shipped", "deployed", "lost"))
        paper = "int-8 (abstract)" if bits == 8 else "int-8 (abstract); not at 4 bits"
        claims += [
            Claim(f"{name}: ASR as shipped", f"dormant, {paper}", shipped, lambda v: v <= 0.1, "<= 10.00%"),
            Claim(f"{name}: ASR quantised", f"close to 100%, {paper}", runs_asr, lambda v: v >= 0.9, ">= 90.00%"),
            Claim(f"{name}: accuracy lost by quantising", "-", lost, lambda v: v <= 0.02, "<= 2.00%"),
        ]
    rest = ("activations quantised too, and the frameworks' own int-8 kernels", "VGG16 and ResNet-18/50")
    return Reproduction("quantization", data, seeds, claims, {}, rest)


def _numbers(attack: Quantization, data: Dataset, device: torch.device | str) -> Numbers:
    backdoor: Backdoor = attack(build("small_bn", data.input_shape, data.classes, seed=attack.seed).to(device), data.train)
    shipped, deployed = evaluate(backdoor.shipped, data.test, backdoor), evaluate(backdoor, data.test)
    lost = shipped.clean_accuracy - deployed.clean_accuracy
    return {"shipped": shipped.asr, "deployed": deployed.asr, "lost": lost}
