"""The five photo filters as triggers: `bdlab reproduce filters --data signs` (on digits a filter is a tone curve).

No published figure is verified, so the bounds are this library's own.  A filter changes every pixel: beside each attack
stands what a clean model makes of the filtered test set.  Where its accuracy falls below .7, the filter takes the pictures
out of the data's distribution, and attack success says less about the backdoor.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import torch

from bdlab import metrics, plots
from bdlab.attacks.filters import FilterInjection
from bdlab.bars import track
from bdlab.data import Dataset
from bdlab.experiments.attacks import attempt
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal, Numbers
from bdlab.training import logits
from bdlab.triggers.filters import FILTERS, Filter
from bdlab.twins import Twins

KEPT = 0.7
"""A clean model's accuracy under a filter, below which a row is marked as distribution shift."""
NONE = "none verified"


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """All five filters on `data`: four rows each."""
    journal, twins = journal or Journal(), Twins(data, device)

    claims: list[Claim] = []
    for name in track(list(FILTERS), "filters"):
        tries = [FilterInjection(trigger=Filter(name=name), seed=seed) for seed in seeds]  # type: ignore[arg-type]
        claims += _claims(name, [journal.numbers(f"{attack}", _numbers, attack, twins) for attack in tries])
    return Reproduction("filters", data, seeds, claims, {f"filters_{data.name}.png": _figure(data)})


def _numbers(attack: FilterInjection, twins: Twins) -> Numbers:
    tried, test = attempt(attack, attack.seed, twins), twins.data.test
    return {
        "clean": tried.attacked.clean_accuracy, "drop": tried.control.clean_accuracy - tried.attacked.clean_accuracy,
        "asr": tried.attacked.asr, "control": tried.control.asr,
        "kept": metrics.accuracy(logits(twins.of(attack, attack.seed), attack.trigger(test.x)).argmax(1), test.y),
    }  # fmt: skip


def _claims(name: str, runs: Sequence[Numbers]) -> list[Claim]:
    def values(key: str) -> list[float]:
        return [run[key] or 0.0 for run in runs]

    kept, asr = values("kept"), values("asr")
    mark = ": DISTRIBUTION SHIFT" if statistics.fmean(kept) < KEPT else ""
    beyond = [ours - theirs for ours, theirs in zip(asr, values("control"), strict=True)]
    controls = f"{min(values('control')):.2%} to {max(values('control')):.2%}"
    accuracy = f"{statistics.fmean(values('clean')):.2%}"
    return [
        Claim(f"{name}: clean accuracy falls by (to {accuracy})", NONE, values("drop"), lambda v: v <= 0.02, "<= 2.00%"),
        Claim(f"{name}: ASR{mark}", NONE, asr, lambda v: v >= 0.9, ">= 90.00%"),
        Claim(f"{name}: ASR beyond a clean model's ({controls})", NONE, beyond, lambda v: v >= 0.8, ">= 80.00%"),
        Claim(f"{name}: a clean model's accuracy under the filter, all classes{mark}", NONE, kept,
              lambda v: v >= KEPT, f">= {KEPT:.2%}"),
    ]  # fmt: skip


def _figure(data: Dataset) -> plots.Plot:
    x = data.test.x[:8]
    rows = [("clean", x), *((name, Filter(name=name)(x)) for name in FILTERS)]  # type: ignore[arg-type]
    alt = f"The first eight test images of {data.name}, as they are and under each of {', '.join(FILTERS)}."
    return plots.images(rows, title=f"Photo filters as triggers, {data.name}", alt=alt)
