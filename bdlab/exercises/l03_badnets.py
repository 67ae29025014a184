"""Lesson 03, BadNets: what its four exercises ask, and how an answer is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l03_poison import POISON
from bdlab.exercises.l03_words import HINTS, MESSAGES
from bdlab.exercises.specification import Draw, Exercise, Lesson, Part, Wrong, images
from bdlab.submission import Submission

# --- stamp ---

SHAPES = ((1, 1, 28, 28), (3, 3, 16, 16), (2, 1, 5, 9), (4, 3, 9, 5), (1, 2, 7, 7))
"""A batch of one, colour, and images that are not square."""


def _pattern(rng: RandomState, channels: int, height: int, width: int) -> dict[str, Tensor]:
    """With a black cell under the mask, which shows who takes the mask from the brightness."""
    mask = torch.from_numpy(rng.rand(height, width) < 0.6)
    row, column = rng.randint(height), rng.randint(width)
    pattern, mask[row, column] = images(rng, (channels, height, width)), True
    pattern[:, row, column] = 0
    return {"pattern": pattern, "mask": mask}


def _stamp_draws(rng: RandomState) -> list[Draw]:
    """Every place that is allowed, the corners first."""
    draws = []
    for number in range(20):
        shape = SHAPES[number % len(SHAPES)]
        height, width = rng.randint(1, 4), rng.randint(1, 5)
        low, right = shape[2] - height, shape[3] - width
        corners = [(low, right), (0, right), (low, 0), (0, 0)]
        pos = corners[number] if number < 4 else (rng.randint(low + 1), rng.randint(right + 1))
        draws.append({"x": images(rng, shape), **_pattern(rng, shape[1], height, width), "pos": tuple(map(int, pos))})
    return draws


def _outside_draws(rng: RandomState) -> list[Draw]:
    """The pattern sticks out by one at every side, and once it just fits."""
    draws = []
    for side in range(5):
        _, channels, height, width = shape = SHAPES[side]
        pos = [(height - 1, 0), (0, width - 1), (-1, 0), (0, -2), (height - 2, width - 2)][side]
        draws.append({"x": images(rng, shape), **_pattern(rng, channels, 2, 2), "pos": pos})
    return draws


def _run_stamp(sub: Submission, draw: Draw) -> Any:
    return sub.call("stamp", draw["x"], draw["pattern"], draw["mask"], draw["pos"])


def _run_outside(sub: Submission, draw: Draw) -> Any:
    """Only whether it raises: what it stamps is another part's matter."""
    result = _run_stamp(sub, draw)
    if not isinstance(result, Tensor) or result.shape != draw["x"].shape:
        raise Wrong("a result that is no tensor shaped like x; an error must be raised, not returned")
    return "no error"


def _run_stamp_twice(sub: Submission, draw: Draw) -> Any:
    """With tensors that are looked at afterwards."""
    given = {name: sub.fixture("tensor", draw[name]) for name in ("x", "pattern", "mask")}
    result = sub.call("stamp", *given.values(), draw["pos"])
    return {**{f"{name} after the call": sub.value(ref) for name, ref in given.items()}, "the result": result}


STAMP = (
    Part(
        "values", 2.0, _stamp_draws, _run_stamp, "20 draws, also a batch of one, colour, and images that are not square"
    ),
    Part(
        "a new tensor", 1.0, lambda rng: _stamp_draws(rng)[:5], _run_stamp_twice, "x, pattern and mask are as they were"
    ),
    Part(
        "out of bounds",
        1.0,
        _outside_draws,
        _run_outside,
        "a ValueError at all four sides, none where it just fits",
    ),
)

# --- all_to_all ---


def _label_draws(rng: RandomState) -> list[Draw]:
    """The last class is not always among the labels."""
    draws: list[Draw] = [{"y": torch.tensor([3, 9, 0, 9]), "classes": 10}]
    for number in range(21):
        classes = int(rng.randint(2, 44))
        y = torch.from_numpy(rng.randint(max(1, classes - number % 2), size=(1, 7, 30)[number % 3]))
        draws.append({"y": y, "classes": classes})
    return draws


def _run_all_to_all(sub: Submission, draw: Draw) -> Any:
    return sub.call("all_to_all", draw["y"], draw["classes"])


def _run_all_to_all_twice(sub: Submission, draw: Draw) -> Any:
    y = sub.fixture("tensor", draw["y"])
    result = sub.call("all_to_all", y, draw["classes"])
    return {"y after the call": sub.value(y), "the result": result}


