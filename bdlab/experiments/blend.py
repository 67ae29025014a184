"""Blended injection's claims, measured: `bdlab reproduce blend --data mnist`.

Of the paper's figures only the abstract's was read, in a summary: about 50 poisons give over 90 %.  It attacks face
recognisers (DeepID, VGG-Face) with alpha .2 in training (memory); data and network differ here.  That a key shown more
strongly later works better is the paper's reason for two opacities (memory).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import torch

from bdlab.attacks.blend import BlendedInjection
from bdlab.bars import track
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal, Numbers
from bdlab.experiments.trials import SeededTrials
from bdlab.training import evaluate
from bdlab.triggers.blend import Blend

KEYS: tuple[Literal["cartoon", "noise"], ...] = ("cartoon", "noise")
POISONS = 50
LATER = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Opacities at attack time; the attacks train with .2."""
NOT_RUN = (
    "accessory injection (57 poisons, memory) and keys that are one person's image (5, memory): no faces are here",
    "YouTube Aligned Faces with DeepID and VGG-Face",
)


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """Fifty poisons, and the opacity at attack time, for both keys on `data`, over `seeds`."""
    trials, claims = SeededTrials(data, seeds, device, journal or Journal()), []
    for image in track(KEYS, "keys"):
        few, usual = BlendedInjection(image=image, rate=POISONS / len(data.train)), BlendedInjection(image=image)
        claims += [_few(image, _runs(trials, few)), _opacity(image, _runs(trials, usual))]
    return Reproduction("blend", data, seeds, claims, {}, NOT_RUN)


def _runs(trials: SeededTrials, attack: BlendedInjection) -> list[Numbers]:
    return trials.each(f"{attack.image}", lambda seed: f"{attack} {seed}", _measured, trials, attack)


def _measured(trials: SeededTrials, attack: BlendedInjection, seed: int) -> Numbers:
    """Opacity at attack time -> ASR."""
    backdoor = trials.attacked(replace(attack, seed=seed), seed)
    shown = {alpha: replace(backdoor, trigger=Blend(image=attack.image, alpha=alpha)) for alpha in LATER}
    return {f"{alpha}": evaluate(later, trials.data.test).asr for alpha, later in shown.items()}


def _asr(runs: Sequence[Numbers], alpha: float) -> list[float]:
    return [run[f"{alpha}"] or 0.0 for run in runs]


def _few(image: str, runs: Sequence[Numbers]) -> Claim:
    return Claim(
        f"{image}, {POISONS} poisons: ASR", "over 90% (abstract, faces)", _asr(runs, 0.2), lambda v: v > 0.9, "> 90%",
        changed={"the key is shown at 0.4": _asr(runs, 0.4)},
    )  # fmt: skip


def _opacity(image: str, runs: Sequence[Numbers]) -> Claim:
    rows = [_asr(runs, alpha) for alpha in LATER]
    shares = ", ".join(f"{alpha:g}: {sum(row) / len(row):.1%}" for alpha, row in zip(LATER, rows, strict=True))
    return Claim(
        f"{image}, 10% added at 0.2: ASR by opacity at attack time {shares}; least rise from one to the next",
        "rises with the opacity (memory)",
        [min(after - before for before, after in pairwise(seed)) for seed in zip(*rows, strict=True)],
        lambda v: v >= 0,
        ">= 0",
    )
