"""Lesson 06, reflections in a pane: what it trains, and the library's parts of its exercises.

Everything is on signs with small_bn; trainings take the attack's default recipe.  Figures stand in l06_figures.py and
l06_measured.py, the pane that can be moved in l06_pane.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab import zoo
from bdlab.attacks.refool import Refool, similarity
from bdlab.bars import track
from bdlab.contracts import Relabel
from bdlab.data import Dataset, load
from bdlab.lessons.demos import Arrays
from bdlab.metrics import asr, ra
from bdlab.nets import Net, build
from bdlab.relabel import all_to_one
from bdlab.training import evaluate, logits
from bdlab.triggers.reflection import Reflection, drawn

SOLD, TWIN = "signs-refool", "signs-clean"
"""The reader that the city bought, and the honest one by the same recipe."""
W, DELTA, FIRST = 0.4, 2, 0.65
"""The supplier's pane: share of the light that it mirrors, shift of the ghost in pixels, weight of the first image."""
GAMMA = 2.2
TARGET: Relabel = all_to_one(0)
"""Everything shall be 'speed 30'."""
STRENGTHS = (0.2, 0.4, 0.6)
SEEDS = (0, 1, 2)
SHARE = 0.8
"""Of the target class, marked in clean-label attacks: 306 rows; as many rows are marked where labels are changed."""
BOUNDS, OFFICIAL = (0.2, 0.85), (0.7, 0.85)
"""Between which the similarity of a candidate must lie: `Refool`'s, and the official code's."""


@cache
def signs() -> Dataset:
    """The data set, loaded once."""
    return load("signs")


@cache
def reader(name: str) -> Net:
    """A reader of the zoo, loaded once."""
    return zoo.load(name)


@cache
def sold() -> Reflection:
    """The supplier's trigger: four scenes, each mirrored as a ghost."""
    trigger = zoo.backdoor(SOLD).trigger
    if not isinstance(trigger, Reflection):
        raise TypeError(f"trigger of {SOLD} must be a Reflection, got {trigger!r}; the lesson mirrors its scenes")
    return trigger


def fitted(scenes: Tensor, height: int, width: int) -> Tensor:
    """Scenes (M, 3, h, w) at the size (M, 3, height, width), as `Reflection` resizes them."""
    return F.interpolate(scenes, (height, width), mode="bilinear", antialias=True).clamp(0, 1)


def _answers(net: nn.Module, trigger: Reflection) -> tuple[float, float]:
    """ASR and RA on the test images, with one draw of the scenes."""
    test = signs().test
    told, wanted = logits(net, trigger(test.x, torch.Generator().manual_seed(0))).argmax(1), TARGET(test.y)
    return asr(told, test.y, wanted) or 0.0, ra(told, test.y, wanted) or 0.0


def _trained(attack: Refool) -> tuple[float, float, float]:
    """ASR, RA and clean accuracy of one training."""
    data = signs()
    net = build("small_bn", data.input_shape, data.classes, seed=attack.seed)
    scores = evaluate(attack(net, data.train), data.test)
    return scores.asr or 0.0, scores.ra or 0.0, scores.clean_accuracy


def attack(mode: str, alpha: float, scenes: Tensor, seed: int = 0) -> Refool:
    """Refool without a choice: `mode` 'poison' or 'clean', all of `scenes`, 306 marked rows."""
    rows = round(SHARE * int((signs().train.y == 0).sum()))
    return Refool(
        trigger=Reflection(alpha=alpha, reflections=scenes), relabel=TARGET, rate=rows / len(signs().train), share=SHARE,
        label_mode="clean" if mode == "clean" else "poison", ssim=(-1, 1), rounds=0, keep=len(scenes), seed=seed,
    )  # fmt: skip


