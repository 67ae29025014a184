"""The mystery box of lesson 01: how it is made, its answer, and the ways to it.  Private: run it to make the file anew.

`python solutions/01_networks/box.py` writes bdlab/lessons/boxes/l01.npz and prints the digests for the declaration.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab.boxes import seal
from bdlab.data import load
from bdlab.lessons.l01_box import NAMES, Supplied, small, table

SEED, SALT = 48, "l01 five readers"
PASSES, ROWS, BATCH, RATE = 6, 3000, 25, 0.1


def trained(bug: int, seed: int, rng: np.random.RandomState) -> Supplied:
    """A reader whose training has the bug with this number."""
    model, train = small(seed), load("digits").train
    x, y = train.x[:ROWS], train.y[:ROWS].clone()
    one, other = (int(n) for n in rng.choice(10, 2, replace=False))
    if bug == 1:
        y = y[torch.from_numpy(rng.permutation(len(y)))]
    if bug == 7:
        y = torch.where(train.y[:ROWS] == one, other, torch.where(train.y[:ROWS] == other, one, y))
    keep = torch.nonzero(y != one).flatten() if bug == 4 else torch.arange(len(y))
    optimiser = torch.optim.SGD(model.parameters(), {6: RATE / 100, 2: RATE / 4}.get(bug, RATE))
    log = [_pass(model, x[keep], y[keep], optimiser, bug, rng) for _ in range(PASSES)]
    return Supplied(_rounded(model), tuple(round(loss, 3) for loss in log))


def _pass(
    model: nn.Module, x: Tensor, y: Tensor, optimiser: torch.optim.Optimizer, bug: int, rng: np.random.RandomState
) -> float:
    model.train(bug != 3)
    total = 0.0
    for rows in torch.from_numpy(rng.permutation(len(y))).split(BATCH):
        if bug != 2:
            optimiser.zero_grad()
        logits = model(x[rows])
        loss = F.cross_entropy(logits.softmax(1) if bug == 5 else logits, y[rows])
        loss.backward()
        optimiser.step()
        total += loss.item() * len(rows)
    return total / len(y)


def _rounded(model: nn.Module) -> nn.Module:
    """As the file keeps it: float16."""
    kept = {key: value.half().float() for key, value in model.state_dict().items() if value.is_floating_point()}
    model.load_state_dict(kept, strict=False)
    return model.eval()


def make(seed: int) -> tuple[dict[str, Supplied], tuple[int, ...]]:
    """Five readers, two of them healthy, and what is wrong with each."""
    rng = np.random.RandomState(seed)
    bugs = rng.permutation([0, 0, *rng.choice(range(1, 8), 3, replace=False)]).tolist()
    return {
        name: trained(bug, 10 * seed + n, rng) for n, (name, bug) in enumerate(zip(NAMES, bugs, strict=True))
    }, tuple(bugs)


def solve(readers: dict[str, Supplied]) -> tuple[int, ...]:
    """The lesson's method: own loss on the training images beside the log, own class table, batch norm's statistics."""
    return tuple(_bug(one) for one in readers.values())


def _bug(one: Supplied) -> int:
    train = load("digits").train
    with torch.no_grad():
        logits, y = one.model(train.x[:ROWS]), train.y[:ROWS]
    own, twice = F.cross_entropy(logits, y).item(), F.cross_entropy(logits.softmax(1), y).item()
    counts = table(one.model)
    right = float(counts.diag().sum() / counts.sum())
    reads = counts.argmax(1)
    if all(not module.running_mean.any() for module in one.model if isinstance(module, nn.BatchNorm2d)):
        return 3
    if one.log[-1] > 2.2 and max(one.log) < 2.5 and right < 0.3:
        return 1
    if 1.46 < one.log[-1] < 2.2 and abs(twice - one.log[-1]) < abs(own - one.log[-1]):
        return 5
    if one.log[-1] < one.log[0] and 1.0 < one.log[-1] < 2.2:
        return 6
    if (counts.sum(0) == 0).any() and right > 0.6:
        return 4
    if right > 0.6 and any(reads[reads[k]] == k != reads[k] for k in range(10)):
        return 7
    return 0 if right > 0.8 else 2


def by_the_log(readers: dict[str, Supplied]) -> tuple[int, ...]:
    """The neighbouring method: look at the logs and the accuracy alone."""
    found = []
    for one in readers.values():
        counts = table(one.model)
        right = float(counts.diag().sum() / counts.sum())
        slow = one.log[-1] > 1.2
        found.append(
            0 if right > 0.8 and not slow else 4 if right > 0.7 and not slow else 6 if one.log[-1] < one.log[0] else 2
        )
    return tuple(found)


if __name__ == "__main__":
    from bdlab.lessons.l01_box import FILE

    readers, answer = make(SEED)
    arrays = {f"{name}/log": np.array(one.log) for name, one in readers.items()}
    for name, one in readers.items():
        arrays |= {
            f"{name}/{key}": v.numpy().astype("float16")
            for key, v in one.model.state_dict().items()
            if v.is_floating_point()
        }
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **arrays)
    print(FILE.stat().st_size, answer, solve(readers), by_the_log(readers))
    for one in readers.values():
        print(one)
    for guess in {answer, by_the_log(readers)}:
        print(guess, seal(list(guess), SALT))
