"""Lesson 02: the plane on which three attacks are drawn: 160 points, a reader of them, and what each attack makes of it."""

from __future__ import annotations

import torch
from torch import Tensor

from bdlab.availability import two_clouds
from bdlab.lessons.demos import Arrays

SIDE, LOW, HIGH = 60, -6.0, 4.0
"""The planes: SIDE x SIDE places from LOW to HIGH."""
WIDTH, RIDGE = 0.9, 1.0
"""Of a bump, and what its weight costs."""
KEEP = 20.0
"""What the three weights of the line cost: far from all points the reader has no strong opinion."""
TRIGGER = (-0.8, -3.0)
"""What the mark adds to a point."""
MAPS = ("honest", "uniform", "boundary", "backdoor")


def cloud() -> tuple[Tensor, Tensor]:
    """160 points (160, 2) in two clouds, and their classes, 0 and 1."""
    x, y = two_clouds(160, seed=1)
    return x + 0.3 * y[:, None], (y > 0).long()


def _score(x: Tensor, weights: Tensor) -> Tensor:
    """A reader of the plane, above 0 for class 1: a line and bumps at 256 places; (N,) of points (N, 2)."""
    return _features(x) @ weights


def _features(x: Tensor) -> Tensor:
    line = torch.linspace(LOW, HIGH, 16)
    places = torch.cartesian_prod(line, line)  # (256, 2)
    bumps = torch.exp(-torch.cdist(x, places).square() / (2 * WIDTH**2))  # (N, 256)
    return torch.cat([bumps, x, torch.ones(len(x), 1)], 1)  # (N, 259)


def _fitted(x: Tensor, y: Tensor) -> Tensor:
    """Weights (259,) by regularised least squares: a formula, so the figure is the same everywhere."""
    a, keep = _features(x), torch.ones(259)
    keep[-3:] = KEEP
    return torch.linalg.solve(a.T @ a + RIDGE * keep.diag(), a.T @ (2.0 * y - 1))


def anywhere(y: Tensor, count: int = 24) -> Tensor:
    """Points of class 1, drawn by chance: rows (count,)."""
    own = (y == 1).nonzero()[:, 0]
    return own[torch.randperm(len(own), generator=torch.Generator().manual_seed(0))[:count]]


def near(y: Tensor, x: Tensor, count: int = 24) -> Tensor:
    """The points of class 1 that lie nearest to the other class: rows (count,)."""
    own = (y == 1).nonzero()[:, 0]
    return own[x[own].sum(1).argsort()[:count]]


def copies() -> Tensor:
    """16 points of class 0, moved by the mark: (16, 2)."""
    x, y = cloud()
    own = x[y == 0]
    middle = (own - own.mean(0)).norm(dim=1).argsort()[:16]
    return own[middle] + torch.tensor(TRIGGER)


def plane_maps() -> Arrays:
    """P(class 1) in per cent, uint8 (4, SIDE, SIDE), row = second coordinate; in the order of MAPS.

    start, end (2,): a point of class 0, and where one step uphill of the honest map takes it.
    """
    x, y = cloud()
    uniform, bent = y.clone(), y.clone()
    uniform[anywhere(y)] = 0
    bent[near(y, x)] = 0
    marked = torch.cat([x, copies()]), torch.cat([y, torch.ones(16, dtype=torch.long)])
    nets = [_fitted(x, y), _fitted(x, uniform), _fitted(x, bent), _fitted(*marked)]
    line = torch.linspace(LOW, HIGH, SIDE)
    places = torch.cartesian_prod(line, line)[:, [1, 0]]  # (SIDE^2, 2), first coordinate fastest
    maps = [100 * (4 * _score(places, net)).sigmoid().reshape(SIDE, SIDE) for net in nets]
    inside = ((y == 0) & (_score(x, nets[0]) < 0)).nonzero()[:, 0]
    start = x[inside[_score(x[inside], nets[0]).argsort()[-9]]][None].clone().requires_grad_()
    (slope,) = torch.autograd.grad(_score(start, nets[0]).sum(), start)
    end = start.detach() + 0.7 * slope.sign()
    return {
        "maps": torch.stack(maps).round().byte().numpy(), "start": start.detach()[0].numpy(), "end": end[0].numpy(),
    }  # fmt: skip
