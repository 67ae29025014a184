"""The exercise `strip_scores` of lesson 09: how sure a network stays when other images lie over an input."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from numpy.random import RandomState

from bdlab.exercises.parts import state_restored, unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Made, Mistake, images, made

SHAPES = ((1, 4, 4), (3, 3, 5), (2, 4, 3))
"""Of one image: grey, colour, not square."""


def _reader(shape: tuple[int, ...], classes: int, scale: float) -> Made:
    """A linear model whose logit k is `scale` times pixel k."""
    weight = scale * torch.eye(classes, math.prod(shape))
    state = {"head.1.weight": weight, "head.1.bias": torch.zeros(classes)}
    return made("model", "linear", state, shape=shape, classes=classes)


def _normed(shape: tuple[int, ...], classes: int, seed: int) -> Made:
    """With batch norm, and in train mode: whoever does not switch measures another model."""
    return made("model", "tiny_bn", shape=shape, classes=classes, train=True, seed=seed)


def stream_draws(rng: RandomState) -> Iterator[Draw]:
    """A reader that wavers, one in train mode, one so sure that probabilities are exactly 0; then all of them in turn."""
    for number in range(20):
        shape, classes = SHAPES[number % 3], 3 + number % 4
        scale = (8.0, 0.0, 4000.0)[number % 3]
        net = _reader(shape, classes, scale) if scale else _normed(shape, classes, number)
        inputs, many = ((2, 3), (3, 2), (2, 4), (1, 3), (4, 1))[number % 5]
        yield {
            "model": net, "x": images(rng, (inputs, *shape)), "overlays": images(rng, (many, *shape)),
            "mode": ("add", "add_clip", "add_clip", "add")[number % 4],
        }  # fmt: skip


def state_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes of the model, with gradients that somebody left."""
    for number in range(6):
        shape, classes = SHAPES[number % 3], 4
        kept = made("model", "tiny_bn", shape=shape, classes=classes, train=number % 2 == 0, stale_grad=True, seed=number)
        x, overlays = images(rng, (3, *shape)), images(rng, (2, *shape))
        yield {"model": kept, "x": x, "overlays": overlays, "mode": ("add", "add_clip")[number % 2]}


STRIP_SCORES = Exercise(
    "strip_scores(model, x, overlays, mode)", minutes=15, difficulty=3, importance=5,
    parts=[values(2, stream_draws, "20 draws: both modes, models that waver, that are quite sure, and in train mode"),
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
        "largest": "You keep the largest entropy of each input. One odd overlay would then decide: take the mean.",
        "smallest": "You keep the smallest entropy of each input. One odd overlay would then decide: take the mean.",
        "not_softmax": "You take the logits for probabilities. Softmax makes shares of them that sum to 1.",
        "wrong_axis": "Your softmax runs over the pictures, not over the classes: each answer must sum to 1 by itself.",
        "zeros": Mistake(
            "Some scores are nan: a sure model gives probabilities that are exactly 0, and 0 times log2(0) is nan. Keep "
            "zeros away from the logarithm.",
            when=lambda draw, got, expected: bool(got.isnan().any()),
        ),
        "always_cut": "You cut at 1 in both modes. With 'add' the model is given the sum as it is.",
        "never_cut": "You never cut. With 'add_clip' the model is given sums that are cut at 1.",
        "no_eval": Mistake(
            "It is wrong only where the model comes in train mode. There batch norm takes its statistics from your "
            "pictures: call model.eval() first.",
            when=lambda draw, got, expected: bool(draw["model"].named.get("train")) and bool(got.isfinite().all()),
        ),
        "in_place": "The scores are right, but x or overlays has changed. The next input would meet other overlays.",
        "mode_left": "The model came in train mode and stays in eval mode: who trains on does so with frozen statistics. "
        "Remember model.training, and call model.train with it.",
        "mode_train": "You put the model into train mode at the end, also where it came in eval mode: remember "
        "model.training.",
    },
    onward="draw a line between low and high",
)  # fmt: skip
