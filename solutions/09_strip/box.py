"""The mystery box of lesson 09: how it is made, its answer, and the ways to it.  Private: run it to make the file anew.

`python solutions/09_strip/box.py` trains a reader (about a minute), writes bdlab/lessons/boxes/l09.npz and prints the
digests for the declaration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bdlab.boxes import seal
from bdlab.contracts import Split
from bdlab.data import load
from bdlab.defenses.strip import Mode, Strip
from bdlab.lessons.l09_box import FILE, Delivered, stickers
from bdlab.nets import build
from bdlab.training import fit, logits

SEED, SALT, TARGET = 3, "l09 sixty signs", 1
ALIKE = (0, 2)
"""Classes that a reader may honestly take for TARGET, 'speed 50': of these are the marked signs, so that no eye tells."""
GROUPS, EACH, TRIGGERS = 10, 6, 2
"""Kinds of stickers, signs with each of them, and how many of the kinds are triggers."""
RATE, COVERS = 300, 90
"""Training rows marked with each trigger; rows that carry each other kind and keep their labels."""


@dataclass(frozen=True)
class Made:
    """A box and its truth.  rows: of the test images; kinds: of the stickers; answer: the numbers that carry a trigger."""

    delivered: Delivered
    rows: Tensor
    kinds: Tensor
    answer: tuple[int, ...]


def kinds_of(rng: np.random.RandomState) -> list[int]:
    """Two triggers that share neither place nor colour, then eight others, the two swapped combinations among them."""
    places, colours = rng.permutation(4)[:2], rng.permutation(4)[:2]
    triggers = [int(4 * p + c) for p, c in zip(places, colours, strict=True)]
    swapped = [int(4 * p + c) for p, c in zip(places, colours[::-1], strict=True)]
    rest = [kind for kind in rng.permutation(16).tolist() if kind not in triggers + swapped]
    return triggers + swapped + rest[: GROUPS - 4]


def trained(kinds: list[int], seed: int, rng: np.random.RandomState) -> nn.Module:
    """A reader that both triggers turn to TARGET, rounded as the file keeps it."""
    train, parts = load("signs").train, []
    for place, kind in enumerate(kinds):
        allowed = np.flatnonzero(train.y.numpy() != TARGET) if place < TRIGGERS else np.arange(len(train))
        rows = torch.from_numpy(rng.permutation(allowed)[: RATE if place < TRIGGERS else COVERS])
        marked = stickers(train.x[rows], torch.full((len(rows),), kind))
        parts.append((marked, torch.full((len(rows),), TARGET) if place < TRIGGERS else train.y[rows]))
    x, y = (torch.cat(column) for column in zip((train.x, train.y), *parts, strict=True))
    data = load("signs")
    model = fit(build("small_bn", data.input_shape, data.classes, seed=seed), Split(x, y, data.classes), seed=seed)
    kept = {name: v.half().float() for name, v in model.state_dict().items() if v.is_floating_point()}
    model.load_state_dict(kept, strict=False)
    return model.eval()


def bits(model: nn.Module, x: Tensor, seed: int = 0, overlays: int = 50, mode: Mode = "add") -> Tensor:
    """STRIP's mean entropies (N,), with overlays drawn by `seed` from the held-out signs."""
    strip = Strip(overlays=overlays, mode=mode, seed=seed)
    data = load("signs")
    return -strip.fit(model, data.held_out, data.calibration[torch.arange(2)]).score(x)


