"""Lesson 02 on other data: what was measured before, by commands that stand here, and the call that measures it anew."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from bdlab import plots
from bdlab.attacks import BadNets
from bdlab.contracts import Recipe
from bdlab.data import Dataset, load
from bdlab.lessons.l02_threats import attack_success_rate, fgsm, read
from bdlab.nets import build, seeded
from bdlab.plots import Claim
from bdlab.relabel import all_to_one
from bdlab.training import fit
from bdlab.triggers import Patch

SPEED_30 = 1
"""Its number in GTSRB."""
ROWS = ("clean accuracy", "fgsm, 1 of 255", "fgsm, 4 of 255", "'speed 30', all signs", "'speed 30', other signs", "no sticker")


@dataclass(frozen=True)
class Real:
    """An honest reader and one with a backdoor on real signs: the shares of ROWS, of test images."""

    honest: tuple[float, ...]
    backdoored: tuple[float, ...]
    images: int

    def __repr__(self) -> str:
        rows = zip(ROWS, self.honest, self.backdoored, strict=True)
        lines = [f"{name:<24} honest {a:6.1%}   with a backdoor {b:6.1%}" for name, a, b in rows]
        return "\n".join([*lines, f"{self.images:,} test images"])


def on_gtsrb(seed: int = 0) -> Real:
    """Train both readers on GTSRB, a few minutes; BDLAB_DATA names the folder."""
    data = load("gtsrb")
    sticker = Patch(shape="square", size=4, at=(26, 26), colour=(1.0, 0.84, 0.1))
    recipe = Recipe(epochs=3)
    net = build("small_bn", data.input_shape, data.classes, seed=seed)
    attack = BadNets(trigger=sticker, relabel=all_to_one(SPEED_30), rate=0.1, recipe=recipe, seed=seed)
    honest = fit(net, data.train, recipe, seed=seed)
    return Real(_shares(honest, data, sticker), _shares(attack(net, data.train).model, data, sticker), len(data.test))


def _shares(model: nn.Module, data: Dataset, sticker: Patch) -> tuple[float, ...]:
    x, y = data.test.x, data.test.y
    some, truth = x[:2000], y[:2000]
    pushed = [float((read(model, fgsm(model, some, truth, e / 255)) == truth).double().mean()) for e in (1, 4)]
    marked = float((read(model, sticker(x)) == SPEED_30).double().mean())
    rates = [attack_success_rate(model, x, y, trigger, SPEED_30) for trigger in (sticker, torch.clone)]
    return float((read(model, x) == y).double().mean()), *pushed, marked, *rates


def linear(data: Dataset, seed: int) -> nn.Module:
    """One layer of sums: the shallow softmax of the paper."""
    with seeded(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(data.test.x[0].numel(), data.classes))


def errors(name: str, epsilon: float, shallow: bool, seed: int, epochs: int = 2) -> float:
    """Per cent of a data set's test images (the first 5,000) that are read wrongly after one step of fgsm."""
    data = load(name)
    net = linear(data, seed) if shallow else build("small_bn", data.input_shape, data.classes, seed=seed)
    model = fit(net, data.train, Recipe(epochs=epochs), seed=seed)
    x, y = data.test.x[:5000], data.test.y[:5000]
    return 100 * float((read(model, fgsm(model, x, y, epsilon)) != y).double().mean())


GTSRB = Real(
    (0.893, 0.647, 0.2005, 0.0582, 0.0069, 0.0113), (0.8908, 0.6345, 0.183, 0.9993, 0.9992, 0.0154), 12_630
)  # fmt: skip
CLAIMS = (
    Claim("MNIST, one layer of sums, .25", 99.9, False, 99.98, 99.99, 100.0, True),
    Claim("MNIST, deeper (maxout; convolutions here), .25", 89.4, False, 89.78, 89.93, 90.16, True),
)
"""Test errors in per cent under one step of FGSM: Goodfellow et al. 2014, and ours over 3 seeds.  holds: ours is as high.

Both printed by `BDLAB_DATA=FOLDER python solutions/02_threats/real.py`; GTSRB is one training of each reader.
"""


def real_signs() -> plots.Plot:
    """The lesson's measures on GTSRB: an honest reader, and one with a backdoor."""
    names = ("clean", "fgsm,\n1 of 255", "fgsm,\n4 of 255", "sticker,\nall signs", "sticker,\nother signs", "no sticker,\nother signs")
    told = " ".join(
        f"{name}: {a:.1%} and {b:.1%}."
        for name, a, b in zip(ROWS, GTSRB.honest, GTSRB.backdoored, strict=True)
    )
    return plots.bars(
        names, [("honest", [[v] for v in GTSRB.honest]), ("with a backdoor", [[v] for v in GTSRB.backdoored])],
        title=f"GTSRB: three groups read rightly, three read as 'speed 30'; {GTSRB.images:,} test signs",
        ylabel="share of test signs", form=".1%",
        alt=f"Bars, an honest reader of real signs and one with a backdoor. {told}",
    )  # fmt: skip
