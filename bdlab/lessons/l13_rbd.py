"""Lesson 13, RBD: the library's parts of its exercises, its shadows, and what is measured beforehand."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab import metrics
from bdlab.data import load
from bdlab.lessons.demos import Arrays, Unusable
from bdlab.lessons.l09_strip import Setting, honest, setting
from bdlab.nets import seeded
from bdlab.training import logits

STEPS, BATCH, RATE = 8, 64, 1e-3
"""Steps of a shadow, images of each, Adam's rate."""
MARKS = (0, 4, 8, 12, 16, 24, 32)
"""Steps at which shadows were looked at."""
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


def grown(step: Any, model: nn.Module, steps: int = STEPS, start: nn.Module | None = None, seed: int = 0) -> nn.Module:
    """A shadow after `steps` calls of a student's `step`; `start` takes its place.  Raises: `Unusable` if it diverged."""
    shadow = (deepcopy(model) if start is None else start).eval().requires_grad_(True)
    optimiser, x = torch.optim.Adam(shadow.parameters(), RATE), load("signs").held_out.x
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        for _ in range(steps):
            step(shadow, model, x[torch.randint(len(x), (BATCH,), generator=generator)], optimiser)
    if not logits(shadow, x[:BATCH]).isfinite().all():
        raise Unusable(step, "made a shadow whose answers are not finite")
    return shadow.eval()


def stop_signs() -> Tensor:
    """The test set's stop signs, unmarked: (n, 3, 32, 32)."""
    test = load("signs").test
    return test.x[test.y == load("signs").labels.index("stop")]


def _pair(net: str) -> tuple[Setting, tuple[nn.Module, nn.Module]]:
    there = setting(net, 400)
    return there, (there.backdoor.model, honest("signs"))


def forgetting() -> Arrays:
    """auroc: float (net, reader, step), marked against other signs; stop: (reader, step), against unmarked stop signs."""
    found, stop = np.zeros((len(NETS), 2, len(MARKS))), np.zeros((2, len(MARKS)))
    for place, net in enumerate(NETS.values()):
        there, readers = _pair(net)
        for reader, model in enumerate(readers):
            for at, steps in enumerate(MARKS):
                shadow = grown(shadow_step, model, steps)
                marked = rbd_score(model, shadow, there.marked)
                found[place, reader, at] = metrics.auroc(rbd_score(model, shadow, there.benign), marked)
                if net == "signs-source":
                    stop[reader, at] = metrics.auroc(rbd_score(model, shadow, stop_signs()), marked)
    return {"auroc": found, "stop": stop}


def alarms() -> Arrays:
    """refused: float (seed,), share of the 1,500 test signs that a guard at 1 % refuses before the honest reader."""
    data, model = load("signs"), honest("signs")
    shadows = [grown(shadow_step, model, seed=seed) for seed in range(3)]
    flags = [guard(model, shadow, data.calibration.x, 0.01)(data.test.x) for shadow in shadows]
    return {"refused": np.array([flag.float().mean().item() for flag in flags])}


MAKERS = {"forgetting": forgetting, "alarms": alarms}
"""Name of a demo -> what makes its arrays."""
