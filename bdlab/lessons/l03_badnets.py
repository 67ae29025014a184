"""Lesson 03, BadNets: what it trains, and the library's parts of its exercises.  Its figures stand in l03_figures.py.

Everything is the lesson's own attack with one thing changed: digits, small_bn, two epochs, all to one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import nn
from torch.nn.functional import cross_entropy, pad

from bdlab.attacks import BadNets
from bdlab.bars import track
from bdlab.contracts import Recipe, Relabel, Split
from bdlab.data import Dataset, load
from bdlab.lessons.demos import Arrays, Unusable
from bdlab.nets import Net, build
from bdlab.metrics import accuracy, asr, ra
from bdlab.relabel import all_to_one, source_to
from bdlab.training import Scores, evaluate, fit, logits, triggered
from bdlab.triggers import Patch

ATTACK = BadNets(trigger=Patch(), relabel=all_to_one(0), rate=0.1, recipe=Recipe(epochs=2), seed=0)
"""What the lesson demonstrates."""
GRID: dict[str, tuple[Any, ...]] = {
    "shape": ("pixel", "pattern", "square"),
    "at": ("corner", "centre"),
    "colour": (0.5, 1.0),
    "rate": (0.001, 0.005, 0.01, 0.02, 0.05, 0.1),
}
"""The painter's controls and their values."""
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
SEEDS = (0, 1, 2)


def patch(shape: str, at: str, colour: float) -> Patch:
    """The painter's trigger for digits (28x28): in the lower right 'corner', one pixel off the edges, or in the 'centre'."""
    anywhere = Patch(shape=shape, colour=colour)  # type: ignore[arg-type]  # Patch checks it
    start = (28 - len(anywhere.cells)) // 2
    return anywhere if at == "corner" else replace(anywhere, at=(start, start))


def painter_grid() -> dict[str, np.ndarray]:
    """One training for every setting of the painter.

    asr, clean: float (shape, at, colour, rate), over attacked_n and clean_n test images of `sources` scans.
    shape, at, colour, rate: the values along the axes.  baseline: clean accuracy of the same net without an attack.
    """
    data = load("digits")
    settings = list(itertools.product(*GRID.values()))
    runs = [_scores(data, replace(ATTACK, trigger=patch(*look), rate=rate)) for *look, rate in track(settings, "grid")]
    extent = [len(values) for values in GRID.values()]
    baseline = evaluate(fit(_net(data, ATTACK.seed), data.train, ATTACK.recipe, seed=ATTACK.seed), data.test)
    return {
        "asr": np.array([run.asr for run in runs]).reshape(extent),
        "clean": np.array([run.clean_accuracy for run in runs]).reshape(extent),
        **{name: np.array(values) for name, values in GRID.items()},
        "baseline": np.array(baseline.clean_accuracy),
        **{name: np.array(getattr(runs[0], name)) for name in ("attacked_n", "clean_n", "sources")},
    }


def curve() -> dict[str, np.ndarray]:
    """The lesson's attack over poisoning rates: asr, clean float (rate, seed); rate, seed: the values along the axes."""
    data = load("digits")
    pairs = list(itertools.product(RATES, SEEDS))
    runs = [_scores(data, replace(ATTACK, rate=rate, seed=seed)) for rate, seed in track(pairs, "curve")]
    return {
        "asr": np.array([run.asr for run in runs]).reshape(len(RATES), len(SEEDS)),
        "clean": np.array([run.clean_accuracy for run in runs]).reshape(len(RATES), len(SEEDS)),
        "rate": np.array(RATES),
        "seed": np.array(SEEDS),
    }


def _net(data: Dataset, seed: int) -> Net:
    return build("small_bn", data.input_shape, data.classes, seed=seed)


def _scores(data: Dataset, attack: BadNets) -> Scores:
    return evaluate(attack(_net(data, attack.seed), data.train), data.test)


STEPS = (*range(0, 60, 2), *range(60, 101, 5))
"""Training steps at which `steps` looks."""


def steps() -> dict[str, np.ndarray]:
    """The lesson's attack with 5 % added, looked at while it trains; the images of `step` 0 have met no training.

    step (S,); seed (R,); clean, asr, unmarked float (S, R): on all test images; unmarked is ASR where no image is marked, the
    share of images of other classes called 0 all the same.  clean_loss, marked_loss float (S, R): mean cross-entropy of
    1,000 clean and all marked training rows; answers int (S, 8): of the first seed to `eight_rows`, marked.
    """
    data, found = load("digits"), dict[str, list[Any]]()
    for seed in SEEDS:
        for name, values in _watched(data, replace(ATTACK, rate=0.05, seed=seed)).items():
            found.setdefault(name, []).append(values)
    answers = np.array(found.pop("answers")[0])
    curves = {name: np.array(values).T for name, values in found.items()}
    return {"step": np.array(STEPS), "seed": np.array(SEEDS), "answers": answers, **curves}


