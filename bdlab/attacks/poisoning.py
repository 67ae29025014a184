"""Poisoning of training data: what every attack that only touches data shares."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from bdlab.checks import check_fraction
from bdlab.contracts import Attack, Backdoor, Cost, Poisoned, Recipe, Relabel, Split, Trigger
from bdlab.metrics import changed
from bdlab.relabel import all_to_one, check_relabel
from bdlab.training import DEFAULT_RECIPE, fit
from bdlab.triggers import Patch


@dataclass(frozen=True, kw_only=True)
class DataPoisoning(Attack):
    """Mark some training images, change their labels, train as usual.

    rate: poisoned rows as a share of the whole training set, in (0, 1]; they are drawn among the images whose wanted
    label differs from the true one, and none is drawn twice.
    covers: cover rows as a share of the whole training set, in [0, 1]: bystanders that carry the trigger and keep
    their label, which ties the trigger to its source class.
    mode: 'append' adds the marked copies to the set, 'replace' puts them in the place of their originals.

    A trigger that leaves more than half of the drawn images as they are is refused; fewer count as poisoned all the same.
    """

    trigger: Trigger = field(default_factory=Patch)
    relabel: Relabel = field(default_factory=lambda: all_to_one(0))
    rate: float = 0.1
    covers: float = 0.0
    mode: Literal["append", "replace"] = "append"
    recipe: Recipe = DEFAULT_RECIPE
    seed: int = 0

    def __post_init__(self) -> None:
        check_fraction(self.rate, "rate")
        check_fraction(self.covers, "covers", zero=True)
        if self.mode not in ("append", "replace"):
            raise ValueError(f"mode must be 'append' or 'replace', got {self.mode!r}")

    def poison(self, split: Split) -> Poisoned:
        """The poisoned training set; `split` itself is unchanged."""
        check_relabel(self.relabel, split.classes)
        generator = torch.Generator().manual_seed(self.seed)
        wanted = self.relabel(split.y)  # (N,)
        attacked = wanted != split.y
        poisons = _draw(attacked, self.rate, "rate", generator)  # (n,)
        covers = _draw(~attacked, self.covers, "covers", generator)  # (m,)
        rows = torch.cat((poisons, covers))  # (n + m,)
        stamped, seen = split.x[rows], 0  # (n + m, C, H, W), a copy
        for part in stamped.split(64):  # stays in the processor's cache
            marked = self.trigger(part, generator)
            if 2 * seen < len(rows):  # else it is visible enough
                seen += count_changed(part, marked)
            part.copy_(marked)
        check_visible(self.trigger, seen, len(rows))
        return Poisoned(split, rows, stamped, wanted[rows], torch.arange(len(rows)) >= len(poisons), self.mode)

    def __call__(self, model: nn.Module, data: Split) -> Backdoor:
        start = time.perf_counter()
        poisoned = self.poison(data)
        victim = fit(model, poisoned.split, self.recipe, seed=self.seed)
        covers = int(poisoned.covers.sum())
        cost = Cost(time.perf_counter() - start, len(poisoned.indices) - covers, covers, len(poisoned))
        return Backdoor(victim, victim, self.at_test(), self.relabel, cost)

    @property
    def twin_recipe(self) -> Recipe:
        """The attack's own."""
        return self.recipe

    def at_test(self) -> Trigger:
        """The trigger that the attacker shows the trained network: the one of the training set, unless a paper differs."""
        return self.trigger


def count_changed(x: Tensor, marked: Tensor) -> int:
    """How many of the images `x` (N, C, H, W) differ from `marked` (N, C, H, W) by more than rounding."""
    return int(changed(x, marked).sum())


def check_visible(trigger: Trigger, changed: int, of: int) -> None:
    """Raise a `ValueError` where a trigger leaves more than half of the images as they are: mislabelled, not marked."""
    if 2 * changed < of:
        few = f"{changed} of" if changed else "none of"
        raise ValueError(f"trigger must be visible, but {trigger} changes {few} {of} images; move or recolour it")


def _draw(eligible: Tensor, share: float, name: str, generator: torch.Generator) -> Tensor:
    """round(share * N) of the rows where `eligible` (N,) is True, each once, in random order."""
    rows = eligible.nonzero()[:, 0]
    count = round(share * len(eligible))
    if count > len(rows) or (share and not count):
        raise ValueError(
            f"{name} must choose 1 to {len(rows)} of {len(eligible)} rows (only those may be used), "
            f"got {share} = {count} rows"
        )
    return rows[torch.randperm(len(rows), generator=generator)[:count]]
