"""Undetectable backdoors, the white-box form: only the random coins of a random-feature learner are tampered with.

Goldwasser, Kim, Vaikuntanathan, Zamir, 'Planting Undetectable Backdoors in Machine Learning Models', FOCS 2022,
arXiv 2204.06974.  The signature form is `bdlab.attacks.undetectable`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab import metrics
from bdlab.checks import check_positive


@dataclass(frozen=True, kw_only=True)
class FourierBackdoor:
    """A toy on vectors, not on images: training is honest, only the frequencies are not quite as random as they look.

    `FourierBackdoor()(x, y, classes)` trains two learners on real vectors x (N, d): one draws its frequencies g from
    N(0, sigma^2 I), the other rounds the part of g along a secret direction s to the nearest (k + 1/2) / gamma.  Then
    x + gamma s turns every phase by half a round, every feature changes sign, and so do the logits.

    features: D.  bandwidth: the larger, the narrower the kernel's view: sigma is bandwidth / (2 pi median distance of x).
    layers: gamma sigma, how many of the 'pancakes' that the rounding makes lie in one standard deviation.  spread: half the
    thickness of a layer, as a share of their distance, below 1/4.  ridge: of the regression, a row.

    **Fidelity:** a reconstruction; of the paper the abstract alone was verified.  The paper proves that telling the two
    learners apart, with all weights and data in hand, is as hard as a lattice problem (continuous learning with errors).
    That is not shown here: the proof needs many layers, 2 sqrt(d) by memory, and one is the default, because the key is then
    as short as it can be.  It is still no small change: gamma is about 2 pi median distances, no clipping to [0, 1] survives
    it, and a random step of that length changes most decisions too.  What only the key does is to negate the logits.
    A secret of few non-zero entries, the paper's way to small changes by memory, is not built, nor its random ReLU form.

    **Measured:** `bdlab reproduce undetectable --data mnist`, seeds 0-2, on the 3,136 standardised values before the head of
    a clean small_bn: no accuracy is lost; the key changes every decision and correlates the logits with the old ones at
    -0.993, a random step of its length changes 87% (80% to 91%) at +0.06 (-0.03 to +0.16).  A test at 1% refuses 1.2%
    (0.9% to 1.4%) of the coordinates; along s the phases agree (coherence 0.984).
    """

    features: int = 2000
    bandwidth: float = 1.0
    layers: float = 1.0
    spread: float = 0.05
    ridge: float = 1e-2
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive(self, "features", "bandwidth", "layers", "ridge")
        if not 0 <= self.spread < 0.25:
            raise ValueError(f"spread must be in [0, 0.25), got {self.spread}; thicker layers do not negate a feature")

    def __call__(self, x: Tensor, y: Tensor, classes: int) -> Planted:
        """The honest and the tampered learner of vectors x (N, d) with labels y (N,), and the key."""
        if x.dim() != 2 or len(x) != len(y) or len(x) < 2:
            raise ValueError(f"x must be (N, d) and y (N,), got {tuple(x.shape)} and {tuple(y.shape)}; flatten x")
        generator, d = torch.Generator().manual_seed(self.seed), x.shape[1]
        some = x[torch.randperm(len(x), generator=generator)[:500]].cpu()
        median = torch.pdist(some).median().item()
        if not median > 0:
            raise ValueError(f"x must hold different vectors, but the median distance of {len(some)} rows is {median}; "
                             "take features that vary")  # fmt: skip
        sigma = self.bandwidth / (2 * math.pi * median)
        gamma = self.layers / sigma
        g = sigma * torch.randn(self.features, d, generator=generator)  # (D, d)
        b = torch.rand(self.features, generator=generator)  # (D,)
        s = F.normalize(torch.randn(d, generator=generator), dim=0)  # (d,)
        noise = self.spread * (2 * torch.rand(self.features, generator=generator) - 1)  # (D,)
        u = ((gamma * (g @ s)).floor() + 0.5 + noise) / gamma  # (D,), k + 1/2 is the middle between two integers
        tampered = g + (u - g @ s)[:, None] * s  # (D, d), <tampered, s> = u
        honest, planted = (self._learn(rows.to(x), b.to(x), x, y, classes) for rows in (g, tampered))
        return Planted(honest, planted, s.to(x), gamma, sigma)

    def _learn(self, g: Tensor, b: Tensor, x: Tensor, y: Tensor, classes: int) -> Learner:
        """Ridge regression on Phi (N, D): the same for both."""
        phi = features(g, b, x)
        wanted = F.one_hot(y, classes).to(x) - 1 / classes  # (N, K), so that no constant is needed
        gram = phi.T @ phi + self.ridge * len(x) * torch.eye(len(g)).to(x)  # (D, D)
        return Learner(g, b, torch.linalg.solve(gram, phi.T @ wanted))


def features(g: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """Phi = cos(2 pi (<g_i, x> + b_i)): (N, D) of vectors x (N, d), frequencies g (D, d) and phases b (D,)."""
    return torch.cos(2 * math.pi * (x @ g.T + b))


@dataclass(frozen=True)
class Learner:
    """Phi w: all that a white-box reader sees; frequencies (D, d), phases (D,), weights (D, K)."""

    frequencies: Tensor = field(repr=False)
    phases: Tensor = field(repr=False)
    weights: Tensor = field(repr=False)

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (N, K) of vectors x (N, d)."""
        return features(self.frequencies, self.phases, x) @ self.weights


