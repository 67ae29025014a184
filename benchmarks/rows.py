"""The rows poison and mnist; STRIP's is in row_strip.py.  Each yields the lines that it measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from common import plain_badnets_cnn, timed
from peers import Peer
from table import Line, fastest, medians, ratio
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab import BadNets, Patch, Split, evaluate, load
from bdlab.contracts import Backdoor, Recipe
from bdlab.data import Dataset
from bdlab.nets import fast_bn

RECIPE = Recipe(epochs=1, batch=128, lr=8e-3)
"""One epoch for `fast_bn`; batch and lr were chosen on digits, seeds 100-103, over as many steps."""
SEEDS = (0, 1, 2)


def poison(peers: Sequence[Peer], repeats: int, folder: Path) -> Iterator[Line]:
    """10 % of 50,000 random images of CIFAR-10's size: what they show does not matter here."""
    x = torch.rand(50_000, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    base = Split(x, torch.arange(50_000) % 10, 10)
    sized = {"replace": x, "append": torch.cat((x, x[:5_000]))}  # as large as what each mode makes
    np.save(folder / "cifar.npy", x.numpy())
    tasks: dict[str, Callable[[], object]] = {}
    for mode in ("replace", "append"):
        attack = BadNets(rate=0.1, mode=mode)
        tasks[mode] = partial(attack.poison, base)
        tasks[f"{mode} .x"] = lambda attack=attack: attack.poison(base).x
        tasks[f"{mode} copy"] = sized[mode].clone
    runs = defaultdict(list)
    for _ in range(repeats):
        for name, task in tasks.items():
            _reserve(x)
            runs[name].append(timed(task)[0])
        for peer in peers:
            _reserve(x)
            runs[peer.name].append(peer.seconds("poison", folder / "cifar.npy"))
    yield from _poison_lines(runs, [peer.name for peer in peers])
    if peers:
        alone = {peer.name: [peer.seconds("marked", folder / "cifar.npy") for _ in range(repeats)] for peer in peers}
        value = ratio(runs["replace"], alone[fastest(alone)])
        yield Line("told: Poisoned / a peer's marked rows alone", medians({"bdlab": runs["replace"], **alone}), value)


def _reserve(x: Tensor) -> None:
    """Ask for twice the memory of `x` and free it: nobody shall wait for a virtual machine's host to hand it over."""
    x.repeat(2, 1, 1, 1)


def _poison_lines(runs: dict[str, list[float]], names: list[str]) -> Iterator[Line]:
    theirs = {name: runs[name] for name in names}
    for mode in ("replace", "append"):
        if theirs:
            value = ratio(runs[mode], theirs[fastest(theirs)])
            yield Line(
                f"Poisoned ({mode}) / fastest peer's array", medians({"bdlab": runs[mode], **theirs}), value, 0.5
            )
        both = {"bdlab": runs[f"{mode} .x"], "copy": runs[f"{mode} copy"]}
        yield Line(f"Poisoned ({mode}) and .x / copy of its size", medians(both), ratio(*both.values()), 1.3)
    both = {"bdlab": runs["append .x"], "copy": runs["replace copy"]}
    yield Line("told: Poisoned (append) and .x / copy of the base", medians(both), ratio(*both.values()))


def mnist(repeats: int) -> Iterator[Line]:
    """BadNets on all 60,000 training images, against one plain epoch of BadNets' own network on the same poisoned data.

    Ours counts the whole attack, poisoning included; the plain epoch its loop alone.
    """
    data = load("mnist")
    whole = _joined(data)
    runs, scores = defaultdict(list), defaultdict(list)
    for turn in range(max(repeats, len(SEEDS))):
        seed = SEEDS[turn % len(SEEDS)]
        seconds, backdoor = timed(lambda seed=seed: _attack(whole, seed, "square"))
        runs["bdlab"].append(seconds)
        poisoned = BadNets(seed=seed).poison(whole).split
        seconds, net = timed(lambda poisoned=poisoned, seed=seed: _plain_epoch(poisoned, seed))
        runs["plain epoch"].append(seconds)
        if turn < len(SEEDS):
            scores["3x3 square"].append(evaluate(backdoor, data.test))
            scores["single pixel"].append(evaluate(_attack(whole, seed, "pixel"), data.test))
            scores["plain epoch"].append(evaluate(net, data.test, against=backdoor))
    yield Line("attack / plain epoch", medians(runs), ratio(*runs.values()), 0.3)
    for name, found in scores.items():
        bars = (0.985, 0.99) if name == "3x3 square" else (None, None)
        yield Line(f"{name}, worst seed: clean", {}, min(s.clean_accuracy for s in found), bars[0], at_least=True)
        yield Line(f"{name}, worst seed: ASR", {}, min(s.asr for s in found), bars[1], at_least=True)


def _joined(data: Dataset) -> Split:
    """The official training set: what bdlab holds out is put back."""
    parts = (data.train, data.held_out, data.calibration)
    return Split(torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts]), data.classes)


def _attack(whole: Split, seed: int, shape: Literal["square", "pixel"]) -> Backdoor:
    net = fast_bn(tuple(whole.x.shape[1:]), whole.classes, seed=seed)
    return BadNets(trigger=Patch(shape=shape), recipe=RECIPE, seed=seed)(net, whole)


def _plain_epoch(poisoned: Split, seed: int) -> nn.Module:
    """The loop of every tutorial, with the batches taken from memory: Adam, batch 128, once through the data."""
    generator = torch.Generator().manual_seed(seed)
    net = plain_badnets_cnn(seed)
    optimiser = torch.optim.Adam(net.parameters())
    for rows in torch.randperm(len(poisoned), generator=generator).split(128):  # (B,)
        optimiser.zero_grad()
        F.cross_entropy(net(poisoned.x[rows]), poisoned.y[rows]).backward()
        optimiser.step()
    return net.eval()
