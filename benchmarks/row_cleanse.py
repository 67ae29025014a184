"""The rows cleanse and cleanse_goal: Neural Cleanse by steps, and by the time to masks of the official schedule's size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
from common import timed, write
from peers import Peer, Refused
from table import Line, medians, ratio
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab import BadNets, Split, evaluate, load
from bdlab.contracts import Recipe
from bdlab.defenses import neural_cleanse
from bdlab.defenses.neural_cleanse import NeuralCleanse, Schedule, marked, reverse, unit
from bdlab.nets import small_bn
from bdlab.training import fit, logits

STEPS, BATCH = 100, 128
UPDATES, LOOKS = 31, 1000
"""Of the official scripts: updates of 32 images between two looks, and looks at most."""
TOLERANCE = 1.1
"""A mask is as small as the official schedule's where its norm is at most so many times it."""
PATIENT = NeuralCleanse(steps=300, idle=300)
"""Goes on until the goal is reached, or five times as long as a scan."""
PAIRS = 3
Trigger = tuple[Tensor, Tensor]


def cleanse(peers: Sequence[Peer], repeats: int, folder: Path) -> Iterator[Line]:
    """100 steps for every class of MNIST, batch 128, on a trained `small_bn`; ours measures success on the way."""
    data = load("mnist")
    net = fit(small_bn(data.input_shape, data.classes), data.train[:6000], Recipe(epochs=2))
    settings, x = NeuralCleanse(steps=STEPS // 4, updates=4, batch=BATCH, idle=STEPS), data.held_out.x
    write(net, folder / "cleanse.pt", x=x.clone())
    start, runs, refused = settings.start(data.held_out), defaultdict(list), {}
    for _ in range(repeats):
        runs["bdlab"].append(timed(lambda: reverse(settings, net, x, range(data.classes), *start))[0] / data.classes)
        runs["plain loop"].append(timed(lambda: _plain(net, x, 0))[0])
        for peer in peers:
            try:
                runs[peer.name].append(peer.seconds("cleanse", folder / "cleanse.pt"))
            except Refused as words:
                refused[peer.name] = words
    both = {name: runs[name] for name in ("bdlab", "plain loop")}
    yield Line(f"{STEPS} steps of one class / a plain loop", medians(both), ratio(*both.values()), 0.95)
    for peer in peers:
        if peer.name in refused:
            yield Line(f"told: {peer.name} not run: {refused[peer.name]}", {})
        else:
            both = {name: runs[name] for name in ("bdlab", peer.name)}
            yield Line(f"told: {STEPS} steps of one class / {peer.name}", medians(both), ratio(*both.values()))


def _plain(net: nn.Module, x: Tensor, target: int) -> Tensor:
    """The loop of most toolboxes, for one class: the weights' gradients are computed and thrown away.  Returns the mask."""
    generator = torch.Generator().manual_seed(0)
    shape = x.shape[1:]
    mask, pattern = (torch.randn(1, *size, generator=generator).requires_grad_() for size in ((1, *shape[1:]), shape))
    optimiser = torch.optim.Adam([mask, pattern], 0.1, betas=(0.5, 0.9))
    y = torch.full((BATCH,), target)
    for _ in range(STEPS):
        rows = torch.randint(len(x), (BATCH,), generator=generator)
        m, delta = mask.tanh() / 2 + 0.5, pattern.tanh() / 2 + 0.5
        loss = F.cross_entropy(net((1 - m) * x[rows] + m * delta), y) + 1e-3 * m.sum()
        optimiser.zero_grad()
        net.zero_grad()
        loss.backward()
        optimiser.step()
    return mask.detach()


class Until(Schedule):
    """The official controller, which also stops a class whose best norm is at most its goal; one goal a class (K,)."""

    def __init__(self, classes: int, settings: NeuralCleanse, goals: Tensor) -> None:
        super().__init__(classes, settings)
        self.goals = goals

    def look(self, reached: Tensor, norm: Tensor) -> Tensor:
        """As the official one, and the goal."""
        better = super().look(reached, norm)
        self.done = self.done | (self.best <= self.goals)
        return better


def cleanse_goal(peers: Sequence[Peer], repeats: int, folder: Path) -> Iterator[Line]:
    """Every class of a backdoored `small_bn` until success is 99 % and the mask as small as the official schedule makes it.

    The goal of a class is what a plain loop in the official schedule ends with, and a tenth more.  Neither side's search
    behind its goal is counted.
    """
    data = load("mnist")
    backdoor = BadNets(recipe=Recipe(epochs=2))(small_bn(data.input_shape, data.classes), data.train[:6000])
    yield Line("ASR of the network", {}, evaluate(backdoor, data.test).asr or 0.0, 0.99, at_least=True)
    net, clean, classes = backdoor.shipped, data.held_out, range(data.classes)
    nothing = torch.zeros(data.classes)
    whole, official = timed(lambda: [_official(net, clean, label, nothing) for label in classes])
    goals = TOLERANCE * _norms(official)
    runs: dict[str, list[float]] = defaultdict(list)
    for _ in range(min(repeats, PAIRS)):
        seconds, mine = timed(lambda: _ours(PATIENT, net, clean, goals))
        runs["bdlab"].append(seconds)
        seconds, plain = timed(lambda: [_official(net, clean, label, goals) for label in classes])
        runs["plain loop"].append(seconds)
    there = (_norms(mine) <= goals).double().mean().item()
    yield Line("classes that reach the goal", {}, there, 1.0, at_least=True)
    yield Line(
        f"all classes to the goal / plain, {len(runs['bdlab'])} pairs", medians(runs), ratio(*runs.values()), 0.5
    )
    for name, triggers in (("bdlab", mine), ("plain loop", plain)):
        rates = _successes(net, data.test, triggers)
        yield Line(f"told: success on test images, worst, {name}", {}, min(rates), at_least=True)
    seconds, scan = timed(lambda: _ours(NeuralCleanse(), net, clean, nothing))
    times = {"bdlab": seconds, "official": whole}
    yield Line("told: our scan / the official schedule to its end", times, seconds / whole)
    yield Line("told: its norms / the official ones, median", {}, median((_norms(scan) / _norms(official)).tolist()))
    yield from _whole_trojanzoo(peers, folder, net, data.held_out, data.test, float(_norms(official)[0]))


def _whole_trojanzoo(
    peers: Sequence[Peer], folder: Path, net: nn.Module, clean: Split, test: Split, norm: float
) -> Iterator[Line]:
    """Class 0, the attacker's, with TrojanZoo's own schedule to its end; it keeps the smallest mask whatever its success."""
    write(net, folder / "goal.pt", x=clean.x.clone())
    for peer in [peer for peer in peers if peer.name == "TrojanZoo"]:
        seconds = peer.seconds("cleanse_whole", folder / "goal.pt")
        mark = torch.load(folder / "goal.pt.mark", weights_only=True)  # (C + 1, H, W)
        found = mark[None, -1:], mark[None, :-1]
        yield Line("told: TrojanZoo to its end, class 0: norm / official", {peer.name: seconds}, _norm(found) / norm)
        rate = _successes(net, test, [found])[0]
        yield Line("told: success on test images, class 0, TrojanZoo", {}, rate, at_least=True)
    if peers:
        yield Line("told: ART not run, see the row cleanse", {})


def _official(net: nn.Module, clean: Split, target: int, goals: Tensor) -> Trigger:
    """The official schedule for one class as a plain loop, with weight gradients, until its goal or its own end.

    A look judges the mean success of its 31 mini-batches, which costs nothing more.  Mask and pattern, (1, C, H, W).
    """
    settings, generator = NeuralCleanse(), torch.Generator().manual_seed(0)
    weights = [neural_cleanse.logit(v[target, None]).requires_grad_() for v in settings.start(clean)]
    optimiser = torch.optim.Adam(weights, settings.lr, betas=(0.5, 0.9))
    y, schedule = torch.full((settings.batch,), target), Until(1, settings, goals[target, None])
    best = tuple(unit(w).detach() for w in weights)
    for _ in range(LOOKS):
        hits = torch.zeros(())
        for _ in range(UPDATES):
            rows = torch.randint(len(clean), (settings.batch,), generator=generator)
            mask, pattern = (unit(w) for w in weights)
            answer = net((1 - mask) * clean.x[rows] + mask * pattern)
            loss = F.cross_entropy(answer, y) + schedule.weight[0] * mask.sum()
            optimiser.zero_grad()
            net.zero_grad()
            loss.backward()
            optimiser.step()
            hits += (answer.argmax(1) == y).float().mean()
        last = tuple(unit(w).detach() for w in weights)
        if schedule.look(hits[None] / UPDATES >= settings.success, last[0].sum()[None])[0]:
            best = last
        if schedule.done[0]:
            break
    return best[0], best[1]


def _ours(settings: NeuralCleanse, net: nn.Module, clean: Split, goals: Tensor) -> list[Trigger]:
    """Ours, all classes at once, each until its goal; the library has no such stop, so its controller is exchanged."""
    until: Callable[..., Schedule] = partial(Until, goals=goals)
    with patch.object(neural_cleanse, "Schedule", until):
        _, _, masks, patterns = reverse(settings, net, clean.x, range(clean.classes), *settings.start(clean))
    return list(zip(masks.split(1), patterns.split(1), strict=True))


def _norm(trigger: Trigger) -> float:
    return float(trigger[0].sum())


def _norms(triggers: Sequence[Trigger]) -> Tensor:
    return torch.tensor([_norm(trigger) for trigger in triggers])


def _successes(net: nn.Module, test: Split, triggers: Sequence[Trigger]) -> list[float]:
    """The share of 2,000 test images that each class's trigger sends there."""
    x = test.x[:2000]
    return [(logits(net, marked(x, *t)[0]).argmax(1) == k).double().mean().item() for k, t in enumerate(triggers)]
