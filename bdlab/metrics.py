"""What is measured, each with the mistake that it is usually measured with.

Predictions and labels are int64 (N,); scores are float (N,), higher = more suspicious, and are never turned round when an
AUROC falls below one half: that a detector finds triggered inputs *less* suspicious is a result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

Interval = tuple[float, float]
ANOMALY_KINDS = ("mean", "mad", "left_mad")


def accuracy(prediction: Tensor, y: Tensor) -> float:
    """Share of predictions that equal the label; NaN for no images."""
    return _share(prediction == y)


def asr(prediction: Tensor, y: Tensor, wanted: Tensor) -> float:
    """Attack success rate: P(prediction = wanted | wanted != y).

    Pitfall: with images of the target class counted in, a clean model 'succeeds' on one image in K.
    """
    attacked = wanted != y
    return _share(prediction[attacked] == wanted[attacked])


def ra(prediction: Tensor, y: Tensor, wanted: Tensor) -> float:
    """Recovered accuracy: share of attacked images that keep their true label.  Low ASR with low RA is no cure."""
    attacked = wanted != y
    return _share(prediction[attacked] == y[attacked])


def leak(prediction: Tensor, y: Tensor, wanted: Tensor) -> float | None:
    """Share of triggered bystanders (not attacked, not of an attacked label) that get an attacked label, or None.

    Pitfall: a source-specific attack that fires for every class is not source-specific; its ASR does not show it.
    """
    attacked = wanted != y
    targets = wanted[attacked].unique()
    bystander = ~attacked & ~torch.isin(y, targets)
    return _share(torch.isin(prediction[bystander], targets)) if bystander.any() else None


def _share(hits: Tensor) -> float:
    return hits.double().mean().item() if hits.numel() else math.nan


def wilson(share: float, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's interval of a share of `n` independent trials; for augmented data `n` is the number of sources."""
    from scipy.stats import binomtest

    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}; an interval needs trials")
    low, high = binomtest(round(share * n), n).proportion_ci(confidence, method="wilson")
    return float(low), float(high)


def auroc(clean: Tensor, bad: Tensor) -> float:
    """P(a bad score exceeds a clean one), ties counting one half."""
    from sklearn.metrics import roc_auc_score

    truth = torch.cat((torch.zeros(len(clean)), torch.ones(len(bad))))
    return float(roc_auc_score(truth.numpy(), torch.cat((clean, bad)).double().cpu().numpy()))


def frr_far(clean: Tensor, bad: Tensor, threshold: float) -> tuple[float, float]:
    """False rejection and false acceptance: share of clean scores above, of bad scores not above the threshold.

    STRIP's words: FRR is the false-positive rate, FAR is 1 - TPR.  One published toolbox has them the wrong way round.
    """
    return _share(clean > threshold), _share(bad <= threshold)


def empirical_threshold(calibration: Tensor, fpr: float) -> float:
    """The score that a new clean one exceeds with probability at most `fpr`, by rank among `calibration` (n,).

    It is the k-th largest, k = floor(fpr (n + 1)): a new exchangeable score beats it with probability k / (n + 1).
    Raises `ValueError` when there are too few scores to know (k = 0) or a score is NaN.
    """
    _check_fpr(fpr)
    if calibration.isnan().any():
        raise FloatingPointError(f"calibration has {int(calibration.isnan().sum())} NaN scores; the model has diverged")
    k = int(fpr * (len(calibration) + 1) + 1e-9)
    if k < 1:
        need = math.ceil(1 / fpr) - 1
        raise ValueError(
            f"fpr {fpr} needs at least {need} calibration images, got {len(calibration)}; give more, or raise fpr"
        )
    return calibration.double().sort(descending=True).values[k - 1].item()


def normal_threshold(calibration: Tensor, fpr: float) -> float:
    """The upper `fpr` quantile of a normal distribution fitted to `calibration` (n,), as STRIP does it.

    Nothing holds the realised rate at `fpr` where the scores are not normal.  Equal scores have no spread to fit: then it is
    their mean, which none of them exceeds.  Raises `ValueError` for fewer than two scores.
    """
    from scipy.stats import norm

    _check_fpr(fpr)
    if len(calibration) < 2:
        raise ValueError(f"a normal fit needs at least 2 calibration images, got {len(calibration)}; give more")
    if (calibration == calibration[0]).all():
        return calibration[0].item()  # not their computed mean, which may be rounded
    mean, std = norm.fit(calibration.double().cpu().numpy())
    return float(norm.isf(fpr, mean, std))


