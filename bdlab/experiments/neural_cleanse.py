"""Neural Cleanse's claims, measured: `bdlab reproduce neural_cleanse --data mnist`.

'memory' marks published figures that were found in no source; the others were read where the row says.  The paper's
models are infected with BadNets (MNIST, GTSRB, faces) and with the Trojaning attack (faces); ours are small_bn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from bdlab.contracts import Repaired
from bdlab.data import Dataset
from bdlab.defenses.neural_cleanse import NeuralCleanse
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.inspections import INFECTED, SQUARE, Repair, Trials, column, figures, plain, seconds, verdicts
from bdlab.experiments.journal import Journal

SCANNER = NeuralCleanse()
PIXELS = 9
"""Of the square that BadNets stamps."""
EXPECTED = {
    "clean": ("none (memory: index < 2)", False),
    SQUARE: ("found (memory)", True),
    "Trojaning, square": ("found, faces (memory)", True),
    "blend": ("CIFAR-10: not found (BackdoorBench: its NC row is that without defence)", False),
    "source-specific 1 to 7": ("not found (known limit)", False),
}
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
    claims = [*_headline(trials), *verdicts(trials, SCANNER, "", EXPECTED), *_unlearning(trials, data)]
    shown = figures(trials, SCANNER, "neural_cleanse", (SQUARE, "clean"))
    return Reproduction("neural_cleanse", data, seeds, claims, shown, NOT_RUN)


def _headline(trials: Trials) -> list[Claim]:
    square, clean = trials.found(SCANNER, SQUARE), trials.found(SCANNER, "clean")
    return [
        Claim(
            f"{SQUARE}: largest anomaly index, MAD of plain norms ({seconds(trials, SCANNER)} CPU s a scan)",
            "> 3 for every infected model (memory); 3.65, GTSRB (authors' README)",
            column(square, "top_mad"), lambda v: v > 3, "> 3", plain,
        ),
        Claim(
            "clean models: largest anomaly index, MAD of plain norms", "< 2 (memory)",
            column(clean, "top_mad"), lambda v: v < 2, "< 2", plain,
        ),
        Claim(
            f"{SQUARE}: norm of the target's mask, in sizes of the trigger ({PIXELS} pixels)",
            "1.01: 16.1 of 16 pixels, GTSRB (authors' README)",
            [norm / PIXELS for norm in column(square, "norm")], lambda v: 0.5 <= v <= 1.5, "0.5 to 1.5", plain,
        ),
    ]  # fmt: skip


def _unlearner(data: Dataset) -> Repair:
    def repair(shipped: nn.Module, found: Any, labels: list[int]) -> Repaired:
        return SCANNER.unlearn(shipped, data.held_out, found, labels)

    return repair


def _unlearning(trials: Trials, data: Dataset) -> list[Claim]:
    """ASR and clean accuracy after unlearning; where nothing was flagged, the class with the smallest norm is unlearned."""
    claims = []
    for name in INFECTED:
        rows = trials.repaired(SCANNER, name, _unlearner(data), "unlearn")
        published = {SQUARE: ("1.27%, CIFAR-10 (BackdoorBench)", "2.27%, CIFAR-10 (BackdoorBench)"),
                     "blend": ("- (BackdoorBench, CIFAR-10: not found, 99.92%)", "-")}.get(name, ("-", "-"))  # fmt: skip
        before = sum(column(rows, "before")) / len(rows)
        claims += [
            Claim(f"{name}: ASR after unlearning ({before:.2%} before)", published[0], column(rows, "asr"),
                  lambda v: v <= 0.05, "<= 5%"),
            Claim(f"{name}: clean accuracy falls by", published[1], column(rows, "fall"), lambda v: v <= 0.0227, "<= 2.27%"),
        ]  # fmt: skip
    return claims
