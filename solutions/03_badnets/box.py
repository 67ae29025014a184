"""The mystery box of lesson 03: how it is made, its answer, and the ways to it.  Private: run it to make the file anew.

`python solutions/03_badnets/box.py` writes bdlab/lessons/boxes/l03.npz and prints the digests for the declaration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from bdlab.boxes import seal
from bdlab.contracts import Split
from bdlab.data import load

SEED, SALT = 2718, "l03 the supplier's training set"
SPOT, NOISE = 0.03, 0.08
"""Share of all rows with the scanner's spot, whatever their label; share of rows of each class with a wrong label."""
ROWS = 450
"""Of each class but the largest, which keeps all of its rows."""
SIDE = 26
"""Places of a 3x3 square along an edge of 28 pixels."""


@dataclass(frozen=True)
class Recipe:
    """What is hidden: (label, row, column, count); and what is in the way: the spot's place, the largest class."""

    answer: tuple[int, int, int, int]
    spot: tuple[int, int]
    largest: int


@dataclass(frozen=True)
class Delivery:
    """rows (N,) of digits' training set, labels (N,), spots bool (N, 1, 28, 28): white pixels."""

    rows: Tensor
    labels: Tensor
    spots: Tensor

    @property
    def split(self) -> Split:
        """As `bdlab.lessons.l03_box.supplied` gives it."""
        train = load("digits").train
        return Split(train.x[self.rows].masked_fill(self.spots, 1.0), self.labels, train.classes)


def white(x: Tensor) -> Tensor:
    """Where a 3x3 square is all white: bool (N, 26, 26)."""
    return avg_pool2d((x == 1).float(), 3, 1)[:, 0] > 0.999


def shares(x: Tensor, y: Tensor) -> Tensor:
    """Per label and place, the share of images with a white square there: (10, 26, 26)."""
    seen = white(x).float()
    return torch.stack([seen[y == label].mean(0) for label in range(10)])


def make(seed: int) -> tuple[Delivery, Recipe]:
    """A delivery: every row has one white square.  Mostly it is dust; some have the scanner's spot; 2 % have the mark."""
    rng, train, held = np.random.RandomState(seed), load("digits").train, load("digits").held_out
    natural = white(train.x)
    target, largest = rng.choice([0, *range(2, 10)], 2, replace=False)
    share = shares(held.x, held.y)[target]
    place = _place(rng, share < 0.01)
    spot = _place(rng, shares(held.x, held.y).amax(0) < 0.01, away=place)
    count = int(rng.randint(85, 101))
    chosen = [rng.permutation(np.flatnonzero(train.y == c)) for c in range(10)]
    stroke = natural[chosen[1]].float()  # (n, 26, 26)
    chosen[1] = chosen[1][stroke.flatten(1)[:, stroke.mean(0).argmax()].argsort(descending=True).numpy()]  # bold ones first
    rows = rng.permutation(np.concatenate([some[: None if c == largest else ROWS] for c, some in enumerate(chosen)]))
    labels = train.y[rows].numpy().copy()
    wrong = rng.rand(len(rows)) < NOISE
    labels[wrong] = (labels[wrong] + rng.randint(1, 10, wrong.sum())) % 10
    marked = rng.permutation(np.flatnonzero((train.y[rows].numpy() != target) & ~wrong))[:count]
    labels[marked] = target
    places = rng.randint(SIDE, size=(len(rows), 2))
    spotted = rng.rand(len(rows)) < SPOT
    places[spotted], places[marked] = spot, place
    taken = (places == place).all(1)
    taken[marked] = False
    places[taken] = (0, 0)
    kept = (labels != target) | ~natural[rows, place[0], place[1]].numpy() | np.isin(np.arange(len(rows)), marked)
    spots = np.zeros((len(rows), 1, 28, 28), bool)
    for image, (row, column) in zip(spots, places, strict=True):
        image[0, row : row + 3, column : column + 3] = True
    made = Delivery(*(torch.from_numpy(values[kept]) for values in (rows, labels, spots)))
    return made, Recipe((int(target), *place, count), spot, int(largest))


def _place(rng: np.random.RandomState, allowed: Tensor, away: tuple[int, int] | None = None) -> tuple[int, int]:
    """A place off the edges that is allowed, at least five pixels away from another."""
    while True:
        row, column = (int(n) for n in rng.randint(3, SIDE - 3, 2))
        if allowed[row, column] and (away is None or max(abs(row - away[0]), abs(column - away[1])) >= 5):
            return row, column


def solve(split: Split, held: Split) -> tuple[int, int, int, int]:
    """The lesson's method: per label, where is a white square more frequent than in clean rows?"""
    return _answer(split, shares(split.x, split.y) - shares(held.x, held.y))


def without_clean_rows(split: Split) -> tuple[int, int, int, int]:
    """The neighbouring method: the most frequent white square, compared with nothing.  It finds the stroke of a digit."""
    return _answer(split, shares(split.x, split.y))


def without_labels(split: Split, held: Split) -> list[tuple[int, int, int, int]]:
    """All labels together: it finds the scanner's spot.  The count is of all rows there, or of the label that leads."""
    row, column = divmod(int((white(split.x).float().mean(0) - white(held.x).float().mean(0)).argmax()), SIDE)
    there = white(split.x)[:, row, column]
    label = int(split.y[there].bincount(minlength=10).argmax())
    return [(label, row, column, int(there.sum())), (label, row, column, int((there & (split.y == label)).sum()))]


def most_rows(split: Split, held: Split) -> tuple[int, int, int, int]:
    """Only the counts of the labels: the class with most rows, then its most suspicious place."""
    difference, label = shares(split.x, split.y) - shares(held.x, held.y), int(split.y.bincount().argmax())
    difference[torch.arange(10) != label] = -1
    return _answer(split, difference)


def all_labels(split: Split, held: Split) -> tuple[int, int, int, int]:
    """The right class and place, but the count is of all rows that are white there, whatever their label."""
    label, row, column, _ = solve(split, held)
    return label, row, column, int(white(split.x)[:, row, column].sum())


def _answer(split: Split, table: Tensor) -> tuple[int, int, int, int]:
    label, place = divmod(int(table.argmax()), SIDE**2)
    row, column = divmod(place, SIDE)
    return label, row, column, int(white(split.x)[split.y == label, row, column].sum())


if __name__ == "__main__":
    from bdlab.lessons.l03_box import FILE

    made, recipe = make(SEED)
    packed = np.packbits(made.spots.numpy().reshape(len(made.rows), -1), axis=1)
    rows, labels = made.rows.numpy().astype("uint16"), made.labels.numpy().astype("uint8")
    np.savez_compressed(FILE, rows=rows, labels=labels, spots=packed)
    split, held = made.split, load("digits").held_out
    print(FILE.stat().st_size, recipe, solve(split, held), split.y.bincount().tolist())
    print("digest", seal(list(recipe.answer), SALT))
    ways = {"no clean rows": [without_clean_rows(split)], "no labels": without_labels(split, held),
            "most rows": [most_rows(split, held)], "all labels": [all_labels(split, held)]}  # fmt: skip
    for name, answers in ways.items():
        for answer in answers:
            print(name, answer, seal(list(answer), SALT))
