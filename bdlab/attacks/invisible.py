"""Invisible backdoors: triggers that a norm keeps small (l2, l0), and a text in the least significant bits.

Li, Xue, Zhao, Zhu, Zhang, 'Invisible Backdoor Attacks on Deep Neural Networks via Steganography and Regularization',
IEEE TDSC 18(5), pages 2088-2105, 2021, arXiv 1909.02742.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bdlab.attacks.poisoning import DataPoisoning
from bdlab.bars import track
from bdlab.channels import staged
from bdlab.checks import check_positive
from bdlab.contracts import Attack, Backdoor, Recipe, Split, Trigger
from bdlab.registry import register
from bdlab.relabel import all_to_one, check_relabel
from bdlab.running import feed, frozen, hooked
from bdlab.triggers.lsb import LSB
from bdlab.triggers.overlay import Crafted

TRAIN_ON = Recipe(epochs=3)
"""How the poisoned set trains a model that is trained already."""
LONG = Recipe(epochs=12, lr=5e-3)
"""With this small_bn learns to see the last bit of `digits`; see `Steganography` for what did not do."""
PAPER = "Li, Xue, Zhao, Zhu, Zhang 2021, IEEE TDSC, arXiv 1909.02742"
NOISE = 0.1
"""Standard deviation of the noise that crafting starts from."""
KEPT = 0.7
"""Share of the pixels that a round of the l0 search keeps."""


@dataclass(frozen=True, kw_only=True)
class Invisible(Attack):
    """What both norms share: craft a trigger on a clean trained model, poison with it, train that model further.

    target: the class of every marked image.  anchors: how many neurons of the layer before the logits the trigger excites.
    amplification: c, by how much.  images: how many training images crafting looks at.  steps, lr: of Adam on the trigger.
    rate, mode, recipe: as in `DataPoisoning`.

    Fidelity: reconstruction.  The paper's text was not verified beyond its abstract; no official code was seen.  From
    memory, 'the outline' below: anchors are the inputs of the last linear layer with the largest weights towards the
    target, their activation before the ReLU is driven to c times its usual value, c is 10, a norm is penalised, Adam
    starts from noise of standard deviation 0.1.  From artefacts that others released for 32x32 images: l2 is added, l0
    replaces 9 pixels.  Ours: the squared error counts relative to its goal and is averaged over the anchors, so that
    lambda means the same for every net; activations are taken behind the ReLU and averaged over the images, because a
    goal of c times a negative number would point the wrong way; neurons that no image excites are no anchors; the
    optimisation sees the clipped image; the poisoned set trains the given weights further (whether the paper starts
    again was not verified).
    """

    target: int = 0
    anchors: int = 1
    amplification: float = 10.0
    images: int = 64
    steps: int = 200
    lr: float = 0.02
    rate: float = 0.1
    mode: Literal["append", "replace"] = "append"
    recipe: Recipe = TRAIN_ON
    seed: int = 0

    starts_from: ClassVar[Literal["fresh", "trained"]] = "trained"

    def __post_init__(self) -> None:
        _ = self.poisoning  # checks target, rate and mode
        check_positive(self, "anchors", "images", "steps", "lr")
        if not self.amplification > 1:
            raise ValueError(f"amplification must be above 1, got {self.amplification}; it is a factor, 10 by default")

    @property
    def poisoning(self) -> DataPoisoning:
        """The attack on the data, still without its trigger."""
        return DataPoisoning(
            relabel=all_to_one(self.target), rate=self.rate, mode=self.mode, recipe=self.recipe, seed=self.seed
        )

    def __call__(self, model: nn.Module, data: Split) -> Backdoor:
        start = time.perf_counter()
        trigger = self.craft(model, data)
        backdoor = replace(self.poisoning, trigger=trigger)(model, data)
        return replace(backdoor, cost=replace(backdoor.cost, seconds=time.perf_counter() - start))

    @property
    def twin_recipe(self) -> Recipe:
        """The attack's own: the given network is trained further."""
        return self.recipe

    @abstractmethod
    def craft(self, model: nn.Module, data: Split) -> Crafted:
        """The trigger for `model`, made with some images of `data`; neither is changed."""

    def aim(self, model: nn.Module, data: Split) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Images (n, C, H, W) and amplified(images) -> (anchors,): each anchor's mean activation over its goal, c times
        what it is on the unmarked images."""
        check_relabel(all_to_one(self.target), data.classes)
        if self.images > len(data):
            raise ValueError(f"images must be 1 to {len(data)} for {data}, got {self.images}")
        features, weight = readout(model)  # (N, C, H, W) -> (N, F); (K, F)
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(self.seed))
        x = data.x[order[: self.images]].to(weight.device)  # (n, C, H, W)
        usual = features(feed(features, x)).mean(0)  # (F,)
        if usual.shape != weight.shape[1:]:
            raise ValueError(f"model must read a vector of {weight.shape[1]} features with its last layer, got features of "
                             f"shape {tuple(usual.shape)}; flatten them first")  # fmt: skip
        active = usual > 0
        if int(active.sum()) < self.anchors:
            raise ValueError(
                f"anchors must be at most {int(active.sum())}, the neurons that {self.images} images excite, "
                f"got {self.anchors}"
            )
        chosen = weight[self.target].where(active, -torch.inf).topk(self.anchors).indices  # (anchors,)
        goal = self.amplification * usual[chosen]  # (anchors,)
        return x, lambda images: features(feed(features, images))[:, chosen].mean(0) / goal


def readout(model: nn.Module) -> tuple[nn.Module, Tensor]:
    """The net up to its last linear layer, frozen, images (N, C, H, W) -> (N, F), and that layer's weight (K, F)."""
    parts: list[nn.Module] = list(staged(frozen(model)))
    while type(parts[-1]) is nn.Sequential and not hooked(parts[-1]):
        parts = [*parts[:-1], *parts[-1]]
    if type(parts[-1]) is not nn.Linear or hooked(parts[-1]):
        raise ValueError(f"model must end in a plain nn.Linear, got {type(parts[-1]).__name__}, or one with hooks; its "
                         "weights choose the anchors")  # fmt: skip
    return nn.Sequential(*parts[:-1]), parts[-1].weight


