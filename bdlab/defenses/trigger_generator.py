"""DeepInspect's generator of triggers for all classes, and the best that it made of every class."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bdlab.contracts import Shape
from bdlab.nets import seeded


class TriggerGenerator(nn.Module):
    """G(z, t): noise (B, n) and classes (B,) -> changes (B, C, H, W) in [-1, 1]; it starts close to no change."""

    def __init__(self, shape: Shape, classes: int, noise: int, width: int, seed: int) -> None:
        super().__init__()
        channels, height, width_ = shape
        self.shape, self.noise, self.small = shape, noise, (width, -(-height // 4), -(-width_ // 4))
        with seeded(seed):
            self.embed = nn.Embedding(classes, 32)
            self.spread = nn.Linear(noise + 32, math.prod(self.small))
            self.grow = nn.Sequential(
                nn.ReLU(),
                nn.ConvTranspose2d(width, width, 4, 2, 1),  # (width, H/2, W/2)
                nn.ReLU(),
                nn.ConvTranspose2d(width, channels, 4, 2, 1),  # (C, H, W), up to 3 pixels more
                nn.Tanh(),
            )
            last = self.grow[3]
            for weights in last.parameters():
                weights.data.mul_(0.1)

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        maps = self.spread(torch.cat((z, self.embed(t)), 1)).unflatten(1, self.small)  # (B, width, H/4, W/4)
        change: Tensor = self.grow(maps)
        return change[:, :, : self.shape[1], : self.shape[2]]


@dataclass
class Best:
    """Of every class the smallest triggers that reached success so far: K norms, successes, mean changes, generators.

    A class that was never reached has those of the last look.
    """

    norm: Tensor
    success: Tensor
    mean: Tensor
    generators: list[TriggerGenerator]

    def keep(self, new: Best, least: float) -> None:
        """Take over what is better: success at all, then the smaller norm."""
        reached, before = new.success >= least, self.success >= least
        better = torch.where(before, reached & (new.norm < self.norm), True)
        self.norm = torch.where(better, new.norm, self.norm)
        self.success = torch.where(better, new.success, self.success)
        self.mean = torch.where(better[:, None, None, None], new.mean, self.mean)
        self.generators = [n if b else o for b, n, o in zip(better.tolist(), new.generators, self.generators, strict=True)]
