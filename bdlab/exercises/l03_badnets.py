"""Lesson 03, BadNets: what its four exercises ask, and how an answer is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l03_poison import POISON
from bdlab.exercises.l03_questions import BOX, QUESTIONS
from bdlab.exercises.l03_scores import SCORES
from bdlab.exercises.parts import raises, unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Lesson, Mistake, images

# --- all_to_all ---


def label_draws(rng: RandomState) -> Iterator[Draw]:
    """The last class is not always among the labels."""
    yield {"y": torch.tensor([3, 9, 0, 8]), "classes": 10}
    yield {"y": torch.tensor([2, 0, 4]), "classes": 5}
    yield {"y": torch.tensor([1, 0]), "classes": 4}
    for number in range(19):
        classes = int(rng.randint(2, 44))
        y = torch.from_numpy(rng.randint(max(1, classes - number % 2), size=(1, 7, 30)[number % 3]))
        yield {"y": y, "classes": classes}


def _begins_again(at: Callable[[Draw], int]) -> Callable[[Draw, Any, Any], bool]:
    """Whether the labels went up by one and began again at another number than that of the classes."""
    return lambda draw, got, expected: at(draw) > 0 and bool((got == (draw["y"] + 1) % at(draw)).all())


ALL_TO_ALL = Exercise(
    "all_to_all(y, classes)", minutes=10, difficulty=1, importance=3,
    parts=[values(1, label_draws, "22 draws, 2 to 43 classes, also where the last class is absent"),
           unchanged(1, label_draws)],
    hints=(
        "What does y + 1 give for the last class, and what should it be?",
        "Add one, and start again at 0 where the number of classes is reached. `classes` tells where, not the labels in y.",
        "The remainder of a division by `classes` leaves all numbers below it as they are, and turns `classes` into 0.",
    ),
    mistakes={
        "no_wrap": "The last class becomes a class that does not exist. Training on such a label stops with an error.",
        "in_place": "The result is right, but y itself has changed. The true labels are lost, and ASR and RA need them.",
        "last_stays": "The last class keeps its label. It would not be attacked at all; it must become 0.",
        "backwards": "You go down by one. Class i becomes i + 1, the last class 0.",
        "largest_label": Mistake(
            "You take the largest label in y for the last class. A batch need not contain every class: use `classes`.",
            when=_begins_again(lambda draw: int(draw["y"].max()) + 1),
        ),
        "early_wrap": Mistake(
            "You start again one class too early: classes 0 to K - 1 exist, so there are K of them before 0 comes again.",
            when=_begins_again(lambda draw: draw["classes"] - 1),
        ),
        "ten": Mistake(
            "You start again at 10, where `classes` is another number. Digits have ten classes, traffic signs have more.",
            when=_begins_again(lambda draw: 10),
        ),
        "distinct": Mistake(
            "You count the different labels in y. A batch need not contain every class: use `classes`.",
            when=_begins_again(lambda draw: len(draw["y"].unique())),
        ),
        "one_by_one": "All labels become 0. Either you write into them one class after another, so that what was moved "
        "moves again: read old labels, write new ones. Or this is all to one, and all to all is asked for.",
        "floats": Mistake(
            "The numbers are right, but they are floating-point. Losses and comparisons want class numbers: int64.",
            when=lambda draw, got, expected: got.is_floating_point() and bool((got == expected).all()),
        ),
        "numbers": Mistake(
            "The labels are right, but come as a list, a tuple or a numpy array. Training wants a torch tensor.",
            when=lambda draw, got, expected: not isinstance(got, Tensor) and list(got) == expected.tolist(),
        ),
    },
    onward="mark images",
)  # fmt: skip

# --- stamp ---

SHAPES = ((3, 3, 16, 16), (1, 1, 28, 28), (2, 1, 5, 9), (4, 3, 9, 5), (1, 2, 7, 7))
"""Colour, a batch of one, and images that are not square."""


def _pattern(rng: RandomState, channels: int, height: int, width: int) -> dict[str, Tensor]:
    """With a black cell under the mask, which shows who takes the mask from the brightness."""
    mask = torch.from_numpy(rng.rand(height, width) < 0.6)
    row, column = rng.randint(height), rng.randint(width)
    pattern, mask[row, column] = images(rng, (channels, height, width)), True
    pattern[:, row, column] = 0
    return {"pattern": pattern, "mask": mask}


def _small(pattern: list[list[list[float]]], mask: list[list[bool]], pos: tuple[int, int]) -> Draw:
    """Two images of 2 x 3 pixels: small enough to be looked at."""
    return {
        "x": torch.tensor([round(0.2 + 0.05 * n, 2) for n in range(12)]).reshape(2, 1, 2, 3),
        "pattern": torch.tensor(pattern), "mask": torch.tensor(mask), "pos": pos,
    }  # fmt: skip


def stamp_draws(rng: RandomState) -> Iterator[Draw]:
    """Small ones, then every place that is allowed, the corners first."""
    yield _small([[[0.0, 1.0]]], [[True, True]], (0, 0))
    yield _small([[[1.0, 0.5]]], [[False, True]], (1, 1))
    for number in range(20):
        shape = SHAPES[number % len(SHAPES)]
        height, width = rng.randint(2, 4), rng.randint(1, 5)
        low, right = shape[2] - height, shape[3] - width
        corners = [(low - 1, 0), (low, right), (0, right), (low, 0), (0, 0)]
        pos = corners[number] if number < 5 else (rng.randint(low + 1), rng.randint(right + 1))
        yield {"x": images(rng, shape), **_pattern(rng, shape[1], height, width), "pos": tuple(map(int, pos))}


def outside_draws(rng: RandomState) -> Iterator[Draw]:
    """The pattern sticks out by one at every side, once with a cell that the mask leaves out; twice it just fits."""
    yield from (_small([[[0.0, 1.0]]], [[True, last]], (0, 2)) for last in (True, False))
    for side in range(6):
        _, channels, height, width = shape = SHAPES[side % len(SHAPES)]
        pos = [(height - 1, 0), (0, width - 1), (-1, 0), (0, -2), (height - 2, width - 2), (0, 0)][side]
        yield {"x": images(rng, shape), **_pattern(rng, channels, 2, 2), "pos": pos}


def _eight_bits(draw: Draw, got: Any, expected: Any) -> bool:
    """Every number is off by less than one of 255 steps, and many of them are."""
    off = (got - expected).abs()
    return bool(off.max() < 1 / 255 and (off > 1e-6).float().mean() > 0.2)


STAMP = Exercise(
    "stamp(x, pattern, mask, pos)", minutes=15, difficulty=2, importance=4,
    parts=[values(2, stamp_draws, "22 draws, also a batch of one, colour, and images that are not square", bounds=(0, 1)),
           unchanged(1, lambda rng: list(stamp_draws(rng))[:7]),
           raises(1, outside_draws, "a ValueError where the box sticks out, at all four sides", name="out of bounds")],
    hints=(
        "Which pixels of a result may differ from x, and which single tensor operation makes sure that x itself stays?",
        "Check the four sides first. Copy x, cut out the window of the copy that has the pattern's size (a slice is a "
        "view), and write into it only where the mask is True.",
        "With `window = marked[:, :, row : row + h, column : column + w]` the index `window[:, :, mask]` means the masked "
        "cells of every image and channel. Which cells of the pattern belong there, and what must come before?",
    ),
    mistakes={
        "in_place": "Your function writes into x itself. Whoever measures clean accuracy on x afterwards measures changed "
        "images, and no error tells.",
        "pattern_changed": "Your function changes the pattern that it was given. The next call stamps another trigger.",
        "no_mask": "You paste the whole box, also the cells that the mask leaves out. The trigger is another one then.",
        "brightness": "You paste where the pattern is bright, not where the mask is True: a trigger's black cells get lost, "
        "and bright cells that the mask leaves out appear.",
        "black_lost": "Black cells of the pattern leave no mark: you paste where pattern * mask is bright. Where the mask "
        "is True every cell counts, a black one, too.",
        "multiplied": "You paste pattern * mask: cells that the mask leaves out turn black. They must stay as they were.",
        "adds": "You add the pattern to the pixels. A trigger replaces them: sums differ from image to image, and leave "
        "the range [0, 1].",
        "adds_clamped": "You add the pattern and cut the sum off at 1. A trigger replaces the pixels, so that it looks the "
        "same on every image.",
        "adds_all": "You add the pattern, also where the mask is False. A trigger replaces pixels, and only where the mask "
        "is True.",
        "swapped": "Row and column are swapped: pos is (row, column), the row first. On images that are not square the "
        "trigger lands elsewhere or seems to stick out.",
        "first_channel": "All channels get the first channel's colours. On colour images a yellow trigger turns grey, and "
        "training and use must show the same trigger.",
        "one_channel": "Only channel 0 is marked. On colour images the others must be marked, too.",
        "one_image": "Only the first image is marked. x holds N of them: leave the first axis whole with a colon.",
        "off_by_one": "You refuse a pattern that just touches the lower or right edge. It still fits: the corner is where "
        "attackers like to put it.",
        "negative": "A negative row or column does not end in a ValueError. Slices count it from the other edge, so the "
        "trigger would be cut or land elsewhere: compare with 0 before you slice.",
        "unchecked": Mistake(
            "Some place outside of the image ends in another error than a ValueError: you raise that one, or nothing is "
            "checked and the slice is cut. Compare row and column with 0, the pattern's end with x.shape.",
            when=lambda draw, got, expected: got == {"raised": "RuntimeError"}, part="out of bounds",
        ),
        "moved_inside": "A pattern that sticks out goes through without an error, moved, cut or not looked at. The caller "
        "asked for something else and never hears of it: raise a ValueError.",
        "eight_bits": Mistake(
            "Pixels are off by less than 1/255: your images went through a coarser type and back, 8-bit integers or half "
            "precision. Stay in float32: outside of the trigger they must be equal to the last digit.",
            when=_eight_bits, part="values",
        ),
    },
    onward="paint triggers, then poison a training set with one",
)  # fmt: skip

LESSON = Lesson("03_badnets", "BadNets: the forge", 105, (ALL_TO_ALL, STAMP, POISON, SCORES), QUESTIONS, box=BOX)
