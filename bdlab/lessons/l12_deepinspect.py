"""Lesson 12, DeepInspect: its readers, the library's parts of its exercises, and what is measured beforehand."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bdlab import BadNets, all_to_one, metrics, zoo
from bdlab.bars import track
from bdlab.contracts import Inspection, Recipe
from bdlab.data import load
from bdlab.defenses import DeepInspect, NeuralCleanse
from bdlab.inversion import denoise
from bdlab.lessons.demos import Arrays
from bdlab.nets import build
from bdlab.running import frozen
from bdlab.training import evaluate, fit

READERS = {"A": "digits-badnets", "B": "digits-blend", "C": "digits-clean", "D": "digits-clean-2"}
"""The four readers, and their names in the zoo."""
CLASSES, SHAPE = 10, (1, 28, 28)
KINDS = ("mean", "median")
"""The slide's deviation, and the median form."""
MODELS = 4000
"""Honest models that `family_cutoff` simulates."""
STEPS, RATE, EACH = 100, 0.02, 8
"""The descent on pixels, and how many images of a class the lesson makes."""
THRESHOLD, GAMMA1, GAMMA2 = 1.0, 0.2, 0.03
"""The weights of the generator's loss."""
ENOUGH, FEWEST = 0.9, 7
"""A trigger works from this share of the images on; a verdict needs so many classes with one."""


# --- the library's parts of the exercises ---


def smooth(x: Tensor) -> Tensor:
    """A little total-variation denoising: images (N, C, H, W) -> images."""
    return denoise(x, 0.02)


def invert_class(model: Any, t: int, x: Tensor, steps: int, lr: float, smooth: Any) -> Tensor:
    """The library's part of the exercise `invert_class`, which see."""
    net = frozen(model)
    for _ in range(steps):
        pixels = x.detach().requires_grad_()
        cost = (1 - net(pixels).softmax(1)[:, t]).sum()
        (slope,) = torch.autograd.grad(cost, pixels)
        size = slope.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
        x = smooth(x - lr * slope / size).clamp(0, 1)
    return x.detach()


def generator_loss(logits: Tensor, delta: Tensor, t: Tensor, threshold: float, gamma1: float, gamma2: float) -> Tensor:
    """The library's part of the exercise `generator_loss`, which see."""
    log_p = logits.log_softmax(1)[torch.arange(len(t)), t]  # (B,)
    size = delta.abs().flatten(1).sum(1)  # (B,)
    return (-log_p + gamma1 * (log_p.exp() - 1).square() + gamma2 * (size - threshold).relu()).mean()


def deviation_factor(values: Tensor, kind: str) -> Tensor:
    """The library's part of the exercise `deviation_factor`, which see."""
    centre = values.mean(1, keepdim=True) if kind == "mean" else values.quantile(0.5, dim=1, keepdim=True)
    away = (values - centre).abs()  # (M, K)
    spread = away.mean(1, keepdim=True) if kind == "mean" else 1.4826 * away.quantile(0.5, dim=1, keepdim=True)
    if (spread == 0).any():
        raise ValueError("without spread nothing can be said")
    return (centre - values) / spread


def family_cutoff(n: int, kind: str, alpha: float, generator: torch.Generator) -> float:
    """The library's part of the exercise `family_cutoff`, which see."""
    honest = torch.randn(MODELS, n, generator=generator)
    return float(deviation_factor(honest, kind).amax(1).quantile(1 - alpha))


# --- readers ---


@cache
def reader(name: str) -> nn.Module:
    """The reader 'A', 'B', 'C' or 'D', as it was shipped."""
    return zoo.load(READERS[name])


def noise(t: int, count: int = EACH, seed: int = 0) -> Tensor:
    """Where inversion of class `t` starts, as in the scan of that seed: grey noise (count, 1, 28, 28), 20 images at most."""
    every = torch.rand(20 * CLASSES, *SHAPE, generator=torch.Generator().manual_seed(seed))
    return every[t::CLASSES][:count]


# --- measured beforehand ---

SEEDS = (0, 1, 2)
"""Scans of each reader."""


def _numbers(found: list[Inspection]) -> Arrays:
    """norm and success (scan, class) of inspections, float32."""
    return {
        "norm": torch.stack([one.norm for one in found]).float().numpy(),
        "success": torch.stack([one.success for one in found if one.success is not None]).float().numpy(),
    }


