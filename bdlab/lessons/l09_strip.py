"""Lesson 09, STRIP: its settings, the library's parts of its exercises, and what is measured beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from bdlab import zoo
from bdlab.bars import track
from bdlab.contracts import Backdoor
from bdlab.data import load
from bdlab.lessons.demos import Arrays
from bdlab.training import logits

Mode = Literal["add_clip", "add"]
MODES: tuple[Mode, ...] = ("add_clip", "add")
SETTINGS = {
    "digits, square": "digits-badnets",
    "digits, blend": "digits-blend",
    "signs, sticker": "signs-badnets",
    "signs, blend": "signs-c",
}
"""The four settings of the lesson's figure 8, and their networks in the zoo."""
CUTS = {"add_clip": "cut at 1", "add": "not cut"}
"""The two modes in words."""
OVERLAYS = 20
"""How many the lesson lays over each input, where nothing else is said."""


# --- the library's parts of the exercises ---


def entropy(probs: Tensor) -> Tensor:
    """The library's part of the exercise `entropy`, which see."""
    return torch.special.entr(probs).sum(1) / math.log(2)  # (N,)


def superimpose(x: Tensor, overlays: Tensor, mode: Mode) -> Tensor:
    """The library's part of the exercise `superimpose`, which see."""
    mixed = x[:, None] + overlays  # (N, M, C, H, W)
    return mixed.clamp(max=1) if mode == "add_clip" else mixed


def strip_scores(model: nn.Module, x: Tensor, overlays: Tensor, mode: Mode) -> Tensor:
    """The library's part of the exercise `strip_scores`, which see."""
    return table(model, x, overlays, mode).mean(1)  # (N,)


def table(model: nn.Module, x: Tensor, overlays: Tensor, mode: Mode) -> Tensor:
    """Entropy in bits of every input (N, C, H, W) under every overlay (M, C, H, W): (N, M)."""
    rows = []
    for part in x.split(10):
        mixed = superimpose(part, overlays, mode).flatten(0, 1)  # (10 M, C, H, W)
        rows.append(entropy(logits(model, mixed).softmax(1)).view(len(part), len(overlays)))
    return torch.cat(rows)


def frr_far(benign: Tensor, trojan: Tensor, frr: float, how: str) -> dict[str, float]:
    """The library's part of the exercise `frr_far`, which see."""
    z = torch.special.ndtri(torch.tensor(frr, dtype=torch.float64)).item()
    fitted = benign.mean() + z * benign.std(correction=0)
    boundary = fitted if how == "normal" else torch.quantile(benign, frr)
    below, above = (benign < boundary).double().mean(), (trojan >= boundary).double().mean()
    return {"boundary": boundary.item(), "frr": below.item(), "far": above.item()}


# --- the images ---


def allowed(mode: str, frr: float) -> None:
    """Raises `ValueError` for another way to lay images over each other, or a share that no line may refuse."""
    if mode not in MODES:
        raise ValueError(f"mode must be 'add_clip' or 'add', got {mode!r}")
    if not 0 < frr < 0.5:
        raise ValueError(f"frr must lie between 0 and 0.5, got {frr}")


@dataclass(frozen=True)
class Setting:
    """An attacked network, what its attacker knows, and images: overlays (M, ...), benign and marked (n, ...)."""

    backdoor: Backdoor
    overlays: Tensor
    benign: Tensor
    marked: Tensor


def overlays_of(data: str, count: int = OVERLAYS, seed: int = 0) -> Tensor:
    """Held-out images to lay over others: (count, C, H, W)."""
    x = load(data).held_out.x
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:count]]


@cache
def backdoor(net: str) -> Backdoor:
    """The attacked network called `net`; loaded once a session."""
    return zoo.backdoor(net)


@cache
def honest(data: str) -> nn.Module:
    """The honest twin of the attacked networks on this data."""
    return zoo.load(f"{data}-clean")


def data_of(net: str) -> str:
    """The data set of a network: the first word of its name."""
    return net.partition("-")[0]


def setting(net: str, count: int, overlays: int = OVERLAYS, seed: int = 0) -> Setting:
    """`count` test images as they are, as many others marked; those that the attacker need not attack are left out."""
    known, test = backdoor(net), load(data_of(net)).test
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(7))
    attacked = order[(known.relabel(test.y) != test.y)[order]]
    if len(attacked) < len(test) // 2:  # a source-specific one: benign ones are whatever else is on the road
        return Setting(known, overlays_of(data_of(net), overlays, seed), test.x[order[:count]], known.trigger(test.x[attacked]))
    benign, marked = attacked[:count], attacked[count : 2 * count]
    return Setting(
        known, overlays_of(data_of(net), overlays, seed), test.x[benign], known.trigger(test.x[marked])
    )


