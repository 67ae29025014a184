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

from bdlab.checks import check_tensor

Interval = tuple[float, float]
ANOMALY_KINDS = ("mean", "mad", "left_mad")


def accuracy(prediction: Tensor, y: Tensor) -> float:
    """Share of predictions that equal the label; NaN for no images."""
    _check(prediction=prediction, y=y)
    return _share(prediction == y)


def _check(**labels: Tensor) -> None:
    """Raise a `TypeError` or a `ValueError` unless all are tensors of one shape (N,)."""
    for name, values in labels.items():
        check_tensor(values, name)
    shapes = {name: tuple(values.shape) for name, values in labels.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError(f"{' and '.join(labels)} must have one shape (N,), got {shapes}; take logits.argmax(1)")


def asr(prediction: Tensor, y: Tensor, wanted: Tensor) -> float:
    """Attack success rate: P(prediction = wanted | wanted != y).

    Pitfall: with images of the target class counted in, a clean model 'succeeds' on one image in K.
    """
    _check(prediction=prediction, y=y, wanted=wanted)
    attacked = wanted != y
    return _share(prediction[attacked] == wanted[attacked])


def ra(prediction: Tensor, y: Tensor, wanted: Tensor) -> float:
    """Recovered accuracy: share of attacked images that keep their true label.  Low ASR with low RA is no cure."""
    _check(prediction=prediction, y=y, wanted=wanted)
    attacked = wanted != y
    return _share(prediction[attacked] == y[attacked])


def leak(prediction: Tensor, y: Tensor, wanted: Tensor) -> float | None:
    """Share of triggered bystanders (not attacked, not of an attacked label) that get an attacked label, or None.

    None where there is no bystander, or no attacked image: then the attacked labels are not known.
    Pitfall: a source-specific attack that fires for every class is not source-specific; its ASR does not show it.
    """
    _check(prediction=prediction, y=y, wanted=wanted)
    attacked = wanted != y
    if not attacked.any():
        return None
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
    'mad': (median - v) / (1.4826 MAD), Neural Cleanse.  'left_mad': the same with the deviation of the lower half alone,
    DeepInspect: the median, after Harrell and Davis (1982), of that half and its mirror image.  The plain median of so few
    values depends on whether their count is odd.
    The median of an even count is the mean of the middle two (`torch.median` takes the lower one).
    Raises `ValueError` when the deviation is zero or a value is not finite.
    """
    if kind not in ANOMALY_KINDS:
        raise ValueError(f"kind must be one of {', '.join(ANOMALY_KINDS)}; got {kind!r}")
    if not values.isfinite().all():
        odd = (~values.isfinite()).nonzero()[:, 0].tolist()
        raise ValueError(f"values must be finite, got {values[odd].tolist()} at {odd}; leave those classes out")
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
    if kind == "mad":
        return below, 1.4826 * below.abs().quantile(0.5, dim=1, keepdim=True)
    lower = below.sort(1, descending=True).values[:, : v.shape[1] // 2]  # what lies below the median, (n, K // 2)
    middle = below.new_zeros(len(v), v.shape[1] % 2)  # of an odd count the median itself
    mirrored = torch.cat((lower, lower, middle), 1).sort(1).values  # (n, K)
    return below, 1.4826 * (mirrored @ _median_weights(v.shape[1]).to(v))[:, None]


@lru_cache
def _median_weights(n: int) -> Tensor:
    """Harrell and Davis: the weight of each of n sorted values in the estimate of the median, float64 (n,)."""
    from scipy.stats import beta

    edges = beta.cdf([i / n for i in range(n + 1)], (n + 1) / 2, (n + 1) / 2)
    return torch.from_numpy(edges).diff()


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

    psnr: peak signal-to-noise ratio in dB of the images that changed (infinite where none did).  ssim: structural
    similarity in [-1, 1].  l0: pixels that changed in any channel by more than rounding.  l2, linf: norms of the change,
    pixel values in [0, 1].  unchanged: how many images did not change.
    """

    psnr: float
    ssim: float
    l0: float
    l2: float
    linf: float
    unchanged: int = 0


ROUNDING = 1e-6
"""Pixels that differ by less are equal: float32 rounds at 6e-8."""


def changed(x: Tensor, marked: Tensor) -> Tensor:
    """Which of the images (N, C, H, W) differ from `marked` by more than rounding: bool (N,)."""
    return (x - marked).abs().flatten(1).amax(1) > ROUNDING


def image_difference(x: Tensor, marked: Tensor) -> Difference:
    """How `marked` (N, C, H, W) differs from `x`; both in [0, 1].  SSIM by scikit-image, 7x7 windows."""
    from skimage.metrics import structural_similarity

    change = (marked - x).double().flatten(2)  # (N, C, H * W)
    pairs = zip(x.cpu().numpy(), marked.cpu().numpy(), strict=True)
    moved = changed(x, marked)
    energy = change.square().mean((1, 2))[moved if moved.any() else slice(None)]
    ssim = [float(structural_similarity(a, b, data_range=1.0, channel_axis=0)) for a, b in pairs]
    return Difference(
        psnr=float((-10 * energy.log10()).mean()) if moved.any() else math.inf,
        ssim=sum(ssim) / len(ssim),
        l0=float((change.abs() > ROUNDING).any(1).sum(1).double().mean()),
        l2=float(change.flatten(1).norm(dim=1).mean()),
        linf=float(change.abs().amax((1, 2)).mean()),
        unchanged=int((~moved).sum()),
    )
