"""What a backdoor is compared with: poisoning that spoils the whole model and knows no trigger.

Biggio, Nelson, Laskov, 'Support Vector Machines Under Adversarial Label Noise', ACML 2011, and 'Poisoning Attacks against
Support Vector Machines', ICML 2012, arXiv 1206.6389.  Neither text was verified here; the lectures show the picture only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.checks import check_fraction, check_positive
from bdlab.contracts import Split
from bdlab.running import check_classes
from bdlab.training import logits


@dataclass(frozen=True, kw_only=True)
class FlipLabels:
    """Give a share of the training images a wrong label.

    rate: share of all images, in [0, 1]; 0 leaves the data as it is.
    where: 'uniform' draws them at random, 'boundary' takes those whose true class and its best rival a trained model can
    hardly tell apart.  to: 'random' draws another class, 'runner_up' takes that rival, a class number is that class.

    Fidelity: the papers attack a support vector machine and choose the flips that hurt it most; here the choice is one
    pass, by the margin of a trained network.  Flips of a single class (i to j only) are not built.
    """

    rate: float = 0.2
    where: Literal["uniform", "boundary"] = "uniform"
    to: Literal["random", "runner_up"] | int = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        check_fraction(self.rate, "rate", zero=True)
        if self.where not in ("uniform", "boundary"):
            raise ValueError(f"where must be 'uniform' or 'boundary', got {self.where!r}")
        if isinstance(self.to, str) and self.to not in ("random", "runner_up"):
            raise ValueError(f"to must be 'random', 'runner_up' or a class number, got {self.to!r}")

    def __call__(self, split: Split, model: nn.Module | None = None) -> Split:
        """`split` with round(rate * N) wrong labels.  `model`: a trained one, for 'boundary' and 'runner_up'."""
        if isinstance(self.to, int) and not 0 <= self.to < split.classes:
            raise ValueError(f"to must be in 0..{split.classes - 1} for {split}, got {self.to}")
        if model is None and (self.where == "boundary" or self.to == "runner_up"):
            raise ValueError("model must be given where='boundary' or to='runner_up', got None; train one on `split`")
        generator = torch.Generator().manual_seed(self.seed)
        eligible = (split.y != self.to).nonzero()[:, 0] if isinstance(self.to, int) else torch.arange(len(split))
        count = round(self.rate * len(split))
        if count > len(eligible):
            raise ValueError(f"rate must flip at most {len(eligible)} of {len(split)} rows, got {self.rate} = {count}")
        order = torch.randperm(len(eligible), generator=generator)  # (E,)
        truth = F.one_hot(split.y, split.classes).bool()  # (N, K)
        others = torch.rand(len(split), split.classes, generator=generator).masked_fill(truth, -torch.inf)
        if model is not None:
            check_classes(model, split)
            score = logits(model, split.x)
            rivals = score.masked_fill(truth, -torch.inf)  # (N, K)
            others = rivals if self.to == "runner_up" else others
            if self.where == "boundary":
                order = (score[truth] - rivals.amax(1))[eligible].abs().argsort(stable=True)
        rows, y = eligible[order[:count]], split.y.clone()
        y[rows] = self.to if isinstance(self.to, int) else others[rows].argmax(1)
        return replace(split, y=y)


@dataclass(frozen=True, kw_only=True)
class MovePoints:
    """Move a few training points of the plane until the decision line is where it hurts.

    points: how many of the training points, all of class 1, are the attacker's.  steps: of the gradient ascent.  lr: how
    far a point goes in a step, whatever the slope.
    box: the points stay in [-box, box].  ridge: weight decay of the classifier.

    Fidelity: as in the paper, the attacked points start at places of the other class (from memory).  The paper
    differentiates a support vector machine through its optimality conditions; here the classifier is regularised least
    squares, whose solution is a formula, so that autograd does it.  Labels are not changed.
    """

    points: int = 20
    steps: int = 40
    lr: float = 0.06
    box: float = 4.0
    ridge: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive(self, "points", "steps", "lr", "box", "ridge")

    def __call__(self, x: Tensor, y: Tensor, check_x: Tensor, check_y: Tensor) -> tuple[Tensor, Tensor]:
        """Points (N, 2) after the attack and which of them moved, bool (N,).

        y: (N,) in {-1, 1}.  check_x (M, 2), check_y (M,): what the attacker wants to be got wrong.
        """
        own = (y == 1).nonzero()[:, 0]
        if not 1 <= self.points <= len(own):
            raise ValueError(f"points must be in 1..{len(own)}, as many as class 1 has, got {self.points}")
        rows = own[torch.randperm(len(own), generator=torch.Generator().manual_seed(self.seed))[: self.points]]
        other = (y == -1).nonzero()[:, 0]
        if len(other) < self.points:
            raise ValueError(f"y must have {self.points} points of class -1 to start from, got {len(other)}")
        moved = x[other[: self.points]].clone()  # (points, 2): the other class's places under the own label
        for _ in range(self.steps):
            moved.requires_grad_()
            line = decision_line(x.index_put((rows,), moved), y, self.ridge)
            wrong = -check_y * side(line, check_x)  # (M,), positive where the line errs
            loss = F.softplus(wrong).mean()  # logistic loss
            (slope,) = torch.autograd.grad(loss, moved)
            moved = (moved.detach() + self.lr * F.normalize(slope, dim=1)).clamp(-self.box, self.box)
        mine = torch.zeros(len(x), dtype=torch.bool)
        mine[rows] = True
        return x.index_put((rows,), moved), mine


def decision_line(x: Tensor, y: Tensor, ridge: float = 0.01) -> Tensor:
    """(w1, w2, b) of the least-squares classifier sign(w x + b) of points (N, 2) with labels (N,) in {-1, 1}."""
    a = torch.cat((x, torch.ones(len(x), 1)), 1)  # (N, 3)
    return torch.linalg.solve(a.T @ a + ridge * len(x) * torch.eye(3), a.T @ y)


def side(line: Tensor, x: Tensor) -> Tensor:
    """w x + b of points (N, 2): (N,), positive on the side of label 1."""
    return x @ line[:2] + line[2]


def two_clouds(n: int = 120, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """n points (n, 2) in two round clouds at (-1, -1) and (1, 1), and their labels (n,), -1 and 1 in turn."""
    y = torch.arange(n) % 2 * 2.0 - 1
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)) * 0.8 + y[:, None], y
