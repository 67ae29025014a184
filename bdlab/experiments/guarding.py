"""What a detector makes of one model's images: shares, areas, passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bdlab import metrics
from bdlab.contracts import Backdoor, Fitted
from bdlab.experiments.journal import Numbers


@dataclass(frozen=True)
class Case:
    """A model, and images that it is to be guarded against: clean (n, C, H, W), bad (m, C, H, W)."""

    model: nn.Module
    backdoor: Backdoor
    clean: Tensor
    bad: Tensor


def judged(fitted: Fitted, case: Case, fpr: float = 0.05) -> Numbers:
    """AUROC, and the shares of clean and triggered images that are refused at a nominal `fpr`; see `area` for None."""
    clean, bad = scored(fitted, case)
    frr, far = metrics.frr_far(clean, bad, fitted.threshold(fpr))
    return {"auroc": area(clean, bad), "fpr": frr, "tpr": 1 - far if len(bad) else None}


def scored(fitted: Fitted, case: Case) -> tuple[Tensor, Tensor]:
    """Scores of the clean images (n,) and of the triggered ones (m,), of which there may be none."""
    return fitted.score(case.clean), fitted.score(case.bad) if len(case.bad) else torch.empty(0)


def area(clean: Tensor, bad: Tensor) -> float | None:
    """AUROC of scores (n,) and (m,); None where no triggered image fools the model, m = 0."""
    return metrics.auroc(clean, bad) if len(bad) else None


def area_text(clean: Tensor, bad: Tensor) -> str:
    """The same in the words of a figure."""
    found = area(clean, bad)
    return "none fools it" if found is None else f"AUROC {found:.3f}"


def passes(fitted: Fitted, networks: Sequence[nn.Module], x: Tensor) -> float:
    """Forward passes that an input of `x` (N, C, H, W) costs, counted at the first stage of `networks`."""
    seen: list[int] = []
    hooks = [
        next(net.children()).register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
        for net in networks
    ]
    try:
        fitted.score(x)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(seen) / len(x)


def auroc(fitted: Fitted, case: Case) -> float | None:
    """How well the scores tell triggered images from clean ones, see `area`."""
    return area(*scored(fitted, case))
