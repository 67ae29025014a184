"""Lesson 01, neural networks: `linear_relu` and `softmax_xent`, and the lesson itself."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l01_questions import BOX, QUESTIONS
from bdlab.exercises.l01_training import ACCURACY, TRAIN_EPOCH
from bdlab.exercises.parts import unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Lesson, Mistake, images

# --- linear_relu ---


def _layer(rng: RandomState, images_: int, inputs: int, neurons: int) -> Draw:
    """Numbers of both signs."""
    shapes = {"x": (images_, inputs), "W": (neurons, inputs), "b": (neurons,)}
    return {name: 4 * images(rng, shape) - 2 for name, shape in shapes.items()}


def layer_draws(rng: RandomState) -> Iterator[Draw]:
    """The first one is square: whoever forgets to turn W round gets wrong numbers, not an error."""
    yield {
        "x": torch.tensor([[1.0, 2.0], [-3.0, 1.0]]), "W": torch.tensor([[1.0, 0.5], [-1.0, 2.0]]),
        "b": torch.tensor([0.5, -1.0]),
    }  # fmt: skip
    for number in range(20):
        yield _layer(rng, 2 + number % 5, 2 + number % 7, 2 + number % 3)


def odd_layers(rng: RandomState) -> Iterator[Draw]:
    """One image, one neuron, one input, no image at all."""
    for sizes in ((1, 3, 2), (4, 3, 1), (3, 1, 2), (0, 3, 2), (1, 1, 1)):
        yield _layer(rng, *sizes)


LINEAR_RELU = Exercise(
    "linear_relu(x, W, b)", minutes=15, difficulty=1, importance=4,
    parts=[values(2, layer_draws, "21 draws, numbers of both signs, up to six images"),
           values(1, odd_layers, "one image, one neuron, one input, no image", name="odd sizes", after="values")],
    hints=(
        "x has one row an image, W one row a neuron. Which row meets which in the result's cell (i, k)?",
        "`x @ W.T` holds the weighted sums: row i, column k belongs to image i and neuron k. What is added then, and what "
        "happens to a sum below zero?",
        "`(x @ W.T + b)` has the right shape: b is added to every row by itself. `clamp_min(0)` does the rest.",
    ),
    mistakes={
        "transposed": "You use W as it lies: its rows are the neurons, so it must be turned round, W.T, to meet the rows of "
        "x. Square matrices hide this; others stop with an error.",
        "no_bias": "The bias b is missing. Without it every neuron's line runs through the origin.",
        "minus": "You take b off. It is added here, as torch.nn.Linear does.",
        "no_relu": "Sums below zero come out as they are. A neuron that may go below zero adds nothing that a single layer "
        "could not do: put max(0, .) around the sum.",
        "bias_after": "You add the bias behind the max. It belongs to the sum: it decides where the neuron begins to fire.",
        "relu_inputs": "You cut the inputs at zero, not the sums. Negative inputs carry news, too.",
        "relu_weights": "You cut the weights at zero. A negative weight says: this input speaks against it.",
        "capped": "You cut the results at 1 as well. A ReLU has no upper end.",
        "wrong_side": "You keep the sums below zero and cut those above it. It is the other way round.",
        "magnitude": "You turn negative sums into positive ones. They must become 0.",
        "bias_down": "You add b down the images. It has one number for each neuron, which is a column of the sums.",
        "fires": "You return whether a neuron fires. Wanted is how strongly: the sum itself where it is above zero.",
        "squeezed": "Axes of length one get lost: for one image or one neuron the result must still be (N, M).",
    },
    onward="ask a whole reader, and count how often it is right",
)  # fmt: skip

# --- softmax_xent ---


def _logits(rng: RandomState, count: int, classes: int, spread: float) -> Draw:
    return {
        "logits": spread * (2 * images(rng, (count, classes)) - 1),
        "y": torch.from_numpy(rng.randint(classes, size=count)),
    }


def loss_draws(rng: RandomState) -> Iterator[Draw]:
    """Modest numbers: here nothing overflows."""
    yield {"logits": torch.tensor([[0.0, math.log(3.0)], [2.0, 2.0]]), "y": torch.tensor([0, 1])}
    for number in range(20):
        yield _logits(rng, (1, 3, 8)[(number + 1) % 3], 2 + number % 6, 4.0)


def large_draws(rng: RandomState) -> Iterator[Draw]:
    """Sure and right, sure and wrong, rows of very different height."""
    yield {"logits": torch.tensor([[1e4, 0.0], [0.0, 5e3]]), "y": torch.tensor([0, 1])}
    yield {"logits": torch.tensor([[-50.0, 0.0, 60.0], [1e4, 0.0, -1e4]]), "y": torch.tensor([0, 1])}
    yield {"logits": torch.tensor([[1e4, 1e4], [-1e4, -1e4]]), "y": torch.tensor([0, 1])}
    for number in range(8):
        yield _logits(rng, 1 + number % 4, 2 + number % 5, 1e4)


def _too_small(draw: Draw, got: Tensor, expected: Tensor) -> bool:
    """A finite loss below the right one: the share was kept away from zero."""
    return bool(got.isfinite() and got < expected - 1)


SOFTMAX_XENT = Exercise(
    "softmax_xent(logits, y)", minutes=25, difficulty=3, importance=4,
    parts=[values(2, loss_draws, "21 draws, two to seven classes, also a single image"),
           values(1, large_draws, "logits up to 10,000: the loss is finite and right", name="large logits", after="values",
                  tolerance=2e-3),
           unchanged(1, loss_draws)],
    hints=(
        "What is exp(1000) in float32? And does the softmax change when you take the same number off all logits of a row?",
        "Take each row's largest logit off. Then -log(softmax at y) is log(sum of exp) minus the logit at y: no share is "
        "ever computed, so none can become 0. At last the mean over the images.",
        "With `s = logits - logits.max(1, keepdim=True).values`, the logits at y are `s[torch.arange(len(y)), y]`, and "
        "`s.exp().sum(1).log()` is what they are taken off from.",
    ),
    mistakes={
        "sum": "You add the losses of the images up. Wanted is their mean, else a larger batch would mean larger steps.",
        "wrong_sign": "The sign is wrong: a loss is 0 for a sure and right answer, and grows when it is wrong.",
        "columns": "You go down the images. The shares of one image's classes add up to 1: axis 1.",
        "bits": "You use the logarithm to base 2. Wanted is the natural one.",
        "all_entries": "You divide by N * K. There is one loss an image, so divide by N.",
        "top_class": "You take the logit of the class that the reader prefers. The loss asks for the true one, y.",
        "no_log": "You return 1 minus the share. The logarithm is missing: it makes a sure wrong answer expensive.",
        "max_forgotten": "The largest logit was taken off on one side only: both the sum of the "
        "exponentials and the logit at y must be without it, or both with it.",
        "every_row": "`[:, y]` takes the columns y of every row: an N x N table. Wanted is one number a row: index with "
        "torch.arange(len(y)) and y.",
        "number": Mistake(
            "You return a plain number. Nothing could be trained with it: the gradient flows through a tensor. Leave "
            ".item() out.",
            when=lambda draw, got, expected: isinstance(got, float), part="values",
        ),
        "unstable": "exp of a large logit is infinite in float32, of a very low one 0. Take each row's largest logit off "
        "first: the softmax stays the same.",
        "divided": "You divide exp by a sum of exps: of large logits that is infinity by infinity, nan. log(sum of exp) "
        "less the logit at y needs no share; take each row's largest logit off before.",
        "log_zero": "A share becomes 0 where a reader is sure and wrong, its logarithm infinite. Never compute the share: "
        "log(sum of exp) minus the logit at y is the same and cannot fail.",
        "global_max": "You take one largest logit off all rows. A row far below it becomes zeros, and log(0) is infinite: "
        "each row needs its own.",
        "floored": Mistake(
            "You keep the shares away from 0, so the loss cannot grow any further. A sure wrong answer then looks better "
            "than it is, and pulls on no weight: subtract logarithms, do not clamp.",
            when=_too_small, part="large logits",
        ),
        "in_place": "The loss is right, but the logits themselves have changed. Whoever reads them next reads other ones.",
    },
    onward="let the loss move the weights",
    forbid=("bdlab", "torch.nn.functional.cross_entropy", "torch.nn.CrossEntropyLoss", "torch.nn.functional.nll_loss"),
)  # fmt: skip

LESSON = Lesson(
    "01_networks", "Neural networks in one sitting", 135, (LINEAR_RELU, ACCURACY, SOFTMAX_XENT, TRAIN_EPOCH), QUESTIONS,
    imports=("import torch", "import torch.nn.functional as F", "from torch import Tensor"), box=BOX,
)  # fmt: skip
