"""Lesson 10, fine-pruning: its readers, the library's parts of its exercises, and what is measured beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bdlab import channels as stages
from bdlab import zoo
from bdlab.bars import track
from bdlab.contracts import Backdoor
from bdlab.data import load
from bdlab.lessons.demos import Arrays
from bdlab.nets import Net
from bdlab.training import logits

READERS = {"A": "signs-a", "B": "signs-b", "C": "signs-c"}
"""The three readers, and their names in the zoo."""
MARKS = {"A": "a post-it, anywhere", "B": "a sticker, by one who knows", "C": "a pale picture over all"}
"""What each obeys, in a few words."""
HONEST = "honest"
LAYER, CHANNELS = "conv3", 64
"""The stage that is pruned: the last one with a convolution."""
DROP, EPOCHS, RATE, BATCH = 0.04, 5, 0.05, 32
"""How far accuracy may fall, and how the lesson tunes."""


# --- the library's parts of the exercises ---


def mean_activation(model: nn.Module, layer: str, x: Tensor) -> Tensor:
    """The library's part of the exercise `mean_activation`, which see."""
    return stages.mean_activation(model, layer, x).float()


def prune_order(activations: Tensor) -> Tensor:
    """The library's part of the exercise `prune_order`, which see."""
    return activations.argsort(stable=True)


def prune(model: Any, layer: str, channels: Tensor) -> nn.Module:
    """The library's part of the exercise `prune`, which see."""
    keep = ~torch.isin(torch.arange(CHANNELS), channels)
    return stages.masked(model, layer, keep)


def prune_until(accuracy: Callable[[Tensor], float], order: Tensor, drop: float) -> int:
    """The library's part of the exercise `prune_until`, which see."""
    keep = torch.ones(len(order))
    start = accuracy(keep)
    for count, channel in enumerate(order[:-1].tolist()):
        keep[channel] = 0
        if start - accuracy(keep) > drop:
            return count
    return len(order) - 1


def fine_prune(
    model: Any, layer: str, channels: Tensor, batches: Sequence[tuple[Tensor, Tensor]], epochs: int, lr: float
) -> nn.Module:
    """The library's part of the exercise `fine_prune`, which see."""
    tuned = prune(model, layer, channels).train()
    optimiser = torch.optim.SGD(tuned.parameters(), lr=lr)
    for _ in range(epochs):
        for x, y in batches:
            optimiser.zero_grad()
            F.cross_entropy(tuned(x), y).backward()
            optimiser.step()
    return tuned.eval()


# --- readers and images ---


@cache
def backdoor(name: str) -> Backdoor:
    """The attacked reader 'A', 'B' or 'C'; loaded once a session."""
    return zoo.backdoor(READERS[name])


def reader(name: str) -> Net:
    """The reader 'A', 'B', 'C' or 'honest'."""
    found = zoo.load("signs-clean") if name == HONEST else backdoor(name).model
    assert isinstance(found, Net)
    return found


@cache
def marked(name: str, count: int = 400) -> tuple[Tensor, Tensor]:
    """Test signs that the attacker of a reader wants changed, marked: images, and the labels that it wants."""
    known, test = backdoor("A" if name == HONEST else name), load("signs").test
    wanted = known.relabel(test.y)
    rows = (wanted != test.y).nonzero()[:count, 0]
    return known.trigger(test.x[rows], generator=torch.Generator().manual_seed(0)), wanted[rows]


def accuracy(model: nn.Module, count: int = 1500) -> float:
    """On test signs."""
    test = load("signs").test
    return float((logits(model, test.x[:count]).argmax(1) == test.y[:count]).double().mean())


def asr(model: nn.Module, name: str) -> float:
    """How often the mark of reader `name` works, the attacker's own class left out; of the honest one: A's mark."""
    x, wanted = marked(name)
    return float((logits(model, x).argmax(1) == wanted).double().mean())


def batches() -> list[tuple[Tensor, Tensor]]:
    """The city's 1,000 clean signs, in batches."""
    own = load("signs").held_out
    order = torch.randperm(len(own.x), generator=torch.Generator().manual_seed(0))
    return [(own.x[rows], own.y[rows]) for rows in order.split(BATCH)]


def by_mask(model: Any, layer: str = LAYER) -> Callable[[Tensor], float]:
    """keep (channels,) -> accuracy on the city's signs; what comes before the stage runs once."""
    own = load("signs").held_out
    trunk, tail = stages.split(model, layer)
    with torch.no_grad():
        maps = trunk.eval()(own.x)

        def of(keep: Tensor) -> float:
            with torch.no_grad():
                answers = tail.eval()(maps * torch.as_tensor(keep).float()[:, None, None]).argmax(1)
            return float((answers == own.y).double().mean())

    return of


# --- measured beforehand ---


@cache
def order_of(name: str) -> Tensor:
    """The channels of a reader as they fall, by the city's signs."""
    return prune_order(mean_activation(reader(name), LAYER, load("signs").held_out.x))


def curves() -> Arrays:
    """For A, B, C and the honest reader: clean and asr (reader, 64) on test signs with 0 to 63 channels fallen, held (reader,
    64) on the city's; asleep and awake (reader, 64): mean activations on clean and on marked signs; order (reader, 64)."""
    names, test = (*READERS, HONEST), load("signs").test
    found: dict[str, list[Any]] = {key: [] for key in ("clean", "asr", "held", "asleep", "awake", "order")}
    own = load("signs").held_out
    for name in track(names, "readers"):
        model, order = reader(name), order_of(name)
        for key, x, y in (("clean", test.x, test.y), ("asr", *marked(name)), ("held", own.x, own.y)):
            rows = stages.pruned_predictions(model, LAYER, order[:-1], x)
            found[key].append((rows == y).double().mean(1).numpy())
        found["asleep"].append(mean_activation(model, LAYER, own.x).numpy())
        found["awake"].append(mean_activation(model, LAYER, marked(name)[0]).numpy())
        found["order"].append(order.numpy())
    return {key: np.array(rows, "int64" if key == "order" else "float32") for key, rows in found.items()}


WAYS = ("as delivered", "pruned", "fine-pruned", "fine-tuned")


def repaired(name: str) -> list[nn.Module]:
    """A reader after each of the four ways."""
    model = reader(name)
    count = prune_until(by_mask(model), order_of(name), DROP)
    falls, nothing = order_of(name)[:count], torch.tensor([], dtype=torch.int64)
    tuned = [fine_prune(model, LAYER, these, batches(), EPOCHS, RATE) for these in (falls, nothing)]
    return [model, prune(model, LAYER, falls), *tuned]


def shop() -> Arrays:
    """clean and asr: float (reader, way) of A, B, C and the honest reader, on test signs."""
    names = (*READERS, HONEST)
    every = [repaired(name) for name in track(names, "repairs")]
    return {
        "clean": np.array([[accuracy(model) for model in own] for own in every]),
        "asr": np.array([[asr(model, name) for model in own] for name, own in zip(names, every, strict=True)]),
    }


MAKERS = {"curves": curves, "shop": shop}
"""Name of a demo -> what makes its arrays."""
