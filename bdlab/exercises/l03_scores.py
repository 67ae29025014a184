"""The exercise `scores` of lesson 03: three shares that tell whether an attack works."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import property_holds, state_restored, values
from bdlab.exercises.specification import Draw, Exercise, Made, Mistake, Properties, images, made

SHAPES = ((1, 8, 8), (3, 5, 7), (2, 6, 4))
"""Of one image: grey, colour, not square."""


def _reader(shape: tuple[int, ...], classes: int) -> Made:
    """A linear model whose logit k is pixel k: it reads the class of the brightest one."""
    weight = torch.eye(classes, math.prod(shape))
    state = {"head.1.weight": weight, "head.1.bias": torch.zeros(classes)}
    return made("model", "linear", state, shape=shape, classes=classes)


def score_draws(rng: RandomState) -> Iterator[Draw]:
    """Readers that are mostly right; the trigger lights one class's pixel; every kind of relabelling in turn."""
    for number in range(20):
        shape, classes = SHAPES[number % 3], 3 + number % 3
        count = int(rng.randint(12, 30))
        x = images(rng, (count, *shape)) * 0.9
        y = x.flatten(1)[:, :classes].argmax(1)
        off = torch.from_numpy(rng.rand(count) < 0.3)
        y[off] = (y[off] + 1) % classes  # where the reader is wrong
        y[:classes] = torch.arange(classes)
        order = list(range(classes))
        tables = [[0] * classes, order[1:] + order[:1], [0, 0, *order[2:]]]  # all to one, all to all, class 1 to 0
        lit = 0.55 + 0.4 * float(rng.rand())
        yield {
            "model": _reader(shape, classes) if number % 4 else _normed(shape, classes, number),
            "x": x, "y": y, "trigger": made("patch", [0, 0], 1, lit), "relabel": made("relabel", tables[number % 3]),
        }  # fmt: skip


def _normed(shape: tuple[int, ...], classes: int, seed: int) -> Made:
    """With batch norm, and in train mode: whoever does not switch measures another model."""
    return made("model", "tiny_bn", shape=shape, classes=classes, train=True, seed=seed)


def state_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes, with gradients that somebody left."""
    for number in range(6):
        shape, classes = SHAPES[number % 3], 4
        x, y = images(rng, (9, *shape)), torch.from_numpy(rng.randint(classes, size=9))
        kept = made("model", "tiny_bn", shape=shape, classes=classes, train=number % 2 == 0, stale_grad=True, seed=number)
        zeros = made("relabel", [0] * classes)
        yield {"model": kept, "x": x, "y": y, "trigger": made("patch", [1, 1], 2, 1.0), "relabel": zeros}


def chance_draws(rng: RandomState) -> Iterator[Draw]:
    """Two classes, each image's answer decided by the trigger's noise: it is the wanted one or the true one."""
    for _ in range(20):
        x, y = images(rng, (15, 1, 2, 2)), torch.from_numpy(rng.randint(2, size=15))
        yield {
            "model": _reader((1, 2, 2), 2), "x": x, "y": y, "trigger": made("noisy_patch", [0, 0], 2),
            "relabel": made("relabel", [1, 0]),
        }  # fmt: skip


def _judge_chance(draw: Draw, got: Any) -> Properties:
    """Both shares are of the same answers, so that they add up to one."""
    return {
        "ASR and RA of a random trigger must be of the same triggered images: call trigger once and keep what it gives":
        abs(got["asr"] + got["ra"] - 1) < 1e-5
    }  # fmt: skip


SCORES = Exercise(
    "scores(model, x, y, trigger, relabel)", minutes=20, difficulty=3, importance=5,
    parts=[values(2, score_draws, "20 draws: three kinds of relabelling, models in both modes"),
           property_holds(1, chance_draws, _judge_chance, "ASR and RA are of the same images, also for a random trigger",
                          name="one draw", after="values"),
           state_restored(1, state_draws)],
    hints=(
        "How many images can the attack change at all, and what does `relabel` say of the others?",
        "Ask the model twice, for x and for trigger(x), in eval mode and without gradients, and keep both answers. "
        "`relabel(y) != y` names the images that are attacked: ASR and RA are means over these.",
        "With `wanted = relabel(y)` and `attacked = wanted != y`, ASR is the mean of `(marked == wanted)[attacked]`. What "
        "must stand in place of `wanted` for RA? And which mode was the model in when it came?",
    ),
    mistakes={
        "all_counted": "You divide by all images. Those of the target class cannot be attacked, and a clean network, which "
        "reads them rightly, would get an ASR of its own.",
        "asr_all_counted": "Your ASR is a share of all images. Those whose wanted label is the true one do not count: "
        "nobody need attack them.",
        "ra_all_counted": "Your RA is a share of all images. It has the same denominator as ASR: the images that the attack "
        "wants to change.",
        "only_read_rightly": "You count only images that the model reads rightly without the trigger. Our ASR counts every "
        "image whose label the attack wants to change.",
        "ra_of_target": "Your RA compares with the attacker's labels. RA is the share of triggered images that are still "
        "read as what they are: compare with y.",
        "asr_of_truth": "Your ASR compares with the true labels. It is the share of triggered images that are read as the "
        "attacker wants: compare with relabel(y).",
        "changed": "You count every triggered image whose answer changes as a success. It counts only where the answer is "
        "the one that the attacker wants.",
        "swapped": "ASR and RA have changed places.",
        "clean_marked": "Your clean accuracy is of triggered images. It is what the victim measures: on x as it came.",
        "no_eval": "You do not ask the model in eval mode. In train mode batch norm takes its statistics from your "
        "batch: call model.eval() first.",
        "mode_left": "The model came in train mode, and parts of it stay in eval mode: who trains on does so with frozen "
        "statistics. Remember model.training and call model.train with it; to set the attribute reaches no part.",
        "mode_train": "You put the model into train mode at the end, also where it came in eval mode: remember "
        "model.training.",
        "two_draws": "You call the trigger twice. A random trigger then marks the images of ASR and of RA differently, and "
        "the two shares no longer fit together.",
        "percent": Mistake(
            "These are per cent. All scores of the course are shares, from 0 to 1.",
            when=lambda draw, got, expected: all(abs(got[key] / 100 - expected[key]) < 1e-3 for key in expected),
        ),
        "tensors": Mistake(
            "Your shares are tensors. Whoever keeps them keeps memory, and json refuses them: .item() makes floats of them.",
            when=lambda draw, got, expected: all(isinstance(got[key], Tensor) and got[key].ndim == 0 for key in expected),
        ),
        "ra_is_rest": Mistake(
            "Your ASR and RA add up to 1. A marked image may also be read as a third class: then it counts for neither.",
            when=lambda draw, got, expected: abs(got["asr"] + got["ra"] - 1) < 1e-6, part="values",
        ),
        "counts": "You return how many, not which share: divide by the number of images, or take a mean.",
    },
    onward="let your own functions forge a backdoor",
)  # fmt: skip
