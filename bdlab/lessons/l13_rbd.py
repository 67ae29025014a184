"""Lesson 13, RBD: what is measured beforehand."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from bdlab import metrics
from bdlab.data import load
from bdlab.lessons.demos import Arrays
from bdlab.lessons.l09_strip import Setting, honest, setting
from bdlab.lessons.l13_parts import BEST, LINES, MARKS, NETS, SEEDS, guard, rbd_score, shadow_step, shadows, stop_signs
from bdlab.lessons.l13_planted import planted


def _pair(net: str) -> tuple[Setting, tuple[nn.Module, nn.Module]]:
    there = setting(net, 400)
    return there, (there.backdoor.model, honest("signs"))


def forgetting() -> Arrays:
    """auroc: float (net, reader, step, seed), marked against other signs."""
    found = np.zeros((len(NETS), 2, len(MARKS), SEEDS))
    for place, net in enumerate(NETS.values()):
        there, readers = _pair(net)
        for reader, model in enumerate(readers):
            for seed in range(SEEDS):
                for at, shadow in enumerate(shadows(shadow_step, model, MARKS, seed=seed)):
                    both = [rbd_score(model, shadow, x) for x in (there.benign, there.marked)]
                    found[place, reader, at, seed] = metrics.auroc(*both)
    return {"auroc": found}


def controlled() -> Arrays:
    """auroc: float (setting of BEST, reader, control, seed), marked stop signs against others and unmarked ones."""
    found, (there, readers) = np.zeros((len(BEST), 2, 2, SEEDS)), _pair("signs-source")
    for setting_, (rate, steps) in enumerate(BEST):
        for reader, model in enumerate(readers):
            for seed in range(SEEDS):
                shadow = next(shadows(shadow_step, model, (steps,), rate, seed))
                marked = rbd_score(model, shadow, there.marked)
                for control, x in enumerate((there.benign, stop_signs())):
                    found[setting_, reader, control, seed] = metrics.auroc(rbd_score(model, shadow, x), marked)
    return {"auroc": found}


def guarded() -> Arrays:
    """By a guard: caught float (setting of BEST, net, line, seed), marked signs; alarms (setting, line, seed), honest."""
    data, shape = load("signs"), (len(BEST), len(NETS), len(LINES), SEEDS)
    caught, alarms = np.zeros(shape), np.zeros((len(BEST), len(LINES), SEEDS))
    for setting_, (rate, steps) in enumerate(BEST):
        for seed in range(SEEDS):
            for place, net in enumerate(NETS.values()):
                there, (model, _) = _pair(net)
                caught[setting_, place, :, seed] = _flagged(model, rate, steps, seed, there.marked)
            alarms[setting_, :, seed] = _flagged(honest("signs"), rate, steps, seed, data.test.x)
    return {"caught": caught, "alarms": alarms}


def _flagged(model: nn.Module, rate: float, steps: int, seed: int, x: Tensor) -> list[float]:
    """Share of images that guards of each of LINES flag, by one shadow."""
    shadow, clean = next(shadows(shadow_step, model, (steps,), rate, seed)), load("signs").calibration.x
    return [guard(model, shadow, clean, fpr)(x).float().mean().item() for fpr in LINES]


MAKERS = {"planted": planted, "forgetting": forgetting, "controlled": controlled, "guarded": guarded}
"""Name of a demo -> what makes its arrays."""