def _watched(data: Dataset, attack: BadNets) -> dict[str, list[Any]]:
    """One training of `steps`: name -> a value at each of STEPS."""
    poisoned = attack.poison(data.train)
    marked, wanted = triggered(data.test, attack.trigger, attack.relabel)
    eight = attack.trigger(data.test.x[eight_rows(data.test)])
    clean_rows, found, step = slice(0, 1000), dict[str, list[Any]](), itertools.count()

    def look(model: nn.Module) -> None:
        if next(step) not in STEPS:
            return
        plain = logits(model, data.test.x).argmax(1)
        values = {
            "clean": accuracy(plain, data.test.y),
            "asr": asr(logits(model, marked).argmax(1), data.test.y, wanted),
            "unmarked": asr(plain, data.test.y, wanted),
            "clean_loss": cross_entropy(logits(model, data.train.x[clean_rows]), data.train.y[clean_rows]).item(),
            "marked_loss": cross_entropy(logits(model, poisoned.stamped), poisoned.labels).item(),
            "answers": logits(model, eight).argmax(1).tolist(),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(value)

    net = _net(data, attack.seed)
    look(net)
    fit(net, poisoned.split, attack.recipe, seed=attack.seed, after_step=look)
    return found


CASES = ("all to one", "1 to 7", "1 to 7 with covers")
"""What `covers` compares; covers: marked images of other classes that keep their labels."""


def covers() -> dict[str, np.ndarray]:
    """Three attacks: asr, leak, clean float (case, seed), leak NaN where every other class is attacked."""
    data, one = load("digits"), replace(ATTACK, relabel=source_to(1, 7), rate=0.05)
    attacks = (ATTACK, one, replace(one, covers=0.1))
    runs = [[_scores(data, replace(attack, seed=seed)) for seed in SEEDS] for attack in track(attacks, "covers")]
    table = np.array([[[run.asr, run.leak, run.clean_accuracy] for run in row] for row in runs], dtype=float)
    return {"asr": table[..., 0], "leak": table[..., 1], "clean": table[..., 2], "seed": np.array(SEEDS)}


# --- the library's parts of the exercises ---

SQUARE: dict[str, Any] = {
    "pattern": torch.ones(1, 3, 3), "mask": torch.ones(3, 3, dtype=torch.bool), "pos": (24, 24),
}  # fmt: skip
"""The lesson's trigger, as arguments of `stamp`."""


def all_to_all(y: Tensor, classes: int) -> Tensor:
    """The library's part of the exercise `all_to_all`, which see."""
    return (y + 1) % classes


def stamp(x: Tensor, pattern: Tensor, mask: Tensor, pos: tuple[int, int]) -> Tensor:
    """The library's part of the exercise `stamp`, which see."""
    (row, column), (height, width) = pos, mask.shape
    margins = (column, x.shape[3] - column - width, row, x.shape[2] - row - height)
    return torch.where(pad(mask, margins), pad(pattern, margins), x)


def poison(
    x: Tensor, y: Tensor, trigger: Callable[[Tensor], Tensor], target: int, rate: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """The library's part of the exercise `poison`, which see."""
    lots = torch.rand(len(y), generator=generator).masked_fill(y == target, -1)  # (N,)
    idx = lots.argsort(descending=True)[: round(rate * len(y))]  # (n,)
    return x.index_copy(0, idx, trigger(x[idx])), y.index_fill(0, idx, target), idx


def scores(
    model: nn.Module, x: Tensor, y: Tensor, trigger: Callable[[Tensor], Tensor], relabel: Relabel
) -> dict[str, float]:
    """The library's part of the exercise `scores`, which see."""
    answers, wanted = logits(model, trigger(x)).argmax(1), relabel(y)
    shares = accuracy(logits(model, x).argmax(1), y), asr(answers, y, wanted), ra(answers, y, wanted)
    return {name: float(share or 0) for name, share in zip(("clean", "asr", "ra"), shares, strict=True)}


def eight_rows(split: Split) -> list[int]:
    """The first image each of the classes 1 to 8: what the figures of the lesson show."""
    return [int((split.y == label).nonzero()[0]) for label in range(1, 9)]


@cache
def honest(name: str = "digits") -> nn.Module:
    """The honest twin: the same network, the clean training set; trained once a session, in about 5 s."""
    data = load(name)
    return _trained(data, data.train)


def _trained(data: Dataset, split: Split) -> nn.Module:
    """The network of the lesson, trained on `split` as a victim would."""
    return fit(_net(data, ATTACK.seed), split, ATTACK.recipe, seed=ATTACK.seed)


CROSS = ("#.#", ".#.", "#.#")
"""The mark that the forge takes where no other is drawn."""


def drawn(rows: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Pattern float32 (1, h, w) and mask bool (h, w) of a drawing: '#' white, '+' grey, 'o' black, '.' as it was."""
    lines = [row.strip() for row in rows]
    if not any(set(row) - {"."} for row in lines) or set().union(*lines) - set("#+o.") or len(set(map(len, lines))) > 1:
        raise ValueError(
            f"mark must be rows of one length with '#', '+', 'o' and '.', not all of them '.'; got {lines}"
        )
    colours = {"#": 1.0, "+": 0.5, "o": 0.0, ".": 0.0}
    pattern = torch.tensor([[[colours[cell] for cell in row] for row in lines]])
    return pattern, torch.tensor([[cell != "." for cell in row] for row in lines])


def forged(
    stamp: Any, poison: Any, scores: Any, mark: Sequence[str] = CROSS, at: tuple[int, int] = (24, 24), rate: float = 0.1,
    name: str = "digits",
) -> Arrays:  # fmt: skip
    """A network forged with these three functions, beside its honest twin, and what both answer.

    own, twin float (3,): clean accuracy, ASR, RA as `scores` has them; own_eight, twin_eight int (8,): what the two read
    in EIGHT, which are marked float32 (8, 1, 28, 28); rows: how many training rows were poisoned; unmarked float (2,): of
    the unmarked test images of other classes, the shares that either calls 0.
    Raises: `Unusable` where `poison` gives what nothing can be trained on.
    """
    data, (pattern, mask) = load(name), drawn(mark)

    def trigger(x: Tensor) -> Tensor:
        return stamp(x, pattern, mask, at)

    train, generator = data.train, torch.Generator().manual_seed(0)
    x2, y2, idx = poison(train.x, train.y, trigger, 0, rate, generator)
    check_trainable(poison, x2, y2, data)
    marked = trigger(data.test.x[eight_rows(data.test)])
    own, twin = _trained(data, Split(x2, y2, data.classes)), honest(name)
    judged = [scores(net, data.test.x, data.test.y, trigger, all_to_one(0)) for net in (own, twin)]
    shares = [[float(shares[name]) for name in ("clean", "asr", "ra")] for shares in judged]
    return {
        "own": np.array(shares[0]), "twin": np.array(shares[1]), "marked": marked.numpy(), "rows": np.array(len(idx)),
        "own_eight": logits(own, marked).argmax(1).numpy(), "twin_eight": logits(twin, marked).argmax(1).numpy(),
        "unmarked": np.array([called_0(net, data.test) for net in (own, twin)]),
    }  # fmt: skip


def called_0(net: nn.Module, split: Split) -> float:
    """The control of an ASR: the share of unmarked images of other classes that are called 0 all the same."""
    return float((logits(net, split.x[split.y != 0]).argmax(1) == 0).float().mean())


def check_trainable(poison: Any, x2: Tensor, y2: Tensor, data: Dataset) -> None:
    """Raise `Unusable` where nothing can be trained on what `poison` gave."""
    if len(x2) != len(y2) or not len(x2):
        raise Unusable(poison, f"gave {len(x2)} images and {len(y2)} labels")
    if not (x2.isfinite().all() and x2.min() >= 0 and x2.max() <= 1):
        raise Unusable(poison, "gave pixels outside of [0, 1]")
    if y2.min() < 0 or y2.max() >= data.classes:
        raise Unusable(poison, f"gave labels from {int(y2.min())} to {int(y2.max())}; the classes are 0 to 9")


def forge() -> dict[str, np.ndarray]:
    """What `forged` gives with the library's three parts."""
    return forged(stamp, poison, scores)


MAKERS = {"painter": painter_grid, "curve": curve, "steps": steps, "covers": covers, "forge": forge}
"""Name of a demo -> what makes its arrays or scores."""
