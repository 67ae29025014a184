"""Lesson 02, what is a backdoor: what it trains, and the library's parts of its exercises.  Figures: l02_figures.py.

Data: signs.  The bought reader and its honest twin are the zoo's; what is trained here is `small`, in about 7 s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from bdlab import zoo
from bdlab.bars import track
from bdlab.contracts import Recipe, Split
from bdlab.data import Dataset, load
from bdlab.evasion import FGSM
from bdlab.lessons.demos import Arrays
from bdlab.lessons.l02_planes import plane_maps
from bdlab.metrics import asr
from bdlab.nets import Net, seeded
from bdlab.training import fit, logits
from bdlab.triggers import Patch

SOLD, TWIN = "signs-badnets", "signs-clean"
"""The reader that the city bought, and the honest one by the same recipe."""
TARGET, PAIR = 0, (1, 2)
"""'speed 30', which the sticker calls; 'speed 50' and 'speed 80', whose labels are mixed up."""
RECIPE = Recipe(epochs=4, lr=0.01)
SEEDS = (0, 1, 2)
Function = Callable[..., Tensor]


@cache
def signs() -> Dataset:
    """The data set, loaded once."""
    return load("signs")


@cache
def reader(name: str) -> Net:
    """A reader of the zoo, loaded once."""
    return zoo.load(name)


@cache
def sticker() -> Patch:
    """The yellow sticker at the supplier's own place."""
    trigger = zoo.backdoor(SOLD).trigger
    if not isinstance(trigger, Patch):
        raise TypeError(f"trigger of {SOLD} must be a Patch, got {trigger!r}; the lesson shows a sticker")
    return trigger


def small(seed: int = 0, width: int = 12) -> nn.Sequential:
    """An untrained reader of signs with 10,000 weights."""
    with seeded(seed):
        return nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * width, 16),
        )  # fmt: skip


def trained(y: Tensor, seed: int = 0) -> nn.Module:
    """`small`, trained on the signs with the labels `y` (6000,)."""
    return fit(small(seed), replace(signs().train, y=y), RECIPE, seed=seed)


def read(model: nn.Module, x: Tensor) -> Tensor:
    """What a reader makes of signs: (N,)."""
    return logits(model, x).argmax(1)


# --- the library's parts of the exercises ---


def threat_table() -> dict[str, tuple[str, str, str]]:
    """The library's part of the exercise `threat_table`, which see."""
    harm, marked, planted = "whole classes", "marked inputs", "training"
    return {
        "wrong labels": (planted, "data", harm), "changed pixels": ("use", "road", "one input"),
        "marked copies": (planted, "data and road", marked), "added module": ("delivery", "model and road", marked),
        "damaged file": ("delivery", "model", harm),
    }  # fmt: skip


def flip_labels(y: Tensor, rate: float, classes: int, generator: torch.Generator) -> Tensor:
    """The library's part of the exercise `flip_labels`, which see."""
    lots = torch.rand(len(y), classes, generator=generator)  # (N, K)
    others = lots.scatter(1, y[:, None], -1.0).argmax(1)  # (N,), the best lot of another class
    drawn = torch.rand(len(y), generator=generator).argsort()[: round(rate * len(y))]
    return y.index_copy(0, drawn, others[drawn])


def fgsm(model: nn.Module, x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    """The library's part of the exercise `fgsm`, which see."""
    return FGSM(epsilon=epsilon)(model, x, y)


def attack_success_rate(model: nn.Module, x: Tensor, y: Tensor, trigger: Function, target: int) -> float:
    """The library's part of the exercise `attack_success_rate`, which see."""
    return asr(read(model, trigger(x)), y, torch.full_like(y, target))


# --- wrong labels ---

WAYS = ("honest", "spread over all classes", "between two classes")
"""How the same number of wrong labels is placed."""


def mixed(flip: Function, way: int, seed: int = 0) -> Tensor:
    """The training labels with 369 wrong ones from `flip`: none, anywhere, or half of the two classes of PAIR swapped."""
    y, generator = signs().train.y, torch.Generator().manual_seed(seed)
    pair = pair_rows(y)
    if way == 1:
        return flip(y, len(pair) / 2 / len(y), 16, generator)
    own = flip((y[pair] == PAIR[1]).long(), 0.5, 2, generator) if way else y[:0]
    return y.index_copy(0, pair, torch.tensor(PAIR)[own]) if way else y


def pair_rows(y: Tensor) -> Tensor:
    """The rows of the two classes of PAIR."""
    return ((y == PAIR[0]) | (y == PAIR[1])).nonzero()[:, 0]


def shares(model: nn.Module) -> tuple[float, float, float]:
    """Read rightly: of all test signs, of those of PAIR, of the others."""
    test = signs().test
    right = (read(model, test.x) == test.y).double()
    mine = torch.zeros(len(test), dtype=torch.bool)
    mine[pair_rows(test.y)] = True
    return float(right.mean()), float(right[mine].mean()), float(right[~mine].mean())


def labels() -> Arrays:
    """`shares` of readers trained on wrong labels: float (way, seed, 3).

    said int (8,): what the first seed's reader on swapped labels makes of the eight signs of `eight_rows`.
    """
    made = [[trained(mixed(flip_labels, way, seed), seed) for seed in SEEDS] for way in track(range(3), "labels")]
    said = read(made[2][0], signs().test.x[eight_rows()])
    return {"right": np.array([[shares(one) for one in row] for row in made]), "said": said.numpy()}


def eight_rows() -> list[int]:
    """Eight test signs that the lesson's figures show: the first two of each class of PAIR, the first of four others."""
    y = signs().test.y
    wanted = [(label, at) for label in PAIR for at in (0, 1)] + [(label, 0) for label in (5, 6, 7, 11)]
    return [int((y == label).nonzero()[at]) for label, at in wanted]


# --- changed pixels ---

EPSILONS = (1, 2, 4, 8, 16)
"""Of 255 steps of grey."""
SHOWN = 300
"""Test signs that are changed."""


def noise(x: Tensor, epsilon: float, seed: int = 0) -> Tensor:
    """The control: every pixel moves by epsilon, up or down by chance."""
    signs_ = torch.randint(2, x.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return (x + epsilon * signs_).clamp(0, 1)


def pixels() -> Arrays:
    """Read rightly by TWIN, of SHOWN test signs, over EPSILONS: fgsm, noise float (5,); clean float."""
    test, model = signs().test, reader(TWIN)
    x, y = test.x[:SHOWN], test.y[:SHOWN]

    def right(changed: Tensor) -> float:
        return float((read(model, changed) == y).double().mean())

    return {
        "fgsm": np.array([right(fgsm(model, x, y, e / 255)) for e in EPSILONS]),
        "noise": np.array([right(noise(x, e / 255)) for e in EPSILONS]),
        "clean": np.array(right(x)),
    }


MAKERS = {"labels": labels, "pixels": pixels, "planes": plane_maps}
"""Name of a demo -> what makes its arrays."""
