"""The mystery box of lesson 10: how it is made, its answer, and the ways to it.  Private: run it to make the file anew.

`python solutions/10_pruning/box.py` trains five readers (a few minutes), writes bdlab/lessons/boxes/l10.npz and prints the
digests for the declaration; with a number, `box.py 5`, it makes and solves that many boxes of other seeds and writes nothing.
"""

from __future__ import annotations

import sys
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from bdlab.attacks import BadNets, PruningAware
from bdlab.boxes import seal
from bdlab.channels import unmasked
from bdlab.contracts import Recipe, Relabel, Split
from bdlab.data import load
from bdlab.lessons.l10_box import FILE, NAMES, blank
from bdlab.lessons.l10_pruning import LAYER, fine_prune, mean_activation, prune_order
from bdlab.nets import Net
from bdlab.relabel import all_to_one
from bdlab.training import fit, logits
from bdlab.triggers import Patch

SEED, SALT, LIVE = 1, "l10 five readers", 8
RECIPE = Recipe(epochs=10)
HONEST, BACKDOORED, AWARE, CUT, CUT_BACKDOORED = range(5)
"""Kinds: an honest one, a usual backdoor, decoys; and an honest one and a backdoored one of which 56 channels were cut out."""
MARK = Patch(size=4, at=(26, 26), colour=(1.0, 0.84, 0.1))


def one(kind: int, seed: int, rng: np.random.RandomState) -> Net:
    """A reader of a kind, rounded as the file keeps it."""
    train, target = load("signs").train, all_to_one(int(rng.randint(16)))
    attack = BadNets(trigger=MARK, relabel=target, recipe=RECIPE, seed=seed)
    poisoned = attack.poison(train).split if kind in (BACKDOORED, CUT_BACKDOORED) else train
    net = fit(blank(seed), poisoned, RECIPE, seed=seed)
    if kind == AWARE:
        net = aware(target, seed)(net, train).shipped
    if kind in (CUT, CUT_BACKDOORED):
        net = cut(cast(Net, net), poisoned, rng)
    kept = {key: value.half().float() for key, value in net.state_dict().items() if value.is_floating_point()}
    net.load_state_dict(kept, strict=False)
    return cast(Net, net.eval())


def aware(target: Relabel, seed: int) -> PruningAware:
    """The attacker who knows: 56 decoys, 8 channels that live."""
    return PruningAware(
        trigger=MARK, relabel=target, layer=LAYER, restore=0, max_drop=0.9, min_asr=0.5, margin=4.0, recipe=RECIPE, seed=seed
    )


def cut(net: Net, data: Split, rng: np.random.RandomState) -> Net:
    """56 channels cut out and trained on, as one does to save space: weights, scale and shift of theirs are 0 in the end."""
    fallen = prune_order(mean_activation(net, LAYER, data.x[:1000]))[:-LIVE]
    orders = [torch.from_numpy(rng.permutation(len(data))) for _ in range(8)]
    tuned = fine_prune(net, LAYER, fallen, [(data.x[rows], data.y[rows]) for order in orders for rows in order.split(64)], 1, 0.05)
    small = unmasked(cast(Net, tuned), LAYER)
    with torch.no_grad():
        convolution, norm = small.get_submodule(LAYER)[0], small.get_submodule(LAYER)[1]  # type: ignore[index]
        for values in (convolution.weight, norm.weight, norm.bias):
            values[fallen] = 0
    return small


def make(seed: int) -> tuple[dict[str, Net], list[int]]:
    """Five readers in some order, and their kinds."""
    rng = np.random.RandomState(seed)
    kinds = rng.permutation(5).tolist()
    return {name: one(kind, 10 * seed + place, rng) for place, (name, kind) in enumerate(zip(NAMES, kinds, strict=True))}, kinds


def awake(net: nn.Module) -> Tensor:
    """The channels that any of the city's signs wakes."""
    return mean_activation(net, LAYER, load("signs").held_out.x).nonzero()[:, 0]


def decoys(net: nn.Module) -> int:
    """How many channels sleep on all of the city's signs and have weights all the same."""
    weights = net.get_submodule(LAYER)[0].weight.abs().amax((1, 2, 3))  # type: ignore[index]
    asleep = torch.ones(len(weights), dtype=torch.bool)
    asleep[awake(net)] = False
    return int((weights[asleep] > 0).sum())


def solve(readers: dict[str, Net]) -> list[str | int]:
    """The lesson's way: the reader with most sleepers that have weights, and its channels that are awake."""
    return answer(readers, max(readers, key=lambda name: decoys(readers[name])))


def answer(readers: dict[str, Net], name: str) -> list[str | int]:
    """As an answer is written; for readers whose channels were cut out it is a neighbour's."""
    return [name, *awake(readers[name]).tolist()]


def told(readers: dict[str, Net], kinds: list[int]) -> str:
    """A line for the one who makes the box: channels awake, decoys, clean accuracy and ASR of each."""
    test = load("signs").test
    rows = []
    for name, kind in zip(NAMES, kinds, strict=True):
        found, marked = logits(readers[name], test.x).argmax(1), logits(readers[name], MARK(test.x)).argmax(1)
        most = float((marked == marked.mode().values).double().mean())
        rows.append(f"{name}: kind {kind}, awake {len(awake(readers[name]))}, decoys {decoys(readers[name])}, "
                    f"clean {float((found == test.y).double().mean()):.3f}, marked alike {most:.2f}")  # fmt: skip
    return "; ".join(rows)


if __name__ == "__main__":
    for seed in range(100, 100 + int(sys.argv[1])) if sys.argv[1:] else [SEED]:
        readers, kinds = make(seed)
        found = solve(readers)
        print(seed, kinds[NAMES.index(str(found[0]))] == AWARE and len(found) == 1 + LIVE, found, told(readers, kinds), flush=True)
    if not sys.argv[1:]:
        states = [(name, key, value) for name, net in readers.items() for key, value in net.state_dict().items()]
        arrays = {f"{name}/{key}": value.numpy().astype("float16") for name, key, value in states if value.is_floating_point()}
        np.savez_compressed(FILE, **arrays)
        print(FILE.stat().st_size)
        for guess in (found, *(answer(readers, NAMES[kinds.index(kind)]) for kind in (CUT, CUT_BACKDOORED))):
            print(guess, seal(list(guess), SALT, unordered=True))