def scans() -> Arrays:
    """Scans of the four readers without any image: norm and success (reader, seed, class); of seed 0 the mean changes,
    triggers float16 (reader, class, 28, 28), and uint8 images that inversion made: images (reader, class, 28, 28), and of
    reader A six of each class: pool (60, 28, 28), labels (60,)."""
    rows: list[Arrays] = []
    triggers, images = [], []
    for name in READERS:
        found = [DeepInspect(data="inverted", seed=seed)(reader(name)) for seed in SEEDS]
        rows.append(_numbers(list(found)))
        made = found[0].images
        assert made is not None
        first = [(made.y == label).nonzero()[:6, 0] for label in range(CLASSES)]
        triggers.append((2 * _triggers(found[0]) - 1).half().numpy())
        images.append(_bytes(made.x[torch.stack([one[0] for one in first]), 0]))
        if name == "A":
            pool = torch.cat(first)
            kept = {"pool": _bytes(made.x[pool, 0]), "labels": made.y[pool].numpy()}
    both = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    return both | {"triggers": np.stack(triggers), "images": np.stack(images)} | kept


def _triggers(found: Inspection) -> Tensor:
    assert found.triggers is not None
    return found.triggers[:, 0]


def _bytes(x: Tensor) -> np.ndarray:
    return (255 * x).round().to(torch.uint8).numpy()


def with_images() -> Arrays:
    """The same of a defender who has a thousand clean digits, seed 0: norm and success (reader, class)."""
    own = load("digits").held_out
    return _numbers([DeepInspect()(reader(name), own) for name in track(list(READERS), "readers")])


def cleanse() -> Arrays:
    """Neural Cleanse with a thousand clean digits, seed 0: norm and success (reader, class), of A triggers (class, 28, 28)."""
    own = load("digits").held_out
    found = [NeuralCleanse()(reader(name), own) for name in track(list(READERS), "readers")]
    return _numbers(list(found)) | {"triggers": _triggers(found[0]).half().numpy()}


HONEST_SEEDS, TARGETS = (200, 201, 202), (3, 6)
"""Readers that are trained for the count: honest ones, and one with the square a wanted class."""


def crowd() -> Arrays:
    """Five more readers, each scanned once without any image: three honest ones, then one for each of TARGETS."""
    data, found = load("digits"), []
    for seed in HONEST_SEEDS:
        net = build("small_bn", data.input_shape, data.classes, seed=seed)
        found.append(DeepInspect(data="inverted", seed=seed)(fit(net, data.train, Recipe(epochs=5), seed=seed)))
    for target in TARGETS:
        net = build("small_bn", data.input_shape, data.classes, seed=300 + target)
        shipped = BadNets(relabel=all_to_one(target), seed=300 + target)(net, data.train).shipped
        found.append(DeepInspect(data="inverted", seed=target)(shipped))
    return _numbers(list(found))


def stopped() -> Arrays:
    """Reader A, scanned by a generator that learns for 20 steps in place of 600: norm and success (1, class)."""
    return _numbers([DeepInspect(data="inverted", steps=20)(reader("A"))])


def patched() -> Arrays:
    """clean and asr float (reader, way) of A and C: as delivered, patched by their smallest trigger on images that
    inversion made, and on a thousand clean digits.  Of C asr is that of A's mark."""
    data, own = load("digits"), load("digits").held_out
    clean, asr = [], []
    for name in ("A", "C"):
        models = [reader(name)]
        for how, images in ((DeepInspect(data="inverted"), None), (DeepInspect(), own)):
            found = how(reader(name), images)
            models.append(how.patch(reader(name), found, found.ranking[:1]).model)
        scores = [evaluate(one, data.test, zoo.backdoor(READERS["A"])) for one in models]
        clean.append([one.clean_accuracy for one in scores])
        asr.append([one.asr for one in scores])
    return {"clean": np.array(clean), "asr": np.array(asr)}


MAKERS = {
    "scans": scans,
    "with_images": with_images,
    "cleanse": cleanse,
    "crowd": crowd,
    "stopped": stopped,
    "patched": patched,
}
"""Name of a demo -> what makes its arrays."""


def library_cutoff(n: int = CLASSES) -> float:
    """What the library takes for n classes, its own statistic: the lower half's deviation of the logarithms."""
    return metrics.family_wise_cutoff(n, "left_mad")
