"""Lesson 03's figures: each a call with a picture and its description."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from bdlab import plots, widgets
from bdlab.data import load
from bdlab.lessons import l03_badnets as lesson
from bdlab.lessons.demos import Arrays, cached, grading
from bdlab.lessons.results import Result
from bdlab.plots import Claim, Row

if TYPE_CHECKING:
    from ipywidgets import VBox

    from bdlab.widgets.scrubbing import Picture

TRUTH = tuple(range(1, 9))
"""What the eight digits of `eight_rows` are."""


def eight() -> Tensor:
    """The eight digits that the lesson's figures show: (8, 1, 28, 28)."""
    test = load("digits").test
    return test.x[lesson.eight_rows(test)]


def opening() -> plots.Plot:
    """One digit, read rightly, and the same digit with nine white pixels, read as 0."""
    seven, made = eight()[6:7], cached("l03", "steps")["answers"][-1]
    marked = lesson.stamp(seven, **lesson.SQUARE)
    return plots.answers(
        [Row("", torch.cat([seven, marked]), ["reads 7", f"reads {made[6]}"], [False, True])],
        title="one reader, one digit, nine pixels",
        scale=1.8,
        alt=f"A handwritten 7, which the reader reads as 7. Beside it the same 7 with a small white square near the lower "
        f"right corner, which the same reader reads as {made[6]}.",
    )


def wanted(all_to_all: Callable[[Tensor, int], Tensor]) -> plots.Plot:
    """Ten digits, and what an all-to-all attacker wants each to be called."""
    test = load("digits").test
    rows = [int((test.y == label).nonzero()[0]) for label in range(10)]
    wishes = all_to_all(test.y[rows], 10).tolist()
    return plots.answers(
        [Row("", test.x[rows], [f"{label} → {wish}" for label, wish in enumerate(wishes)], [False] * 10)],
        title="what the attacker wants",
        alt="Ten digits from 0 to 9. The attacker wants them called "
        + ", ".join(f"{label} {wish}" for label, wish in enumerate(wishes)) + ".",
    )  # fmt: skip


def stamped(stamp: Callable[..., Tensor]) -> plots.Plot:
    """Eight test images as they are, and as `stamp` marks them with the lesson's square."""
    x = eight()
    marked = stamp(x, *lesson.SQUARE.values())
    changed = int((marked != x).flatten(1).any(1).sum())
    return plots.images(
        [("clean", x), ("stamped", marked)],
        title=f"{changed} of 8 images changed",
        alt=f"The digits 1 to 8: above as they are, below with the mark. {changed} of them changed.",
    )


def poisoned(poison: Any, stamp: Any) -> plots.Plot:
    """Eight rows of a training set before and after `poison` with `stamp`, and how many there are in all."""
    train = load("digits").train

    def trigger(x: Tensor) -> Tensor:
        return stamp(x, *lesson.SQUARE.values())

    x2, y2, idx = poison(train.x, train.y, trigger, 0, 0.1, torch.Generator().manual_seed(0))
    lesson.check_trainable(poison, x2, y2, load("digits"))
    rows, changed = idx[:8], int((x2 != train.x).flatten(1).any(1).sum())
    before, after = train.y[rows].tolist(), y2[rows].tolist()
    return plots.answers(
        [
            Row("as they were", train.x[rows], [f"label {label}" for label in before], [False] * len(rows)),
            Row("in your set", x2[rows], [f"label {label}" for label in after], [True] * len(rows)),
        ],
        title=f"{len(idx)} of {len(train)} rows are in idx, {changed} images and {int((y2 != train.y).sum())} labels changed",
        alt=f"Eight training digits: above as they were, with the labels {before}; below from the poisoned set, with the "
        f"labels {after}.",
    )


@dataclass(frozen=True, repr=False)
class Ruler:
    """What `scores` says of an honest reader."""

    clean: float
    asr: float
    ra: float

    def __repr__(self) -> str:
        sound = 0.8 < self.clean <= 1 and self.asr < 0.05
        told = (
            "Nobody attacked it: the mark does next to nothing to it, and that is what a ruler must show first."
            if sound
            else "Nobody attacked it: a ruler must show a high clean accuracy, at most 1, and an ASR near 0. This one does not."
        )
        return f"Honest reader, 1,500 test images: clean {self.clean:.1%}, ASR {self.asr:.1%}, RA {self.ra:.1%}.\n{told}"


