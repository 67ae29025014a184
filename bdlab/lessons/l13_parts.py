"""Lesson 13, RBD: the library's parts of its exercises, and its shadows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.data import load
from bdlab.lessons.demos import Unusable
from bdlab.nets import seeded
from bdlab.training import logits

STEPS, BATCH, RATE = 8, 64, 1e-3
"""Steps of a shadow, images of each, Adam's rate."""
MARKS = (0, 4, 8, 12, 16, 24, 32, 48, 64)
"""Steps at which shadows were looked at."""
SEEDS = 3
"""Shadows of each reader, by the order of the signs that they unlearn."""
BEST = ((1e-3, 8), (3e-4, 32))
"""Rate and steps that the city's planted marks choose (`l13_planted.ranked`), and the best of another rate."""
LINES = (0.01, 0.05)
"""Shares of clean signs that a guard may refuse."""
NETS = {"sticker, any sign": "signs-badnets", "sticker, stop signs": "signs-source", "blend": "signs-c"}
"""Three attacked readers, and their networks in the zoo."""


def unlearn_loss(shadow: Tensor, teacher: Tensor) -> Tensor:
    """The library's part of the exercise `unlearn_loss`, which see."""
    return F.kl_div(shadow.log_softmax(1), (-teacher / 2).softmax(1), reduction="batchmean")


def shadow_step(shadow: nn.Module, teacher: nn.Module, x: Tensor, optimiser: torch.optim.Optimizer) -> float:
    """The library's part of the exercise `shadow_step`, which see."""
    loss = unlearn_loss(shadow(x), logits(teacher, x))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def rbd_score(model: nn.Module, shadow: nn.Module, x: Tensor) -> Tensor:
    """The library's part of the exercise `rbd_score`, which see."""
    chosen = logits(model, x).argmax(1)  # (N,)
    return logits(shadow, x).softmax(1).gather(1, chosen[:, None])[:, 0]  # (N,)


def guard(model: nn.Module, shadow: nn.Module, clean: Tensor, fpr: float) -> Callable[[Tensor], Tensor]:
    """The library's part of the exercise `guard`, which see."""
    known = rbd_score(model, shadow, clean).sort(descending=True).values  # (N,)
    line = known[int(fpr * len(known))]
    return lambda x: rbd_score(model, shadow, x) > line


def answers(model: nn.Module, x: Tensor) -> Tensor:
    """The classes that a network chooses: (N,)."""
    return logits(model, x).argmax(1)


def shadows(
    step: Any, model: nn.Module, marks: tuple[int, ...], rate: float = RATE, seed: int = 0, x: Tensor | None = None
) -> Iterator[nn.Module]:
    """The shadow by `step` after so many calls as each of `marks`, ascending, says; it is one network that goes on.

    x: the images (N, 3, 32, 32) that it unlearns, the 1,000 held-out signs by default.
    """
    shadow, x = deepcopy(model).eval().requires_grad_(True), load("signs").held_out.x if x is None else x
    optimiser, generator = torch.optim.Adam(shadow.parameters(), rate), torch.Generator().manual_seed(seed)
    done = 0
    for mark in marks:
        with seeded(seed):
            for _ in range(mark - done):
                step(shadow, model, x[torch.randint(len(x), (BATCH,), generator=generator)], optimiser)
        done = mark
        if not logits(shadow, x[:BATCH]).isfinite().all():
            raise Unusable(step, "made a shadow whose answers are not finite")
        yield shadow.eval()


def grown(step: Any, model: nn.Module, steps: int = STEPS, seed: int = 0, x: Tensor | None = None) -> nn.Module:
    """A shadow after `steps` calls of a student's `step`; x: as for `shadows`.  Raises: `Unusable` if it diverged."""
    return next(shadows(step, model, (steps,), seed=seed, x=x))


def stop_signs() -> Tensor:
    """The test set's stop signs, unmarked: (n, 3, 32, 32)."""
    test = load("signs").test
    return test.x[test.y == load("signs").labels.index("stop")]
