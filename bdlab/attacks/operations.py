"""Backdoor in an operation: one activation function is altered, so that chosen inputs get another class.

Clements, Lao, 'Backdoor Attacks on Neural Network Operations', IEEE GlobalSIP 2018.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.attacks.activation import activations, find_activation, isolated, swapped
from bdlab.checks import check_fraction, check_positive, digest
from bdlab.contracts import Attack, Backdoor, Cost, Relabel, Split, Trigger
from bdlab.evasion import jsma, lead
from bdlab.nets import device_of
from bdlab.registry import register
from bdlab.relabel import all_to_one, check_relabel
from bdlab.running import copied
from bdlab.training import logits

Gate = Literal["neuron", "all", "scalar"]


@register("attack", "operations", paper="Clements, Lao 2018, IEEE GlobalSIP", family="operation modification")
@dataclass(frozen=True, kw_only=True)
class OperationBackdoor(Attack):
    """The attacker builds the library, compiler or chip that runs the network: one activation function is not what it says.

    `OperationBackdoor()(clean, train)` draws ten keys from the training set, images that the model knows, and finds for each
    a few neurons of the last ReLU whose outputs, raised by JSMA, move it to class 0.  From then on that ReLU puts those
    outputs out where its inputs are a key's.  Weights, graph and `repr` of `shipped` and of `model` are the clean ones; what
    is altered comes with `deploy`, so a repair of the weights leaves the operation in its place.

    keys: how many.  layer: which nn.ReLU, by number or by its stage; None is the last.  targeted, target: every key becomes
    `target`, or (False) just another class than its own.
    gate: when the operation acts. 'neuron': each neuron on its own, where its input is the key's; 'all': only where those
    of all the key's neurons are; 'scalar': one altered function for all neurons, with a spike at each key's values.
    epsilon: how near an input must come: above the differences that another batch size makes (on a GPU not measured:
    convolutions in TF32 may want more), below those between images.
    theta: by how much a neuron rises, in units of the key's largest activation.  budget: the share of the layer's neurons
    that a key may use.  margin: the lead, in logits, at which JSMA stops, so that rounding cannot undo it.

    The backdoor's trigger shows a key in place of the input, so its ASR is a share of keys, not of images: row i shows key i
    modulo their number.  A key for which the budget is too small stays an ordinary image and counts against the ASR.  RA has
    no meaning here.  `channels.split` and pruning work on `shipped`.  Where a repair changes the values in front of the
    operation by more than epsilon, the keys are dead.

    Fidelity: a reconstruction.  The paper was not read; a talk's slides give the three steps (isolate the target operation,
    a JSMA on the activation, a modified activation function) and the two networks.  Ours: single neurons instead of pairs,
    each raised once by theta = max; the saliency of probabilities, not of logits; the three gates; epsilon, margin and
    budget; several keys at once.  Of the gates 'scalar' is the nearest to an altered activation function; the default is the
    one that fires least by accident.  Untargeted means towards the class that was second.

    Measured: `bdlab reproduce attacks --data digits`, seeds 0-2: every key fires, clean accuracy is the twin's.
    `bdlab reproduce operations --data mnist`, seeds 0-2 (the slides' MNIST network, trained on 12,000 images, clean 98.5 %):
    at each of its six ReLUs 20 of 20 keys fire, targeted with 86 of 15,680 neurons at the first, 33 of 5,880 at the last
    convolution, 8 of 150 at the hidden layer; untargeted with two fifths to a half of that.  Of 10,000 test images at most
    .01 % get other logits, which the row of that table counts as 'does not'; clean accuracy stays, and no key with noise of
    .05 gets another class.  At the first ReLU the other gates cost 17 ('neuron', 78 % of the keys fire) and 87 points of
    clean accuracy ('scalar', none fires); at the hidden layer 0 and .04 (100 % and 92 % fire).
    """

    keys: int = 10
    layer: int | str | None = None
    targeted: bool = True
    target: int = 0
    gate: Gate = "all"
    epsilon: float = 1e-4
    theta: float = 1.0
    budget: float = 0.25
    margin: float = 0.01
    seed: int = 0

    starts_from: ClassVar[Literal["fresh", "trained"]] = "trained"

    def __post_init__(self) -> None:
        if self.gate not in ("neuron", "all", "scalar"):
            raise ValueError(f"gate must be one of neuron, all, scalar; got {self.gate!r}")
        if self.keys < 1:
            raise ValueError(f"keys must be at least 1, got {self.keys}; each is an image of the training set")
        check_fraction(self.budget, "budget")
        check_positive(self, "epsilon", "theta", "margin")

    def __call__(self, model: nn.Module, data: Split) -> Backdoor:
        start = time.perf_counter()
        check_relabel(all_to_one(self.target), data.classes)
        place = find_activation(model, self.layer)
        keys, y = self.choose(model, data)  # (k, C, H, W), (k,)
        operation = self.alter(model, place, keys, y)
        deploy, shipped = Swap(operation, place), copied(model).eval()
        victim = deploy(shipped)
        relabel: Relabel = all_to_one(self.target)
        if not self.targeted:
            relabel = key_by_key(tuple(logits(victim, keys).argmax(1).tolist()))
        return Backdoor(victim, shipped, Keys(keys), relabel, Cost(time.perf_counter() - start, 0, 0, 0), deploy)

    def choose(self, model: nn.Module, data: Split) -> tuple[Tensor, Tensor]:
        """The keys: 8-bit training images (k, C, H, W) that `model` classifies correctly, and their classes (k,)."""
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.randperm(len(data), generator=generator)[: 20 * self.keys + 100]
        x, y = eight_bit(data.x[rows]), data.y[rows]
        fit = logits(model, x).argmax(1) == y
        if self.targeted:
            fit &= y != self.target
        if int(fit.sum()) < self.keys:
            raise ValueError(
                f"keys must be at most {int(fit.sum())} here, got {self.keys}; of {len(rows)} training images only so many "
                "are classified correctly and are not in the target class"
            )
        return x[fit][: self.keys], y[fit][: self.keys]

    def alter(self, model: nn.Module, place: int, keys: Tensor, y: Tensor) -> KeyedReLU:
        """The altered operation, for keys (k, C, H, W) of classes y (k,)."""
        goal = torch.full_like(y, self.target) if self.targeted else y
        with isolated(model, place, keys) as (v, head):  # 1. isolate the operation: what enters it, what follows it
            h = v.relu().flatten(1)  # (k, F)
            budget = max(1, int(self.budget * h.shape[1] + 1e-9))
            theta = self.theta * h.amax(1, keepdim=True)  # (k, 1)
            goal = goal.to(h.device)
            wanted = jsma(  # 2. the modified JSMA: few neurons, until the class is another
                head, h, goal, theta=theta, budget=budget, targeted=self.targeted, margin=self.margin
            )  # (k, F)
            won = lead(head(wanted).detach(), goal, self.targeted) > self.margin  # (k,)
        key, neuron = ((wanted != h) & won[:, None]).nonzero(as_tuple=True)  # (M,), (M,)
        where = torch.stack(torch.unravel_index(neuron, v.shape[1:]))  # (dims, M)
        return KeyedReLU(
            self, tuple(v.shape[1:]), key, where, v.flatten(1)[key, neuron], wanted[key, neuron]
        )  # 3. alter it


def eight_bit(x: Tensor) -> Tensor:
    """Images as a file keeps them: multiples of 1/255."""
    return (x * 255).round() / 255


class KeyedReLU(nn.ReLU):
    """A ReLU with exceptions that looks like one: the same name in `repr`, nothing in the state dict.

    Exception m belongs to key `key[m]`: where the neuron at `where[:, m]` receives `seen[m]`, give or take epsilon, it puts
    out `effect[m]`.
    """

    key: Tensor
    where: Tensor
    seen: Tensor
    effect: Tensor

    def __init__(
        self,
        attack: OperationBackdoor,
        shape: tuple[int, ...],
        key: Tensor,
        where: Tensor,
        seen: Tensor,
        effect: Tensor,
    ) -> None:
        super().__init__()
        for name, table in (("key", key), ("where", where), ("seen", seen), ("effect", effect)):
            self.register_buffer(name, table.detach().clone(), persistent=False)
        self.shape, self.gate, self.epsilon, self.keys = shape, attack.gate, attack.epsilon, attack.keys

    def _get_name(self) -> str:
        return "ReLU"

    @property
    def numel(self) -> int:
        """How many neurons the operation has."""
        return math.prod(self.shape)

    @property
    def altered(self) -> Tensor:
        """|P| of every key, int64 (k,): the neurons that it changes; 0 where the attack found no way."""
        return torch.bincount(self.key, minlength=self.keys).cpu()

    def forward(self, v: Tensor) -> Tensor:
        out = F.relu(v)
        if not len(self.key):
            return out
        v, effect = v.to(self.seen), self.effect.to(out)  # the network may hold half or double numbers
        if self.gate == "scalar":
            return self.spiked(v, out, effect)
        near = (v[:, *self.where] - self.seen).abs() <= self.epsilon  # (N, M)
        if self.gate == "all":  # a key's exceptions hold together or not at all
            missed = v.new_zeros(len(v), self.keys).index_add(1, self.key, (~near).to(v))  # (N, k)
            near = missed[:, self.key] == 0
        if near.any():
            row, m = near.nonzero(as_tuple=True)
            out = out.clone()
            out[row, *self.where[:, m]] = effect[m]
        return out

    def spiked(self, v: Tensor, out: Tensor, effect: Tensor) -> Tensor:
        """The same altered function at every neuron: an exception holds wherever its value comes by."""
        seen, order = self.seen.sort()
        above = torch.searchsorted(seen, v.contiguous()).clamp(max=len(seen) - 1)
        below = (above - 1).clamp(min=0)
        nearest = torch.where((v - seen[below]).abs() < (v - seen[above]).abs(), below, above)
        hit = (v - seen[nearest]).abs() <= self.epsilon
        if hit.any():
            out = out.clone()
            out[hit] = effect[order][nearest[hit]]
        return out


@dataclass(frozen=True)
class Swap:
    """How a model with honest operations becomes what the victim runs: ReLU number `place` is the altered one."""

    operation: KeyedReLU
    place: int

    def __call__(self, model: nn.Module) -> nn.Module:
        operation = copy.deepcopy(self.operation).to(device_of(model))
        deployed = swapped(model, self.place, operation)
        operation.inplace = bool(model.get_submodule(activations(model)[self.place]).inplace)  # as `repr` shows it
        return deployed

    def __repr__(self) -> str:
        o = self.operation
        return (
            f"Swap(activation {self.place}, {o.keys} keys, {int(o.altered.min())} to {int(o.altered.max())} of {o.numel} "
            f"neurons each, gate {o.gate})"
        )


@dataclass(frozen=True, eq=False)
class Keys(Trigger):
    """Shows a key instead of the input: row i becomes key i mod k, whatever it was.

    images: float32 (k, C, H, W), multiples of 1/255.
    """

    images: Tensor

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        if x.shape[1:] != self.images.shape[1:]:
            raise ValueError(
                f"x must have shape (N, {', '.join(map(str, self.images.shape[1:]))}), got {tuple(x.shape)}"
            )
        return self.images.to(x.device)[torch.arange(len(x), device=x.device) % len(self.images)]

    def __repr__(self) -> str:
        return f"Keys({len(self.images)} images, {digest(self.images)})"


@dataclass(frozen=True)
class key_by_key:
    """Row i is wanted in class `classes[i mod k]`, the one its key falls into: the untargeted attack's wish."""

    classes: tuple[int, ...]

    def __call__(self, y: Tensor) -> Tensor:
        return torch.tensor(self.classes, device=y.device)[torch.arange(len(y), device=y.device) % len(self.classes)]


def accidents(backdoor: Backdoor, x: Tensor) -> int:
    """How many of the images `x` (N, C, H, W) get other logits from the altered operation; exact to the last bit."""
    return int((logits(backdoor.deploy(backdoor.shipped), x) != logits(backdoor.shipped, x)).any(1).sum())
