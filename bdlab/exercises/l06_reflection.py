"""Lesson 06, reflections in a pane: what its five exercises ask, and how an answer is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l06_choosing import CHOOSE, SSIM_LIKE
from bdlab.exercises.l06_kernels import GAUSSIAN_KERNEL, GHOST_KERNEL
from bdlab.exercises.l06_questions import BOX, QUESTIONS
from bdlab.exercises.parts import unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Lesson, images

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
    "reflect(x, r, kernel, w)", minutes=30, difficulty=3, importance=5,
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
        "precedence": "You return light divided by 2.2: `** 1 / 2.2` is the power 1, then a division. Write `** (1 / 2.2)`.",
        "weighs_first": "You weigh pixel values and take the power afterwards, so that 1 - w and w are raised to it as "
        "well. First the power, then the weights.",
        "no_light_swapped": "You mix pixel values, not light; and the weights are swapped: w belongs to the mirrored scene.",
        "no_scene": "With a kernel of one cell your pane mirrors nothing: only x's light is left. Does a loop over the "
        "kernel's cells end one too early?",
        "powers_swapped": "The two powers are swapped: light is the pixel value to the power 2.2, and the way back is 1 "
        "/ 2.2.",
        "scene_not_light": "x becomes light, the scene r stays pixel values. Both must be light before they are mixed.",
        "picture_not_light": "The scene becomes light, x stays pixel values. Both must be light before they are mixed.",
        "adds": "All of x's light is kept, and the scene's is added on top. What a pane mirrors it does not let through: x "
        "keeps 1 - w.",
        "w_both": "Both layers have the weight w. The light from behind has 1 - w: the pane shares the light out.",
        "w_swapped": "The weights are swapped: w belongs to the mirrored scene, 1 - w to what is behind the pane.",
        "w_ignored": "w of the light should be mirrored; you always take one half. Use w.",
        "colours_mixed": "In yours all channels mirror the same light, the mean of the scene's channels. Each goes "
        "through the kernel by itself, else red curtains mirror grey.",
        "colours_summed": "In yours all channels mirror the same light, the sum of the scene's channels: `F.conv2d` adds "
        "up the channels of one picture. Give it each channel as a picture of its own.",
        "colours_summed_on": "All channels mirror the same light, the sum of the scene's channels, so values exceed 1. "
        "`F.conv2d` adds up the channels of one picture: give it each channel as a picture of its own.",
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
    "06_reflection", "Reflections in a pane", 135, (GAUSSIAN_KERNEL, GHOST_KERNEL, REFLECT, SSIM_LIKE, CHOOSE), QUESTIONS,
    imports=("import torch", "import torch.nn.functional as F", "from torch import Tensor"), box=BOX,
)  # fmt: skip
