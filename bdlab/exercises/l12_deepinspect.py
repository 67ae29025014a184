"""Lesson 12, DeepInspect: images made from a class, and the generator's loss; the statistic stands in l12_deviation.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l12_deviation import DEVIATION_FACTOR, FAMILY_CUTOFF
from bdlab.exercises.l12_questions import QUESTIONS
from bdlab.exercises.parts import state_restored, values
from bdlab.exercises.specification import Draw, Exercise, Lesson, Mistake, images, made

# --- invert_class ---

SHAPES = ((1, 4, 4), (3, 4, 5), (2, 5, 3))


def inverting_draws(rng: RandomState) -> Iterator[Draw]:
    """Networks in both modes, one image and several, one step to five."""
    for number in range(20):
        shape = SHAPES[number % 3]
        net = made("model", "tiny_bn", shape=shape, classes=3 + number % 2, seed=number, train=number % 2 == 1)
        x = images(rng, ((3, 2, 1, 4)[number % 4], *shape))
        smooth = made("patch", [number % 3, 1], 2, 0.25 + number % 3 / 4)
        yield {"model": net, "t": number % 3, "x": x, "steps": (3, 2, 5, 1)[number % 4], "lr": 0.125, "smooth": smooth}


def kept_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes, with gradients that somebody left."""
    for number in range(6):
        shape = SHAPES[number % 3]
        net = made("model", "tiny_bn", shape=shape, classes=3, seed=number, train=number % 2 == 0, stale_grad=True)
        yield {"model": net, "t": 1, "x": images(rng, (2, *shape)), "steps": 2, "lr": 0.125,
               "smooth": made("patch", [0, 0], 2, 0.5)}  # fmt: skip


def _mode(draw: Draw, got: Any, expected: Any) -> bool:
    return bool(draw["model"].named["train"]) and isinstance(got, Tensor) and got.shape == expected.shape


INVERT_CLASS = Exercise(
    "invert_class(model, t, x, steps, lr, smooth)", minutes=28, difficulty=4, importance=4,
    parts=[values(3, inverting_draws, "20 draws, networks in train and eval mode, one image and several", tolerance=1e-3),
           state_restored(1, kept_draws)],
    hints=(
        "Which way does 1 - p_t fall? What has to move, the weights or the pixels?",
        "In every step: a fresh copy of the images that requires a gradient, the sum of 1 - p_t over them, "
        "`torch.autograd.grad` of that by the images. Images do not influence each other in eval mode.",
        "`(slope,) = torch.autograd.grad((1 - model(pixels).softmax(1)[:, t]).sum(), pixels)`, divided by "
        "`slope.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)`. Then the step, `smooth`, `clamp(0, 1)`.",
    ),
    mistakes={
        "ascent": "You go up, away from the class: the sign of the step, or of the cost, is wrong.",
        "leaves": "Pixels leave [0, 1]: cut after each step.",
        "not_divided": "You step by the gradient itself. Divide it, image by image, by its mean size: else hardly a pixel "
        "moves where p_t is near 0.",
        "by_all": "You divide by the mean over all images. Each image has its own: one with a large gradient would hold up "
        "the others.",
        "by_sum": "You divide by the sum over the pixels, not by the mean: a step hardly moves.",
        "signs": "You step by the sign of the gradient: every pixel moves equally far. Divide by the mean size instead.",
        "not_smoothed": "`smooth` is never called.",
        "smoothed_last": "You smooth once, at the end. Smooth after each step.",
        "one_image": "All results grow from the first image. Each grows from its own.",
        "one_step": "You take one step. `steps` says how many.",
        "from_start": "Each step begins at the images that came in. It begins where the last one ended.",
        "one_more": "You take one step too many.",
        "logit": "You raise the logit of t alone. p_t is the softmax probability: it also falls as others rise.",
        "train_mode": Mistake(
            "It is wrong only where the model came in train mode: batch norm then mixes the images of a batch. Ask in eval "
            "mode.", when=_mode,
        ),
        "mode_left": "The model came in train mode and stays in eval mode. Remember model.training.",
        "gradients": "Gradients stay on the model's weights: `backward` fills them, too. torch.autograd.grad(cost, pixels) "
        "asks for the pixels alone.",
    },
    onward="let a generator change these images",
)  # fmt: skip