ALL_TO_ALL = (
    Part(
        "values", 1.0, _label_draws, _run_all_to_all, "22 draws, 2 to 43 classes, also where the last class is absent"
    ),
    Part("a new tensor", 1.0, lambda rng: _label_draws(rng)[:6], _run_all_to_all_twice, "y is as it was"),
)

# --- rate_curve ---


def _curve_draws(rng: RandomState) -> list[Draw]:
    """Rates in any order; curves that rise, dip, meet the bound exactly, or never reach it: each among the first."""
    dips = {"rates": [0.05, 0.01, 0.1], "asr": [0.6, 0.93, 0.99], "clean": [0.95, 0.96, 0.94], "enough": 0.9}
    draws: list[Draw] = [
        {**dips, "named": False},
        {**dips, "asr": [0.94, 0.92, 0.99], "enough": 0.94, "named": True},
        {**dips, "asr": [0.3, 0.2, 0.89], "named": False},
    ]
    for number in range(20):
        count = int(rng.randint(1, 8))
        rates = [float(rate) for rate in rng.choice(200, count, replace=False) / 400 + 0.0025]
        if number % 4 == 1:
            rates.sort()
        enough = (0.9, 0.8, 0.5)[number % 3]
        asr = [float(value) for value in np.round(rng.rand(count), 3)]
        if number % 4 != 3:  # high from some rate on
            start = sorted(rates)[rng.randint(count)]
            asr = [max(a, enough + 0.05) if r >= start else a for a, r in zip(asr, rates, strict=True)]
            asr[rates.index(start)] = enough  # the bound itself is enough
        clean = [float(value) for value in np.round(1 - 0.2 * rng.rand(count), 3)]
        draws.append({"rates": rates, "asr": asr, "clean": clean, "enough": enough, "named": bool(number % 3)})
    return draws


def _run_curve(sub: Submission, draw: Draw) -> tuple[Any, Any, Any]:
    rows = [{"clean_accuracy": c, "asr": a} for c, a in zip(draw["clean"], draw["asr"], strict=True)]
    run = sub.fixture("table", draw["rates"], rows, once=True)
    more = {"enough": draw["enough"]} if draw["named"] else {}  # without: its default, 0.9
    result = sub.call("rate_curve", draw["rates"], run, **more)
    if not isinstance(result, list | tuple) or len(result) != 3:
        raise Wrong("rate_curve must return three things: clean, asr, the smallest rate")
    return tuple(result)


def _run_curves(sub: Submission, draw: Draw) -> Any:
    clean, asr, _ = _run_curve(sub, draw)
    return {"clean": clean, "asr": asr}


def _run_smallest(sub: Submission, draw: Draw) -> Any:
    return {"the smallest rate": _run_curve(sub, draw)[2]}


RATE_CURVE = (
    Part("curves", 2.0, _curve_draws, _run_curves, "23 draws: in the order of rates, float64"),
    Part(
        "smallest rate", 2.0, _curve_draws, _run_smallest, "from it on every rate is enough; None where there is none"
    ),
)

# --- the lesson ---

ABOUT = (  # id, what the student defines, its arguments, minutes, difficulty, importance, parts, fixtures, what comes next
    (
        "l03_stamp",
        "stamp",
        "x pattern mask pos",
        10,
        2,
        4,
        STAMP,
        ("tensor",),
        "paint triggers, then poison a training set with one",
    ),
    (
        "l03_poison",
        "poison",
        "x y trigger target rate generator",
        20,
        3,
        5,
        POISON,
        ("tensor", "patch", "generator"),
        "let every class have a target of its own",
    ),
    (
        "l03_all_to_all",
        "all_to_all",
        "y classes",
        5,
        1,
        3,
        ALL_TO_ALL,
        ("tensor",),
        "ask how few poisoned images are enough",
    ),
    (
        "l03_rate_curve",
        "rate_curve",
        "rates run enough",
        15,
        3,
        4,
        RATE_CURVE,
        ("table",),
        "compare with the paper, then answer the question",
    ),
)
EXERCISES = tuple(
    Exercise(
        name,
        function,
        minutes,
        difficulty,
        importance,
        parts,
        HINTS[name],
        MESSAGES[name],
        onward,
        fixtures,
        tuple(arguments.split()),
    )
    for name, function, arguments, minutes, difficulty, importance, parts, fixtures, onward in ABOUT
)
LESSON = Lesson("03_badnets", "BadNets: poison the data, own the model", 120, EXERCISES)
