"""Lesson 01: the exercises `accuracy` and `train_epoch`, which ask and train a whole network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import state_restored, values
from bdlab.exercises.specification import Draw, Exercise, Made, Mistake, images, made
from bdlab.submission import Submission

# --- accuracy ---

SHAPES = ((1, 8, 8), (3, 5, 7), (2, 6, 4))
"""Of one image: grey, colour, not square."""


def _asked(rng: RandomState, model: Made, count: int, shape: tuple[int, ...], classes: int, batch: int) -> Draw:
    """A third of the labels are the first class, so that every model is right sometimes."""
    y = torch.from_numpy(rng.randint(classes, size=count))
    y[::3] = 0
    return {"model": model, "x": images(rng, (count, *shape)), "y": y, "batch": batch}


def asked_draws(rng: RandomState) -> Iterator[Draw]:
    """First three images that can be read off: the reader names the brightest of two pixels.  Batches never divide N."""
    state = {"head.1.weight": torch.eye(2), "head.1.bias": torch.zeros(2)}
    reader = made("model", "linear", state, shape=(1, 1, 2), classes=2)
    x = torch.tensor([[[[0.9, 0.1]]], [[[0.2, 0.8]]], [[[0.7, 0.3]]]])
    yield {"model": reader, "x": x, "y": torch.tensor([0, 0, 0]), "batch": 2}
    for number in range(20):
        shape, classes = SHAPES[number % 3], 3 + number % 3
        normed = made("model", "tiny_bn", shape=shape, classes=classes, train=True, seed=number)
        plain = made("model", "tiny", shape=shape, classes=classes, seed=number)
        model, batch = (plain if number % 3 == 1 else normed), 2 + number % 4
        count = batch * (number % 5) + 1 + number % (batch - 1)
        yield _asked(rng, model, count, shape, classes, batch)


def small_memory(rng: RandomState) -> Iterator[Draw]:
    """Models that take no more images at once than `batch`."""
    for number in range(6):
        shape, batch = SHAPES[number % 3], 2 + number
        model = made("model", "tiny", shape=shape, classes=3, most=batch, seed=number)
        yield _asked(rng, model, 3 * batch + 1, shape, 3, batch)


def kept_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes, with gradients that somebody left."""
    for number in range(6):
        shape = SHAPES[number % 3]
        kept = made("model", "tiny_bn", shape=shape, classes=4, train=number % 2 == 0, stale_grad=True, seed=number)
        yield _asked(rng, kept, 9, shape, 4, 4)


def _off_by(factor: float) -> Any:
    return lambda draw, got, expected: not isinstance(got, Tensor) and abs(got - factor * expected) < 1e-3 * factor


ACCURACY = Exercise(
    "accuracy(model, x, y, batch)", minutes=20, difficulty=2, importance=5,
    parts=[values(1, asked_draws, "21 draws: both modes, a last batch that is shorter"),
           values(1, small_memory, "never more than `batch` images at once", name="batches", after="values"),
           state_restored(1, kept_draws)],
    hints=(
        "In which mode must a network be asked, and in which mode will its owner want it back?",
        "Keep model.training, switch to eval mode, go through x in slices of `batch`, and count the answers that are right: "
        "model(part).argmax(1) == y[...]. Divide once, at the end. Then set the mode back.",
        "`for start in range(0, len(x), batch)` with `x[start : start + batch]` also gives the short last slice. "
        "`model.train(training)` sets the mode that you kept.",
    ),
    mistakes={
        "no_eval": "You ask the model in train mode, where batch norm looks at the batch's own mean: call model.eval() "
        "before the first batch, and set the mode back behind the last.",
        "short_dropped": "The last images, which do not fill a batch, are never asked, and count as wrong.",
        "short_left_out": "The last images, which do not fill a batch, are left out. A test set must be used whole.",
        "batch_means": "You take the mean of the batches' accuracies. The last batch is shorter, and its images would count "
        "more: add up what is right, divide once.",
        "padded": "You divide by the number of batches times their size. The last one is shorter: divide by len(x).",
        "last_only": "In the end one batch alone counts: add the counts up, and cut x[start : start + batch].",
        "one_place": "argmax() without an axis gives one place in the whole table. Wanted is one class an image: argmax(1).",
        "largest_logit": "You compare the largest logit with y. Wanted is its place: argmax, or the second thing that max "
        "gives.",
        "counts": Mistake(
            "You return how many are right, not which share: divide by len(x).",
            when=lambda draw, got, expected: abs(float(got) - float(expected) * len(draw["x"])) < 1e-3,
        ),
        "percent": Mistake("These are per cent. All scores of the course are shares, from 0 to 1.", when=_off_by(100.0)),
        "tensor": Mistake(
            "Your share is a tensor. Json refuses it, and whoever keeps it keeps memory: .item() makes a number of it.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and abs(float(got) - expected) < 1e-4,
        ),
        "whole": "You give all images to the model at once. `batch` says how many fit into memory: slice x.",
        "mode_left": "The model came in train mode and stays in eval mode. Whoever trains on does so with frozen statistics "
        "and no error tells: keep model.training, and set it back.",
        "mode_train": "You put the model into train mode at the end, also where it came in eval mode: keep model.training.",
        "gradients_cleared": "You clear the model's gradients. Somebody may be between backward and step: measuring must "
        "leave no trace.",
    },
    onward="find a number that a reader can learn from",
)  # fmt: skip