# --- generator_loss ---


def loss_draws(rng: RandomState) -> Iterator[Draw]:
    """Two to six changed images, classes of their own, changes on both sides of the threshold."""
    yield {"logits": torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, -1.0]]),
           "delta": torch.tensor([[[[0.5, -0.25]]], [[[1.0, 1.0]]]]),
           "t": torch.tensor([0, 2]), "threshold": 1.0, "gamma1": 0.5, "gamma2": 0.25}  # fmt: skip
    for number in range(20):
        count, classes = (4, 3, 1, 6)[number % 4], 3 + number % 4
        size = torch.linspace(0.2, 1, count)[:, None, None, None]
        delta = (2 * images(rng, (count, *SHAPES[number % 3])) - 1) * size
        yield {
            "logits": 6 * images(rng, (count, classes)) - 3, "delta": delta,
            "t": torch.from_numpy(rng.randint(0, classes, count)), "threshold": (5.0, 2.0, 40.0)[number % 3],
            "gamma1": (0.25, 1.5)[number % 2], "gamma2": (0.125, 0.5, 1.0)[number % 3],
        }  # fmt: skip


def sure_draws(rng: RandomState) -> Iterator[Draw]:
    """Logits that are hundreds apart."""
    for draw in loss_draws(rng):
        yield draw | {"logits": 100 * draw["logits"]}


GENERATOR_LOSS = Exercise(
    "generator_loss(logits, delta, t, threshold, gamma1, gamma2)", minutes=22, difficulty=3, importance=5,
    parts=[values(3, loss_draws, "21 draws: three parts, each image with its own class and size", tolerance=1e-4),
           values(1, sure_draws, "finite where the model is sure of another class", name="finite", tolerance=1e-4,
                  after="values")],
    hints=(
        "Three numbers for each image: how unlikely is t, how far is p_t from 1, and how much larger than allowed is the "
        "change?",
        "Take log p_t from `log_softmax`, at each image's own t. The l1 norm is a sum over all pixels of one image. What is "
        "below the threshold costs nothing.",
        "`log_p = logits.log_softmax(1)[torch.arange(len(t)), t]`; `size = delta.abs().flatten(1).sum(1)`; then the mean of "
        "`-log_p + gamma1 * (log_p.exp() - 1) ** 2 + gamma2 * (size - threshold).relu()`.",
    ),
    mistakes={
        "sign": "The sign of log p_t is wrong: the loss must fall as t gets likely.",
        "no_log": "You take -p_t for L_trigger. It is -log p_t.",
        "mean_first": "You compare the mean size with the threshold. Each image's own size is compared: else a large change "
        "hides behind small ones.",
        "l1_mean": "The l1 norm is a sum over the pixels, not a mean.",
        "l1_signed": "You add the changes up with their signs: what darkens and what brightens cancel. Take |delta|.",
        "l2": "You take the l2 norm. l1 is the sum of |delta|.",
        "no_hinge": "Changes below the threshold earn something with you. They cost nothing, and earn nothing.",
        "threshold_forgotten": "The threshold is never subtracted.",
        "swapped": "gamma1 and gamma2 are swapped: gamma1 weighs L_GAN, gamma2 the size.",
        "gan_left_out": "L_GAN is missing.",
        "gan_no_square": "L_GAN is the square of p_t - 1, not its amount.",
        "gan_all": "L_GAN is over all classes with you. Only p_t is compared with 1.",
        "one_class": "You use t[0] for all images. Each has its own class.",
        "summed": "You sum over the images. The mean is wanted.",
        "per_image": Mistake(
            "You give a number for each image. Their mean is wanted.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.ndim == 1 and len(got) > 1,
        ),
        "log_of_softmax": Mistake(
            "log(softmax) breaks where p_t is too small for float32. log_softmax does not.", part="finite",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.shape == expected.shape,
        ),
    },
    onward="let it train a generator",
)  # fmt: skip

LESSON = Lesson(
    "12_deepinspect", "DeepInspect: which trigger is too small?", 150,
    (INVERT_CLASS, GENERATOR_LOSS, DEVIATION_FACTOR, FAMILY_CUTOFF), QUESTIONS,
    imports=("import torch", "from torch import Tensor", "import torch.nn.functional as F"),
)  # fmt: skip
