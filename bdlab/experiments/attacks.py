"""What every attack owes, measured with its default settings: `bdlab reproduce attacks --data digits`.

The bounds are this library's own: the victim must not notice (clean accuracy), the trigger must work (ASR), and it must
need the backdoor (a clean model under the same trigger); on images that are to keep their label it must do nothing (leak).
tests/test_attacks.py holds the bands of seeds 100 to 102.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bdlab.bars import track
from bdlab.contracts import Attack, Backdoor
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal, Numbers
from bdlab.registry import registered
from bdlab.training import Scores, evaluate
from bdlab.twins import Twins

READ = 0.7
"""Of the marked images: where a clean model reads fewer, the trigger changes more than a backdoor needs."""


@dataclass(frozen=True)
class Tried:
    """An attack with its defaults on one data set and seed."""

    backdoor: Backdoor
    attacked: Scores
    control: Scores
    """The honest twin: the same net, recipe, epochs and seed without the attack, under the same trigger."""


def attempt(attack: Attack, seed: int, twins: Twins) -> Tried:
    """Run `attack` from the weights that it expects, beside its twin; both of `seed`."""
    test = twins.data.test
    backdoor = attack(twins.start(attack, seed), twins.data.train)
    return Tried(backdoor, evaluate(backdoor, test), evaluate(twins.of(attack, seed), test, backdoor))


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """Every registered attack on `data`: three rows each, and its cost in CPU seconds."""
    journal, twins = journal or Journal(), Twins(data, device)

    claims: list[Claim] = []
    for name, entry in track(list(registered("attack").items()), "attacks"):
        tries = [entry.make(seed=seed) for seed in seeds]
        runs = [journal.numbers(f"{name}: {attack}", _numbers, attack, twins) for attack in tries]
        claims += _claims(name, data.classes, runs)
    return Reproduction("attacks", data, seeds, claims, {})


def _numbers(attack: Any, twins: Twins) -> Numbers:
    twins.of(attack, attack.seed)  # trained before the clock starts, and what it starts from
    start = time.process_time()
    tried = attempt(attack, attack.seed, twins)
    seconds = time.process_time() - start
    return {
        "drop": tried.control.clean_accuracy - tried.attacked.clean_accuracy,
        "asr": tried.attacked.asr, "control": tried.control.asr, "read": tried.control.ra, "leak": tried.attacked.leak,
        "seconds": seconds,
    }  # fmt: skip


def _claims(name: str, classes: int, runs: Sequence[Numbers]) -> list[Claim]:
    def values(key: str) -> list[float]:
        return [run[key] or 0.0 for run in runs]

    seconds = " ".join(f"{run['seconds']:.0f}" for run in runs)
    chance = 1 / classes
    read = statistics.fmean(values("read"))
    mark = f", DISTRIBUTION SHIFT: it reads {read:.0%} of them" if read < READ else ""
    leak = Claim(f"{name}: leak to other classes", "-", values("leak"), lambda v: v <= 0.1, "<= 10.00%")
    return [
        Claim(f"{name}: clean accuracy falls by", "-", values("drop"), lambda v: v <= 0.02, "<= 2.00%"),
        Claim(f"{name}: ASR ({seconds} CPU s)", "-", values("asr"), lambda v: v >= 0.9, ">= 90.00%"),
        Claim(f"{name}: ASR of a clean model{mark}", "-", values("control"), lambda v: v <= chance, f"<= {chance:.2%}"),
        *([leak] if runs[0]["leak"] is not None else []),
    ]  # fmt: skip
