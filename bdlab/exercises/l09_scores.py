"""The exercise `strip_scores` of lesson 09: how sure a network stays when other images lie over an input."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import state_restored, unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Made, Mistake, Wrong, images, made
from bdlab.submission import Raised, Submission

SHAPES = ((1, 4, 4), (3, 3, 5), (2, 4, 3))
"""Of one image: grey, colour, not square."""


def _reader(shape: tuple[int, ...], classes: int, never: float, others: float) -> Made:
    """A linear model: logit k is 8 times pixel k plus `others`, but of class 0 always `never`; NaN: like the others."""
    weight, bias = 8 * torch.eye(classes, math.prod(shape)), torch.full((classes,), others)
    if not math.isnan(never):
        weight[0], bias[0] = 0, never
    return made("model", "linear", {"head.1.weight": weight, "head.1.bias": bias}, shape=shape, classes=classes)


READERS = ((math.nan, 0.0), None, (-80.0, 60.0), (math.nan, 200.0))
"""One that wavers; one with batch norm; one that gives class 0 a share of exactly 0; and one whose logits have no exp."""


def stream_draws(rng: RandomState) -> Iterator[Draw]:
    """The readers in turn; those with batch norm in both modes: who does not switch measures another model."""
    for number in range(24):
        shape, classes, offsets = SHAPES[number % 3], 3 + number % 5, READERS[number % 4]
        normed = made("model", "tiny_bn", shape=shape, classes=classes, train=number % 8 == 1, seed=number)
        inputs, many = ((2, 3), (3, 2), (2, 4), (1, 3), (4, 1))[number % 5]
        yield {
            "model": _reader(shape, classes, *offsets) if offsets else normed,
            "x": images(rng, (inputs, *shape)), "overlays": images(rng, (many, *shape)),
            "mode": ("add", "add_clip", "add_clip")[number % 3],
        }  # fmt: skip


def scored(sub: Submission, draw: Draw) -> Any:
    """What the student's function gives; where the model got images of another shape, that is said in place of its words."""
    try:
        return sub.call("strip_scores", draw["model"], draw["x"], draw["overlays"], draw["mode"])
    except Raised as raised:
        shape = re.search(r"for this net, got (\(.*?\))", raised.detail)
        if shape is None:
            raise
        axes = shape[1].count(",") + (not shape[1].endswith(",)"))
        more = {5: ": flatten(0, 1) first", 3: ": image[None] adds an axis"}.get(axes, "")
        raise Wrong(f"the model takes images (B, C, H, W), yours got {shape[1]}{more}") from None


