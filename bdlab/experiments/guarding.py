"""What a detector makes of one model's images: shares, areas, passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    """AUROC, and the shares of clean and triggered images that are refused at a nominal `fpr`."""
    clean, bad = fitted.score(case.clean), fitted.score(case.bad)
    frr, far = metrics.frr_far(clean, bad, fitted.threshold(fpr))
    return {"auroc": metrics.auroc(clean, bad), "fpr": frr, "tpr": 1 - far}


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


def auroc(fitted: Fitted, case: Case) -> float:
    """How well the scores tell triggered images from clean ones."""
    return metrics.auroc(fitted.score(case.clean), fitted.score(case.bad))