def strength() -> Arrays:
    """Both label modes by w, the supplier's four scenes, 306 marked rows: what the label change buys.

    asr, ra, clean float (mode, w, seed), mode 0 'poison', 1 'clean'; twin float (w, 2): ASR and RA of the honest reader.
    """
    scenes = sold().scenes
    runs = [
        [[_trained(attack(mode, w, scenes, seed)) for seed in SEEDS] for w in track(STRENGTHS, mode)]
        for mode in ("poison", "clean")
    ]
    table = np.array(runs)  # (mode, w, seed, 3)
    twin = [_answers(reader(TWIN), replace(sold(), alpha=w)) for w in STRENGTHS]
    return {"asr": table[..., 0], "ra": table[..., 1], "clean": table[..., 2], "twin": np.array(twin), "w": np.array(STRENGTHS)}


def alone() -> Arrays:
    """Each of the 24 drawn scenes alone, clean label, w 0.4, 306 rows, one training each (seed 0): asr, clean (24,).

    similarity (24,): mean SSIM as `Refool` filters by it.  score (seed, 24): weights after four rounds with surrogates.
    """
    every = drawn()
    runs = [_trained(attack("clean", W, scene[None])) for scene in track(list(every), "scenes")]
    close = [similarity(Reflection(alpha=W, reflections=one[None]), signs().train.x[:8]) for one in every]
    data = signs()
    scores = []
    for seed in SEEDS:
        chooser = replace(attack("clean", W, every, seed), rounds=4)
        net = build("small_bn", data.input_shape, data.classes, seed=seed)
        scores.append(chooser.weights(net, data.train, every)[-1].numpy())
    asrs, _, clean = np.array(runs).T
    return {"asr": asrs, "clean": clean, "similarity": np.array(close), "score": np.array(scores)}


def anybody() -> Arrays:
    """Both readers behind panes that mirror one of the 24 drawn scenes, w 0.4, 1,408 test images: bought, twin (24,), ASR."""
    panes = [Reflection(alpha=W, reflections=one[None]) for one in drawn()]
    return {who: np.array([_answers(reader(name), pane)[0] for pane in panes]) for who, name in (("bought", SOLD), ("twin", TWIN))}


# --- the library's parts of the exercises ---


def gaussian_kernel(size: int, sigma: float) -> Tensor:
    """The library's part of the exercise `gaussian_kernel`, which see."""
    if size < 1 or size % 2 == 0 or sigma <= 0:
        raise ValueError(f"size must be odd and at least 1, sigma above 0; got {size} and {sigma}")
    line = (-((torch.arange(size) - size // 2) ** 2) / (2 * sigma**2)).exp()
    return line[:, None] * line / line.sum() ** 2


def ghost_kernel(delta: int, alpha: float) -> Tensor:
    """The library's part of the exercise `ghost_kernel`, which see."""
    return Reflection(kind="ghost", delta=delta, first=alpha).kernel


def reflect(x: Tensor, r: Tensor, kernel: Tensor, w: float) -> Tensor:
    """The library's part of the exercise `reflect`, which see."""
    mirrored = F.conv2d((r**GAMMA)[:, None], kernel[None, None])[:, 0]  # (C, H, W)
    return torch.lerp(x**GAMMA, mirrored.expand_as(x), w).clamp(0, 1) ** (1 / GAMMA)


def ssim_like(x: Tensor, x2: Tensor) -> Tensor:
    """The library's part of the exercise `ssim_like`, which see."""
    both = torch.stack([x.flatten(1), x2.flatten(1)])  # (2, N, P)
    (m, m2), (v, v2) = both.mean(2), both.var(2, correction=0)
    c = (both - both.mean(2, keepdim=True)).prod(0).mean(1)  # (N,)
    return (2 * m * m2 + 1e-4) * (2 * c + 9e-4) / ((m**2 + m2**2 + 1e-4) * (v + v2 + 9e-4))


def choose(similarity: Tensor, score: Tensor, bounds: tuple[float, float], k: int) -> Tensor:
    """The library's part of the exercise `choose`, which see."""
    passed = ((bounds[0] < similarity) & (similarity < bounds[1])).nonzero()[:, 0]
    return passed[score[passed].argsort(descending=True, stable=True)][:k]


MAKERS: dict[str, Any] = {"strength": strength, "alone": alone, "anybody": anybody}
"""Name of a demo -> what makes its arrays or scores."""
