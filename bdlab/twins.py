"""Honest networks, each trained once: what attacks start from, and what their results are held against."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from bdlab.contracts import Attack, Recipe
from bdlab.data import Dataset
from bdlab.nets import build
from bdlab.training import DEFAULT_RECIPE, fit


@dataclass(frozen=True)
class Twins:
    """The honest networks of one data set, by seed and recipe; `Twins(data)(seed)` is the clean one by the default recipe.

    first: by which an attack's start is trained where it expects a trained network.  made: those that were asked for.
    """

    data: Dataset
    device: torch.device | str = "cpu"
    net: str = "small_bn"
    first: Recipe = DEFAULT_RECIPE
    made: dict[tuple[int, tuple[Recipe, ...]], nn.Module] = field(default_factory=dict, repr=False)

    def __call__(self, seed: int) -> nn.Module:
        """The clean network of `seed`."""
        return self._trained(seed, self.first)

    def start(self, attack: Attack, seed: int) -> nn.Module:
        """What `attack` is given: the untrained network of `seed`, or the clean one."""
        return self._trained(seed, *self._before(attack))

    def of(self, attack: Attack, seed: int) -> nn.Module:
        """The twin of what `attack` makes: the same start, trained by the attack's own recipe and epochs on clean data."""
        own = attack.twin_recipe
        return self._trained(seed, *self._before(attack), *([] if own is None else [own]))

    def _before(self, attack: Attack) -> tuple[Recipe, ...]:
        return (self.first,) if attack.starts_from == "trained" else ()

    def _trained(self, seed: int, *recipes: Recipe) -> nn.Module:
        """One recipe after another; none: as it was drawn."""
        if (seed, recipes) not in self.made:
            if recipes:
                model = fit(self._trained(seed, *recipes[:-1]), self.data.train, recipes[-1], seed=seed)
            else:
                model = build(self.net, self.data.input_shape, self.data.classes, seed=seed).to(self.device)
            self.made[seed, recipes] = model
        return self.made[seed, recipes]
