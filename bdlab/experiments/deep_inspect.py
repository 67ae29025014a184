"""DeepInspect's claims, measured: `bdlab reproduce deep_inspect --data mnist`.

The paper shows its deviation factors as bars only; what can be checked is on which side of 2 they lie and which label has
the smallest perturbation (its figures 4a, 4b, as third-party notes describe them).  'Inverted images' is the paper's own
setting, without any clean data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bdlab.contracts import Recipe, Repaired
from bdlab.data import Dataset
from bdlab.defenses.anomaly import UNLEARNING
from bdlab.defenses.deep_inspect import ON_INVERTED, DeepInspect
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.inspections import SQUARE, Trials, beside_training, column, figures, plain, seconds, verdicts
from bdlab.experiments.journal import Journal

HELD_OUT = DeepInspect()
INVERTED = replace(HELD_OUT, data="inverted")
EXPECTED = {
    "clean": ("none (third-party notes)", False),
    SQUARE: ("found (third-party notes)", True),
    "Trojaning, square": ("found, faces (memory)", True),
    "blend": ("-", False),
    "source-specific 1 to 7": ("not found (known limit)", False),
}
NOT_RUN = (
    "VGG-Face and ResNet-18 with the Trojaning attack: neither data nor weights are here",
    "the patching table and the runtime against Neural Cleanse: their figures were not verified",
)


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """Detection with held-out and with inverted images, and patching, on `data` over `seeds`."""
    trials = Trials(data, seeds, device, journal or Journal())
    claims: list[Claim] = []
    for mode, scanner in (("", HELD_OUT), ("inverted images, ", INVERTED)):
        claims += [*_headline(trials, scanner, mode), *verdicts(trials, scanner, mode, EXPECTED)]
    claims += _patching(trials, HELD_OUT, UNLEARNING, "")
    claims += _patching(trials, INVERTED, ON_INVERTED, "inverted images, ")
    shown = figures(trials, HELD_OUT, "deep_inspect", (SQUARE, "clean"))
    return Reproduction("deep_inspect", data, seeds, claims, shown, NOT_RUN)


def _headline(trials: Trials, scanner: DeepInspect, mode: str) -> list[Claim]:
    """The paper's statistic as it is: plain norms, left MAD, 2."""
    square, clean = trials.found(scanner, SQUARE), trials.found(scanner, "clean")
    return [
        Claim(
            f"{mode}{SQUARE}: deviation factor, left MAD of plain norms ({seconds(trials, scanner)} CPU s a scan)",
            "> 2 for every infected model (third-party notes)",
            column(square, "top_left_mad"), lambda v: v > 2, "> 2", plain, every=True,
        ),
        Claim(
            f"{mode}clean models: deviation factor, left MAD of plain norms", "< 2 for every one (third-party notes)",
            column(clean, "top_left_mad"), lambda v: v < 2, "< 2", plain, every=True,
        ),
        Claim(
            f"{mode}{SQUARE}: the target's perturbation, share of the median's", "the smallest (figure 4b; notes)",
            column(square, "ratio"), lambda v: v < 0.5, "< .5", plain,
        ),
    ]  # fmt: skip


def _patching(trials: Trials, scanner: DeepInspect, recipe: Recipe, mode: str) -> list[Claim]:
    """Where nothing was flagged, the generator of the class with the smallest norm is used."""
    how = replace(scanner, recipe=recipe)

    def repair(shipped: nn.Module, found: Any, labels: list[int], seed: int) -> Repaired:
        return replace(how, seed=seed).patch(shipped, found, labels)

    rows = trials.repaired(scanner, SQUARE, repair, f"patch, {recipe},")
    before = sum(column(rows, "before")) / len(rows)
    return [
        Claim(f"{mode}{SQUARE}: ASR after patching ({before:.2%} before)", "lower (no figure verified)",
              column(rows, "asr"), lambda v: v <= 0.05, "<= 5%"),
        Claim(f"{mode}{SQUARE}: patching costs clean accuracy", "little (no figure verified)",
              column(rows, "fall"), lambda v: v <= 0.02, "<= 2%"),
        beside_training(f"{mode}{SQUARE}", "patching", rows, trials.trained_on(scanner, SQUARE, recipe)),
    ]  # fmt: skip
