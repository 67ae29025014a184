"""STRIP: lay other images over the input; an input whose prediction hardly changes carries a trigger.

Gao, Xu, Wang, Chen, Ranasinghe, Nepal, 'STRIP: A Defence Against Trojan Attacks on Deep Neural Networks', ACSAC 2019,
arXiv 1902.06531.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bdlab import metrics
from bdlab.bars import track
from bdlab.checks import check_images
from bdlab.contracts import Detector, Fitted, Split, check_clean
from bdlab.nets import device_of, evaluating
from bdlab.registry import register
from bdlab.running import answer, check_classes

Mode = Literal["add_clip", "add", "mean"]
Boundary = Literal["empirical", "normal"]
CHECKPOINTS = (6, 10, 14, 18, 24, 30, 36, 44, 52, 60, 70, 80, 90)
"""How many overlays an input has seen when `flag` asks whether it may stop."""
CLEAR = 1.75
"""It may when its estimate is this many standard errors away from the threshold."""
PRIOR = 4
"""That error is the calibration images', which counts as this many overlays, and the input's own, which counts as k."""
CHUNK = 200
"""Forward passes in one batch: small enough for the processor's cache."""


def superimpose(x: Tensor, overlays: Tensor, mode: Mode = "add_clip") -> Tensor:
    """Every overlay (n, C, H, W) over every input (B, C, H, W): (B, n, C, H, W).

    'add' is the authors' CIFAR-10 notebook: weights 1 and 1 on floats, values up to 2.  'add_clip' cuts them at 1.  'mean'
    is the half-and-half blend of TrojanZoo and the adversarial-robustness-toolbox.
    """
    total = x[:, None] + overlays  # (B, n, C, H, W)
    return total.clamp(max=1) if mode == "add_clip" else total if mode == "add" else total / 2


def entropy(logits: Tensor) -> Tensor:
    """Shannon entropy of the softmax over the last axis, in bits: (..., K) -> (...), from 0 to log2 K."""
    logp = logits.log_softmax(-1).clamp(min=torch.finfo(logits.dtype).min)  # of a logit -inf: 0 log 0 is 0
    return -(logp.exp() * logp).sum(-1) / math.log(2)


@register("defense", "strip", paper="Gao et al. 2019, arXiv 1902.06531", family="input filtering")
@dataclass(frozen=True, kw_only=True)
class Strip(Detector):
    """The defender has clean images, whose labels it does not need, and the model's outputs.

    overlays: how many images are laid over each input (the paper: 100; 10 suffice on GTSRB).
    mode: how, see `superimpose`.  None is right everywhere: the default fails where many values are cut (natural pictures),
    'add' under a blend on digits, 'mean' where clean inputs stay sure; docs/strip-modes.md.
    boundary: 'empirical' takes the threshold from the ranks of the calibration scores, which holds the false-positive
    rate; 'normal' fits a normal distribution to them, as the paper does.
    early_stopping: let `flag` skip the overlays that will hardly change an input's verdict; `score` never does.

    Fidelity: the paper draws new overlays for every input, here one set serves all inputs, which ties their scores to one
    another; only then can early stopping, which is ours, take an overlay's own difficulty off.  The default boundary is
    ours too.  The score is minus the mean entropy in bits, so that higher means more suspicious, and an input is flagged
    strictly above the threshold, in the paper on it too: a model with one answer for all inputs has none flagged here.
    The paper raises N until the slope of sigma(N) is flat; here N is given.  The scripts for MNIST and GTSRB were not
    published; 'add_clip' keeps what the model sees in [0, 1], the notebook's unclipped sum has a row of its own.
    Source-specific backdoors defeat it, as the paper concedes.  Measured: `bdlab reproduce strip`, docs/results.md.
    """

    measures: ClassVar[str] = "suspicion (minus mean entropy, bits)"
    overlays: int = 100
    mode: Mode = "add_clip"
    boundary: Boundary = "empirical"
    early_stopping: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.overlays < 1:
            raise ValueError(f"overlays must be at least 1, got {self.overlays}")
        if self.mode not in ("add_clip", "add", "mean"):
            raise ValueError(f"mode must be one of add_clip, add, mean; got {self.mode!r}")
        if self.boundary not in ("empirical", "normal"):
            raise ValueError(f"boundary must be 'empirical' or 'normal', got {self.boundary!r}")

    def fit(self, model: nn.Module, clean: Split, calibration: Split | None = None) -> FittedStrip:
        """Draw the overlays from `clean` and score `calibration`, which must share no source with it.

        Raises: `ValueError` for fewer clean images than overlays or none to calibrate with.
        """
        check_clean(clean)
        if calibration is None:
            clean, calibration = clean.halves(self.seed)
        check_clean(calibration)
        check_classes(model, clean, name="clean")
        if len(clean) < self.overlays:
            raise ValueError(
                f"clean must hold at least {self.overlays} images to overlay, got {len(clean)}; lower `overlays`"
            )
        generator = torch.Generator().manual_seed(self.seed)
        drawn = clean.x[torch.randperm(len(clean), generator=generator)[: self.overlays]]
        return FittedStrip(self, model, drawn, _entropies(model, calibration.x, drawn, self.mode))


