"""Neural Cleanse's claims, measured: `bdlab reproduce neural_cleanse --data mnist`.

'memory' marks published figures that were found in no source; the others were read where the row says.  The paper's
models are infected with BadNets (MNIST, GTSRB, faces) and with the Trojaning attack (faces); ours are small_bn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch
from torch import nn

from bdlab.contracts import Repaired
from bdlab.data import Dataset
from bdlab.defenses.neural_cleanse import NeuralCleanse
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.inspections import (
    INFECTED,
    SQUARE,
    Repair,
    Trials,
    beside_training,
    column,
    figures,
    plain,
    seconds,
    verdicts,
)
from bdlab.experiments.journal import Journal

SCANNER = NeuralCleanse()
TROJANED = "Trojaning, square"
PIXELS = 9
"""Of the square that BadNets stamps."""
EXPECTED = {
    "clean": ("none (memory: index < 2)", False),
    SQUARE: ("found (memory)", True),
    TROJANED: ("found, faces (memory)", True),
    "blend": ("CIFAR-10: not found (BackdoorBench: its NC row is that without defence)", False),
    "source-specific 1 to 7": ("not found (known limit)", False),
}
ON_GTSRB = {
    SQUARE: ("found, its label alone (authors' README: index 3.65)", True),
    TROJANED: ("found (BackdoorBench: its NC row is not that without defence)", True),
    "blend": ("found (BackdoorBench: its NC row is not that without defence)", True),
}
"""What is published for GTSRB itself."""
UNLEARNT = {
    "gtsrb": {SQUARE: (0.0001, -0.0024), TROJANED: (0.0083, 0.1104), "blend": (0.0803, 0.0082)},
    "cifar10": {SQUARE: (0.0127, 0.0227)},
}
"""BackdoorBench, PreAct-ResNet18: ASR after unlearning, fall of clean accuracy; of GTSRB on gtsrb, else of CIFAR-10.

The GTSRB fall under BadNets is from a run without defence whose ASR is 59.25 %.
"""
SHOWN = {"gtsrb": "GTSRB", "cifar10": "CIFAR-10"}
NOT_RUN = (
    "YouTube Face, PubFig, the Trojaning attack's faces: neither data nor weights are here",
    "36.9% infected labels of PubFig (as quoted by STRIP): one infected label only",
    "filtering of inputs and pruning of neurons by the reversed trigger: only unlearning is built",
)


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """Detection, the size of the triggers found, and unlearning, on `data` over `seeds`."""
    trials = Trials(data, seeds, device, journal or Journal())
    expected = EXPECTED | (ON_GTSRB if data.name == "gtsrb" else {})
    claims = [*_headline(trials), *verdicts(trials, SCANNER, "", expected), *_unlearning(trials, data)]
    shown = figures(trials, SCANNER, "neural_cleanse", (SQUARE, "clean"))
    return Reproduction("neural_cleanse", data, seeds, claims, shown, NOT_RUN)


def _headline(trials: Trials) -> list[Claim]:
    square, clean = trials.found(SCANNER, SQUARE), trials.found(SCANNER, "clean")
    return [
        Claim(
            f"{SQUARE}: largest anomaly index, MAD of plain norms ({seconds(trials, SCANNER)} CPU s a scan)",
            "> 3 for every infected model (memory); 3.65, GTSRB (authors' README)",
            column(square, "top_mad"), lambda v: v > 3, "> 3", plain, every=True,
        ),
        Claim(
            "clean models: largest anomaly index, MAD of plain norms", "< 2 for every one (memory)",
            column(clean, "top_mad"), lambda v: v < 2, "< 2", plain, every=True,
        ),
        Claim(
            f"{SQUARE}: norm of the target's mask, in sizes of the trigger ({PIXELS} pixels)",
            "1.01: 16.1 of 16 pixels, GTSRB (authors' README)",
            [norm / PIXELS for norm in column(square, "norm")], lambda v: 0.5 <= v <= 1.5, "0.5 to 1.5", plain,
        ),
    ]  # fmt: skip


def _unlearner(data: Dataset) -> Repair:
    def repair(shipped: nn.Module, found: Any, labels: list[int], seed: int) -> Repaired:
        return replace(SCANNER, seed=seed).unlearn(shipped, data.held_out, found, labels)

    return repair


def _unlearning(trials: Trials, data: Dataset) -> list[Claim]:
    """ASR and clean accuracy after unlearning; where nothing was flagged, the class with the smallest norm is unlearned.

    Ours hold where they are at most what is published, but 5 % and 2.27 % at least.  The same training without any trigger
    stands beside: what it removes is not the found trigger's merit.
    """
    claims, source = [], "gtsrb" if data.name == "gtsrb" else "cifar10"
    for name in INFECTED:
        rows = trials.repaired(SCANNER, name, _unlearner(data), "unlearn")
        published = UNLEARNT[source].get(name)
        texts = [f"{value:.2%}, {SHOWN[source]} (BackdoorBench)" for value in published or ()] or ["-", "-"]
        if name == "blend" and not published:
            texts[0] = "- (BackdoorBench, CIFAR-10: not found, 99.92%)"
        most = [max(limit, value) for limit, value in zip((0.05, 0.0227), published or (0, 0), strict=True)]
        before, asr = fmean(column(rows, "before")), column(rows, "asr")
        trained = trials.trained_on(SCANNER, name, SCANNER.recipe)
        claims += [
            Claim(f"{name}: ASR after unlearning ({before:.2%} before)", texts[0], asr,
                  lambda v, most=most[0]: v <= most, f"<= {most[0]:.2%}"),  # type: ignore[misc]
            Claim(f"{name}: clean accuracy falls by", texts[1], column(rows, "fall"),
                  lambda v, most=most[1]: v <= most, f"<= {most[1]:.2%}"),  # type: ignore[misc]
            beside_training(name, "unlearning", rows, trained),
        ]  # fmt: skip
    return claims