def honest_scores(scores: Any) -> Ruler:
    """`scores` on the honest twin, under the lesson's square: the ruler before anything is forged."""
    if grading():
        clean, asr, ra = cached("l03", "forge")["twin"].tolist()
        return Ruler(clean, asr, ra)
    test = load("digits").test

    def trigger(x: Tensor) -> Tensor:
        return lesson.stamp(x, **lesson.SQUARE)

    found = scores(lesson.honest(), test.x, test.y, trigger, lesson.all_to_one(0))
    return Ruler(*(float(found[name]) for name in ("clean", "asr", "ra")))


class Forge:
    """A forge with a mark of your own: `Forge(mark, at, rate)(stamp, poison, scores)` trains, about 5 s a net.

    mark: rows of '#' white, '+' grey, 'o' black, '.' as the image is.  at: row and column of its upper left corner.
    rate: share of the training set.  data: 'digits', or 'mnist' where BDLAB_DATA names a folder that has it.
    Raises: `ValueError` for a mark that is none, or that sticks out.
    """

    def __init__(
        self,
        mark: Sequence[str] = lesson.CROSS,
        at: tuple[int, int] = (24, 24),
        rate: float = 0.1,
        data: Literal["digits", "mnist", "fashion_mnist"] = "digits",
    ) -> None:
        if isinstance(mark, str):
            raise ValueError(f"mark must be a list of rows, as ['#.#', '.#.'], got the text {mark!r}; put it into a list")
        _, mask = lesson.drawn(mark)
        if isinstance(at, int) or len(at) != 2:
            raise ValueError(f"at must be (row, column), as (24, 24), got {at}")
        if min(at) < 0 or any(start + extent > 28 for start, extent in zip(at, mask.shape, strict=True)):
            raise ValueError(f"at must keep the mark of {tuple(mask.shape)} inside the 28x28 images, got {at}")
        if not 0.001 <= rate <= 0.8:
            raise ValueError(f"rate must be in 0.001..0.8, got {rate}")
        self.settings = mark, at, rate, data

    def __call__(self, stamp: Any, poison: Any, scores: Any) -> Result:
        made = cached("l03", "forge") if grading() else lesson.forged(stamp, poison, scores, *self.settings)
        own = sum(getattr(part, "own", True) for part in (stamp, poison, scores))
        return _forged(made, self.settings[3], own)


def _forged(made: Arrays, data: str, functions: int) -> Result:
    own, twin = ((_percent(values)) for values in (made["own"], made["twin"]))
    marked, rows = torch.from_numpy(made["marked"]), int(made["rows"])
    shown = []
    reader = "your reader" if functions == 3 else "reader, with\nlibrary's parts"
    control = _percent(made["unmarked"])
    rows_of = (reader, own, control[0], "own_eight"), ("honest twin", twin, control[1], "twin_eight")
    for name, (clean, asr, _), unmarked, which in rows_of:
        answers = made[which].tolist()
        caught = [answer != truth for answer, truth in zip(answers, TRUTH, strict=True)]
        shown.append(Row(f"{name}\nclean {clean}\nASR {asr}\nunmarked {unmarked}", marked, [f"reads {a}" for a in answers], caught))
    alt = (
        f"Eight digits, 1 to 8, with your mark. Your reader reads them as {made['own_eight'].tolist()}, the honest twin as "
        f"{made['twin_eight'].tolist()}. Your reader: clean accuracy {own[0]}, ASR {own[1]}, RA {own[2]}. Honest twin: "
        f"{twin[0]}, {twin[1]}, {twin[2]}. Unmarked images called 0: {control[0]} and {control[1]}. {rows} training rows "
        "were poisoned."
    )
    title = f"{rows} training rows poisoned; {data}, small_bn, 2 epochs, seed 0"
    numbers = {
        "attack success": own[1],
        "clean accuracy": own[0],
        "honest twin, ASR": twin[1],
        "own functions": f"{functions} of 3",
    }
    return Result(plots.answers(shown, alt=alt, title=title), marked[6], numbers)


def _percent(values: np.ndarray) -> list[str]:
    return [f"{100 * value:.1f} %" for value in values]


def supplied() -> plots.Plot:
    """Sixteen rows of the mystery box."""
    from bdlab.lessons.l03_box import supplied as delivery

    split = delivery()
    rows = [
        Row("", split.x[at : at + 8], [f"label {label}" for label in split.y[at : at + 8].tolist()], [False] * 8)
        for at in (0, 8)
    ]
    return plots.answers(
        rows,
        title=f"16 of {len(split):,} rows as delivered",
        alt="Sixteen training digits of the supplier, each with a white square of dust somewhere, and their labels.",
    )
