"""What the trials of an experiment share: each model is made once a seed, each number is asked for once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from bdlab.bars import track
from bdlab.contracts import Attack, Backdoor, Recipe
from bdlab.data import Dataset
from bdlab.experiments.journal import Journal, Numbers
from bdlab.nets import Net, small_bn
from bdlab.training import fit

T = TypeVar("T")


@dataclass(frozen=True)
class SeededTrials:
    """Clean and attacked models of one data set, over some seeds, and the journal of what was measured on them."""

    data: Dataset
    seeds: Sequence[int]
    device: torch.device | str = "cpu"
    journal: Journal = field(default_factory=Journal, repr=False)
    made: dict[object, Any] = field(default_factory=dict, repr=False)

    @property
    def recipe(self) -> Recipe:
        """Of every model: 5 epochs, 3 on sets of more than 20,000 images."""
        return Recipe(epochs=3 if len(self.data.train) > 20_000 else 5)

    def once(self, key: object, make: Callable[..., T], *args: Any) -> T:
        """`make(*args)`, made once under `key`."""
        if key not in self.made:
            self.made[key] = make(*args)
        made: T = self.made[key]
        return made

    def each(self, label: str, key: Callable[[int], str], compute: Callable[..., Numbers], *args: Any) -> list[Numbers]:
        """`compute(*args, seed)` of every seed, which the journal keeps under `key(seed)`; the bar is called `label`."""
        return [self.journal.numbers(key(seed), compute, *args, seed) for seed in track(self.seeds, label)]

    def fresh(self, seed: int, build: Callable[..., Net] = small_bn) -> Net:
        """An untrained net for this data, on the device."""
        return build(self.data.input_shape, self.data.classes, seed=seed).to(self.device)

    def clean(self, seed: int, build: Callable[..., Net] = small_bn) -> nn.Module:
        """The clean net of `seed`."""
        return self.once(("clean", seed, build.__name__), self._fitted, seed, build)

    def _fitted(self, seed: int, build: Callable[..., Net]) -> nn.Module:
        return fit(self.fresh(seed, build), self.data.train, self.recipe, seed=seed)

    def attacked(self, attack: Attack, seed: int, build: Callable[..., Net] = small_bn) -> Backdoor:
        """What `attack` makes of the clean net of `seed` or, where it trains from the start, of a fresh one."""
        return self.once(f"{attack} {seed} {build.__name__}", self._attacked, attack, seed, build)

    def _attacked(self, attack: Attack, seed: int, build: Callable[..., Net]) -> Backdoor:
        start = self.fresh(seed, build) if attack.starts_from == "fresh" else self.clean(seed, build)
        return attack(start, self.data.train)