# --- train_epoch ---


def _epoch(rng: RandomState, kind: str, number: int, train: bool) -> Draw:
    """Four images a batch, the last one shorter; stale gradients in every second model."""
    shape, count = ((1, 3, 3), (2, 3, 2))[number % 2], 6 + number % 2 + 4 * (number % 3)
    net = made("model", kind, shape=shape, classes=3, train=train, stale_grad=number % 2 == 0, seed=number)
    x, y = images(rng, (count, *shape)), torch.from_numpy(rng.randint(3, size=count))
    return {"model": net, "loader": made("batches", x, y, 4), "optimiser": made("sgd", net, (0.1, 0.05, 0.2)[number % 3])}


def epoch_draws(rng: RandomState) -> Iterator[Draw]:
    """Models that are in train mode already."""
    for number in range(20):
        yield _epoch(rng, ("tiny_bn", "tiny", "linear")[number % 3], number, True)


def sleeping_draws(rng: RandomState) -> Iterator[Draw]:
    """Models with batch norm that come in eval mode."""
    for number in range(6):
        yield _epoch(rng, "tiny_bn", number, False)


def _weights(sub: Submission, given: Draw) -> Any:
    sub.call("train_epoch", given["model"], given["loader"], given["optimiser"])
    return sub.state(given["model"])


TRAIN_EPOCH = Exercise(
    "train_epoch(model, loader, optimiser)", minutes=25, difficulty=3, importance=5,
    parts=[values(2, epoch_draws, "20 draws: weights are where one pass should bring them", name="weights", run=_weights,
                  tolerance=1e-4),
           values(2, epoch_draws, "20 draws: the mean over all images, a shorter last batch too", name="loss",
                  tolerance=1e-4),
           values(1, sleeping_draws, "a model that comes in eval mode is trained in train mode", name="train mode",
                  run=_weights, tolerance=1e-4, after="weights")],
    hints=(
        "Which four things happen with every batch, and what does backward do with gradients that lie there already?",
        "For each batch: clear the gradients, compute the loss, backward, step. Beside it add up loss times batch size, and "
        "divide by the number of images at the end. Before all of it: train mode.",
        "`loss = F.cross_entropy(model(x), y)` is the mean of one batch; `loss.item() * len(y)` is its sum. "
        "`optimiser.zero_grad()`, `loss.backward()`, `optimiser.step()`, in this order.",
    ),
    mistakes={
        "no_zero": "Gradients that lie there are never cleared: backward adds to them, so every step also goes where the "
        "steps before went.",
        "zero_late": "You clear the gradients behind the step. Those that somebody left then go into the first step: "
        "clear before backward.",
        "zero_once": "You clear the gradients once, before the loop. backward adds up: clear them for every batch.",
        "no_step": "The weights do not move as they should: backward or step is missing, or out of order. For every batch: "
        "zero_grad, backward, step.",
        "step_after": "You step once, behind the loop: only the last batch moves the weights.",
        "first_batch": "The function returns inside the loop: only the first batch is used. Move the return to the left.",
        "double_softmax": "You put a softmax in front of cross_entropy, which has one inside. Shares instead of logits make "
        "the steps tiny: the net crawls, and no error tells.",
        "sum_of_losses": "You step along the sum of a batch's losses, not along their mean: every step is as many times too "
        "long as the batch has images.",
        "eval_mode": "You train in eval mode: batch norm's statistics stay as they came. Call model.train().",
        "no_train": "A model that comes in eval mode stays in it: batch norm's statistics are never learnt. Begin with "
        "model.train().",
        "plain_mean": "You take the mean of the batches' losses. The last batch is shorter: weight each loss by its size.",
        "last_loss": "You return the loss of the last batch alone.",
        "total": "You return the sum over all images: divide by how many there were.",
        "batches": "You divide the sum over all images by the number of batches, not of images.",
        "tensor": Mistake(
            "The loss is right, but a tensor. Keep many of them and memory fills up: .item() makes a number of it.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and abs(float(got) - expected) < 1e-3, part="loss",
        ),
    },
    onward="train a reader of your own",
)  # fmt: skip