def state_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes of the model, with gradients that somebody left."""
    for number in range(6):
        shape, classes = SHAPES[number % 3], 4
        kept = made("model", "tiny_bn", shape=shape, classes=classes, train=number % 2 == 0, stale_grad=True, seed=number)
        x, overlays = images(rng, (3, *shape)), images(rng, (2, *shape))
        yield {"model": kept, "x": x, "overlays": overlays, "mode": ("add", "add_clip")[number % 2]}


def _normed(draw: Draw) -> bool:
    """Whether the model of a draw has batch norm."""
    return bool(draw["model"].args[0] == "tiny_bn")


def _large(draw: Draw) -> bool:
    """Whether the model of a draw gives logits whose exp is inf."""
    return not _normed(draw) and bool(draw["model"].args[1]["head.1.bias"].max() > 100)


STRIP_SCORES = Exercise(
    "strip_scores(model, x, overlays, mode)", minutes=21, difficulty=3, importance=5,
    parts=[values(2, stream_draws, "24 draws: both modes, large logits, shares of 0, models in train and eval mode",
                  run=scored, tolerance=1e-3, probes=4),
           unchanged(1, stream_draws), state_restored(1, state_draws)],
    hints=(
        "How many answers does the model give for one input, and in which order come mean and entropy?",
        "For each input: add it to all overlays, cut if the mode says so, ask the model, softmax over the classes, entropy "
        "of each answer, mean over the answers. All that in eval mode, without gradients.",
        "Loop `for image in x`: `image + overlays` has shape (M, C, H, W), so the model answers (M, K). The entropies have "
        "shape (M,), their mean is one number; `torch.stack` makes (N,) of N such numbers. And which mode did the model "
        "come in?",
    ),
    mistakes={
        "mean_first": "You take the entropy of the mean answer. Answers that are sure but differ give a high one: "
        "wanted is the mean of the entropies.",
        "per_overlay": "You average over the inputs, so each overlay gets a score. Wanted is one score for each input.",
        "own_overlays": "You lay the inputs over each other. Where some carry the mark, they put it onto all others: lay "
        "`overlays` over them.",
        "alone": "You ask the model about the inputs alone. STRIP looks at what happens when other images lie over them.",
        "sign": "Your numbers are right with the other sign. An entropy is at least 0; low means suspicious here.",
        "nats": "You take the natural logarithm: the entropy is in bits, base 2.",
        "summed": "You sum over the overlays. With the mean, scores of 10 and of 100 overlays can be compared.",
        "over_inputs": "You divide the sum over the overlays by the number of inputs. A mean over the overlays is divided "
        "by len(overlays).",
        "largest": "You keep the largest entropy of each input. One odd overlay would then decide: take the mean.",
        "smallest": "You keep the smallest entropy of each input. One odd overlay would then decide: take the mean.",
        "last": "Your score is the entropy below the last overlay alone. Wanted is the mean over all overlays.",
        "first": "Your score is the entropy below the first overlay alone. Wanted is the mean over all overlays.",
        "piled": "From the second input on, your mean holds the entropies of the inputs before it, too. Begin a new list, "
        "or a new sum, for each input.",
        "mean_overlay": "You lay the mean of all overlays over the input: one grey veil. Ask about each overlay by itself, "
        "then take the mean of the entropies.",
        "halves": "You take half of input and overlay. Both count in full: the mark must keep its strength below the "
        "overlay.",
        "reshaped": "You mix up inputs and overlays: where pictures stand input by input, the entropies have shape "
        "(N, M), and the mean goes over axis 1.",
        "every_pair": Mistake(
            "You return an entropy for each picture, each input below each overlay. The mean over the overlays is "
            "missing: wanted is (N,).",
            when=lambda draw, got, expected: got.numel() == len(draw["x"]) * len(draw["overlays"]),
        ),
        "one_number": Mistake(
            "You return one number for all inputs. Each input has a score of its own: the result has shape (N,).",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.ndim == 0,
        ),
        "overflow": Mistake(
            "Some scores are nan, only where logits are large: exp of more than 88 is inf in float32, and inf / inf is nan. "
            "Subtract each row's largest logit first, or use softmax.",
            when=lambda draw, got, expected: bool(got.isnan().any()) and _large(draw),
        ),
        "overflow_and_zeros": "Some scores are nan, for two reasons: exp of a large logit is inf, and a share of exactly 0 "
        "has no logarithm. Use softmax, and keep zeros away from the logarithm.",
        "zeros": Mistake(
            "Some scores are nan, where a share is exactly 0: its logarithm is no number, nor is 0 times it. Keep zeros "
            "away from the logarithm.",
            when=lambda draw, got, expected: bool(got.isnan().any()) and not _normed(draw) and not _large(draw),
        ),
        "not_softmax": "You take the logits for shares. Softmax makes shares of them, which sum to 1.",
        "bare_logits": "You take the logits for shares: logits may be negative, and have no logarithm then. Softmax makes "
        "shares of them, which sum to 1.",
        "entr_of_logits": "You take the logits for shares: logits may be negative, where entr is -inf. Softmax makes "
        "shares of them, which sum to 1.",
        "wrong_axis": "Your softmax runs over the pictures, not over the classes: each answer must sum to 1 by itself.",
        "wrong_axis_of_all": "Your softmax runs over the pictures of all inputs, not over the classes: each answer must "
        "sum to 1 by itself.",
        "modes_swapped": "The two modes have changed places: 'add_clip' cuts at 1, 'add' does not.",
        "always_cut": "You cut at 1 in both modes. With 'add' the model is given the sum as it is.",
        "never_cut": "You never cut. With 'add_clip' the model is given sums that are cut at 1.",
        "no_eval": Mistake(
            "It is wrong only for models with batch norm. Asked in train mode, they take their statistics from your "
            "pictures: the model must be in eval mode at every question, also for the last input.",
            when=lambda draw, got, expected: _normed(draw) and bool(got.isfinite().all()) and got.shape == expected.shape,
        ),
        "in_place": "The scores are right, but x or overlays has changed. The next input would meet other overlays.",
        "mode_left": "The model came in train mode and stays in eval mode: who trains on does so with frozen statistics. "
        "Remember model.training, and call model.train with it.",
        "mode_train": "You put the model into train mode at the end, also where it came in eval mode: remember "
        "model.training.",
    },
    onward="draw a line between low and high",
)  # fmt: skip
