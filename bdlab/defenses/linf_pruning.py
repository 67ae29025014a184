"""Pruning by the l-infinity norm of activation maps: a trigger raises few channels, each of them somewhere very high.

Cheng, Xu, Liu, Chen, Zhao, Lin, 'Defending against Backdoor Attack on Deep Neural Networks', arXiv 2002.12162 (2020).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab import channels
from bdlab.bars import track
from bdlab.checks import check_fraction, check_positive
from bdlab.contracts import Repaired, Sanitizer, Split, check_clean
from bdlab.defenses.anomaly import check_finite
from bdlab.nets import Net, device_of, seeded
from bdlab.registry import register
from bdlab.running import answer, check_classes, frozen

Reading = Literal["recovered", "clean"]
Norm = Literal["linf", "l1", "l2"]
CHUNK = 320
"""Images in one pass, of some classes at a time: what memory is needed does not grow with the classes."""
ORDERS: dict[str, float] = {"linf": math.inf, "l1": 1.0, "l2": 2.0}


@register("defense", "linf_pruning", paper="Cheng et al. 2020, arXiv 2002.12162", family="model sanitization")
@dataclass(frozen=True, kw_only=True)
class LinfPruning(Sanitizer):
    """The defender has the weights and some clean, labelled images: a trigger shows in how high channels rise somewhere.

    `LinfPruning()(model, clean)` looks for a small patch that sends clean images into one class, for every class, and takes
    the class for which it is cheapest.  With n_c(X) = mean over X of max over positions of |A_c(x)|, channels fall in the
    order of n_c(clean with the patch) - n_c(clean), the largest first, over images of the other classes, and the rule
    of `Pruning` stops them.  What was found is the defence's own: `recover` gives patch and suspect.

    reading: what the paper's sentence 'prune neurons by their l-infinity norm' means.  'recovered': the above.  'clean':
    without any patch, the channels with the largest norm on clean images first.
    norm: 'linf', or 'l1' and 'l2' to compare.  layer: the stage to prune; None: the last one with a convolution.
    max_drop: how much accuracy on `clean` may be lost, 0.04 = four points.  steps, batch: of Adam, each step on `batch`
    images for every class.  sparsity: what a covered pixel costs.  seed: draws the images of the steps.

    The trace is the curve over all channels: channels pruned, which fell last, accuracy on `clean`.  The model is masked as
    by `Pruning`.

    Fidelity: a reconstruction.  Only the abstract is at hand; no official code was found.  Known: the abstract studies 'real
    and synthetic' triggers through Grad-CAM (`views.grad_cam`), sees a bias in the l-infinity norm of activation maps
    compared with l1 and l2, and prunes by it.  Ours: the search for the patch (a mask and a pattern as in Neural Cleanse,
    but by sigmoids, with a fixed price, all classes in one batch, the suspect by cost instead of an outlier test, so that
    clean models are pruned as well), the difference as score, the stop, and no fine-tuning afterwards.  The ratio as score,
    a threshold on the scores and a budget of channels, which would do as well, are not built.  A published summary says
    that the method works with reverse-engineered triggers and needs no training data, which supports 'recovered'; its one
    figure is GTSRB with AlexNet, ASR 81.6 % to 48.42 %, quoted here as summarised elsewhere.

    Measured: digits, small_bn, nets of seeds 100-102, BadNets (ASR .994, .996, .996, clean accuracy .966, .971, .967).  The
    suspect is the target each time (cost .22, .21, .29, the next class .69, .61, .64; a clean net's cheapest .75 to .77).
    ASR left by linf .257, .180, .002, by l2 .358, .135, .025, by l1 .640, .274, .025: linf is ahead of l1 on every seed, of
    l2 on two.  With the attacker's own trigger in place of the patch: linf .173, .208, .006, l2 .427, .195, .051, l1 .736,
    .304, .049.  Clean accuracy becomes .939, .948, .924.  'clean' does not work: .993, .990, .993.  Blend (seed 100): .000
    under every norm.  It fails where the patch leads elsewhere: source-specific (seed 100) .993 becomes .546, the suspect
    is a wrong class.  Pruning-aware (seed 100): one channel falls, .689 is left.  A clean net loses .043 and .042 (seeds
    100, 102).  5 CPU s.  The defence's own seed is 0 in the figures of BadNets, of which `bdlab run badnets --data digits
    --defense linf_pruning --seed 100 --set-defense seed=0` prints the first; `bdlab reproduce linf_pruning --data digits
    --first-seed 100` takes the net's seed for the defence too (linf leaves .207, .143, .001).
    """

    reading: Reading = "recovered"
    norm: Norm = "linf"
    layer: str | None = None
    max_drop: float = 0.04
    steps: int = 100
    batch: int = 16
    sparsity: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.reading not in ("recovered", "clean"):
            raise ValueError(f"reading must be 'recovered' or 'clean', got {self.reading!r}")
        if self.norm not in ORDERS:
            raise ValueError(f"norm must be one of {', '.join(ORDERS)}; got {self.norm!r}")
        check_fraction(self.max_drop, "max_drop", zero=True)
        check_positive(self, "steps", "batch", "sparsity")

    def __call__(self, model: nn.Module, clean: Split) -> Repaired:
        check_clean(clean, least=2, classes=2)
        net = cast(Net, model)
        layer = self.layer or channels.last_conv(net)
        channels.split(net, layer)  # a stage of a Net, or its error before the work
        if self.reading == "clean":
            score = channels.mean_norm(net, layer, clean.x, ORDERS[self.norm])  # (channels,)
        else:
            found = self.recover(net, clean)
            others = clean.x[clean.y.cpu() != found.suspect]
            score = rise(net, layer, others, found(others), ORDERS[self.norm])  # (channels,)
        return prune(net, layer, score, clean, self.max_drop)

    @seeded(0)
    def recover(self, model: nn.Module, clean: Split) -> Recovered:
        """The smallest patch that sends clean images into one class, over all classes: it stands in for the unknown one.

        For every class t at once:  min over m, p of  mean over x of CE(f((1 - m) x + m p), t) + sparsity |m|_1, where the
        mask m (H, W) and the pattern p (C, H, W) lie in [0, 1].  The suspect is the class with the lowest minimum.
        """
        check_classes(model, clean, exactly=True, name="clean")
        net, device, classes = frozen(model), device_of(model), clean.classes
        m = torch.full((classes, 1, *clean.x.shape[2:]), -2.0, device=device, requires_grad=True)  # logits of the masks
        p = torch.zeros((classes, *clean.x.shape[1:]), device=device, requires_grad=True)  # logits of the patterns
        adam = torch.optim.Adam([m, p], lr=0.1, betas=(0.5, 0.9))
        generator = torch.Generator().manual_seed(self.seed)
        lately = torch.zeros(classes)
        for _ in track(range(self.steps), "l-infinity pruning, steps"):
            rows = torch.randint(len(clean), (self.batch,), generator=generator)
            x, costs = clean.x[rows].to(device), []  # (b, C, H, W)
            adam.zero_grad()
            for part in torch.arange(classes, device=device).split(max(1, CHUNK // self.batch)):  # (k,)
                mask, pattern = m[part].sigmoid()[:, None], p[part].sigmoid()[:, None]  # (k, 1, C, H, W)
                marked = (1 - mask) * x + mask * pattern  # (k, b, C, H, W)
                wanted = part.repeat_interleave(self.batch)  # (k b,)
                reached = F.cross_entropy(answer(net, marked.flatten(0, 1)), wanted, reduction="none")
                cost = reached.view(len(part), -1).mean(1) + self.sparsity * mask.flatten(1).sum(1)  # (k,)
                check_finite(cost)
                cost.sum().backward()
                costs.append(cost.detach().cpu())
            adam.step()
            lately = 0.9 * lately + 0.1 * torch.cat(costs)  # one batch is few images
        lately /= 1 - 0.9**self.steps  # the mean began at 0
        suspect = int(lately.argmin())
        return Recovered(m[suspect].detach().sigmoid().cpu(), p[suspect].detach().sigmoid().cpu(), suspect, lately)


@dataclass(frozen=True)
class Recovered:
    """A patch found from clean images: mask (1, H, W) and pattern (C, H, W) in [0, 1], the class that it leads to.

    costs: (K,), a running mean of what every class cost, the last step weighs .1, freed of its start at 0; the suspect is
    the cheapest.
    """

    mask: Tensor
    pattern: Tensor
    suspect: int
    costs: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) with the patch on them."""
        return (1 - self.mask) * x.cpu() + self.mask * self.pattern


def rise(model: nn.Module, layer: str, x: Tensor, marked: Tensor, p: float = math.inf) -> Tensor:
    """How far the mean l_p norm of every channel of stage `layer` rises from `x` to `marked` (N, C, H, W): (channels,)."""
    return channels.mean_norm(model, layer, marked, p) - channels.mean_norm(model, layer, x, p)


def prune(net: Net, layer: str, score: Tensor, clean: Split, max_drop: float) -> Repaired:
    """A copy of `net` without the channels of stage `layer` that have the highest `score` (channels,)."""
    curve = channels.curve(net, layer, score.argsort(descending=True, stable=True), clean)
    repaired = channels.masked(net, layer, curve.keep(curve.stop(max_drop))).eval()
    return Repaired(repaired, curve.rows())
