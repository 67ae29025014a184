"""Lesson 10, pruning: mean activations, and channels that fall; how far, and what comes behind, stands in l10_repair.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l10_questions import BOX, QUESTIONS
from bdlab.exercises.l10_repair import FINE_PRUNE, PRUNE_UNTIL, SHAPES, answered, network, nothing_left
from bdlab.exercises.parts import state_restored, values
from bdlab.exercises.specification import Draw, Exercise, Lesson, Mistake, images
from bdlab.submission import Ref, Submission

# --- mean_activation ---


def activation_draws(rng: RandomState) -> Iterator[Draw]:
    """Networks in both modes; one image, and several."""
    for number in range(20):
        count = (2, 5, 1, 4)[number % 4]
        x = images(rng, (count, *SHAPES[number % 3]))
        yield {"model": network(number, train=number % 2 == 1), "layer": "conv", "x": x}


def state_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes, with gradients that somebody left."""
    for number in range(6):
        kept = network(number, train=number % 2 == 0, stale_grad=True)
        yield {"model": kept, "layer": "conv", "x": images(rng, (3, *SHAPES[number % 3]))}


MEAN_ACTIVATION = Exercise(
    "mean_activation(model, layer, x)", minutes=20, difficulty=2, importance=4,
    parts=[values(2, activation_draws, "20 draws, one image and several, networks in train and eval mode", tolerance=1e-4),
           nothing_left(state_restored(1, state_draws))],
    hints=(
        "The model gives logits. Which part of it gives maps, and how do you get hold of what it puts out?",
        "Set a forward hook on `model.get_submodule(layer)`, or run the model's children one after another up to `layer`. "
        "Then take one mean over images and places.",
        "A hook is a function `(module, given, out)`; let it append `out` to a list. The mean goes over axes 0, 2 and 3. "
        "Take the hook off by `handle.remove()`, and put the model's mode back.",
    ),
    mistakes={
        "before_relu": "You look at what comes before the ReLU: there negative values pull the mean down. Take what the "
        "whole stage puts out.",
        "before_norm": "You look at what the convolution alone puts out. Take what the whole stage puts out, behind batch "
        "norm and ReLU.",
        "train_mode": Mistake(
            "It is wrong only where the model came in train mode: batch norm then takes its statistics from your images. "
            "Ask in eval mode.",
            when=lambda draw, got, expected: bool(draw["model"].named["train"]) and got.shape == expected.shape,
        ),
        "places_kept": Mistake(
            "You average over the images and keep the places of the map. One number a channel is wanted.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.ndim == 3,
        ),
        "per_image": Mistake(
            "You give a row for each image. Average over the images, too: one number a channel.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.ndim == 2,
        ),
        "one_number": Mistake(
            "You give one number for all channels. Each channel has a mean of its own.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.ndim == 0,
        ),
        "summed": "You sum over the places. A mean does not grow with the size of the map.",
        "summed_images": "You sum over the images. A mean does not grow with their number.",
        "peak": "You take the highest value of each map. The mean is wanted: a peak says nothing of how often it comes.",
        "awake_only": "You leave the zeros out. A channel that sleeps on most images must come out low: zeros count.",
        "first_image": "Your numbers are those of the first image alone. Average over all of `x`.",
        "other_axes": "Your mean goes over the channels. It goes over axes 0, 2 and 3 of (N, channels, h, w); axis 1 stays.",
        "given": "You look at what the stage is given. Wanted is what it puts out, the hook's third argument.",
        "hook_left": "Right, and your hook stays on the model: every later call runs it. Take it off by handle.remove().",
        "share_awake": "You give the share of places above 0. The mean of the values is wanted.",
        "mode_left": "The model came in train mode and stays in eval mode. Remember model.training, and call model.train "
        "with it.",
        "mode_train": "You put the model into train mode at the end, also where it came in eval mode: remember "
        "model.training.",
    },
    onward="silence the channels that sleep",
)  # fmt: skip

# --- prune_order and prune ---


def order_draws(rng: RandomState) -> Iterator[Draw]:
    """Means of channels; some are equal."""
    yield {"activations": torch.tensor([0.5, 0.0, 2.0, 0.25])}
    for number in range(20):
        count = (3, 6, 1, 8)[number % 4]
        yield {"activations": torch.from_numpy(rng.randint(0, 6, count) / 4).float()}


