"""Lesson 12: a student's loss trains DeepInspect's generator for a few classes of one reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bdlab.contracts import Split
from bdlab.defenses.trigger_generator import TriggerGenerator
from bdlab.inversion import lean
from bdlab.lessons import l12_deepinspect as lesson
from bdlab.lessons.demos import Unusable
from bdlab.nets import seeded

GOAL, FASTER, MEMORY = 0.97, 1.07, 0.8
"""The controller of gamma2, as in `bdlab.defenses.DeepInspect`: success that it asks for, its factor, how much it remembers."""
ROUNDS, NOISE, DRAWS = 600, 100, 256


@dataclass(frozen=True)
class Triggers:
    """Of each class asked for: norm and success (k,), mean change (k, 1, 28, 28)."""

    norm: Tensor
    success: Tensor
    mean: Tensor


def counted(success: Tensor) -> Tensor:
    """Which classes have a trigger that works: bool (K,)."""
    return success >= lesson.ENOUGH


@seeded(0)
def train(loss: Any, model: nn.Module, images: Split, classes: Sequence[int], rounds: int = ROUNDS) -> Triggers:
    """A generator of triggers for `classes` alone, by `loss`, as the exercise `generator_loss` describes it.

    Each class has its own gamma2, which grows while its triggers succeed often enough, and else shrinks.  Of ten looks in the
    second half the smallest trigger that works is kept.
    """
    net, draw = lean(model, images.x), torch.Generator().manual_seed(0)
    generator = TriggerGenerator(lesson.SHAPE, lesson.CLASSES, NOISE, 16, 0)
    optimiser = torch.optim.Adam(generator.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, 2 * (1 - step / rounds)))
    t = torch.tensor(classes).repeat_interleave(8)  # (B,), class after class
    gamma2, success = [lesson.GAMMA2] * len(classes), [0.0] * len(classes)
    best: Triggers | None = None
    for step in range(1, rounds + 1):
        z, rows = torch.randn(len(t), NOISE, generator=draw), torch.randint(len(images), (len(t),), generator=draw)
        change = generator(z, t)  # (B, 1, 28, 28)
        answer = net((images.x[rows] + change).clamp(0, 1))  # (B, K)
        parts = [slice(8 * k, 8 * k + 8) for k in range(len(classes))]
        costs = [
            loss(answer[p], change[p], t[p], lesson.THRESHOLD, lesson.GAMMA1, g)
            for p, g in zip(parts, gamma2, strict=True)
        ]
        cost = torch.stack(costs).mean()
        if not cost.requires_grad:
            raise Unusable(loss, "gave a number that knows nothing of the change: no gradient reaches the generator")
        if not cost.isfinite():
            raise Unusable(loss, f"gave {cost.item()} in step {step}")
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()
        schedule.step()
        for k, part in enumerate(parts):
            hit = float((answer[part].argmax(1) == t[part]).float().mean())
            success[k] = MEMORY * success[k] + (1 - MEMORY) * hit
            gamma2[k] = min(max(gamma2[k] * FASTER if success[k] > GOAL else gamma2[k] / FASTER, 1e-5), 1.0)
        if 2 * step > rounds and step % max(1, rounds // 20) == 0:
            best = _better(best, _measured(net, images, generator, classes))
    assert best is not None
    return best


@torch.no_grad()
def _measured(net: Callable[[Tensor], Tensor], images: Split, generator: nn.Module, classes: Sequence[int]) -> Triggers:
    draw, found = torch.Generator().manual_seed(1), []
    for label in classes:
        change = generator(torch.randn(DRAWS, NOISE, generator=draw), torch.full((DRAWS,), label))  # (DRAWS, 1, 28, 28)
        x = images.x[torch.randint(len(images), (DRAWS,), generator=draw)]
        hit = (net((x + change).clamp(0, 1)).argmax(1) == label).float().mean()
        found.append((change.abs().flatten(1).sum(1).mean(), hit, change.mean(0)))
    return Triggers(*(torch.stack(part) for part in zip(*found, strict=True)))


def _better(best: Triggers | None, new: Triggers) -> Triggers:
    """Of each class what works; of two that work, the smaller one."""
    if best is None:
        return new
    works, worked = counted(new.success), counted(best.success)
    take = ~worked | (works & (new.norm < best.norm))
    return Triggers(
        torch.where(take, new.norm, best.norm), torch.where(take, new.success, best.success),
        torch.where(take[:, None, None, None], new.mean, best.mean),
    )  # fmt: skip
