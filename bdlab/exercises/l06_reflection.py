"""Lesson 06, reflections in a pane: what its five exercises ask, and how an answer is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l06_choosing import CHOOSE, SSIM_LIKE
from bdlab.exercises.l06_questions import BOX, QUESTIONS
from bdlab.exercises.parts import raises, unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Lesson, Mistake, images

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


GAUSSIAN_KERNEL = Exercise(
    "gaussian_kernel(size, sigma)", minutes=10, difficulty=1, importance=3,
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
        "no_square": "You take the distance, not its square. That is a spike with long tails, not a Gaussian.",
        "half_off": "Your middle lies half a pixel off: for an odd size the middle cell has the distance 0. `size // 2` "
        "is its number.",
        "from_corner": "You count the distance from the corner, not from the middle cell. The picture would blur and move.",
        "peak_one": "Your middle cell is 1, the sum is not: the largest value was divided out. The pane would make light.",
        "not_normalised": "The sum is not 1: you left the last step out. The pane would make light.",
        "line_sum": "You divide by the sum of one line. The square has a larger sum than its line: divide by its own.",
        "line_only": Mistake(
            "Your kernel is a line, (size,). A lens spreads light in rows and columns: multiply the line with itself.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.shape == expected.shape[:1], part="values",
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
    "ghost_kernel(delta, alpha)", minutes=10, difficulty=2, importance=4,
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
        "centred": "Your kernel has 2 delta + 1 rows, with one impulse in the middle. No cell beyond it is used: delta + 1 "
        "rows are enough, and `reflect` counts on them.",
        "sum_two": "One impulse has the weight 1: the sum is above 1, and the pane would make light. The two weights are "
        "alpha and 1 - alpha.",
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
            "With delta 0 another kernel than [[1.]] comes back. Both images fall on one cell: their weights add up to 1.",
            when=lambda draw, got, expected: got.shape != expected.shape and draw["delta"] == 0, part="delta 0",
        ),
    },
    onward="mirror a scene with it",
)  # fmt: skip

# --- reflect ---

SHAPES = ((2, 3, 4, 5), (1, 1, 6, 6), (3, 3, 7, 4), (1, 3, 3, 8), (2, 2, 5, 5))
"""Colour, grey, one picture, not square."""


def _scene(rng: RandomState, shape: tuple[int, ...], kernel: Tensor, w: float) -> Draw:
    """Pictures, and a scene of the size that the kernel asks for."""
    more = len(kernel) - 1
    r = images(rng, (shape[1], shape[2] + more, shape[3] + more))
    return {"x": images(rng, shape), "r": r, "kernel": kernel, "w": w}


def mixing_draws(rng: RandomState) -> Iterator[Draw]:
    """Kernels of one cell: only the mixing of light counts."""
    one = torch.ones(1, 1)
    yield {"x": torch.tensor([[[[0.5, 1.0]], [[0.2, 0.9]]]]), "r": torch.tensor([[[0.0, 0.8]], [[0.6, 0.1]]]), "kernel": one,
           "w": 0.4}  # fmt: skip
    for number in range(20):
        yield _scene(rng, SHAPES[number % 5], one, (0.3, 0.6, 0.15, 0.0, 1.0, 0.45)[number % 6])


def kernel_draws(rng: RandomState) -> Iterator[Draw]:
    """Kernels that look different whichever way they are turned: what is flipped or padded shows."""
    for number in range(20):
        kernel = images(rng, (2 + number % 4, 2 + number % 4)) ** 3
        yield _scene(rng, SHAPES[number % 5], kernel / kernel.sum(), (0.6, 0.4, 0.25)[number % 3])


REFLECT = Exercise(
    "reflect(x, r, kernel, w)", minutes=20, difficulty=3, importance=5,
    parts=[values(2, mixing_draws, "21 draws with kernels of one cell: light is mixed, not pixel values", bounds=(0, 1),
                  tolerance=2e-5),
           values(2, kernel_draws, "20 draws with kernels from 2 x 2 to 5 x 5", name="kernels", after="values",
                  bounds=(0, 1), tolerance=2e-5),
           unchanged(1, lambda rng: list(mixing_draws(rng))[:7])],
    hints=(
        "What does a pane add up: pixel values, or light? And what is left of the light from behind it?",
        "Turn both into light, move the scene's light through the kernel, mix with 1 - w and w, turn back. "
        "`F.conv2d` without padding gives H x W where r has H + k - 1 rows.",
        "`F.conv2d(scene[:, None], kernel[None, None])[:, 0]` treats each channel as a picture of its own. Which number "
        "stands before it, which before x's light?",
    ),
    mistakes={
        "no_light": "You mix pixel values. A pane adds light, and light is the pixel value to the power 2.2: a bright lamp "
        "weighs more than its pixel says.",
        "not_back": "You return light, not pixel values: the power 1 / 2.2 is missing at the end. The pictures are far "
        "too dark.",
        "powers_swapped": "The two powers are swapped: light is the pixel value to the power 2.2, and the way back is 1 "
        "/ 2.2.",
        "scene_not_light": "x becomes light, the scene r stays pixel values. Both must be light before they are mixed.",
        "picture_not_light": "The scene becomes light, x stays pixel values. Both must be light before they are mixed.",
        "adds": "All of x's light is kept, and the scene's is added on top. What a pane mirrors it does not let through: x "
        "keeps 1 - w.",
        "w_both": "Both layers have the weight w. The light from behind has 1 - w: the pane shares the light out.",
        "w_swapped": "The weights are swapped: w belongs to the mirrored scene, 1 - w to what is behind the pane.",
        "w_ignored": "w of the light should be mirrored; you always take one half. Use w.",
        "colours_mixed": "The channels are mixed: your convolution sums over them. Each channel goes through the kernel by "
        "itself, else red curtains mirror grey.",
        "first_channel": "Every channel mirrors the first channel's light. Each goes through the kernel by itself.",
        "flipped": "Your kernel is upside down: cell (a, b) weighs the light a rows down and b columns to the right. "
        "`F.conv2d` does just that, without a flip.",
        "transposed": "Rows and columns of the kernel are swapped. For a Gaussian nobody notices, for others the scene lies "
        "elsewhere.",
        "blurs_pixels": "Pixel values go through the kernel, and become light afterwards. Glass spreads light: first the "
        "power, then the kernel.",
        "kernel_ignored": "The kernel is not used: you cut the scene to size. A ghost or a blur would be a plain blend.",
        "padded": "You pad the scene and cut the result. r is larger than x for that very reason: without padding the "
        "result is H x W, and no rim is dark.",
        "centre_cut": "You cut the middle out of the scene or the result, and padding comes into play. Without padding the "
        "result has the size H x W at once.",
        "picture_blurred": "The kernel touches x as well. What is behind the pane stays sharp: only r goes through it.",
        "in_place": "The result is right, but your function writes into x. Whoever measures clean accuracy on it next "
        "measures something else.",
        "scene_in_place": "The result is right, but your function writes into the scene r. The next call mirrors "
        "another one.",
    },
    onward="hold your pane in front of the reader that the city bought",
)  # fmt: skip

LESSON = Lesson(
    "06_reflection", "Reflections in a pane", 90, (GAUSSIAN_KERNEL, GHOST_KERNEL, REFLECT, SSIM_LIKE, CHOOSE), QUESTIONS,
    imports=("import torch", "import torch.nn.functional as F", "from torch import Tensor"), box=BOX,
)  # fmt: skip
