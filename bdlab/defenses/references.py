"""A verdict on few classes: the same scan of clean networks that the defender trains on the clean images.

Below seven classes a model's own classes say too little about what is usual: five normal values exceed any cut-off that one
could set.  What is usual is then read off networks of the same architecture with fresh weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bdlab import metrics
from bdlab.contracts import Recipe, Split
from bdlab.nets import seeded
from bdlab.running import copied
from bdlab.training import fit, logits

LEAST = 3
"""Reference networks at least."""
STEPS, BATCH = 300, 64
"""How a reference is trained: about so many batches, well within a minute for small networks."""
KNOWS = 0.5
"""Of the way from chance to 1: a reference below knows too little of the task to be one."""
Scan = Callable[[nn.Module], Tensor]
"""Network -> norms (K,) of the triggers found in it."""


class NoReferences(ValueError):
    """Why there is nothing to compare with."""


@dataclass(frozen=True)
class Compared:
    """How far below the references' each class (K,) lies, in standard deviations, and the family-wise cut-off."""

    index: Tensor
    cutoff: float


def compare(norm: Tensor, model: nn.Module, clean: Split, scan: Scan, count: int, seed: int) -> Compared:
    """Norms (K,) of `model` beside those of `count` clean references trained on `clean`.

    A class is described by the logarithm of its norm minus the mean of the other classes', so that a network whose
    triggers are all larger or smaller is no anomaly.  With R references, s the deviation pooled over the classes with
    (R - 1)(K - 1) degrees of freedom:  index = (mean of the references - value) / (s sqrt(1 + 1 / R)).  The cut-off is
    Student's quantile at 1 - .05 / K.  Raises: `NoReferences`.
    """
    from scipy.stats import t

    if count < LEAST:
        raise NoReferences("no references")
    nets = [reference(model, clean, seed + k) for k in range(count)]
    usual = torch.stack([contrast(scan(net)) for net in nets])  # (R, K)
    freedom = (count - 1) * (len(norm) - 1)
    spread = float(((usual - usual.mean(0)).square().sum() / ((count - 1) * len(norm))).sqrt())
    if not spread > 0:
        raise NoReferences("references that do not differ")
    index = (usual.mean(0) - contrast(norm)) / (spread * math.sqrt(1 + 1 / count))
    return Compared(index, float(t.isf(0.05 / len(norm), freedom)))


def contrast(norm: Tensor) -> Tensor:
    """log norm of each class minus the mean of the others': (K,) -> float64 (K,)."""
    values = norm.double().clamp(min=1e-6).log()
    return values - (values.sum() - values) / (len(values) - 1)


def reference(model: nn.Module, clean: Split, seed: int) -> nn.Module:
    """A network like `model` with fresh weights, trained on `clean`; the images that it does not see tell whether it can.

    Raises: `NoReferences` where weights cannot be drawn anew, images are too few, or the network does not learn.
    """
    fresh = copied(model).requires_grad_(True)
    with seeded(seed):
        for name, module in fresh.named_modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
            elif list(module.parameters(recurse=False)):
                raise NoReferences(f"no references, for the weights of {name or type(module).__name__} cannot be drawn anew")
    kept, unseen = clean.halves(seed) if len(clean) < 50 else _most(clean, seed)
    recipe = Recipe(epochs=max(1, round(STEPS * BATCH / max(1, len(kept)))), batch=BATCH)
    net = fit(fresh, kept, recipe, seed=seed)
    right = metrics.accuracy(logits(net, unseen.x).argmax(1), unseen.y)
    if not right >= 1 / clean.classes + KNOWS * (1 - 1 / clean.classes):
        raise NoReferences(f"no references, for a network trained on {len(kept)} images is right on {right:.0%} of others")
    return net


def _most(clean: Split, seed: int) -> tuple[Split, Split]:
    """Three quarters and the rest, with no source in both."""
    first, second = clean.halves(seed)
    third, rest = second.halves(seed)
    joined = torch.cat((first.x, third.x)), torch.cat((first.y, third.y))
    return Split(*joined, clean.classes, name=clean.name), rest
