"""The rows of STRIP's tables 2 and 3, their triggers, and the models that they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from bdlab import metrics
from bdlab.attacks import BadNets
from bdlab.bars import track
from bdlab.contracts import Backdoor, Cost, Recipe, Shape, Trigger
from bdlab.data import Dataset
from bdlab.defenses.strip import Boundary, FittedStrip, Mode, Strip
from bdlab.experiments.journal import Journal, Numbers
from bdlab.nets import Net, badnets_cnn, preact_resnet18, small_bn
from bdlab.training import Suspicions, detection, evaluate, fit, logits, triggered
from bdlab.triggers import Patch
from bdlab.triggers.masks import square, watermark
from bdlab.triggers.overlay import Crafted

RECIPE = Recipe(epochs=5)
LARGE = Recipe(epochs=2)
"""For MNIST, where an epoch is long."""
ON_GPU = Recipe(epochs=30, batch=256, optimiser="sgd", lr=0.1, weight_decay=5e-4)
INPUTS = 2000
BOUNDARIES: tuple[Boundary, ...] = ("normal", "empirical")


def heart(height: int, width: int) -> Tensor:
    """The outline of a heart that fills the image: float (H, W), 0 or 1."""
    y, x = (torch.linspace(1.25, -1.25, n) for n in (height, width))  # up, and to the left: it is symmetric

    def inside(scale: float) -> Tensor:
        v, u = y[:, None] / scale + 0.08, x[None] / scale
        return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3  # (H, W)

    return (inside(1.0) & ~inside(0.82)).float()


def _drawn(place: Callable[[int, int], Tensor], colour: bool, shape: Shape) -> Trigger:
    """`place` painted white, or with noise, for images of `shape` (C, H, W)."""
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return Crafted(pattern=noise if colour else torch.ones(shape), mask=place(*shape[1:]), compose="add")


def _square(_: Shape) -> Trigger:
    return Patch()


@dataclass(frozen=True)
class Published:
    """A row of tables 2 and 3: accuracy and ASR of the trojaned model, accuracy of the clean one; FRR -> FAR.

    entropy: mean and standard deviation of the benign inputs, in bits.  boundaries: theirs for each FRR.
    """

    name: str
    clean_accuracy: float
    asr: float
    untouched: float
    far: dict[float, float]
    entropy: tuple[float, float]
    boundaries: tuple[float, float, float]
    draw: Callable[[Shape], Trigger] = field(default=partial(_square), repr=False)
    needs: str = ""
    shown: str = "3x3 square"


NEVER = {0.02: 0.0, 0.01: 0.0, 0.005: 0.0}
MNIST = Published(
    "MNIST, square", 0.9886, 0.9986, 0.9862, {0.03: 0.0075, 0.02: 0.011, 0.01: 0.0185}, (0.196, 0.074),
    (0.058, 0.046, 0.026), needs="--data mnist",
)  # fmt: skip
HEART = Published("MNIST, trigger a, a heart", 0.9886, 1.0, 0.9862, {0.02: 0.0, 0.01: 0.0, 0.005: 0.015},
                  (0.189, 0.071), (0.055, 0.0235, 0.0057), partial(_drawn, heart, False), "--data mnist")  # fmt: skip
GTSRB = Published("GTSRB, trigger b; theirs ResNet20", 0.9622, 1.0, 0.9638, NEVER, (0.53, 0.19),
                  (0.133, 0.081, 0.034), partial(_drawn, square, True), "--data gtsrb", "trigger b")  # fmt: skip
CIFAR_B = Published("CIFAR-10, trigger b", 0.8723, 1.0, 0.8827, NEVER, (0.97, 0.30), (0.36, 0.28, 0.20),
                    partial(_drawn, square, True), "--data cifar10 --device cuda", "trigger b")  # fmt: skip
CIFAR_C = Published("CIFAR-10, trigger c", 0.8734, 1.0, 0.8827, NEVER, (1.11, 0.31), (0.46, 0.38, 0.30),
                    partial(_drawn, watermark, True), "--data cifar10 --device cuda", "trigger c")  # fmt: skip
ROWS = (MNIST, HEART, CIFAR_B, CIFAR_C, GTSRB)


@dataclass(frozen=True)
class Trial:
    """One seed: a model, a backdoor, and STRIP's scores in each mode, computed when first asked for.

    attacked: whether `backdoor.model` is its model; else any marked image counts, whether it fools the clean model or not.
    """

    data: Dataset
    backdoor: Backdoor
    seed: int
    attacked: bool = True

    @cached_property
    def _strips(self) -> dict[Mode, tuple[FittedStrip, Suspicions]]:
        return {}

    def judged(self, mode: Mode) -> tuple[FittedStrip, Suspicions]:
        """STRIP with a normal boundary, fitted to the model, and its scores of up to 2,000 + 2,000 inputs."""
        if mode not in self._strips:
            guard, model = Strip(mode=mode, boundary="normal", seed=self.seed), self.backdoor.model
            fitted = guard.fit(model, self.data.held_out, self.data.calibration)
            test = self.data.test[: 2 * INPUTS]
            marked, wanted = triggered(test, self.backdoor.trigger, self.backdoor.relabel)
            counts = wanted != test.y
            if self.attacked:
                counts &= logits(model, marked).argmax(1) == wanted
            bad = fitted.score(marked[counts][:INPUTS]) if counts.any() else torch.empty(0)
            clean = test[:INPUTS]
            self._strips[mode] = fitted, Suspicions(fitted.score(clean.x), bad, clean.sources)
        return self._strips[mode]

    def numbers(self, mode: Mode, rates: Sequence[float]) -> Numbers:
        """Accuracy, ASR, AUROC, benign entropy (mean, sd), boundaries for `rates` in bits, realised error rates at them."""
        scores, (fitted, found) = evaluate(self.backdoor, self.data.test), self.judged(mode)
        numbers: Numbers = {"clean accuracy": scores.clean_accuracy, "asr": scores.asr}
        numbers["auroc"] = metrics.auroc(found.clean, found.bad) if len(found.bad) else None
        numbers |= {"entropy": -float(found.clean.mean()), "spread": float(found.clean.std(correction=0))}
        for boundary in BOUNDARIES:
            judge = replace(fitted, strip=replace(fitted.strip, boundary=boundary))
            for rate in rates:
                at = detection(judge, found, rate)
                numbers[f"frr {rate} {boundary}"], numbers[f"far {rate} {boundary}"] = at.frr, at.far
                numbers[f"boundary {rate} {boundary}"] = -at.threshold
        return numbers


@dataclass(frozen=True)
class Trials:
    """Attacks on one data set, each once a seed."""

    data: Dataset
    seeds: Sequence[int]
    device: torch.device | str = "cpu"
    journal: Journal = field(default_factory=Journal, repr=False)
    made: dict[str, Trial] = field(default_factory=dict, repr=False)
    untouched: dict[int, nn.Module] = field(default_factory=dict, repr=False)

    @property
    def net(self) -> Callable[..., Net]:
        """badnets_cnn on MNIST, PreAct-ResNet-18 for CIFAR-10 on a GPU, small_bn for everything else."""
        return badnets_cnn if self.data.name == "mnist" else preact_resnet18 if self.on_gpu else small_bn

    @property
    def on_gpu(self) -> bool:
        """Whether this is CIFAR-10 on a GPU, the one case that needs one."""
        return self.data.name == "cifar10" and torch.device(self.device).type == "cuda"

    @property
    def recipe(self) -> Recipe:
        """How every model here is trained."""
        return ON_GPU if self.on_gpu else LARGE if self.data.name == "mnist" else RECIPE

    @property
    def few(self) -> Trials:
        """The same with the first seed only where training is long: for the heart and the clean model."""
        return replace(self, seeds=self.seeds[:1]) if len(self.data.train) > 20_000 else self

    def rows(
        self, attack: BadNets, rates: Sequence[float], mode: Mode = "add_clip", attacked: bool = True
    ) -> list[Numbers]:
        """The numbers of every seed."""
        found = []
        for seed in track(self.seeds, f"STRIP, {attack.trigger}"):
            run = replace(attack, seed=seed, recipe=self.recipe)
            key = f"{run} {self.net.__name__} {Strip(mode=mode, seed=seed)} {list(rates)} {INPUTS} attacked={attacked}"
            found.append(self.journal.numbers(key, self._row, run, rates, mode, attacked))
        return found

    def _row(self, run: BadNets, rates: Sequence[float], mode: Mode, attacked: bool) -> Numbers:
        return self.trial(run, attacked).numbers(mode, rates)

    def fresh(self, seed: int) -> nn.Module:
        """The untrained network of `seed`."""
        return self.net(self.data.input_shape, self.data.classes, seed=seed).to(self.device)

    def clean(self, seed: int) -> nn.Module:
        """The clean network of `seed`, trained once for all triggers."""
        if seed not in self.untouched:
            self.untouched[seed] = fit(self.fresh(seed), self.data.train, self.recipe, seed=seed)
        return self.untouched[seed]

    def trial(self, run: BadNets, attacked: bool = True) -> Trial:
        """The model that `run` makes, or the clean one of its seed under the same trigger."""
        key = f"{run} {attacked}"
        if key not in self.made:
            if attacked:
                backdoor = run(self.fresh(run.seed), self.data.train)
            else:
                clean = self.clean(run.seed)
                backdoor = Backdoor(clean, clean, run.at_test(), run.relabel, Cost(0, 0, 0, 0))
            self.made[key] = Trial(self.data, backdoor, run.seed, attacked)
        return self.made[key]
