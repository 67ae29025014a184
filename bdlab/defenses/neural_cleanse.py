"""Neural Cleanse: find the smallest trigger of every class; a class that is far easier to reach than the others is infected.

Wang, Yao, Shan, Li, Viswanath, Zheng, Zhao, 'Neural Cleanse: Identifying and Mitigating Backdoor Attacks in Neural
Networks', IEEE S&P 2019; code bolunwang/backdoor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.bars import track
from bdlab.checks import check_fraction, check_positive
from bdlab.contracts import Inspection, Inspector, Recipe, Repaired, Split, check_clean
from bdlab.defenses.anomaly import Cutoff, check_finite, check_knows, check_verdict, chosen, judge, row, unlearnt
from bdlab.defenses.fine_pruning import PLAIN
from bdlab.defenses.references import Compared, compare
from bdlab.inversion import lean
from bdlab.nets import device_of, seeded
from bdlab.registry import register
from bdlab.running import answer, check_classes

EPSILON = 1e-7
"""Keeps the inverse of `unit` finite, as in the official code."""
CHUNK = 320
"""Images in one pass, of all classes together: more do not fit the processor's cache."""


def unit(w: Tensor) -> Tensor:
    """Any number -> [0, 1], the official tanh parametrisation; cut, for it leaves the range by 1e-8."""
    return (w.tanh() / (2 - EPSILON) + 0.5).clamp(0, 1)


def logit(v: Tensor) -> Tensor:
    """The inverse of `unit`, for values in [0, 1)."""
    return ((v - 0.5) * (2 - EPSILON)).atanh()


def marked(x: Tensor, mask: Tensor, pattern: Tensor) -> Tensor:
    """(1 - m) x + m delta for images (B, C, H, W), masks (k, 1, H, W) and patterns (k, C, H, W): (k, B, C, H, W)."""
    return (1 - mask[:, None]) * x + (mask * pattern)[:, None]


class Schedule:
    """The official controller, one entry a class (K,): the mask's weight, the best norm, who may stop.

    The weight is 0 until success was reached `patience` looks in a row, then `first`.  It is multiplied after `patience`
    looks in a row with success, and divided by multiplier ** 1.5 after as many without.  A class stops once its weight
    went both ways and its norm has not improved for `idle` looks.
    """

    def __init__(self, classes: int, settings: NeuralCleanse) -> None:
        self.settings = settings
        self.weight = torch.zeros(classes)
        self.best = self.before = torch.full((classes,), math.inf)
        self.waited, self.up, self.down, self.idle = torch.zeros(4, classes, dtype=torch.int64)
        self.went_up = self.went_down = self.done = torch.zeros(classes, dtype=torch.bool)

    def look(self, reached: Tensor, norm: Tensor) -> Tensor:
        """After a look at whether each class succeeds (K,) and its norm (K,): which masks are the best so far, bool (K,)."""
        s = self.settings
        better = reached & (norm < self.best) & ~self.done
        self.best = torch.where(better, norm, self.best)
        stuck = self.best >= self.before  # also where nothing was found yet: then it does not count
        self.idle = torch.where(self.best.isfinite() & stuck, self.idle + 1, 0)
        self.before = self.best
        self.done = self.done | (self.went_up & self.went_down & (self.idle >= s.idle))
        self._weigh(reached)
        return better

    def _weigh(self, reached: Tensor) -> None:
        s = self.settings
        self.waited = torch.where((self.weight == 0) & reached, self.waited + 1, 0)
        begins = self.waited >= s.patience
        self.weight = torch.where(begins, s.first, self.weight)
        self.up = torch.where(reached, torch.where(begins, 0, self.up) + 1, 0)
        self.down = torch.where(reached, 0, self.down + 1)
        rises, falls = self.up >= s.patience, self.down >= s.patience
        self.weight = torch.where(rises, self.weight * s.multiplier, self.weight)
        self.weight = torch.where(falls, self.weight / s.multiplier**1.5, self.weight)
        self.went_up, self.went_down = (self.went_up & ~begins) | rises, (self.went_down & ~begins) | falls
        self.up, self.down = torch.where(rises, 0, self.up), torch.where(falls, 0, self.down)