def _check_fpr(fpr: float) -> None:
    if not 0 < fpr < 1:
        raise ValueError(f"fpr must be in (0, 1), got {fpr}; it is a share, not a percentage")


def realised_rate_interval(fpr: float, calibration: int, test: int, confidence: float = 0.99) -> Interval:
    """Where the realised false-positive rate of an `empirical_threshold` lies, for both counts of independent images.

    The number of flagged test images is beta-binomial(test; k, calibration + 1 - k), k = floor(fpr (calibration + 1)).
    """
    from scipy.stats import betabinom

    k = int(fpr * (calibration + 1) + 1e-9)
    if k < 1 or test < 1:
        raise ValueError(f"no interval for fpr {fpr} with {calibration} calibration and {test} test images; give more")
    low, high = betabinom.interval(confidence, test, k, calibration + 1 - k)
    return float(low) / test, float(high) / test


def anomaly_index(values: Tensor, kind: str = "mad") -> Tensor:
    """How far below the others each of `values` (K,) lies, in robust standard deviations: (K,), larger = smaller value.

    'mean': (mean - v) / mean absolute deviation, the lectures' formula; with one outlier among equals it is capped at K/2.
    'mad': (median - v) / (1.4826 MAD), Neural Cleanse.  'left_mad': the same with the MAD of the values up to the median,
    DeepInspect.  The median of an even count is the mean of the middle two (`torch.median` takes the lower one).
    Raises `ValueError` when the deviation is zero.
    """
    if kind not in ANOMALY_KINDS:
        raise ValueError(f"kind must be one of {', '.join(ANOMALY_KINDS)}; got {kind!r}")
    below, spread = _below(values.double()[None], kind)  # (1, K), (1, 1)
    if spread == 0:
        raise ValueError(f"values have no spread, got {values.tolist()}; an anomaly index needs classes that differ")
    return (below / spread)[0]


def _below(v: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """How far each value of a row (n, K) lies below the row's centre, and the row's deviation (n, 1)."""
    centre = v.mean(1, keepdim=True) if kind == "mean" else v.quantile(0.5, dim=1, keepdim=True)
    below = centre - v  # (n, K)
    if kind == "mean":
        return below, below.abs().mean(1, keepdim=True)
    counted = below.abs() if kind == "mad" else below.where(below >= 0, math.nan)
    return below, 1.4826 * counted.nanquantile(0.5, dim=1, keepdim=True)


@lru_cache
def family_wise_cutoff(classes: int, kind: str = "mad", alpha: float = 0.05, draws: int = 60_000) -> float:
    """The anomaly index that the largest of `classes` normal values exceeds with probability `alpha`, by simulation.

    A cut-off of 2 for each class flags far more than 5 % of clean models, for each class has its chance.  Other draws move
    it by .02 to .03 (standard deviation, ten classes), less with more classes.
    """
    generator = torch.Generator().manual_seed(0)
    below, spread = _below(torch.randn(draws, classes, generator=generator, dtype=torch.float64), kind)
    return float((below / spread).amax(1).quantile(1 - alpha))


@dataclass(frozen=True)
class Difference:
    """How far marked images are from clean ones, means over the images.

    psnr: peak signal-to-noise ratio in dB (infinite where nothing changed).  ssim: structural similarity in [-1, 1].
    l0: pixels that changed in any channel.  l2, linf: norms of the change, pixel values in [0, 1].
    """

    psnr: float
    ssim: float
    l0: float
    l2: float
    linf: float


def image_difference(x: Tensor, marked: Tensor) -> Difference:
    """How `marked` (N, C, H, W) differs from `x`; both in [0, 1].  SSIM by scikit-image, 7x7 windows."""
    from skimage.metrics import structural_similarity

    change = (marked - x).double().flatten(2)  # (N, C, H * W)
    pairs = zip(x.cpu().numpy(), marked.cpu().numpy(), strict=True)
    ssim = [float(structural_similarity(a, b, data_range=1.0, channel_axis=0)) for a, b in pairs]
    return Difference(
        psnr=float((-10 * change.square().mean((1, 2)).log10()).mean()),
        ssim=sum(ssim) / len(ssim),
        l0=float(change.ne(0).any(1).sum(1).double().mean()),
        l2=float(change.flatten(1).norm(dim=1).mean()),
        linf=float(change.abs().amax((1, 2)).mean()),
    )