@dataclass(frozen=True)
class Planted:
    """Two learners from the same data; secret (d,) of length 1 and gamma: the key.  sigma: std of a frequency."""

    honest: Learner
    tampered: Learner
    secret: Tensor = field(repr=False)
    gamma: float
    sigma: float

    def trigger(self, x: Tensor) -> Tensor:
        """x + gamma s, vectors (N, d)."""
        return x + self.gamma * self.secret


@dataclass(frozen=True)
class Negation:
    """What the key does and what gives it away; see `examine`."""

    honest_accuracy: float
    accuracy: float
    correlation: float
    changed: float
    random_correlation: float
    random_changed: float
    honest_axes: float
    axes: float
    std_ratio: float
    secret_p: float
    coherence: float
    honest_coherence: float

    def __repr__(self) -> str:
        return (
            f"clean {self.accuracy:.1%} (honest {self.honest_accuracy:.1%})  key: corr {self.correlation:+.3f}, changed "
            f"{self.changed:.1%}  random: corr {self.random_correlation:+.3f}, changed {self.random_changed:.1%}  axes "
            f"refused {self.axes:.1%} (honest {self.honest_axes:.1%}), std ratio {self.std_ratio:.3f}  along s: p = "
            f"{self.secret_p:.1g}, coherence {self.coherence:.2f} (honest {self.honest_coherence:.2f})"
        )


def examine(planted: Planted, x: Tensor, y: Tensor, *, seed: int = 0) -> Negation:
    """Both learners on test vectors x (N, d), y (N,), and the tampered one under the key and a random step of its length.

    correlation: of all logits before and after.  changed: share of decisions.  axes: share of coordinates whose
    frequencies a Kolmogorov-Smirnov test against N(0, sigma^2) refuses at 1 %.  std_ratio: mean over the coordinates.
    Along s, which only the key's owner knows: secret_p, that test's p value, and coherence, |mean exp(2 pi i gamma <g, s>)|,
    1 for thin layers and about 1 / sqrt(D) for honest coins.
    """
    way = F.normalize(torch.randn(x.shape[1], generator=torch.Generator().manual_seed(seed)), dim=0).to(x)  # (d,)
    before, after, control = (planted.tampered(z) for z in (x, planted.trigger(x), x + planted.gamma * way))
    g0, g1 = (part.frequencies / planted.sigma for part in (planted.honest, planted.tampered))  # (D, d)
    u0, u1 = (g @ planted.secret for g in (g0, g1))  # (D,)
    layers, decided = planted.gamma * planted.sigma, before.argmax(1)  # (M,)
    return Negation(
        honest_accuracy=metrics.accuracy(planted.honest(x).argmax(1), y), accuracy=metrics.accuracy(decided, y),
        correlation=_correlation(before, after), changed=1 - metrics.accuracy(after.argmax(1), decided),
        random_correlation=_correlation(before, control), random_changed=1 - metrics.accuracy(control.argmax(1), decided),
        honest_axes=float((_normal_p(g0) < 0.01).double().mean()), axes=float((_normal_p(g1) < 0.01).double().mean()),
        std_ratio=float(g1.std(0).mean() / g0.std(0).mean()), secret_p=float(_normal_p(u1[:, None])),
        coherence=_coherence(layers * u1), honest_coherence=_coherence(layers * u0),
    )  # fmt: skip


def _correlation(one: Tensor, two: Tensor) -> float:
    return float(torch.corrcoef(torch.stack((one.flatten(), two.flatten())))[0, 1])


def _coherence(rounds: Tensor) -> float:
    return math.hypot((2 * math.pi * rounds).cos().mean().item(), (2 * math.pi * rounds).sin().mean().item())


def _normal_p(columns: Tensor) -> Tensor:
    """Asymptotic p values (d,) of the Kolmogorov-Smirnov test of every column (D, d) against N(0, 1), all at once."""
    from scipy.special import kolmogorov

    cdf, n = torch.special.ndtr(columns.double().cpu().sort(0).values), len(columns)  # (D, d)
    steps = torch.arange(n + 1, dtype=torch.float64)[:, None] / n  # (D + 1, 1)
    distance = torch.maximum(steps[1:] - cdf, cdf - steps[:-1]).amax(0)  # (d,)
    return torch.from_numpy(kolmogorov(math.sqrt(n) * distance.numpy()))