@dataclass(frozen=True)
class ReversedTriggers(Inspection):
    """Neural Cleanse's result: also the masks (K, 1, H, W) and patterns (K, C, H, W) that it found, in [0, 1]."""

    mask: Tensor = field(default_factory=lambda: torch.empty(0), repr=False)
    pattern: Tensor = field(default_factory=lambda: torch.empty(0), repr=False)

    __repr__ = row

    def stamp(self, x: Tensor, label: int) -> Tensor:
        """Images (N, C, H, W) with the trigger found for class `label`."""
        return marked(x, self.mask[label, None].to(x), self.pattern[label, None].to(x))[0]


@register("defense", "neural_cleanse", paper="Wang et al. 2019, IEEE S&P", family="model inspection")
@dataclass(frozen=True, kw_only=True)
class NeuralCleanse(Inspector):
    """The defender has the model with its gradients and clean images, whose labels only unlearning needs.

    `found = NeuralCleanse()(model, held_out)` searches the smallest mask and pattern that send images to each class.
    `found.flagged` are the classes whose mask is far smaller than the others', `found.stamp(x, k)` shows a trigger, and
    `NeuralCleanse().unlearn(model, held_out, found)` is a copy that has unlearnt the triggers of those flagged.

    steps: looks at the masks at most; updates, batch: mini-batches between two looks and their size.  images: on how many
    images a look measures success, success: the share that counts as reached.  lr: Adam's.  first, patience, multiplier,
    idle: of the official controller, see `Schedule`.  deviation, scale, cutoff: the statistic, see `metrics`;
    references: clean networks that fewer than seven classes are compared with, 0: none, see `references`.
    share: of the images in a batch that carry a found trigger while unlearning, with `recipe`.

    Fidelity: objective, parametrisation, Adam's betas and the controller are the official code's, all classes at once.
    - The official code keeps the mask that it has after the updates of a step whose mean success was high enough, which
      need not succeed itself.  Ours is judged first: `success` is that of the mask which is kept, on fixed images.
    - Shorter: 60 looks at most with 4 updates between them, where the official scripts have up to 1,000 with 31.
    - Classes that never reach `success` are left out of the statistic; the official code counts their last mask.
    - Norms are compared by their logarithms, as in `DeepInspect`, where that was chosen; `scale='plain'` is the paper's.
    - The verdict is at the family-wise cut-off, the official 2 stands beside it (`flagged_at_two`).
    - Unlearning: 20 % of the images, read in a toolbox and not in the paper.  The recipe is that of `FineTuning`: of seven,
      tried on seed 0 of digits, signs and GTSRB and judged by test images, it removes most for the clean accuracy that it
      costs, and without the triggers it removes next to nothing.  Higher rates ruin GTSRB, whose 2,400 held-out images
      show 80 signs.  Filtering of inputs and pruning of neurons are not built.
    - Above ten classes a batch is worked off in several passes, which changes nothing but the time.

    It finds small triggers that turn every image.  One as large as the image (blend) needs a large mask, one that turns a
    single class (source-specific) does not turn the other images, and where all classes are targets none stands out.

    Measured on digits, small_bn, BadNets' square on class 0 and clean twins, 17 to 19 CPU s a scan; the slow test of
    tests/test_defense_neural_cleanse.py holds the first two seeds, `bdlab reproduce neural_cleanse --data digits` prints
    seeds 0 to 2:

    | seed | norm of class 0 | of the others | index | of the clean twin, at most | index of plain norms, clean |
    | --- | --- | --- | --- | --- | --- |
    | 100 | 11 | 43 to 103 | 6.3 | 1.0 | 3.2, .9 |
    | 101 | 6 | 30 to 104 | 4.4 | 1.1 | 1.9, .9 |
    | 102 | 13 | 45 to 87 | 8.1 | 2.4 | 4.1, 2.2 |
    | 103 | 7 | 30 to 75 | 7.0 | 1.2 | 3.1, 1.1 |
    | 104 | 10 | 39 to 74 | 6.5 | 1.2 | 3.5, 1.0 |

    The family-wise cut-off is 3.92: logarithms find 5 of 5, plain norms 1 of 5, neither with a false alarm.  At the paper's
    2 logarithms find 5 of 5 and plain norms 4 of 5, each with one false alarm.
    A scan of 40 looks, 16 images in a batch and 64 for success, seed 100: unlearning takes ASR from .994 to .002, clean
    accuracy from .966 to .971 (the fast tests of the same file).  `bdlab reproduce neural_cleanse` has the same training
    without a trigger beside it: of BadNets unlearning leaves .2 % on digits and 1.9 % on signs, that training 96.5 and 88.6
    %.  Where the target was missed, a wrong class is no help on MNIST (source-specific: 90.5 % are left), on digits it is
    (15.4 %).  On signs other classes than the target are flagged as well, and class 1 of one clean network of three.
    """

    steps: int = 60
    updates: int = 4
    batch: int = 32
    images: int = 128
    success: float = 0.99
    lr: float = 0.1
    first: float = 1e-3
    patience: int = 5
    multiplier: float = 2.0
    idle: int = 25
    deviation: str = "mad"
    scale: Literal["log", "plain"] = "log"
    cutoff: Cutoff = "family_wise"
    references: int = 5
    share: float = 0.2
    recipe: Recipe = PLAIN
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive(self, "steps", "updates", "batch", "images", "lr", "first", "patience", "idle")
        if not self.multiplier > 1:
            raise ValueError(f"multiplier must be above 1, got {self.multiplier}; the official code has 2")
        check_fraction(self.success, "success")
        check_fraction(self.share, "share")
        check_verdict(self.deviation, self.cutoff, self.scale)

    def __call__(self, model: nn.Module, clean: Split | None = None) -> ReversedTriggers:
        """The smallest trigger of every class and the verdict; `clean` needs at least `images` images.

        Raises: `ValueError` for too few images or classes; `FloatingPointError` when the model answers with NaN.
        """
        clean = check_clean(clean, least=self.images, classes=2)
        check_classes(model, clean, exactly=True, name="clean")
        check_knows(model, clean)
        start, targets = self.start(clean), range(clean.classes)
        norm, rate, mask, pattern = reverse(self, model, clean.x, targets, *start)

        def compared(norm: Tensor) -> Compared:
            scan = lambda net: reverse(self, net, clean.x, targets, *start)[0]  # noqa: E731
            return compare(norm, model, clean, scan, self.references, self.seed)

        found = judge(norm, rate, mask * pattern, least=self.success, deviation=self.deviation, cutoff=self.cutoff,
                      log=self.scale == "log", compared=compared)  # fmt: skip
        return ReversedTriggers(**vars(found), mask=mask, pattern=pattern)

    def start(self, clean: Split) -> tuple[Tensor, Tensor]:
        """Random masks (K, 1, H, W) and patterns (K, C, H, W), uniform in [0, 1]."""
        generator = torch.Generator().manual_seed(self.seed)
        channels, height, width = clean.x.shape[1:]
        mask = torch.rand(clean.classes, 1, height, width, generator=generator)
        return mask, torch.rand(clean.classes, channels, height, width, generator=generator)

    def unlearn(
        self, model: nn.Module, clean: Split, found: ReversedTriggers, labels: Sequence[int] | None = None
    ) -> Repaired:
        """A copy trained on `clean`, a share of it stamped with the triggers found for `labels`, all with true labels.

        labels: the classes to unlearn, by default those that were flagged; none is an error.
        """
        clean = check_clean(clean, least=self.batch, classes=2)
        labels = chosen(found, labels)
        generator = torch.Generator().manual_seed(self.seed)

        def stamp(x: Tensor) -> Tensor:
            return found.stamp(x, labels[int(torch.randint(len(labels), (), generator=generator))])

        return unlearnt(model, clean, stamp, share=self.share, recipe=self.recipe, seed=self.seed)


