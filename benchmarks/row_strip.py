"""The row strip: STRIP's exact scores and its early stopping, against the peers, on three backdoors of one network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from common import timed, write
from peers import Peer
from table import Line, fastest, medians, ratio
from torch import Tensor

from bdlab import BadNets, Strip, Trigger, evaluate, load, source_to
from bdlab.contracts import Recipe
from bdlab.data import Dataset
from bdlab.defenses.strip import FittedStrip
from bdlab.nets import badnets_cnn

RECIPE = Recipe(epochs=3)
FRRS = (0.01, 0.05)
INPUTS = 500
"""Clean inputs, and as many triggered ones."""


@dataclass(frozen=True, kw_only=True)
class WeakBlend(Trigger):
    """Every image is mixed with one and the same noise: (1 - alpha) x + alpha noise."""

    alpha: float = 0.1

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed(7))  # (C, H, W)
        return x.mul(1 - self.alpha).add(noise, alpha=self.alpha)


ATTACKS = {
    "patch": BadNets(recipe=RECIPE),
    "weak blend": BadNets(trigger=WeakBlend(), recipe=RECIPE),
    "source-specific": BadNets(relabel=source_to(1, 7), rate=0.02, covers=0.1, recipe=RECIPE),
}


@dataclass(frozen=True)
class Case:
    """A backdoored network with STRIP around it, and its 1,000 inputs (N, C, H, W)."""

    fitted: FittedStrip
    x: Tensor
    asr: float


def strip(peers: Sequence[Peer], repeats: int, folder: Path) -> Iterator[Line]:
    """1,000 inputs x 100 overlays: seconds of `score`, seconds and decisions of `flag`."""
    data = load("mnist")
    cases = {name: _case(attack, data) for name, attack in ATTACKS.items()}
    for name, case in cases.items():
        yield Line(f"{name}: ASR of the network", {}, case.asr, 0.99, at_least=True)
    pool = data.train.x[:10_000].clone()  # to draw overlays from
    write(cases["patch"].fitted.model, folder / "strip.pt", x=cases["patch"].x, pool=pool)
    exact = {name: case.fitted.score(case.x) for name, case in cases.items()}
    ours, theirs, same = defaultdict(list), defaultdict(list), {}
    for _ in range(repeats):
        ours["exact"].append(timed(lambda: cases["patch"].fitted.score(cases["patch"].x))[0])
        for peer in peers:
            theirs[peer.name].append(peer.seconds("strip", folder / "strip.pt"))
        for name, case in cases.items():
            for frr in FRRS:
                seconds, flagged = timed(lambda case=case, frr=frr: case.fitted.flag(case.x, frr))
                ours[name, frr].append(seconds)
                same[name, frr] = (flagged == (exact[name] > case.fitted.threshold(frr))).double().mean().item()
    yield from _lines(ours, theirs, same)


def _lines(ours: dict, theirs: dict[str, list[float]], same: dict) -> Iterator[Line]:
    exact = {"exact": ours["exact"]}
    if theirs:
        best = theirs[fastest(theirs)]
        parties = medians({"bdlab": ours["exact"], **theirs})
        yield Line("exact scores / best peer", parties, ratio(ours["exact"], best), 1.05)
    for (name, frr), agreement in same.items():
        label, mine = f"{name}, FRR {frr:.0%}", ours[name, frr]
        if theirs:
            yield Line(f"{label}: flag / best peer", medians({"bdlab": mine, **theirs}), ratio(mine, best), 0.25)
        yield Line(f"told: {label}: flag / exact", medians({"bdlab": mine, **exact}), ratio(mine, ours["exact"]))
        yield Line(f"{label}: decisions equal", {}, agreement, 0.995, at_least=True)


def _case(attack: BadNets, data: Dataset) -> Case:
    backdoor = attack(badnets_cnn(data.input_shape, data.classes), data.train)
    attacked = (backdoor.relabel(data.test.y) != data.test.y).nonzero()[:, 0][:INPUTS]
    x = torch.cat((data.test.x[:INPUTS], backdoor.trigger(data.test.x[attacked])))  # (2 INPUTS, C, H, W)
    fitted = Strip().fit(backdoor.model, data.held_out, data.calibration)
    return Case(fitted, x, evaluate(backdoor, data.test).asr or 0.0)
