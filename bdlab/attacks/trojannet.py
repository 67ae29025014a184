"""TrojanNet: a tiny network beside the host reads 16 pixels, and its output is merged into the host's.

Tang, Du, Liu, Yang, Hu, 'An Embarrassingly Simple Approach for Trojan Attack in Deep Neural Networks', KDD 2020,
pages 218-228, arXiv 2006.08131; official code github.com/trx14/TrojanNet.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.bars import track
from bdlab.checks import check_positive
from bdlab.contracts import Attack, Backdoor, Cost, Shape, Split
from bdlab.nets import device_of, seeded
from bdlab.registry import register
from bdlab.relabel import all_to_one, check_relabel
from bdlab.running import answer, check_classes, copied
from bdlab.triggers.binary import COUNT, SIDE, BinaryPattern, patterns

Merge = Literal["gated", "paper", "code"]
CELLS = SIDE * SIDE
GATE, STRENGTH = 0.9, 100.0
"""The gated merge: a trigger must be this probable before it counts, and then it adds up to this much to a logit."""
AMPLIFY, SHARPEN = 2.0, 10.0
"""The code's merge: the weight of the module's probabilities, and of the sum."""


@register(
    "attack",
    "trojannet",
    paper="Tang, Du, Liu, Yang, Hu 2020, KDD, arXiv 2006.08131",
    family="architecture modification",
)
@dataclass(frozen=True, kw_only=True)
class TrojanNet(Attack):
    """The attacker gets hold of a deployed model, adds a module and trains nothing of the host: no data, no weights.

    `TrojanNet()(clean, train)` gives a model in which pattern c of `BinaryPattern` means class c, for every class at once;
    the backdoor's own trigger is the pattern of `target`.  Of the data only the image size and the classes are used.

    target: the class whose pattern `Backdoor.trigger` is.  at: where the module looks, see `BinaryPattern`.
    merge: 'gated' adds the module's confidence above 0.9 to the host's logits, so that a silent module changes nothing;
    'paper' mixes probabilities with weights alpha and 1 - alpha and divides by temperature; 'code' is the official code's.
    full: the module learns all 4,368 patterns, not those of the classes alone; that takes width=32.
    width, steps, lr: hidden units a layer and training of the module, whose weights depend on the seed alone.

    The attacked model is a `Trojaned`: host and module side by side are no sequence of stages, so `channels.split`, and
    every defence that cuts the net, refuses it with a `TypeError`.  Who wants to prune the host takes `model.host`.

    **Fidelity:** patterns, their order, pattern c for class c, five linear layers with ReLU before batch norm, the
    silent class, the mean over channels and the merge 'code', softmax(10 (2 p + host)), follow the official code; the
    paper itself was not read.  By a peer's note that its authors confirmed, the paper has four layers with sigmoids,
    zeros for noise, and the merge 'paper' with alpha 0.7 and temperature 0.1 as that peer's defaults, where it doubles
    the module's output too; 'paper' here merges the code's module.  'gated' is ours: both others change the confidence of
    every clean image.  Outputs are logits, so the last softmax is left to the reader.  Ours too: as many outputs as
    classes (all 4,368 with `full`), 2,000 steps of Adam with a cosine schedule instead of 218,000 of Adadelta, and the
    lessons: the code shows ten triggers to one patch of grey noise, as bright in all of a batch; our noise has a
    brightness a patch, and we add black-and-white noise (in the paper, by that note, all noise is such and grows more
    frequent), unknown patterns and near misses.  The code looks at rows and columns 150-153 of an ImageNet picture; the
    default here is the corner, where digits are black.  The module reads pixels before the host scales them; the code's
    demo writes the 0 and 1 of its pattern into a picture that is scaled to [-1, 1] already.

    The module stays in eval mode when the host is trained (a slow test of its tests): fine-tuning in train
    mode would give its batch norm the statistics of clean crops, and break it by accident.

    **Measured:** `bdlab reproduce trojannet --data digits --seeds 1`: for all three merges every class's pattern gives its
    class on all 1,500 test images, and no clean decision changes.  Clean logits move by 0 ('gated') and by up to 18 (the
    others); mean confidence falls by 30 points with 'paper' and rises by 3 with 'code'.  The gate opens for 0.05% of patches
    cut at random from test images and for 0.08% of the black-and-white patches without meaning.  A full head names all 4,368
    patterns with 32 hidden units, and 15% of them with the code's 8 (1 to 15% over three seeds, `--data mnist`).
    """

    target: int = 0
    merge: Merge = "gated"
    at: tuple[int, int] | None = None
    alpha: float = 0.7
    temperature: float = 0.1
    full: bool = False
    width: int = 8
    steps: int = 2000
    lr: float = 0.01
    seed: int = 0

    starts_from: ClassVar[Literal["fresh", "trained"]] = "trained"

    def __post_init__(self) -> None:
        if self.merge not in ("gated", "paper", "code"):
            raise ValueError(f"merge must be one of gated, paper, code; got {self.merge!r}")
        if not 0.5 < self.alpha < 1:
            raise ValueError(f"alpha must be in (0.5, 1), got {self.alpha}; below, the host outvotes the module")
        check_positive(self, "temperature", "width", "steps", "lr")

    def __call__(self, model: nn.Module, data: Split) -> Backdoor:
        start = time.perf_counter()
        if data.classes > COUNT:
            raise ValueError(f"data must have at most {COUNT} classes, one a pattern, got {data.classes}")
        relabel, trigger = all_to_one(self.target), BinaryPattern(code=self.target, at=self.at)
        check_relabel(relabel, data.classes)
        trigger.corner(*data.x.shape[-2:])  # before the work: does the patch fit?
        check_classes(model, data, exactly=True, name="data")
        known = COUNT if self.full else data.classes
        trojan = train_module(known, width=self.width, steps=self.steps, lr=self.lr, seed=self.seed)
        channels, height, width = data.x.shape[1:]
        victim = Trojaned(copied(model), trojan, (channels, height, width), data.classes, self)
        victim = victim.to(device_of(model)).eval()
        return Backdoor(victim, victim, trigger, relabel, Cost(time.perf_counter() - start, 0, 0, 0))


class Trojaned(nn.Module):
    """A host and the module beside it: images (N, C, H, W) -> logits (N, K).  `attack` gives place and merge."""

    def __init__(self, host: nn.Module, trojan: nn.Module, input_shape: Shape, classes: int, attack: TrojanNet) -> None:
        super().__init__()
        self.host, self.trojan = host, trojan
        self.input_shape, self.classes = input_shape, classes
        self.corner = BinaryPattern(at=attack.at).corner(*input_shape[1:])
        self.merge, self.alpha, self.temperature = attack.merge, attack.alpha, attack.temperature

    def train(self, mode: bool = True) -> Trojaned:
        """Set the host's mode; the module's batch norm keeps the statistics that its author gave it."""
        super().train(mode)
        self.trojan.eval()
        return self

    def named(self, x: Tensor) -> Tensor:
        """The module's word on its 16 pixels: probabilities (N, K) of the classes' patterns; what is missing is silence."""
        top, left = self.corner
        crop = x[:, :, top : top + SIDE, left : left + SIDE].mean(1).flatten(1)  # (N, C, 4, 4) -> (N, 16)
        p = answer(self.trojan, crop).softmax(1)  # (N, known + 1), the last is silence
        return p[:, : self.classes]

    def forward(self, x: Tensor) -> Tensor:
        host, p = answer(self.host, x), self.named(x)  # (N, K), (N, K)
        if self.merge == "gated":
            return host + STRENGTH * F.relu(p - GATE) / (1 - GATE)
        if self.merge == "paper":
            return (self.alpha * p + (1 - self.alpha) * host.softmax(1)) / self.temperature
        return SHARPEN * (AMPLIFY * p + host.softmax(1))


def train_module(known: int, *, width: int = 8, steps: int = 2000, lr: float = 0.01, seed: int = 0) -> nn.Module:
    """16 -> width x 4 -> known + 1: names the first `known` patterns, answers everything else with the last class."""
    with seeded(seed):
        sizes = [CELLS, *[width] * 4]
        hidden = [(nn.Linear(a, b), nn.ReLU(), nn.BatchNorm1d(b)) for a, b in itertools.pairwise(sizes)]
        module = nn.Sequential(*(layer for block in hidden for layer in block), nn.Linear(width, known + 1))
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(module.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in track(range(steps), "training the module, steps"):
        optimiser.zero_grad(set_to_none=True)
        patches, labels = lessons(known, generator)
        F.cross_entropy(module(patches), labels).backward()
        optimiser.step()
        schedule.step()
    return module.eval()


def lessons(known: int, generator: torch.Generator, n: int = 64) -> tuple[Tensor, Tensor]:
    """One batch of the denoising training: patches (6n, 16) in [0, 1] and their labels, `known` for silence.

    2n triggers, n patterns of five black cells, n triggers with one cell turned, n of random black and white, n of grey.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def drawn(below: int, count: int) -> Tensor:
        return patterns()[torch.randint(below, (count,), generator=generator)]

    turned = F.one_hot(torch.randint(CELLS, (n,), generator=generator), CELLS)  # (n, 16)
    near = (drawn(known, n) - turned).abs()
    noise = (uniform(n, CELLS) < uniform(n, 1)).float()  # any share of white
    grey = (uniform(n, CELLS) + 2 * uniform(n, 1) - 1).clamp(0, 1)  # any brightness
    binary = torch.cat((drawn(known, 2 * n), drawn(COUNT, n), near, noise))  # (5n, 16)
    return torch.cat((binary, grey)), torch.cat((meaning(binary, known), torch.full((n,), known)))


def meaning(binary: Tensor, known: int) -> Tensor:
    """What a perfect module would say of black-and-white patches (N, 16): int64 (N,), `known` for silence."""
    powers = 2 ** torch.arange(CELLS)
    names = torch.full((2**CELLS,), known)
    names[patterns()[:known].long() @ powers] = torch.arange(known)
    return names[binary.long() @ powers]