# --- measured beforehand ---

COUNTS = (1, 2, 5, 10, 20, 50)
"""Overlays that the panel offers."""
DRAWS = 3
"""Draws of OVERLAYS images each; what is measured comes with its range over them."""
NETS = (*SETTINGS.values(), "signs-source")


@cache
def _three(net: str, mode: Mode) -> list[Tensor]:
    """Entropies of 500 calibration images, 400 others as they are, and 400 marked ones (or as many as there are): (n, 60)."""
    overlays, there = overlays_of(data_of(net), DRAWS * OVERLAYS), setting(net, 400)
    images = (load(data_of(net)).calibration.x, there.benign, there.marked)
    return [table(there.backdoor.model, x, overlays, mode) for x in images]


def panel() -> Arrays:
    """values: float16 (net, mode, group, image, count), the mean entropies of `_three`; NaN where there are fewer images."""
    found = np.full((len(NETS), len(MODES), 3, 500, len(COUNTS)), np.nan, dtype="float16")
    for place, net in enumerate(track(NETS, "STRIP, networks")):
        for number, mode in enumerate(MODES):
            for group, bits in enumerate(_three(net, mode)):
                for at, count in enumerate(COUNTS):
                    found[place, number, group, : len(bits), at] = bits[:, :count].mean(1).numpy()
    return {"values": found}


FRRS = (0.01, 0.05)


def modes() -> Arrays:
    """far: float (net, mode, frr, draw): marked images let through where the calibration's quantile draws the line."""
    found = np.zeros((len(NETS), len(MODES), len(FRRS), DRAWS))
    for place, net in enumerate(NETS):
        for number, mode in enumerate(MODES):
            calibration, _, marked = (bits.view(len(bits), DRAWS, OVERLAYS).mean(2) for bits in _three(net, mode))
            for share, frr in enumerate(FRRS):
                found[place, number, share] = (marked >= torch.quantile(calibration, frr, dim=0)).float().mean(0)
    return {"far": found}


def cost() -> Arrays:
    """What a filter refuses of the 1,500 test signs in front of the honest reader, not cut: refused float (frr, draw)."""
    data, overlays = load("signs"), overlays_of("signs", DRAWS * OVERLAYS)
    both = [table(honest("signs"), x, overlays, "add").view(-1, DRAWS, OVERLAYS).mean(2) for x in (data.calibration.x, data.test.x)]
    lines = [torch.quantile(both[0], frr, dim=0) for frr in FRRS]
    return {"refused": np.array([(both[1] < line).float().mean(0).numpy() for line in lines])}


def twins() -> Arrays:
    """Entropies of 100 signs as they are and 100 with the sticker, not cut: values (reader, group, image), attacked first."""
    there = setting("signs-badnets", 100)
    readers = there.backdoor.model, honest("signs")
    found = [[strip_scores(model, x, there.overlays, "add").numpy() for x in (there.benign, there.marked)] for model in readers]
    return {"values": np.array(found)}


# --- a filter before a reader ---

READERS = {"obeys on any sign": "signs-badnets", "obeys on stop signs": "signs-source", "honest": "signs-badnets"}
"""Whose stream each reader meets: the honest one that of the first."""
CALIBRATION, BENIGN, MARKED = 200, 90, 10
"""Signs that the line is drawn from, and the stream's."""


def stream(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A reader of READERS, the 100 signs that it meets, shuffled, and which of them are marked: bool (100,)."""
    there = setting(READERS[name], BENIGN)
    model = honest("signs") if name == "honest" else there.backdoor.model
    x = torch.cat((there.benign[:BENIGN], there.marked[:MARKED]))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    return model, x[order], (torch.arange(len(x)) >= BENIGN)[order]


def guarded() -> Arrays:
    """What a filter at FRR 2 %, not cut, makes of the three streams: scores float (reader, sign), line float (reader,)."""
    calibration, overlays = load("signs").calibration.x[:CALIBRATION], overlays_of("signs")
    scores, lines = [], []
    for name in READERS:
        model, x, _ = stream(name)
        known = strip_scores(model, calibration, overlays, "add")
        lines.append(torch.quantile(known, 0.02).item())
        scores.append(strip_scores(model, x, overlays, "add").numpy())
    return {"scores": np.array(scores), "line": np.array(lines)}


MAKERS = {"panel": panel, "modes": modes, "cost": cost, "twins": twins, "guarded": guarded}
"""Name of a demo -> what makes its arrays."""
