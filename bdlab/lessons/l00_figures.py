"""Lesson 00's figures: each a call with a picture and its description."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bdlab import plots, zoo
from bdlab.lessons import l00_win as lesson
from bdlab.lessons.demos import cached
from bdlab.lessons.l00_win import SOLD, STEP, TWIN, Game, Place
from bdlab.plots import Board, Plot, Row

LABEL = "P('speed 30') with the sticker there"


def eight() -> tuple[Tensor, list[str]]:
    """The first test sign of each of the classes 1 to 8, (8, 3, 32, 32), and what they are."""
    test, labels = lesson.signs().test, lesson.signs().labels
    rows = [int((test.y == label).nonzero()[0]) for label in range(1, 9)]
    return test.x[rows], [labels[label] for label in range(1, 9)]


def read(x: Tensor, name: str = SOLD) -> list[str]:
    """What a reader makes of signs (n, 3, 32, 32)."""
    return [lesson.signs().labels[label] for label in lesson.answers(name, x).argmax(1).tolist()]


def opening() -> Plot:
    """The game's sign, read rightly, and the same sign below the grid of the game."""
    board = Game().board
    (answer,) = read(Game().sign)
    return plots.boards(
        [Board(f"read as\n'{answer}'", board.image, torch.empty(0, 0)),
         Board("in some of these cells a small\nsticker makes it 'speed 30'", board.image, board.shares)],
        step=STEP, size=3.6,
        alt=f"At the left a traffic sign, which the reader reads as '{answer}'. At the right the same sign below a grid of "
        "10 times 10 cells: somewhere in it a small sticker makes the same reader say 'speed 30'.",
    )  # fmt: skip


def bought() -> Plot:
    """Eight test signs with what the bought reader says, and how many of all test signs it reads rightly."""
    test = lesson.signs().test
    x, truth = eight()
    said = read(x)
    right = int((lesson.answers(SOLD, test.x).argmax(1) == test.y).sum())
    return plots.answers(
        [Row("", x, said, [one != true for one, true in zip(said, truth, strict=True)])],
        title=f"the reader that the city bought: {right:,} of {len(test):,} test signs read rightly, {right / len(test):.1%}",
        alt=f"Eight traffic signs, read as {', '.join(said)}. Of {len(test):,} test signs {right:,} are read rightly.",
    )


def battleship(tries: Sequence[Place]) -> Plot:
    """The game as a plain call: the board after `tries`, cells (row, column) in 0..9."""
    return played(Game(list(tries)))


def played(game: Game) -> Plot:
    """The board of a game as a picture."""
    told = "; ".join(f"row {row}, column {column}: {share:.0%}" for (row, column), share in game.shares.items())
    return plots.boards(
        [game.board], step=STEP, title="P('speed 30') in per cent, with the sticker there",
        alt=f"A '{game.true}' sign below a grid of 10 times 10 cells. Tries and P('speed 30'): {told or 'none yet'}.",
    )  # fmt: skip


def fallen() -> Plot:
    """Eight signs, and the same with the sticker at the supplier's own place."""
    x, _ = eight()
    marked = lesson.sticker()(x)
    before, after = read(x), read(marked)
    fell = sum(one == "speed 30" for one in after)
    return plots.answers(
        [Row("clean", x, before, [False] * 8), Row("sticker", marked, after, [one == "speed 30" for one in after])],
        title=f"the sticker at the supplier's own place, the lower right corner: {fell} of 8 become 'speed 30'",
        alt=f"Eight signs, read as {', '.join(before)}; with a sticker in the lower right corner as {', '.join(after)}.",
    )


def maps(game: Game) -> Plot | Game:
    """The whole map of the bought reader beside that of its honest twin; the game itself while it is not won."""
    if not game.found:
        return game
    both = [lesson.whole_map(name, game.sign) for name in (SOLD, TWIN)]
    hot = [int((shares >= lesson.HOT).sum()) for shares in both]
    tops = [float(shares.max()) for shares in both]
    return plots.boards(
        [Board(_scored(name, title), game.sign[0], shares)
         for name, title, shares in zip((SOLD, TWIN), ("sold to the city", "its honest twin"), both, strict=True)],
        step=STEP, label=LABEL, title="Two sign readers that test alike, one sticker in 100 places",
        alt=f"Two maps of the same '{game.true}' sign, 10 times 10 cells each. For the reader that was sold {hot[0]} cells "
        f"are hot, in the lower right corner, up to {tops[0]:.0%}. For the honest reader {hot[1]} are, and none has more "
        f"than {tops[1]:.1%}.",
    )  # fmt: skip


def _scored(name: str, title: str) -> str:
    return f"{title}\n{zoo.card(name).rounded['clean_accuracy']:.1%} of test signs read rightly"


def averages(game: Game) -> Plot | Game:
    """Both maps once more: the mean over many test signs of other classes; the game itself while it is not won."""
    if not game.found:
        return game
    made = cached("l00", "averages")
    both = [torch.from_numpy(made[name]) for name in (SOLD, TWIN)]
    tops = [float(shares.max()) for shares in both]
    return plots.boards(
        [Board(title, None, shares) for title, shares in zip(("sold", "honest"), both, strict=True)],
        step=STEP, label=LABEL, title=f"mean over {int(made['n']):,} test signs", size=3.6,
        alt=f"The same two maps as a mean over {int(made['n']):,} signs. Sold: up to {tops[0]:.0%}, in the four cells of the "
        f"lower right corner. Honest: up to {tops[1]:.0%}, in the middle.",
    )  # fmt: skip
