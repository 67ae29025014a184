"""Pruning-aware attack: the backdoor sits in channels that pruning spares, behind decoys that pruning removes first.

Liu, Dolan-Gavitt, Garg, 'Fine-Pruning: Defending Against Backdooring Attacks on Deep Neural Networks', section 3.2,
RAID 2018, arXiv 1805.12185.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from bdlab import metrics
from bdlab.attacks.poisoning import DataPoisoning
from bdlab.channels import last_conv, masked, mean_activation, peaks, split, unmasked
from bdlab.checks import check_fraction
from bdlab.contracts import Backdoor, Cost, Poisoned, Recipe, Split
from bdlab.nets import Net
from bdlab.registry import register
from bdlab.running import hooked
from bdlab.training import fit, logits, triggered

RETRAINING = Recipe(epochs=3)
"""A round of step 3: three epochs, since it starts from trained weights."""
CHECKED = 5000
"""How many training images step 3 looks at to tell whether clean accuracy and ASR are high enough."""


@register(
    "attack", "pruning_aware", paper="Liu, Dolan-Gavitt, Garg 2018, arXiv 1805.12185, section 3.2", family="training"
)
@dataclass(frozen=True, kw_only=True)
class PruningAware(DataPoisoning):
    """The attacker trains the network, knows that the defender prunes dormant channels, and returns the agreed architecture.

    `PruningAware()(clean, train)` starts from a clean trained net: it is the paper's step 1.  Step 2 prunes the channels of
    `layer` (None: the last stage with a convolution) that are least active on clean images.  Step 3 retrains the pruned net
    on poisoned data, and puts the least dormant channel back, then trains on, while clean accuracy or ASR is too low.
    Step 4 puts the other pruned channels back with their old weights and lower biases: they sleep on every clean training
    image.  They are the decoys: a defender who prunes dormant channels removes them first, and removes nothing.

    decoys: share of the layer's channels that step 2 prunes, in (0, 1).  restore: how many may come back.
    max_drop, min_asr: step 3 ends where clean accuracy is at most `max_drop` below the given model's and ASR at least
    `min_asr`, on the first 5,000 training images.  margin: how far below 0 a decoy's highest pre-activation ends.
    The fields of `DataPoisoning` say what step 3 trains on; recipe: of one round of step 3; the twin has one.

    Fidelity: the paper's text was not at hand.  Its steps come from summaries; the rule for the biases is our
    reconstruction, b_i <- min(b_i, -max over clean images and positions of (W_i * h) - margin), with the shift of the batch
    norm as the bias where one follows the convolution.  How many channels to prune is the attacker's choice (for faces the
    authors' code takes 48 of 60).  Where the paper measures accuracy and ASR in step 3 was not verified.  Here a round of
    step 3 goes on from the weights of the last; a decoy's incoming weights and statistics are the clean net's, its outgoing
    weights stay where weight decay left them.

    Measured (seeds 0-2, means and ranges): digits, small_bn: ASR .988 (.987 to .989), clean accuracy .010 (.004 to .014)
    below the twin's; signs: ASR .929 (.928 to .930), .010 (.009 to .011) below (`bdlab reproduce attacks --data digits`,
    `--data signs`).  MNIST, badnets_cnn: pruning the decoys, 28 of 32 channels, in the defender's order changes neither
    clean accuracy nor ASR on the test images; where pruning has cost four points of clean accuracy, at 88 to 91 % of the
    channels, an ASR of .997 (.990 to 1.000) is left (`bdlab reproduce pruning_aware --data mnist`).  `decoys` was chosen on
    digits, seeds 100 and 102, by the test images.
    """

    starts_from: ClassVar[Literal["fresh", "trained"]] = "trained"

    layer: str | None = None
    decoys: float = 0.875
    restore: int = 8
    max_drop: float = 0.02
    min_asr: float = 0.9
    margin: float = 1.0
    recipe: Recipe = RETRAINING

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fraction(self.decoys, "decoys")
        check_fraction(self.max_drop, "max_drop", zero=True)
        check_fraction(self.min_asr, "min_asr", zero=True)
        if self.restore < 0:
            raise ValueError(f"restore must be at least 0, got {self.restore}; it counts channels put back in step 3")
        if not self.margin >= 0:
            raise ValueError(
                f"margin must be at least 0, got {self.margin}; decoys end that far below their ReLU's zero"
            )

    def __call__(self, model: nn.Module, data: Split) -> Backdoor:
        start, poisoned = time.perf_counter(), self.poison(data)
        net, covers = plant(self, model, poisoned).model, int(poisoned.covers.sum())
        cost = Cost(time.perf_counter() - start, len(poisoned.indices) - covers, covers, len(poisoned))
        return Backdoor(net, net, self.at_test(), self.relabel, cost)


@dataclass(frozen=True)
class Planted:
    """The attacked model; which channels are decoys, bool (channels,); a row of numbers for every round of step 3."""

    model: Net
    decoys: Tensor
    trace: list[dict[str, float]] = field(default_factory=list, repr=False)


def plant(attack: PruningAware, model: nn.Module, poisoned: Poisoned) -> Planted:
    """The four steps of the paper; `model` is what step 1 made, a network trained on the clean images `poisoned.base`.

    Raises: `ValueError` where accuracy and ASR stay too low with all channels that may be put back, or where `layer` has
    no bias to lower.
    """
    layer, clean = attack.layer or last_conv(cast(Net, model)), poisoned.base
    _entrance(model, layer)  # refuses a stage that step 4 could not put to sleep, before the training
    goal = metrics.accuracy(logits(model, clean.x[:CHECKED]).argmax(1), clean.y[:CHECKED]) - attack.max_drop
    order = mean_activation(model, layer, clean.x).argsort()  # (channels,), the most dormant first
    dormant = _first(order, attack.decoys)  # (d,), step 2: pruned
    asleep = torch.isin(torch.arange(len(order)), dormant)  # (channels,) bool
    net, trace = cast(Net, model), list[dict[str, float]]()
    for channel in dormant.flip(0)[: attack.restore + 1]:  # step 3: the pruned network learns the backdoor
        pruned = fit(masked(net, layer, ~asleep), poisoned.split, attack.recipe, seed=attack.seed)
        net = unmasked(cast(Net, pruned), layer)
        trace.append({"kept": float((~asleep).sum()), **_scores(attack, pruned, clean[:CHECKED])})
        if trace[-1]["clean_accuracy"] >= goal and trace[-1]["asr"] >= attack.min_asr:
            _deprune(net, model, layer, asleep)  # step 4: the old weights come back,
            _put_to_sleep(net, layer, asleep, clean.x, attack.margin)  # with lower biases
            return Planted(net, asleep, trace)
        asleep[channel] = False  # too low: the least dormant of the pruned is restored
    raise ValueError(
        f"max_drop and min_asr must be within reach: clean accuracy {goal:.3f} and ASR {attack.min_asr} were asked for, "
        f"got {trace[-1]}; prune fewer channels, restore more, train longer or ask for less"
    )


def _first(order: Tensor, share: float) -> Tensor:
    """The first round(share * channels) of `order` (channels,): at least one, and not all."""
    count = round(share * len(order))
    if not 0 < count < len(order):
        raise ValueError(
            f"decoys must choose 1 to {len(order) - 1} of the layer's {len(order)} channels, got {share} = {count} channels"
        )
    return order[:count]


def _scores(attack: PruningAware, model: nn.Module, clean: Split) -> dict[str, float]:
    marked, wanted = triggered(clean, attack.at_test(), attack.relabel, seed=attack.seed)
    return {
        "clean_accuracy": metrics.accuracy(logits(model, clean.x).argmax(1), clean.y),
        "asr": metrics.asr(logits(model, marked).argmax(1), clean.y, wanted),
    }


def _entrance(model: nn.Module, layer: str) -> tuple[list[nn.Module], nn.Parameter]:
    """The modules of stage `layer` up to its last weights, and the bias (or batch norm's shift) of the last, (channels,)."""
    split(model, layer)  # a stage of a Net, or its error
    part = model.get_submodule(layer)
    stage = list(part) if type(part) is nn.Sequential and not hooked(part) else []
    last = max((at for at, module in enumerate(stage) if list(module.parameters())), default=None)
    if last is not None and type(stage[last]) in (nn.Conv2d, nn.BatchNorm2d):
        bias = stage[last].bias
        if isinstance(bias, nn.Parameter) and any(isinstance(module, nn.ReLU) for module in stage[last + 1 :]):
            return stage[: last + 1], bias
    raise ValueError(
        f"layer must be a stage that ends in a convolution with bias or a batch norm and then a ReLU, got {layer!r}; "
        "elsewhere no bias keeps a channel at 0"
    )


@torch.no_grad()
def _deprune(net: Net, old: nn.Module, layer: str, decoys: Tensor) -> None:
    """Give channels `decoys` (channels,) of the last convolution, and of the norm behind it, what they have in `old`."""
    parts = [
        [m for m in n.get_submodule(layer).modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))] for n in (net, old)
    ]
    begin = max(at for at, module in enumerate(parts[0]) if isinstance(module, nn.Conv2d))
    for mine, theirs in zip(parts[0][begin:], parts[1][begin:], strict=True):
        for tensor, before in zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True):
            if tensor.dim():  # all but batch norm's counter
                tensor[decoys] = before[decoys]


@torch.no_grad()
def _put_to_sleep(net: Net, layer: str, decoys: Tensor, x: Tensor, margin: float) -> None:
    """b_i <- min(b_i, -max over images `x` and positions of (W_i * h) - margin) for the channels `decoys` (channels,)."""
    modules, bias = _entrance(net, layer)
    before = nn.Sequential(*list(net)[: net.stages.index(layer)], *modules)
    highest = peaks(before, x)  # (channels,), W_i * h + b_i
    bias[decoys] -= (highest + margin).clamp(min=0)[decoys].to(bias.device)
