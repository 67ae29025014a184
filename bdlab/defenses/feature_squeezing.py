"""Feature squeezing: make the input coarser; an input whose prediction changes with it is suspicious.

Xu, Evans, Qi, 'Feature Squeezing: Detecting Adversarial Examples in Deep Neural Networks', NDSS 2018, arXiv 1704.01155.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from bdlab import metrics
from bdlab.bars import track
from bdlab.checks import check_images
from bdlab.contracts import Detector, Fitted, Split, check_clean
from bdlab.defenses.squeezers import BitDepth, Median, NonLocalMeans, Squeezer, parse
from bdlab.registry import register
from bdlab.running import check_classes
from bdlab.training import logits

GREY = (BitDepth(bits=1), Median(size=2))
"""The study's best set on MNIST, and the default for images of one channel."""
COLOUR = (BitDepth(bits=5), Median(size=2), NonLocalMeans(search=13, patch=3, strength=2))
"""The study's best set on CIFAR-10, and the default for all other images."""
BATCH = 512


def distances(model: nn.Module, x: Tensor, squeezers: tuple[Squeezer, ...]) -> Tensor:
    """||p(x) - p(s(x))||_1 of the softmax p for each image and squeezer s: float64 (N, m), in [0, 2], on the CPU."""
    rows = []
    for part in track(x.split(BATCH), "feature squeezing, inputs"):
        p = logits(model, part).double().softmax(1)  # (B, K)
        moved = [logits(model, squeezer(part)).double().softmax(1) - p for squeezer in squeezers]  # m of (B, K)
        rows.append(torch.stack(moved).abs().sum(2).clamp(max=2).T)  # (m, B, K) -> (B, m)
    table = torch.cat(rows)  # (N, m)
    if table.isnan().any():  # a softmax of infinite logits; NaN would never be flagged
        raise FloatingPointError("the model gives infinite logits, so distances are NaN; its training has diverged")
    return table


@register(
    "defense", "feature_squeezing", paper="Xu, Evans, Qi 2018, NDSS, arXiv 1704.01155", family="input reformation"
)
@dataclass(frozen=True, kw_only=True)
class FeatureSqueezing(Detector):
    """The defender has the model's outputs, and legitimate inputs for the threshold; it needs no labels and no gradients.

    `FeatureSqueezing().fit(model, clean).flag(x, fpr=0.05)` refuses inputs whose answer moves when they are squeezed.
    squeezers: a tuple, or the study's own notation: b-bit, 2x2 or 3x3 (median), search-patch-strength (non-local
    means), as in `squeezers="1-bit, 2x2"` or `--set-defense squeezers=5-bit,2x2,13-3-2`.  None takes the study's best set
    for MNIST where images have one channel, that for CIFAR-10 where they have more.
    seed: nothing is drawn here.

    Score: max over squeezers s of ||p(x) - p(s(x))||_1, p the softmax: 0 where nothing changes, 2 where one certain answer
    becomes another.

    Fidelity: made for adversarial examples; the study has no backdoor figure, the lectures borrow it.  Squeezers, distance,
    maximum and the strict 'greater than' are those of the official code (EvadeML-Zoo), the median filter bit for bit that of
    scipy; the colours of non-local means are not, see `NonLocalMeans`.  The study's threshold is the value at place
    ceil(n (1 - fpr)) of n ascending legitimate scores, so that a new one lies above it with probability
    (floor(n fpr) + 1) / (n + 1), which may exceed fpr.  Ours, `metrics.empirical_threshold`, stands there or one place
    higher, which keeps that probability at most fpr.  The study's n are half of its legitimate inputs; ours are
    `calibration`, or all of `clean`, since nothing else is made from it.

    Measured: `bdlab reproduce feature_squeezing --data mnist`, badnets_cnn, AUROC of triggered images that fool the
    network, means of seeds 0 to 2: one pixel, 1 bit .25, 2x2 and both together 1.00; 3x3 square .07, .05, .06; blend 1.00,
    .07, 1.00.  So it sees a trigger that squeezing destroys; one that survives may look cleaner than clean images, as the
    square and the blend do (the source-specific square, which 1 bit spares, does not: .61).
    small_bn on digits: tests/test_defense_feature_squeezing.py, `bdlab reproduce feature_squeezing --data digits`.
    Attacks that aim at the squeezers too defeat it (He et al., WOOT 2017); they are not tried here.
    """

    measures: ClassVar[str] = "largest l1 distance of the squeezed predictions"
    squeezers: tuple[Squeezer, ...] | str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.squeezers, str):
            object.__setattr__(self, "squeezers", parse(self.squeezers))
        known = isinstance(self.squeezers, tuple) and all(isinstance(s, Squeezer) for s in self.squeezers)
        if self.squeezers is not None and not (known and self.squeezers):
            raise ValueError(
                "squeezers must be None, a tuple of squeezers such as (BitDepth(bits=1),), or text such as '1-bit, 2x2'; "
                f"got {self.squeezers!r}"
            )

    def fit(self, model: nn.Module, clean: Split, calibration: Split | None = None) -> FittedSqueezing:
        """Measure the distances of `calibration`; without it, of all of `clean`, since nothing else is made from it.

        Raises: `ValueError` for no images.
        """
        legitimate = check_clean(clean if calibration is None else calibration)
        check_classes(model, legitimate, name="clean")
        squeezers = self.squeezers
        if squeezers is None:
            squeezers = GREY if legitimate.x.shape[1] == 1 else COLOUR
        assert isinstance(squeezers, tuple)
        return FittedSqueezing(self, model, squeezers, distances(model, legitimate.x, squeezers))


@dataclass(frozen=True)
class FittedSqueezing(Fitted):
    """Feature squeezing for one model: m squeezers and the calibration images' distances (n, m)."""

    squeezing: FeatureSqueezing
    model: nn.Module = field(repr=False)
    squeezers: tuple[Squeezer, ...]
    calibration: Tensor = field(repr=False)

    def score(self, x: Tensor) -> Tensor:
        """The largest distance over the squeezers, in [0, 2]: (N,)."""
        check_images(x)
        return distances(self.model, x, self.squeezers).amax(1)

    def threshold(self, fpr: float) -> float:
        """The k-th largest calibration score, k = floor(fpr (n + 1)); see `FeatureSqueezing` for the study's own rule."""
        return metrics.empirical_threshold(self.calibration.amax(1), fpr)
