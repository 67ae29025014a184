"""What searches for triggers share: a check of their cost, the verdict on the size of each class's, and unlearning."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.contracts import Inspection, Recipe, Repaired, Split
from bdlab.defenses.references import Compared, NoReferences
from bdlab.metrics import ANOMALY_KINDS, accuracy, anomaly_index, family_wise_cutoff
from bdlab.running import answer
from bdlab.training import fit, logits

Cutoff = float | Literal["family_wise"]
PAPER = 2.0
"""The cut-off of both papers."""
FEWEST = 7
"""Classes that a deviation is computed from: of five, normal values exceed 5.9 (MAD) in one model of twenty."""


NEARLY = 0.75
"""The smallest norm counts from this much of the success that is asked for: left out, it would hide a target."""


def check_finite(cost: Tensor) -> None:
    """Raise a `FloatingPointError` where the cost of a search is NaN or infinite."""
    if not cost.isfinite().all():
        raise FloatingPointError("the model gives NaN logits or infinite ones; its training has diverged, or a class is "
                                 "switched off")  # fmt: skip


def check_verdict(deviation: str, cutoff: Cutoff, scale: str) -> None:
    """Raise a `ValueError` unless these are settings that `judge` knows."""
    if scale not in ("log", "plain"):
        raise ValueError(f"scale must be one of log, plain; got {scale!r}")
    if deviation not in ANOMALY_KINDS:
        raise ValueError(f"deviation must be one of {', '.join(ANOMALY_KINDS)}; got {deviation!r}")
    if cutoff != "family_wise" and not (isinstance(cutoff, (int, float)) and cutoff > 0):
        raise ValueError(f"cutoff must be 'family_wise' or a positive number such as the papers' 2.0, got {cutoff!r}")


def judge(
    norm: Tensor, success: Tensor, triggers: Tensor, *, least: float, deviation: str, cutoff: Cutoff, log: bool = False,
    compared: Callable[[Tensor], Compared] | None = None,
) -> Inspection:  # fmt: skip
    """The verdict on the norms (K,) of triggers (K, C, H, W) that succeed on shares (K,) of the images.

    Classes below `least` are left out of the statistic, but the smallest norm is not where it nearly reaches that.
    Of fewer than seven classes `compared` tells how they differ from clean references'; where it cannot, or where fewer are
    left, nothing is flagged and the verdict is 'cannot say'.
    log: compare logarithms of the norms.  Raises `ValueError` where the norms of most classes are equal.
    """
    smallest, counted = int(norm.argmin()), success >= least
    counted[smallest] |= success[smallest] >= NEARLY * least
    indices = {kind: torch.full((len(norm),), math.nan, dtype=torch.float64) for kind in ANOMALY_KINDS}
    n, values = int(counted.sum()), norm[counted].double()
    bound = family_wise_cutoff(max(n, FEWEST), deviation) if cutoff == "family_wise" else float(cutoff)
    reason = "" if n >= FEWEST else f"only {n} of {len(norm)} classes have a trigger that works, {FEWEST} are needed"
    if n >= FEWEST:
        for kind, index in indices.items():
            index[counted] = anomaly_index(values.clamp(min=1e-6).log() if log else values, kind)
    elif len(norm) < FEWEST:
        try:
            if compared is None or not counted.all():
                raise NoReferences("no references" if compared is None else "some without a trigger that works")
            found = compared(norm)
            indices[deviation], bound, reason = found.index, found.cutoff if cutoff == "family_wise" else bound, ""
        except NoReferences as why:
            reason = f"{len(norm)} classes and {why}"
    if reason:
        warnings.warn(f"{reason} to compare them; nothing is flagged" if "needed" in reason else reason, stacklevel=3)
    elif not counted[smallest]:
        reason = f"class {smallest} has the smallest trigger, and that reaches only {success[smallest]:.0%} of the images"
    index = indices[deviation]
    flagged, at_two = ((index > limit).nonzero()[:, 0].tolist() for limit in (bound, PAPER))
    excluded = index.isnan().nonzero()[:, 0].tolist()
    ranking = [k for k in norm.argsort().tolist() if k not in excluded]
    return Inspection(norm, index, bound, flagged, triggers, at_two, excluded, ranking, success, indices, reason)


def check_knows(model: nn.Module, clean: Split) -> None:
    """Warn where the model hardly knows the images: then no verdict on it means anything."""
    right = accuracy(logits(model, clean.x).argmax(1), clean.y)
    if right < 1 / clean.classes + 0.25 * (1 - 1 / clean.classes):
        warnings.warn(f"the model is right on {right:.0%} of the clean images, near chance: are they scaled to [0, 1], and "
                      "are the classes in the model's order?  No verdict means much before that", stacklevel=3)  # fmt: skip


def row(found: Inspection) -> str:
    """An inspection in a line."""
    first = f"class {found.ranking[0]} (index {found.anomaly_index[found.ranking[0]]:.2f})" if found.ranking else "none"
    return (
        f"{type(found).__name__}({found.verdict}; flagged {found.flagged} at {found.cutoff:.2f}, {found.flagged_at_two} at "
        f"2.00; smallest: {first}; excluded {found.excluded})"
    )


def chosen(found: Inspection, labels: Sequence[int] | None) -> list[int]:
    """The classes to repair: those flagged, unless they are named."""
    labels = found.flagged if labels is None else list(labels)
    if not labels:
        raise ValueError("labels must name a class, for nothing was flagged; give one, as in labels=found.ranking[:1]")
    if not all(0 <= label < len(found.norm) for label in labels):
        raise ValueError(f"labels must be in 0..{len(found.norm) - 1}, got {labels}")
    return labels


def unlearnt(
    model: nn.Module, images: Split, stamp: Callable[[Tensor], Tensor], *, share: float, recipe: Recipe, seed: int
) -> Repaired:
    """A copy trained on `images`, of whose batches (B, C, H, W) `stamp` marks a share, all with their true labels."""

    def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        n = max(1, round(share * len(x)))
        return F.cross_entropy(answer(net, torch.cat((stamp(x[:n]), x[n:]))), y)

    return Repaired(fit(model, images, recipe, seed=seed, loss=loss))