def prune_draws(rng: RandomState) -> Iterator[Draw]:
    """One channel to five; the images that both networks are asked about stay on our side."""
    for number in range(20):
        channels = torch.from_numpy(rng.permutation(6)[: (2, 1, 3, 5, 0)[number % 5]])
        x = images(rng, (3, *SHAPES[number % 3]))
        yield {"model": network(number), "layer": "conv", "channels": channels, "_x": x}


def silenced(sub: Submission, draw: Draw) -> Any:
    """What the pruned network answers."""
    return answered(sub, sub.call("prune", draw["model"], draw["layer"], draw["channels"]), draw["_x"])


def copied_draws(rng: RandomState) -> Iterator[Draw]:
    """Both modes, with gradients that somebody left."""
    for number in range(6):
        channels = torch.from_numpy(rng.permutation(6)[: 1 + number % 3])
        yield {"model": network(number, train=number % 2 == 0, stale_grad=True), "layer": "conv", "channels": channels}


PRUNE = Exercise(
    "prune_order(activations)", "prune(model, layer, channels)", minutes=27, difficulty=3, importance=5,
    parts=[values(1, order_draws, "21 draws, some with equal means", name="order", calls="prune_order"),
           values(2, prune_draws, "20 draws: no channel to five of six", name="prune", run=silenced, calls="prune",
                  tolerance=1e-4),
           nothing_left(state_restored(1, copied_draws, calls="prune", after="prune"))],
    hints=(
        "Which channel may fall first, the busiest or the sleepiest? And what must a silenced channel put out when a sign "
        "comes that nobody has seen?",
        "`argsort` gives the order. For `prune`: copy the model by copy.deepcopy, then see to it that what the stage puts "
        "out is 0 in these channels, whatever comes in.",
        "A forward hook that returns something replaces what the stage puts out: clone it, set `[:, channels]` to 0, "
        "return it. Zero weights alone do not do: bias and batch norm behind them still add a constant.",
    ),
    mistakes={
        "descending": "Your order begins with the channel that is used most. The least active one falls first.",
        "ties": "Of equal ones the lower number must fall first: argsort(stable=True), not turned round.",
        "a_pair": Mistake(
            "sort gives values and numbers, a pair. Wanted are the numbers alone: argsort, or .indices of what sort gives.",
            when=lambda draw, got, expected: isinstance(got, Ref) and "activations" in draw,
        ),
        "ordered": "You give the means in order. Wanted are the channels' numbers, in the order in which they fall.",
        "ranks": "You give each channel its rank. Wanted are the numbers of the channels, in the order in which they fall.",
        "weight_only": "You silence the convolution's weights, and batch norm behind it still adds its shift: the channel "
        "puts out a constant, not 0.",
        "conv_only": "Weights and bias of the convolution are 0, and batch norm behind it still adds its shift: the "
        "channel puts out a constant, not 0.",
        "norm_weight": "Batch norm's weight is 0, and its bias still comes through: the channel puts out a constant, not 0.",
        "kept_only": "You silence all channels but these. `channels` names those that fall.",
        "first_ones": "You silence the first channels, as many as `channels` holds. It holds their numbers.",
        "one_too_many": "One channel more has fallen: channel 0, which is not among `channels` everywhere.",
        "last_only": "Only the last one of `channels` is silent: each step of your loop begins anew.",
        "their_mean": "You replace each channel by its mean. A silenced channel puts out 0.",
        "halved": "The channels are only weaker. What a silenced channel puts out is exactly 0.",
        "nothing": "What comes back answers as the model did: no channel is silent. Is the hook on the copy, does it "
        "return what it changed, is it still on?",
        "one_image": "Only the first image's channels are silent. Axis 0 counts images, axis 1 channels.",
        "original_set": "The model that came in is left in another mode. It stays as it is: call eval on the copy.",
        "in_place": "What comes back is right, but the model that came in is pruned, too. Prune a copy, by copy.deepcopy: "
        "copy.copy shares the stages.",
    },
    onward="find out how many may fall",
)  # fmt: skip

LESSON = Lesson(
    "10_pruning", "Fine-pruning, and the attacker who knows", 150, (MEAN_ACTIVATION, PRUNE, PRUNE_UNTIL, FINE_PRUNE),
    QUESTIONS, box=BOX,
    imports=("import copy", "import torch", "from torch import Tensor, nn", "import torch.nn.functional as F"),
)  # fmt: skip