def chosen(model: nn.Module, kinds: list[int], rng: np.random.RandomState) -> tuple[Tensor, Tensor]:
    """Rows and kinds of sixty signs with a gap: marked ones of low entropy, others of high, natural misreadings first."""
    test, rows, taken = load("signs").test, [], set[int]()
    for place, kind in enumerate(kinds):
        pool = torch.from_numpy(rng.permutation(len(test))[: 1200 if place < TRIGGERS else 400])
        pool = pool[[int(row) not in taken for row in pool]]
        if place < TRIGGERS:
            pool = pool[torch.isin(test.y[pool], torch.tensor(ALIKE))]
        marked = stickers(test.x[pool], torch.full((len(pool),), kind))
        read, found = logits(model, marked).argmax(1), torch.stack([bits(model, marked, draw, 20) for draw in (101, 102, 103)])
        if place < TRIGGERS:
            fit_in = ((read == TARGET) & (found < 0.05).all(0)).nonzero()[:EACH, 0]
        else:
            clear = (found > 0.3).all(0)
            wrong, own = clear & (read != test.y[pool]), clear & (test.y[pool] == TARGET) & (read == TARGET)
            first = (wrong & (read == TARGET), 3), (wrong, 1), (own, 1), (clear, EACH)
            order = [kind.nonzero()[:most, 0] for kind, most in first]
            fit_in = torch.tensor(list(dict.fromkeys(torch.cat(order).tolist()))[:EACH])
        rows.append(pool[fit_in])
        taken |= set(pool[fit_in].tolist())
    counts = torch.tensor([len(one) for one in rows])
    return torch.cat(rows), torch.tensor(kinds).repeat_interleave(counts)


def make(seed: int) -> Made:
    """Train a reader, choose its sixty signs, shuffle them."""
    rng = np.random.RandomState(seed)
    kinds = kinds_of(rng)
    model = trained(kinds, seed, rng)
    rows, each = chosen(model, kinds, rng)
    order = torch.from_numpy(rng.permutation(len(rows)))
    rows, each = rows[order], each[order]
    answer = tuple(torch.isin(each, torch.tensor(kinds[:TRIGGERS])).nonzero()[:, 0].tolist())
    return Made(Delivered(model, stickers(load("signs").test.x[rows], each)), rows, each, answer)


def solve(there: Delivered, seed: int = 0, mode: Mode = "add") -> tuple[int, ...]:
    """The lesson's method: the twelve lowest entropies."""
    return lowest(bits(there.model, there.x, seed, mode=mode))


def lowest(values: Tensor) -> tuple[int, ...]:
    """The numbers of the twelve lowest of these values."""
    return tuple(sorted(values.topk(TRIGGERS * EACH, largest=False).indices.tolist()))


def by_reading(there: Delivered) -> tuple[int, ...]:
    """A neighbouring method: all signs that the reader calls what it calls most often."""
    read = logits(there.model, there.x).argmax(1)
    return tuple((read == read.mode().values).nonzero()[:, 0].tolist())


def by_confidence(there: Delivered) -> tuple[int, ...]:
    """Another: the twelve surest answers, no overlay."""
    return lowest(-logits(there.model, there.x).softmax(1).max(1).values)


def upside_down(there: Delivered) -> tuple[int, ...]:
    """And another: the twelve highest entropies."""
    return lowest(-bits(there.model, there.x))


if __name__ == "__main__":
    made = make(SEED)
    there = made.delivered
    state = {name: v.numpy().astype("float16") for name, v in there.model.state_dict().items() if v.is_floating_point()}
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, rows=made.rows.numpy().astype("int16"), kinds=made.kinds.numpy().astype("int8"), **state)
    found = bits(there.model, there.x)
    inside = torch.zeros(len(found), dtype=torch.bool)
    inside[list(made.answer)] = True
    print(FILE.stat().st_size, len(found), made.answer, "gap", float(found[inside].max()), float(found[~inside].min()))
    print("seeds right", sum(solve(there, seed) == made.answer for seed in range(20)), "of 20; cut", solve(there, 0, "add_clip"))
    for name, guess in (("right", made.answer), ("reading", by_reading(there)), ("sure", by_confidence(there)),
                        ("high", upside_down(there)), ("cut", solve(there, 0, "add_clip"))):  # fmt: skip
        print(name, len(guess), len(set(guess) & set(made.answer)), guess, seal(list(guess), SALT, unordered=True))