def working_images(settings: NeuralCleanse, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """The images of `x` (N, C, H, W) on which success is measured: (images, C, H, W)."""
    generator = generator or torch.Generator().manual_seed(settings.seed)
    return x[torch.randperm(len(x), generator=generator)[: settings.images]]


def objective(net: nn.Module, x: Tensor, mask: Tensor, pattern: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Sum over k targets of  CE(f((1 - m) x + m delta), t) + weight_t |m|_1, for images (B, C, H, W): a scalar.

    mask (k, 1, H, W), pattern (k, C, H, W), wanted (k,) the classes t, weight (k,).
    """
    logits = answer(net, marked(x, mask, pattern).flatten(0, 1))  # (k * B, K)
    entropy = F.cross_entropy(logits, wanted.repeat_interleave(len(x)), reduction="sum") / len(x)
    return entropy + (weight * mask.flatten(1).sum(1)).sum()


@seeded(0)
def reverse(
    settings: NeuralCleanse, model: nn.Module, x: Tensor, targets: Sequence[int], mask: Tensor, pattern: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each of k targets the smallest mask that succeeds: norms (k,), success (k,), masks and patterns, on the CPU.

    Minimises `objective` over m and delta, from masks (k, 1, H, W) and patterns (k, C, H, W).  No target knows of the
    others.  One that is never reached has its last mask.
    """
    s, net, device = settings, lean(model, x), device_of(model)
    generator = torch.Generator().manual_seed(s.seed)
    judged = working_images(s, x, generator).to(device)
    wanted, x = torch.tensor(list(targets), device=device), x.to(device)  # (k,), (N, C, H, W)
    w_mask, w_pattern = (logit(v.to(device)).requires_grad_() for v in (mask, pattern))
    optimiser = torch.optim.Adam([w_mask, w_pattern], s.lr, betas=(0.5, 0.9))
    schedule, found = Schedule(len(wanted), s), Found(mask.clone(), pattern.clone(), torch.zeros(len(wanted)))
    for _ in track(range(s.steps), "Neural Cleanse, looks"):
        active = (~schedule.done).nonzero()[:, 0].to(device)  # (a,)
        if not len(active):
            break
        for _ in range(s.updates):
            rows = torch.randint(len(x), (s.batch,), generator=generator).to(device)
            optimiser.zero_grad()
            for part in active.split(max(1, CHUNK // s.batch)):
                m, delta, weight = unit(w_mask[part]), unit(w_pattern[part]), schedule.weight.to(device)[part]
                cost = objective(net, x[rows], m, delta, wanted[part], weight)
                check_finite(cost)
                cost.backward()
            optimiser.step()
        with torch.no_grad():
            m, delta, rate = unit(w_mask), unit(w_pattern), torch.zeros(len(wanted))
            rate[active.cpu()] = successes(net, judged, m[active], delta[active], wanted[active]).cpu()
        better = schedule.look(rate >= s.success, m.flatten(1).sum(1).cpu())
        found.keep(better | schedule.best.isinf(), m.cpu(), delta.cpu(), rate)
    return found.mask.flatten(1).sum(1), found.rate, found.mask, found.pattern


def successes(net: nn.Module, x: Tensor, mask: Tensor, pattern: Tensor, wanted: Tensor) -> Tensor:
    """The share of images (N, C, H, W) that each of k triggers sends to its class of `wanted` (k,): (k,)."""
    stamped = (marked(x, m[None], p[None])[0] for m, p in zip(mask, pattern, strict=True))
    rates = [(answer(net, rows).argmax(1) == t).double().mean() for rows, t in zip(stamped, wanted, strict=True)]
    return torch.stack(rates).float()


@dataclass(frozen=True)
class Found:
    """The best trigger of every target so far, and its success: (k, 1, H, W), (k, C, H, W), (k,)."""

    mask: Tensor
    pattern: Tensor
    rate: Tensor

    def keep(self, better: Tensor, mask: Tensor, pattern: Tensor, rate: Tensor) -> None:
        """Take over those of the rows `better` (k,)."""
        for kept, new in ((self.mask, mask), (self.pattern, pattern), (self.rate, rate)):
            kept[better] = new[better]
