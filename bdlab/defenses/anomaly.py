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
from bdlab.metrics import ANOMALY_KINDS, anomaly_index, family_wise_cutoff
from bdlab.running import answer
from bdlab.training import fit

Cutoff = float | Literal["family_wise"]
PAPER = 2.0
"""The cut-off of both papers."""
FEWEST = 5
"""Classes that a deviation is computed from; the left one of four cannot exceed 1.35."""


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
    norm: Tensor, success: Tensor, triggers: Tensor, *, least: float, deviation: str, cutoff: Cutoff, log: bool = False
) -> Inspection:
    """The verdict on the norms (K,) of triggers (K, C, H, W) that succeed on shares (K,) of the images.

    Classes below `least` are left out of the statistic; with fewer than five others nothing is flagged, with a warning.
    log: compare logarithms of the norms.  Raises `ValueError` where the norms of most classes are equal.
    """
    counted = success >= least
    indices = {kind: torch.full((len(norm),), math.nan, dtype=torch.float64) for kind in ANOMALY_KINDS}
    n, values = int(counted.sum()), norm[counted].double()
    bound = family_wise_cutoff(max(n, FEWEST), deviation) if cutoff == "family_wise" else float(cutoff)
    if n < FEWEST:
        warnings.warn(f"only {n} of {len(norm)} classes have a trigger that works, {FEWEST} are needed to compare them; "
                      "nothing is flagged", stacklevel=3)  # fmt: skip
    else:
        for kind, index in indices.items():
            index[counted] = anomaly_index(values.clamp(min=1e-6).log() if log else values, kind)
    index = indices[deviation]
    flagged, at_two = ((index > limit).nonzero()[:, 0].tolist() for limit in (bound, PAPER))
    excluded = index.isnan().nonzero()[:, 0].tolist()
    ranking = [k for k in norm.argsort().tolist() if k not in excluded]
    return Inspection(norm, index, bound, flagged, triggers, at_two, excluded, ranking, success, indices)


def row(found: Inspection) -> str:
    """An inspection in a line."""
    first = f"class {found.ranking[0]} (index {found.anomaly_index[found.ranking[0]]:.2f})" if found.ranking else "none"
    return (
        f"{type(found).__name__}(flagged {found.flagged} at {found.cutoff:.2f}, {found.flagged_at_two} at 2.00; "
        f"smallest: {first}; excluded {found.excluded})"
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