@register("attack", "invisible_l2", paper=PAPER, family="data poisoning")
@dataclass(frozen=True, kw_only=True)
class InvisibleL2(Invisible):
    """A faint coloured noise: small in l2, it excites a neuron that speaks for the target.

    The attacker has a clean trained model and its training data, crafts the trigger on that model, and passes on the
    model, trained further on a set to which marked images were added.  `InvisibleL2()(clean, train)` crafts for class 0.

    penalty: lambda, the weight of the trigger's l2 norm.  The other settings stand in `Invisible`.

    Fidelity: see `Invisible`.  The pattern is added and clipped.  The outline stops when the amplification is reached; here
    the steps are fixed, and lambda decides what is left.

    Measured, seeds 0-2: digits: ASR .994 (.992 to .996), a clean model's ASR .002 (.002 to .004), clean accuracy falls
    by -.001 (-.001 to .000); signs: ASR .961 (.957 to .967), a clean model's ASR .158 (.054 to .287), clean accuracy
    falls by .002 (.000 to .003) (`bdlab reproduce attacks --data digits`, `--data signs`).
    So a clean model falls for it too, on signs.  `bdlab gallery` prints its norms and PSNR.
    Anchors, lambda and epochs were picked among ten settings on seed 100 of both sets, looking at their test images.
    """

    penalty: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.penalty >= 0:
            raise ValueError(f"penalty must be 0 or more, got {self.penalty}; it weighs the trigger's l2 norm")

    def craft(self, model: nn.Module, data: Split) -> Crafted:
        """min over delta of mean_i (A_i(x + delta) / (c A_i(x)) - 1)^2 + lambda ||delta||_2."""
        x, amplified = self.aim(model, data)
        generator = torch.Generator().manual_seed(self.seed)
        delta = (NOISE * torch.randn(x.shape[1:], generator=generator)).to(x).requires_grad_()  # (C, H, W)
        optimiser = torch.optim.Adam([delta], self.lr)
        for _ in track(range(self.steps), "crafting, steps"):
            optimiser.zero_grad()
            excess = amplified((x + delta).clamp(0, 1)) - 1  # (anchors,)
            (excess.square().mean() + self.penalty * delta.norm()).backward()
            optimiser.step()
        return Crafted(pattern=delta.detach().cpu(), mask=torch.ones(x.shape[2:]), compose="add")


