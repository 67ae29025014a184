"""Lesson 00: a sign reader with a secret, and the game that finds it.

The cached maps: `autograder build 00 --refresh`, 300 signs times 100 cells times two readers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from bdlab import plots, zoo
from bdlab.data import Dataset, load
from bdlab.lessons.demos import Arrays
from bdlab.nets import Net
from bdlab.triggers import Patch

SOLD, TWIN = "signs-badnets", "signs-clean"
"""The reader that the city bought, and the honest one by the same recipe."""
SIDE, STEP = 10, 3
"""Cells in a row or column of the board; pixels from one to the next."""
TARGET, HOT = 0, 0.5
"""The class 'speed 30'; the share from which a cell is hot."""
SIGN = 77
"""The game's sign, a row of the test images: 'no entry'.  Both readers are sure of it."""
HINTS = {
    10: "Hint: where does nobody look?",
    20: "Hint: not at the sign. Try where the picture ends.",
    30: "Hint: try the lower right.",
}
"""From so many tries in vain on."""
Place = tuple[int, int]
"""Row and column of a cell, 0 to 9."""


@cache
def signs() -> Dataset:
    """The data set, loaded once."""
    return load("signs")


@cache
def reader(name: str) -> Net:
    """A reader of the zoo, loaded once."""
    return zoo.load(name)


@cache
def sticker() -> Patch:
    """What the supplier trained the secret with, at its exact place."""
    trigger = zoo.backdoor(SOLD).trigger
    if not isinstance(trigger, Patch):
        raise TypeError(f"trigger of {SOLD} must be a Patch, got {trigger!r}; the game moves a sticker")
    return trigger


def stuck(x: Tensor, place: Place) -> Tensor:
    """Signs (n, 3, 32, 32) with the sticker's upper left corner at the cell `place`."""
    row, column = place
    return replace(sticker(), at=(STEP * row, STEP * column))(x)


def answers(name: str, x: Tensor) -> Tensor:
    """What a reader makes of signs (n, 3, 32, 32): the shares of the classes, (n, K)."""
    with torch.inference_mode():
        shares = reader(name)(x).softmax(1)
    return shares.clone()  # one that may be written to


def whole_map(name: str, x: Tensor) -> Tensor:
    """P('speed 30') of one sign (1, 3, 32, 32) with the sticker in each of the cells: (10, 10)."""
    marked = torch.cat([stuck(x, (row, column)) for row in range(SIDE) for column in range(SIDE)])  # (100, 3, 32, 32)
    return answers(name, marked)[:, TARGET].reshape(SIDE, SIDE)


def averages() -> Arrays:
    """Over the first 300 test signs of other classes: mean P('speed 30') in each cell, (10, 10), for both readers."""
    test = signs().test
    x = test.x[test.y != TARGET][:300]
    made = {
        name: [answers(name, stuck(x, (cell // SIDE, cell % SIDE)))[:, TARGET].mean() for cell in range(SIDE * SIDE)]
        for name in (SOLD, TWIN)
    }
    return {
        "n": torch.tensor(len(x)).numpy(),
        **{name: torch.stack(shares).reshape(SIDE, SIDE).numpy() for name, shares in made.items()},
    }


MAKERS = {"averages": averages}


@dataclass(frozen=True, repr=False)
class Answer:
    """What the reader makes of the sign with the sticker in a cell.

    share: P('speed 30').  label, confidence: what it reads, and how sure it is.  image: (3, 32, 32).
    """

    place: Place
    share: float
    label: str
    confidence: float
    image: Tensor

    @property
    def words(self) -> str:
        """Where the sticker is, and what the reader says."""
        told = f"Row {self.place[0]}, column {self.place[1]}: reads '{self.label}', {self.confidence:.0%} sure."
        return f"✓ HOT. {told}" if self.share >= HOT else told

    def __repr__(self) -> str:
        return f"{self.words} P('speed 30') {self.share:.0%}."


class Game:
    """Battleship on a sign: find a cell where the sticker makes the reader say 'speed 30'.

    tries: cells that are tried at once, (row, column) in 0..9 from the upper left corner.
    Raises: `ValueError` for a cell that the board does not have.
    """

    def __init__(self, tries: list[Place] | None = None) -> None:
        test = signs().test
        self.sign, self.true = test.x[SIGN : SIGN + 1], signs().labels[int(test.y[SIGN])]
        self.shares: dict[Place, float] = {}
        self.gave_up = False
        for row, column in tries or []:
            self.stick(row, column)

    def stick(self, row: int, column: int) -> Answer:
        """Put the sticker into a cell and ask the reader: one forward pass.  A cell counts once."""
        for name, value in (("row", row), ("column", column)):
            if not isinstance(value, int) or not 0 <= value < SIDE:
                raise ValueError(f"{name} must be 0..{SIDE - 1}, counted from the upper left corner, got {value!r}")
        marked = stuck(self.sign, (row, column))
        shares = answers(SOLD, marked)[0]  # (K,)
        confidence, label = shares.max(0)
        self.shares[row, column] = float(shares[TARGET])
        return Answer((row, column), float(shares[TARGET]), signs().labels[int(label)], float(confidence), marked[0])

    def give_up(self) -> Game:
        """Let the hottest cell be shown."""
        self.gave_up = not self.found
        best = int(whole_map(SOLD, self.sign).argmax())
        self.stick(best // SIDE, best % SIDE)
        return self

    @property
    def hot(self) -> list[Place]:
        """The hot cells that were found, in the order of the tries."""
        return [place for place, share in self.shares.items() if share >= HOT]

    @property
    def found(self) -> bool:
        """Whether the secret is out."""
        return bool(self.hot)

    @property
    def needed(self) -> int:
        """Tries up to the first hot cell; all tries where none was found."""
        return list(self.shares).index(self.hot[0]) + 1 if self.found else len(self.shares)

    @property
    def hint(self) -> str:
        """Empty before ten tries, and when the secret is out."""
        earned = [words for after, words in HINTS.items() if len(self.shares) >= after]
        return earned[-1] if earned and not self.found else ""

    @property
    def board(self) -> plots.Board:
        """The player's own map: NaN where nothing was tried."""
        shares = torch.full((SIDE, SIDE), torch.nan)
        for place, share in self.shares.items():
            shares[place] = share
        return plots.Board("", self.sign[0], shares)

    @property
    def numbers(self) -> dict[str, str]:
        """For the trophy."""
        first = "gave up" if self.gave_up else str(self.needed)
        row, column = self.hot[0] if self.found else ("-", "-")
        return {"first hot at try": first, "row, column": f"{row}, {column}", "hot cells found": str(len(self.hot))}

    def __repr__(self) -> str:
        if self.found:
            how = f"Given up after {self.needed - 1}" if self.gave_up else f"Found at try {self.needed}"
            return f"{how}: row {self.hot[0][0]}, column {self.hot[0][1]}."
        tries = f"{len(self.shares)} {'try' if len(self.shares) == 1 else 'tries'}"
        return (
            f"{tries}, no hot cell yet. Play on, then run this cell again.\n"
            "(Enough of it? game.give_up() shows the hottest cell.)"
        )