@dataclass(frozen=True)
class FittedStrip(Fitted):
    """STRIP for one model: its overlays (n, C, H, W) and the calibration images' entropies (m, n)."""

    strip: Strip
    model: nn.Module = field(repr=False)
    overlays: Tensor = field(repr=False)
    calibration: Tensor = field(repr=False)

    def score(self, x: Tensor) -> Tensor:
        """Minus the mean entropy over all overlays, in bits: (N,)."""
        check_images(x)
        return -_entropies(self.model, x, self.overlays, self.strip.mode).mean(1)

    def threshold(self, fpr: float) -> float:
        """The score above which a share `fpr` of clean images is expected: by rank or by the normal fit, see `Strip`.

        Warns where the normal fit asks for an entropy below zero (the paper's footnote): nothing can be flagged then.
        """
        if self.strip.boundary == "empirical":
            return metrics.empirical_threshold(-self.calibration.mean(1), fpr)
        boundary = metrics.normal_threshold(-self.calibration.mean(1), fpr)
        if boundary >= 0:
            warnings.warn(f"the normal fit has no boundary above zero entropy for fpr {fpr}, so nothing is flagged; use "
                          "boundary='empirical'", stacklevel=2)  # fmt: skip
        return boundary

    def flag(self, x: Tensor, fpr: float) -> Tensor:
        """Which images of `x` are refused: bool (N,).  With early stopping a verdict may differ from the exact one.

        After k overlays the mean entropy over all n is estimated as their calibration mean plus what this input differed
        from it so far.  The error of that estimate is pooled from the calibration images, on which it is known, and
        from the spread that this input showed.  Inputs whose estimate is clear of the threshold stop, the others see
        more overlays, at last all of them.  Share of equal verdicts and seconds: `bdlab bench --rows strip`.  One
        calibration image has no spread: then all overlays are seen.
        """
        if not self.strip.early_stopping or len(self.calibration) < 2 or not len(x):
            return super().flag(x, fpr)
        check_images(x)
        n, threshold, usual = len(self.overlays), self.threshold(fpr), self.calibration.mean(0)[self.order]  # (n,)
        differed = self.calibration[:, self.order] - usual  # (m, n)
        flagged, active = torch.zeros(len(x), dtype=torch.bool), torch.arange(len(x))
        seen = torch.empty(len(x), 0)  # entropies of the active inputs so far, (a, k)
        for k in (c for c in CHECKPOINTS if c < n):
            seen = torch.cat((seen, self._entropies(x[active], slice(seen.shape[1], k))), 1)
            beyond = seen - usual[:k]  # (a, k)
            estimate = -(usual.mean() + beyond.mean(1))  # (a,) of the final score
            known = (differed[:, :k].mean(1) - differed.mean(1)).var()
            own = beyond.var(1) * (1 / k - 1 / n)  # (a,) k of n overlays, drawn without replacement
            error = ((PRIOR * known + k * own) / (PRIOR + k)).sqrt()  # (a,)
            unclear = (estimate - threshold).abs() <= CLEAR * error + 1e-6
            flagged[active] = estimate > threshold
            active, seen = active[unclear], seen[unclear]
            if not len(active):
                return flagged
        seen = torch.cat((seen, self._entropies(x[active], slice(seen.shape[1], None))), 1)
        flagged[active] = -seen[:, self.order.argsort()].mean(1) > threshold  # summed as `score` sums
        return flagged

    @cached_property
    def order(self) -> Tensor:
        """The overlays in the order in which `flag` shows them: int64 (n,).

        Greedy: the next overlay is the one that brings the mean over those shown nearest to the mean over all, in
        mean square over the calibration images.
        """
        away = self.calibration - self.calibration.mean(0)
        away = away - away.mean(1, keepdim=True)  # (m, n)
        products = away.T @ away  # (n, n)
        growth, order = products.diagonal().clone(), []  # (n,) what each would add to the squared sum
        for _ in range(len(growth)):
            order.append(int(growth.argmin()))
            growth += 2 * products[order[-1]]
            growth[order[-1]] = math.inf
        return torch.tensor(order)

    def _entropies(self, x: Tensor, block: slice) -> Tensor:
        return _entropies(self.model, x, self.overlays[self.order[block]], self.strip.mode)


def _entropies(model: nn.Module, x: Tensor, overlays: Tensor, mode: Mode) -> Tensor:
    """Entropy of every input (N, C, H, W) under every overlay (n, C, H, W): (N, n), on the CPU."""
    device = device_of(model)
    overlays, rows = overlays.to(device), []
    with evaluating(model):
        for part in track(x.split(max(1, CHUNK // len(overlays))), "STRIP, inputs"):
            mixed = superimpose(part.to(device), overlays, mode)  # (B, n, C, H, W)
            rows.append(entropy(answer(model, mixed.flatten(0, 1))).view(len(part), len(overlays)).cpu())  # (B, n)
    table = torch.cat(rows)
    if table.isnan().any():
        raise FloatingPointError("the model gives NaN logits for overlaid images; its training has diverged")
    return table