@register("attack", "invisible_l0", paper=PAPER, family="data poisoning")
@dataclass(frozen=True, kw_only=True)
class InvisibleL0(Invisible):
    """A few coloured pixels, at the places where they excite a neuron that speaks for the target.

    The attacker is that of `InvisibleL2`.  `InvisibleL0()(clean, train)` replaces 9 pixels and crafts for class 0.

    pixels: K, how many.  steps: of the last fit; each round of the search before it takes a twentieth.  The other settings
    stand in `Invisible`.

    Fidelity: see `Invisible`.  The colours replace pixels while crafting too; the outline optimises an added perturbation.
    Ours as well: they start from uniform noise; K alone bounds them, no norm is penalised; a pixel counts by its change
    times the slope of the anchors' activation (the outline: of the loss, whose slope is 0 once the goal is reached).
    The 9 pixels of the released artefact lie in the lower right corner of the last row, ours where the search leaves
    them: a neuron behind convolutions sees only a part of the image.

    Measured, seeds 0-2: digits: ASR .996 (.992 to .999), a clean model's ASR .003 (.002 to .005), clean accuracy falls
    by -.003 (-.005 to -.003); signs: ASR .990 (.986 to .996), a clean model's ASR .168 (.007 to .395), clean accuracy
    falls by .001 (-.001 to .003) (`bdlab reproduce attacks --data digits`, `--data signs`).
    So a clean model falls for it too, on signs, and more than the 1/16 that is allowed to a patch.
    Three settings of steps and lr were tried on seed 100 of both sets; these are the first.
    """

    pixels: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pixels < 1:
            raise ValueError(f"pixels must be at least 1, got {self.pixels}")

    def craft(self, model: nn.Module, data: Split) -> Crafted:
        """Fit colours to a set of pixels, drop the least important three in ten, again until K are left."""
        x, amplified = self.aim(model, data)
        count = x[0, 0].numel()
        if self.pixels > count:
            raise ValueError(f"pixels must be at most {count} for these images, got {self.pixels}; 9 is the default")

        def excess(pattern: Tensor, mask: Tensor) -> Tensor:  # (C, H, W), (H, W) -> (anchors,)
            return amplified(torch.lerp(x, pattern.expand_as(x), mask.expand_as(x))) - 1

        generator = torch.Generator().manual_seed(self.seed)
        mask = torch.ones(x.shape[2:]).to(x)  # (H, W)
        pattern = torch.rand(x.shape[1:], generator=generator).to(x)  # (C, H, W)
        for size in track(_sizes(count, self.pixels), "crafting, rounds"):
            pattern = self._fit(excess, pattern, mask, -(-self.steps // 20))
            (gradient,) = torch.autograd.grad(excess(pattern.requires_grad_(), mask).sum(), pattern)
            importance = ((pattern - x).abs().mean(0) * gradient.abs()).sum(
                0
            )  # (H, W), all channels of a pixel together
            kept = importance.where(mask > 0, -1.0).flatten().topk(size).indices  # (size,)
            mask = torch.zeros(count).to(x).index_fill(0, kept, 1.0).view_as(mask)
        pattern = self._fit(excess, pattern, mask, self.steps)
        return Crafted(pattern=pattern.cpu(), mask=mask.cpu(), compose="replace")

    def _fit(self, excess: Callable[[Tensor, Tensor], Tensor], pattern: Tensor, mask: Tensor, steps: int) -> Tensor:
        """Colours in [0, 1] (C, H, W) that bring the anchors to their goals, as far as the pixels of `mask` can."""
        pattern = pattern.detach().clone().requires_grad_()
        optimiser = torch.optim.Adam([pattern], self.lr)
        for _ in range(steps):
            optimiser.zero_grad()
            excess(pattern, mask).square().mean().backward()
            optimiser.step()
            pattern.data.clamp_(0, 1)
        return pattern.detach()


def _sizes(count: int, pixels: int) -> list[int]:
    """How many pixels each round of the l0 search keeps: seven in ten of `count`, and so on down to `pixels`."""
    sizes = []
    while count > pixels:
        count = max(pixels, int(KEPT * count))
        sizes.append(count)
    return sizes


@register("attack", "steganography", paper=PAPER, family="data poisoning")
@dataclass(frozen=True, kw_only=True)
class Steganography(DataPoisoning):
    """A text in the least significant bits of a share of the training images.

    The attacker supplies images and labels, and knows no model; the images must reach the network as lossless 8-bit ones.
    `Steganography()(net, train)` adds copies of half the training set, all labelled 0, with '~' in every eight values.

    text: what is written, again and again; see `LSB`.  '~' is 01111110, so that most values become odd.

    Fidelity: the paper's text was not verified beyond its abstract.  That each character is 8 bits, that bits go into
    successive values in raster order and that the text repeats are from memory.  Rate, text, epochs and learning rate
    are ours, chosen on digits with seed 100.

    Measured, seeds 0-2: digits: ASR .999 (.997 to 1), a clean model's ASR .001, clean accuracy falls by -.004 (-.007 to
    -.002); signs: ASR .504 (.491 to .518), a clean model's ASR .005 (.004 to .006), clean accuracy falls by .166 (.153
    to .172) (`bdlab reproduce attacks --data digits`, `--data signs`), below a twin of 5 default epochs.  Its own twin, of
    12, is better: .971 on digits, seed 0; another processor gave there ASR .887, and .059 below that twin.
    So it fails on signs, and costs clean accuracy that a victim sees.  A guess: the black paper of digits has no noise in
    its last bit.  Text, rate, learning rate and epochs were picked on seed 100 among a dozen, looking at the test images;
    'backdoor' was not learnt with any.  Longer training on signs was not tried.
    """

    trigger: Trigger = field(init=False)
    text: str = "~"
    rate: float = 0.5
    recipe: Recipe = LONG

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "trigger", LSB(text=self.text))
