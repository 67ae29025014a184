"""Lesson 02: the exercise `fgsm`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import state_restored, values
from bdlab.exercises.specification import Draw, Exercise, Made, Mistake, Wrong, images, made
from bdlab.submission import Submission

SHAPES = ((1, 6, 6), (3, 5, 4), (2, 4, 7))
"""Of one image: grey, colour, not square."""


def reader(shape: tuple[int, ...], classes: int, train: bool = False) -> Made:
    """A linear model whose logit k is pixel k: it reads the class of the brightest one."""
    weight = torch.eye(classes, math.prod(shape))
    return made("model", "linear", {"head.1.weight": weight, "head.1.bias": torch.zeros(classes)}, shape=shape,
                classes=classes, train=train)  # fmt: skip


OVERWRITTEN = "your function changed its input x"


def with_x(sub: Submission, draw: Draw, name: str, given: tuple[str, ...]) -> Any:
    """What the function gives.  Raises: `Wrong` where x, which is passed as a `Ref`, is another one afterwards."""
    before = sub.value(draw["x"])
    found = sub.call(name, *(draw[key] for key in given))
    if not torch.equal(sub.value(draw["x"]), before):
        raise Wrong(OVERWRITTEN)
    return found


def step_draws(rng: RandomState) -> Iterator[Draw]:
    """First two pixels that can be followed by hand; no pixel comes to an end of [0, 1], and models are in eval mode."""
    x = torch.tensor([[[[0.9, 0.05]]], [[[0.3, 0.6]]]])
    yield {"model": reader((1, 1, 2), 2), "x": x, "y": torch.tensor([0, 0]), "epsilon": 0.1}
    for draw in _evaded(rng, train=False):
        yield {**draw, "x": draw["epsilon"] + (1 - 2 * draw["epsilon"]) * draw["x"]}


def evaded_draws(rng: RandomState) -> Iterator[Draw]:
    """Pixels that would leave [0, 1]; models in both modes."""
    yield from _evaded(rng, train=True)


def _evaded(rng: RandomState, train: bool) -> Iterator[Draw]:
    """train: whether every second model comes in train mode."""
    for number in range(20):
        shape, classes = SHAPES[number % 3], 3 + number % 3
        kind, count = ("tiny_bn", "tiny_bn", "tiny")[number % 3], (4, 1, 7)[number % 3]
        net = made("model", kind, shape=shape, classes=classes, train=train and number % 2 == 0, seed=number)
        y = torch.from_numpy(rng.randint(classes, size=count))
        yield {"model": net, "x": _contrasty(rng, (count, *shape)), "y": y, "epsilon": float(0.05 + 0.3 * rng.rand())}


def _contrasty(rng: RandomState, shape: tuple[int, ...]) -> Tensor:
    """Images in [0, 1] with many pixels near both ends, so that cutting off shows."""
    return (images(rng, shape) * 1.4 - 0.2).clamp(0, 1)


def kept_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes, with gradients that somebody left."""
    for number in range(6):
        shape = SHAPES[number % 3]
        kept = made("model", "tiny_bn", shape=shape, classes=4, train=number % 2 == 0, stale_grad=True, seed=number)
        y = torch.from_numpy(rng.randint(4, size=3))
        yield {"model": kept, "x": _contrasty(rng, (3, *shape)), "y": y, "epsilon": 0.1}


def _only_the_change(draw: Draw, got: Any, expected: Any) -> bool:
    """What came back is never larger than epsilon, where images were asked for."""
    return bool(got.abs().max() <= draw["epsilon"] + 1e-6)


def _right_way(draw: Draw, got: Any, expected: Any, even: bool) -> bool:
    """Every pixel moves in the right direction, by the same amount or (not `even`) by different ones; few may not."""
    moved, wanted = got - draw["x"], expected - draw["x"]
    sizes = moved.abs()[wanted != 0]
    same = bool(sizes.max() - sizes.min() < 1e-3 * sizes.max() + 1e-7)
    return bool(((moved * wanted) >= 0).all()) and bool(sizes.min() > 0) and (same == even or (not even and len(sizes) < 5))


def _beside_x(sub: Submission, draw: Draw) -> Any:
    return with_x(sub, draw, "fgsm", ("model", "x", "y", "epsilon"))


FGSM = Exercise(
    "fgsm(model, x, y, epsilon)", minutes=25, difficulty=3, importance=4,
    parts=[values(2, step_draws, "21 draws in eval mode: grey, colour, one image, several", bounds=(0, 1)),
           values(1, evaded_draws, "20 draws: train mode, too, pixels cut off at 0 and 1, x stays", name="modes and ends",
                  bounds=(0, 1), after="values", run=_beside_x, watched=True),
           state_restored(1, kept_draws)],
    hints=(
        "Training asks how the loss changes with the weights. With what must it change here, and in which direction do you "
        "go?",
        "Make a copy of x that PyTorch follows (requires_grad_), compute the loss in eval mode, and ask autograd for the "
        "gradient by that copy, not below torch.no_grad(). Go epsilon along its sign, then cut off at 0 and 1.",
        "`(slope,) = torch.autograd.grad(loss, copy)` gives the gradient and leaves the model's own gradients alone. Then "
        "`x + epsilon * slope.sign()`, and `clamp(0, 1)` last.",
    ),
    mistakes={
        "minus": "You go down the loss: the reader gets surer of the true class. The attacker goes up.",
        "not_clipped": "Pixels leave [0, 1]: no camera gives such an image. What you cut off must be the sum, after you "
        "have added.",
        "no_eval": "You ask the model in train mode, where batch norm makes each image's gradient depend on its neighbours: "
        "call model.eval() first.",
        "own_answer": "You go away from what the model reads. Where it reads wrongly, you push it back towards the truth: "
        "use y.",
        "logit": "You go down the logit of the true class. The loss also knows the others: one that rises faster wins.",
        "softmax": "You give cross_entropy probabilities. It takes logits and does the softmax itself; twice gives another "
        "gradient.",
        "change_cut": "You cut off the change, so that no pixel can go down. Cut off the sum, after you have added.",
        "many_steps": "You take several small steps, each by a gradient of its own. That is another method; this one takes "
        "one step of epsilon.",
        "half_step": Mistake(
            "Every pixel moves the right way, and by the same amount, but not by epsilon. Epsilon is in units of pixels in "
            "[0, 1] already.", when=partial(_right_way, even=True), part="values"),
        "uneven": Mistake(
            "Every pixel moves the right way, but by different amounts, as by the gradient itself or a multiple of it. The "
            "method takes its sign: each moves by epsilon.", when=partial(_right_way, even=False), part="values"),
        "change_alone": Mistake(
            "You return the change alone. Wanted is the changed image: x plus the change.",
            when=_only_the_change, part="values"),
        "in_place": Mistake(
            "Your function changes x itself. Whoever measures the clean images afterwards measures changed ones, and no "
            "error tells.", when=lambda draw, got, expected: got == {"wrong": OVERWRITTEN}, part="modes and ends"),
        "backward": "Other gradients than before lie in the model's weights: backward() adds to them, zero_grad() clears "
        "them. An attack leaves no trace: ask torch.autograd.grad for that of x alone.",
        "mode_left": "The model came in train mode and stays in eval mode: keep model.training, and set it back.",
        "mode_train": "You put the model into train mode at the end, also where it came in eval mode: keep model.training.",
    },
    onward="see how far one step has to go",
)  # fmt: skip
