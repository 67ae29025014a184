"""Lesson 02: the exercise `attack_success_rate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l02_attacks import OVERWRITTEN, SHAPES, reader, with_x
from bdlab.exercises.parts import state_restored, values
from bdlab.exercises.specification import Draw, Exercise, Made, Mistake, images, made
from bdlab.submission import Submission


def _attacked(rng: RandomState, model: Made, shape: tuple[int, ...], classes: int, count: int, lit: float) -> Draw:
    """A third of the images are of the target class; where the reader is linear, the trigger lights the target's pixel."""
    target = 1 + int(rng.randint(classes - 1))
    y = torch.from_numpy(rng.randint(classes, size=count))
    y[::3], y[1] = target, (target + 1) % classes
    at = [target // shape[2], target % shape[2]]
    trigger = made("patch", at, 1, lit)
    return {"model": model, "x": images(rng, (count, *shape)), "y": y, "trigger": trigger, "target": target}


GIVEN = ("model", "x", "y", "trigger", "target")


def asr_draws(rng: RandomState) -> Iterator[Draw]:
    """First four images that can be read off: two pixels, the trigger lights the first, one image is of the target."""
    x = torch.tensor([[[[0.2, 0.8]]], [[[0.9, 0.1]]], [[[0.1, 0.3]]], [[[0.3, 0.95]]]])
    yield {"model": reader((1, 1, 2), 2), "x": x, "y": torch.tensor([1, 0, 1, 1]), "target": 0,
           "trigger": made("patch", [0, 0], 1, 0.85)}  # fmt: skip
    yield from _asked(rng, train=False)


def asr_case_draws(rng: RandomState) -> Iterator[Draw]:
    """In both modes; in some nobody is of another class."""
    for number, draw in enumerate(_asked(rng, train=True)):
        yield {**draw, "y": torch.full_like(draw["y"], draw["target"])} if number % 5 == 2 else draw


def _asked(rng: RandomState, train: bool) -> Iterator[Draw]:
    """train: whether models with batch norm, and some others, come in train mode."""
    for number in range(20):
        shape, classes, count = SHAPES[number % 3], 3 + number % 3, int(rng.randint(9, 30))
        normed = made("model", "tiny_bn", shape=shape, classes=classes, train=train, seed=number)
        model = reader(shape, classes, train and number % 2 == 0) if number % 3 else normed
        yield _attacked(rng, model, shape, classes, count, float(0.6 + 0.35 * rng.rand()))


def _share(sub: Submission, draw: Draw) -> Any:
    """A tensor that holds one number counts as the number: `_strictly` looks at that."""
    found = sub.call("attack_success_rate", *(draw[name] for name in GIVEN))
    return float(found) if isinstance(found, Tensor) and found.numel() == 1 else found


def _strictly(sub: Submission, draw: Draw) -> Any:
    """As it came back, with x looked at afterwards."""
    return with_x(sub, draw, "attack_success_rate", GIVEN)


def asr_kept_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes, with gradients that somebody left; in the third and the last nobody is attacked."""
    for number in range(8):
        shape = SHAPES[number % 3]
        kept = made("model", "tiny_bn", shape=shape, classes=4, train=number % 2 == 0, stale_grad=True, seed=number)
        draw = _attacked(rng, kept, shape, 4, 9, 1.0)
        yield draw if number not in (2, 7) else {**draw, "y": torch.full_like(draw["y"], draw["target"])}


def _near(factor: float) -> Any:
    return lambda draw, got, expected: not isinstance(got, Tensor) and abs(got - factor * expected) < 1e-3 * factor


ATTACK_SUCCESS_RATE = Exercise(
    "attack_success_rate(model, x, y, trigger, target)", minutes=25, difficulty=3, importance=5,
    parts=[values(3, asr_draws, "21 draws in eval mode, with and without batch norm", bounds=(0, 1), run=_share, probes=6),
           values(1, asr_case_draws, "20 draws: train mode; nan for nobody; a float; x stays", name="all cases",
                  bounds=(0, 1), run=_strictly, after="values", watched=True),
           state_restored(1, asr_kept_draws)],
    hints=(
        "Suppose a third of your test signs are 'speed 30', and are read so with the sticker on. Did the attacker "
        "do that?",
        "Mark all images, ask the model in eval mode and without gradients, and compare with the target. Then keep only the "
        "rows whose true class is another one, and take the mean.",
        "With `others = y != target` the result is `(read == target)[others].float().mean().item()`. The mean of an empty "
        "tensor is nan by itself; dividing by a count of 0 is an error.",
    ),
    mistakes={
        "target_counted": "You count images of the target class, too. Nobody need attack them: an honest reader, which "
        "reads them rightly, would 'be attacked' in one case in K.",
        "all_divided": "You count successes on the other classes, but divide by all images. Then not even a perfect attack "
        "reaches 1.",
        "wrong_denominator": "You count the hits among *all* images, and divide by the number of the others. Both must be "
        "over images of other classes.",
        "rows": "argmax(0) finds for each class the image that is most like it. What an image is read as, is the argmax of "
        "its row: argmax(1).",
        "never_none": Mistake(
            "You return nan although some image is of another class. nan is for the case that none is: `not others.any()`.",
            when=lambda draw, got, expected: got != got and expected == expected, part="values"),
        "mean_share": "You take the mean of the target's probability. A success is an image that is *read* as the target: "
        "argmax(1) == target.",
        "class_0": "You compare with class 0. The attacker's class is `target`.",
        "less_clean": "You take off what is read as the target without the mark. That rate is the control: told beside "
        "this one.",
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
            "Your share is right, but a tensor: json refuses it. .item() makes a number.", part="all cases",
            when=lambda draw, got, expected: isinstance(got, Tensor) and not abs(float(got) - expected) > 1e-4),
        "overwrites": Mistake(
            "You write the marked images into x itself. Whoever measures the clean images afterwards measures marked ones: "
            "keep them in a new tensor.", part="all cases",
            when=lambda draw, got, expected: got == {"wrong": OVERWRITTEN}),
        "mode_for_none": Mistake(
            "Where nobody can be attacked you return before the mode is set back. Ask that first, before model.eval().",
            when=lambda draw, got, expected: set(got) == {"model"} and bool((draw["y"] == draw["target"]).all()),
            part="state restored"),
        "zero_for_none": "Where nobody can be attacked you return 0. That reads as 'the attack failed', and nobody tried "
        "it: nan says that there is no share.",
        "mode_left": "The model came in train mode and stays in eval mode: keep model.training, and set it back.",
        "mode_train": "You put the model into train mode at the end, also where it came in eval mode: keep model.training.",
    },
    onward="measure the reader that the city bought",
)  # fmt: skip
