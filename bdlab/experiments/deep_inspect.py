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
from bdlab.defenses.deep_inspect import ON_INVERTED, DeepInspect
from bdlab.defenses.fine_pruning import PLAIN
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.inspection_figures import figures
from bdlab.experiments.inspection_repairs import clean_repair, repair_claims
from bdlab.experiments.inspections import (
    SQUARE,
    Trials,
    column,
    plain,
    seconds,
    verdicts,
)
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
    "all-to-all backdoors, which are known to escape: every class is a target",
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
    claims += _patching(trials, HELD_OUT, PLAIN, "")
    claims += _patching(trials, INVERTED, ON_INVERTED, "inverted images, ")
    shown = figures(trials, HELD_OUT, "deep_inspect", (SQUARE, "clean"))
    return Reproduction("deep_inspect", data, seeds, claims, shown, NOT_RUN)


def _headline(trials: Trials, scanner: DeepInspect, mode: str) -> list[Claim]:
    """The paper's statistic as it is: plain norms, left MAD, 2."""
    square, clean = trials.found(scanner, SQUARE), trials.found(scanner, "clean")
    return [
        Claim(
            f"{mode}{SQUARE}: largest deviation factor, left MAD of plain norms ({seconds(trials, scanner)} CPU s a scan)",
            "> 2 for every infected model (third-party notes)",
            column(square, "top_left_mad"), lambda v: v > 2, "> 2", plain, every=True,
        ),
        Claim(
            f"{mode}clean models: largest deviation factor, left MAD of plain norms",
            "< 2 for every one (third-party notes)",
            column(clean, "top_left_mad"), lambda v: v < 2, "< 2", plain, every=True,
        ),
        Claim(
            f"{mode}{SQUARE}: the target's perturbation, share of the median's", "the smallest (figure 4b; notes)",
            column(square, "ratio"), lambda v: v < 0.5, "< .5", plain,
        ),
    ]  # fmt: skip


def _patching(trials: Trials, scanner: DeepInspect, recipe: Recipe, mode: str) -> list[Claim]:
    how = replace(scanner, recipe=recipe)

    def repair(shipped: nn.Module, found: Any, labels: list[int], seed: int) -> Repaired:
        return replace(how, seed=seed).patch(shipped, found, labels)

    unknown = "lower (no figure verified)", "little (no figure verified)"
    return [
        *repair_claims(trials, scanner, SQUARE, repair, recipe, "patch", mode=mode, published=unknown, most=(0.05, 0.02)),
        clean_repair(trials, scanner, repair, recipe, "patch", mode),
    ]
