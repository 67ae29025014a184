"""Lesson 06: the exercises `gaussian_kernel` and `ghost_kernel`, which say where a pane sends the light of one point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import raises, values
from bdlab.exercises.specification import Draw, Exercise, Mistake

# --- gaussian_kernel ---


def gaussian_draws(rng: RandomState) -> Iterator[Draw]:
    """Odd sizes, one cell among them; blurs narrower than a pixel and wider than the kernel."""
    yield from ({"size": size, "sigma": sigma} for size, sigma in ((3, 1.0), (5, 2.0), (5, 0.8), (1, 0.7)))
    for _ in range(17):
        yield {"size": 2 * int(rng.randint(6)) + 1, "sigma": round(0.4 + 3 * float(rng.rand()), 2)}


def size_draws(rng: RandomState) -> Iterator[Draw]:
    """Even sizes, none at all, blurs of no width; and some that are allowed."""
    refused = ((4, 1.0), (3, 0.0), (2, 0.5), (3, -1.0), (0, 1.0), (-3, 1.0))
    yield from ({"size": size, "sigma": sigma} for size, sigma in (*refused, (1, 0.3), (5, 1.0)))
    for number in range(12):
        yield {"size": int(rng.randint(1, 12)), "sigma": (1.0, 0.0, 2.5)[number % 3]}


def _lines(size: int) -> tuple[tuple[int, ...], ...]:
    """Shapes of a kernel that is one line."""
    return (size,), (size, 1), (1, size)


def _each_is_one(sums: Tensor) -> bool:
    """Whether there are several sums, each of them 1."""
    return len(sums) > 1 and bool(((sums - 1).abs() < 1e-4).all())


GAUSSIAN_KERNEL = Exercise(
    "gaussian_kernel(size, sigma)", minutes=14, difficulty=1, importance=3,
    parts=[values(1, gaussian_draws, "21 draws, from one cell to 11 x 11"),
           raises(1, size_draws, "a ValueError for an even size, for none, and for a sigma that is not above 0")],
    hints=(
        "How far, in rows and in columns, is each cell from the middle one?",
        "exp(-(a^2 + b^2) / ...) is exp(-a^2 / ...) times exp(-b^2 / ...): one line of numbers, and its product with "
        "itself.",
        "`line[:, None] * line` makes a square of a line over `torch.arange(size) - size // 2`. What must its sum become?",
    ),
    mistakes={
        "no_two": "The exponent lacks its 2: it is the squared distance over 2 sigma^2. Your spot is narrower than "
        "asked for.",
        "two_inside": "You square 2 sigma as a whole, or twice: the exponent is the squared distance over 2 sigma^2, 2 "
        "times (sigma squared).",
        "sigma_plain": "You divide by 2 sigma, not by 2 sigma^2: for sigma 1 nobody notices, for all others the spot has "
        "another width.",
        "no_square": "Your exponent holds |a| + |b|: the squares are missing. That is a spike with long tails, not a "
        "Gaussian.",
        "product": "Your squared distance is multiplied by sigma^2, where it must be divided: `a / 2 * b` is (a / 2) * b. "
        "Put brackets around `2 * sigma**2`.",
        "no_minus": "Your weights grow with the distance from the middle: the minus before the squared distance is missing.",
        "sigma_ignored": "Your spot is as wide for every sigma. The exponent divides by 2 sigma^2, not by 2 alone.",
        "root": "You take the root of a^2 + b^2. The exponent holds the squared distance itself: your spot is a spike "
        "with long tails.",
        "half_off": "Your middle lies half a pixel off: for an odd size the middle cell has the distance 0. `size // 2` "
        "is its number.",
        "one_off": "Your middle lies one cell too far down and to the right: the number of the middle cell is `size // 2`.",
        "from_minus_one": "Your distances run from -1 to 1 for every size. They count in cells: -2, -1, 0, 1, 2 for size 5.",
        "from_corner": "You count the distance from the corner, not from the middle cell. The picture would blur and move.",
        "peak_one": "Your middle cell is 1, and the sum is larger: the last step must divide by the sum. The pane would "
        "make light.",
        "not_normalised": "The sum of your cells is not 1: 1 / (2 pi sigma^2) makes it 1 only for a spot without an edge. "
        "Divide by `kernel.sum()`.",
        "line_sum": "You divide by the sum of one line. The square has a larger sum than its line: divide by its own.",
        "line_only": Mistake(
            "Your kernel is one line. A lens spreads light in rows and columns: multiply the line with itself.",
            when=lambda draw, got, expected: tuple(got.shape) in _lines(draw["size"]), part="values",
        ),
        "row_sums": Mistake(
            "Each row, or each column, of yours adds up to 1. All cells together must: divide by `kernel.sum()`.",
            when=lambda draw, got, expected: _each_is_one(got.sum(1)) or _each_is_one(got.sum(0)), part="values",
        ),
        "too_few": Mistake(
            "Your kernel has one row and one column too few. `range` and `arange` stop before their end: it takes size "
            "steps.",
            when=lambda draw, got, expected: tuple(got.shape) == (draw["size"] - 1,) * 2, part="values",
        ),
        "unchecked": "Even sizes or a sigma of 0 go through. An even kernel has no middle, and sigma 0 divides by zero: "
        "raise a ValueError.",
        "even": "An even size goes through. It has no middle cell, so the picture would move by half a pixel: raise a "
        "ValueError.",
        "sigma_zero": "A sigma of 0 or below goes through. It divides by zero, and the kernel holds NaN or is nonsense: "
        "raise a ValueError.",
        "only_zero": "A negative sigma goes through. Squared it looks like a positive one, and the caller's slip stays "
        "hidden: ask for sigma above 0.",
        "no_size": "A size below 1 goes through. Odd is not enough: -3 is odd, too. Ask for 1 or more.",
    },
    onward="build the second kernel, that of a thick pane",
)  # fmt: skip

# --- ghost_kernel ---


def ghost_draws(rng: RandomState) -> Iterator[Draw]:
    """Panes with a thickness."""
    yield from ({"delta": delta, "alpha": alpha} for delta, alpha in ((2, 0.65), (1, 0.75), (3, 0.6)))
    for _ in range(18):
        yield {"delta": int(rng.randint(1, 9)), "alpha": round(float(rng.rand()), 2)}


def thin_draws(rng: RandomState) -> Iterator[Draw]:
    """A pane without a thickness, and thick ones between."""
    for number in range(20):
        yield {"delta": 0 if number % 2 == 0 else int(rng.randint(1, 6)), "alpha": round(0.2 + 0.7 * float(rng.rand()), 2)}


def _looks(pattern: Any) -> Any:
    """A predicate: the kernel is the square of shape (delta + 1, delta + 1) that `pattern(delta, alpha)` gives as cells."""

    def when(draw: Draw, got: Any, expected: Any) -> bool:
        cells = {key: value for key, value in pattern(draw["delta"], draw["alpha"]).items() if value}
        there = {tuple(at): round(float(got[tuple(at)]), 4) for at in got.nonzero().tolist()}
        return got.shape == expected.shape and there == {at: round(value, 4) for at, value in cells.items()}

    return when


GHOST_KERNEL = Exercise(
    "ghost_kernel(delta, alpha)", minutes=11, difficulty=2, importance=4,
    parts=[values(2, ghost_draws, "21 draws, panes of 1 to 8 pixels"),
           values(1, thin_draws, "a pane of no thickness, delta 0, is one impulse of 1", name="delta 0", after="values")],
    hints=(
        "How many cells of the kernel are not 0, and what do they add up to?",
        "Begin with zeros of the right size and put two numbers in, one in either corner. What happens where both "
        "corners are one cell?",
        "`kernel[-1, -1]` is the lower right corner, `kernel[0, 0]` the upper left. For delta 0 they are one cell: add "
        "to it.",
    ),
    mistakes={
        "swapped": "The weights are swapped: alpha belongs to the lower right corner, 1 - alpha to the upper left.",
        "other_diagonal": "Your two impulses lie in the other two corners, upper right and lower left. The ghost would move "
        "the wrong way.",
        "one_row": "Your two impulses lie in one row: the ghost moves in columns only. It moves in rows, too.",
        "one_column": "Your two impulses lie in one column: the ghost moves in rows only. It moves in columns, too.",
        "too_small": "Your kernel has delta rows and columns: from the first cell to the last are delta - 1 steps then. It "
        "takes delta + 1 for a ghost that is delta pixels away.",
        "centred": Mistake(
            "Your kernel has 2 delta + 1 rows and columns. For two images that are delta pixels apart delta + 1 are "
            "enough, and `reflect` counts on them.",
            when=lambda draw, got, expected: tuple(got.shape) == (2 * draw["delta"] + 1,) * 2, part="values",
        ),
        "sum_two": "The impulse in the upper left corner has the weight 1: the sum is above 1, and the pane would make "
        "light. The two weights are alpha and 1 - alpha.",
        "first_whole": "The impulse in the lower right corner has the weight 1: the sum is above 1, and the pane would make "
        "light. Its weight is alpha.",
        "one_short": "The impulse of weight alpha lies in row and column delta - 1. Of delta + 1 rows the last has the "
        "number delta, or -1.",
        "example_only": "Your weights are .65 and .35 for every alpha: those of the example. Use alpha and 1 - alpha.",
        "both_alpha": "Both impulses have the weight alpha. The sum is 1 only where the two are alpha and 1 - alpha.",
        "halves": Mistake(
            "Both impulses weigh one half. They are alpha and 1 - alpha: the ghost is the fainter image.",
            when=_looks(lambda delta, alpha: {(0, 0): 0.5, (delta, delta): 0.5}), part="values",
        ),
        "one_impulse": Mistake(
            "Only one impulse is left. Two images are mirrored: the other weighs what is missing to 1.",
            when=lambda draw, got, expected: len(got.nonzero()) == 1 and 0.01 < draw["alpha"] < 0.99, part="values",
        ),
        "spread": "Cells between the two corners are not 0. Glass has two faces, so two images: all else stays 0.",
        "last_wins": Mistake(
            "With delta 0 both images fall on one cell, and one of your numbers replaces the other: the pane swallows "
            "light. Add the second to what is there.",
            when=lambda draw, got, expected: draw["delta"] == 0 and got.shape == expected.shape and float(got) < 0.99,
            part="delta 0",
        ),
        "thin_refused": Mistake(
            "With delta 0 your kernel has another shape than (1, 1). Both images fall on its one cell: [[1.]].",
            when=lambda draw, got, expected: got.shape != expected.shape and draw["delta"] == 0, part="delta 0",
        ),
    },
    onward="mirror a scene with it",
)  # fmt: skip
