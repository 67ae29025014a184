"""Lesson 02: the exercises `fgsm` and `attack_success_rate`, which ask a whole network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import state_restored, unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Made, Mistake, images, made

SHAPES = ((1, 6, 6), (3, 5, 4), (2, 4, 7))
"""Of one image: grey, colour, not square."""


def _reader(shape: tuple[int, ...], classes: int, train: bool = False) -> Made:
    """A linear model whose logit k is pixel k: it reads the class of the brightest one."""
    weight = torch.eye(classes, math.prod(shape))
    return made("model", "linear", {"head.1.weight": weight, "head.1.bias": torch.zeros(classes)}, shape=shape,
                classes=classes, train=train)  # fmt: skip


# --- fgsm ---


def evaded_draws(rng: RandomState) -> Iterator[Draw]:
    """First two pixels that can be followed by hand, one of which would leave [0, 1]; models in both modes."""
    x = torch.tensor([[[[0.9, 0.05]]], [[[0.3, 0.6]]]])
    yield {"model": _reader((1, 1, 2), 2), "x": x, "y": torch.tensor([0, 0]), "epsilon": 0.1}
    for number in range(20):
        shape, classes = SHAPES[number % 3], 3 + number % 3
        kind, count = ("tiny_bn", "tiny_bn", "tiny")[number % 3], (4, 1, 7)[number % 3]
        net = made("model", kind, shape=shape, classes=classes, train=number % 2 == 0, seed=number)
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


FGSM = Exercise(
    "fgsm(model, x, y, epsilon)", minutes=20, difficulty=3, importance=4,
    parts=[values(2, evaded_draws, "21 draws: both modes, grey and colour, pixels cut off at 0 and 1", bounds=(0, 1)),
           unchanged(1, evaded_draws), state_restored(1, kept_draws)],
    hints=(
        "Training asks how the loss changes with the weights. With what must it change here, and in which direction do you "
        "go?",
        "Make a copy of x that PyTorch follows (requires_grad_), compute the loss in eval mode, and ask autograd for the "
        "gradient with respect to the copy. Go epsilon along its sign, then cut off at 0 and 1.",
        "`(slope,) = torch.autograd.grad(loss, copy)` gives the gradient and leaves the model's own gradients alone. Then "
        "`x + epsilon * slope.sign()`, and `clamp(0, 1)` last.",
    ),
    mistakes={
        "minus": "You go down the loss: the reader gets surer of the true class. The attacker goes up.",
        "raw": "You add the gradient itself, which is tiny here. The method takes its sign, so that every pixel moves by "
        "epsilon.",
        "unit": "You divide the gradient by its length or its largest value. The method takes its sign: every pixel moves "
        "by the same epsilon.",
        "not_clipped": "Pixels leave [0, 1]: no camera gives such an image. What you cut off must be the sum, after you "
        "have added.",
        "no_eval": "You ask the model in train mode, where batch norm makes each image's gradient depend on its neighbours: "
        "call model.eval() first.",
        "own_answer": "You go away from what the model reads. Where it reads wrongly, you push it back towards the truth: "
        "use y.",
        "logit": "You go down the logit of the true class. The loss also knows the others: one that rises faster wins.",
        "half_step": "You move by another size than epsilon.",
        "change_alone": Mistake(
            "You return the change alone. Wanted is the changed image: x plus the change.",
            when=_only_the_change, part="values"),
        "in_place": "Your function changes x itself. Whoever measures the clean images afterwards measures changed ones, "
        "and no error tells.",
        "backward": "Other gradients than before lie in the model's weights: backward() adds to them, zero_grad() clears "
        "them. An attack leaves no trace: ask torch.autograd.grad for that of x alone.",
        "mode_left": "The model came in train mode and stays in eval mode: keep model.training, and set it back.",
        "mode_train": "You put the model into train mode at the end, also where it came in eval mode: keep model.training.",
    },
    onward="see how far one step has to go",
)  # fmt: skip

# --- attack_success_rate ---


def _attacked(rng: RandomState, model: Made, shape: tuple[int, ...], classes: int, count: int, lit: float) -> Draw:
    """A third of the images are of the target class; where the reader is linear, the trigger lights the target's pixel."""
    target = int(rng.randint(classes))
    y = torch.from_numpy(rng.randint(classes, size=count))
    y[::3], y[1] = target, (target + 1) % classes
    at = [target // shape[2], target % shape[2]]
    trigger = made("patch", at, 1, lit)
    return {"model": model, "x": images(rng, (count, *shape)), "y": y, "trigger": trigger, "target": target}


def asr_draws(rng: RandomState) -> Iterator[Draw]:
    """First four images that can be read off: two pixels, the trigger lights the first, one image is of the target."""
    x = torch.tensor([[[[0.2, 0.8]]], [[[0.9, 0.1]]], [[[0.1, 0.3]]], [[[0.3, 0.95]]]])
    yield {"model": _reader((1, 1, 2), 2), "x": x, "y": torch.tensor([1, 0, 1, 1]), "target": 0,
           "trigger": made("patch", [0, 0], 1, 0.85)}  # fmt: skip
    for number in range(20):
        shape, classes, count = SHAPES[number % 3], 3 + number % 3, int(rng.randint(9, 30))
        normed = made("model", "tiny_bn", shape=shape, classes=classes, train=True, seed=number)
        model = _reader(shape, classes, number % 2 == 0) if number % 3 else normed
        yield _attacked(rng, model, shape, classes, count, float(0.6 + 0.35 * rng.rand()))


def nobody_draws(rng: RandomState) -> Iterator[Draw]:
    """No image of another class."""
    for number in range(4):
        shape, classes = SHAPES[number % 3], 3
        draw = _attacked(rng, _reader(shape, classes), shape, classes, 2 + number, 0.9)
        yield {**draw, "y": torch.full_like(draw["y"], draw["target"])}


def asr_kept_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes, with gradients that somebody left."""
    for number in range(6):
        shape = SHAPES[number % 3]
        kept = made("model", "tiny_bn", shape=shape, classes=4, train=number % 2 == 0, stale_grad=True, seed=number)
        yield _attacked(rng, kept, shape, 4, 9, 1.0)


def _near(factor: float) -> Any:
    return lambda draw, got, expected: not isinstance(got, Tensor) and abs(got - factor * expected) < 1e-3 * factor


ATTACK_SUCCESS_RATE = Exercise(
    "attack_success_rate(model, x, y, trigger, target)", minutes=20, difficulty=3, importance=5,
    parts=[values(3, asr_draws, "21 draws: models in both modes, with and without batch norm", bounds=(0, 1)),
           values(1, nobody_draws, "nan where there is nobody to attack", name="nobody", after="values"),
           state_restored(1, asr_kept_draws)],
    hints=(
        "A third of your test signs are 'speed 30' and are read as 'speed 30' with the sticker on. Did the attacker do "
        "that?",
        "Mark all images, ask the model in eval mode and without gradients, and compare with the target. Then keep only the "
        "rows whose true class is another one, and take the mean.",
        "With `others = y != target` the result is the mean of `(read == target)[others]`. The mean of an empty tensor is "
        "nan by itself; dividing by a count of 0 is an error.",
    ),
    mistakes={
        "target_counted": "You count images of the target class, too. Nobody need attack them: an honest reader, which "
        "reads them rightly, would 'be attacked' in one case in K.",
        "all_divided": "You count successes on the other classes, but divide by all images. Then not even a perfect attack "
        "reaches 1.",
        "read_as_target": "You leave out what is *read* as the target without the trigger. Leave out what *is* of that "
        "class: y != target.",
        "only_read_rightly": "You count only images that are read rightly without the trigger. Here every image of another "
        "class counts.",
        "target_only": "You count the images of the target class and leave the others out: it is the other way round.",
        "unmarked": "You ask about unmarked images. That is the control; the success rate is of trigger(x).",
        "any_error": "You count every marked image that is read wrongly. A success is only what is read as the *target*.",
        "changed": "You count every image whose answer the trigger changes. A success is only what is read as the *target*.",
        "no_eval": "You ask the model in train mode, where batch norm looks at the marked batch's own mean: call "
        "model.eval() first.",
        "counts": "You return how many, not which share: take a mean.",
        "percent": Mistake("These are per cent. All scores of the course are shares, from 0 to 1.", when=_near(100.0),
                           part="values"),
        "rest": Mistake("This is the share that does *not* obey, 1 - ASR.", part="values",
                        when=lambda draw, got, expected: abs(float(got) + expected - 1) < 1e-4),
        "tensor": Mistake(
            "Your share is a tensor. Json refuses it, and whoever keeps it keeps memory: .item() makes a number of it.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and abs(float(got) - expected) < 1e-4),
        "zero_for_none": "Where nobody can be attacked you return 0. That reads as 'the attack failed', and nobody tried "
        "it: nan says that there is no share.",
        "mode_left": "The model came in train mode and stays in eval mode: keep model.training, and set it back.",
        "mode_train": "You put the model into train mode at the end, also where it came in eval mode: keep model.training.",
    },
    onward="measure the reader that the city bought",
)  # fmt: skip
