"""The exercises `prune_until` and `fine_prune` of lesson 10: how many channels may fall, and training on without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import state_restored, values
from bdlab.exercises.specification import Draw, Exercise, Made, Mistake, Part, Properties, Try, Wrong, images, made
from bdlab.submission import Raised, Ref, Submission

SHAPES = ((1, 3, 3), (3, 4, 6), (2, 5, 3))
"""Of one image: grey, colour, not square."""


def network(number: int, **more: Any) -> Made:
    """A small network whose stage 'conv' has six channels: convolution, batch norm, ReLU.

    Batch norm has statistics and a shift, as after a training: zero weights before it are no silence.
    """
    (channels, height, width), classes = SHAPES[number % 3], 3 + number % 3
    chance = RandomState(number)

    def some(*shape: int, least: float = -0.5) -> Tensor:
        return images(chance, shape) + least

    state = {
        "conv.0.weight": some(6, channels, 3, 3), "conv.0.bias": some(6), "conv.1.weight": some(6, least=0.5),
        "conv.1.bias": some(6, least=0.2), "conv.1.running_mean": some(6), "conv.1.running_var": some(6, least=0.5),
        "conv.1.num_batches_tracked": torch.tensor(3), "head.1.weight": some(classes, 6 * height * width),
        "head.1.bias": some(classes),
    }  # fmt: skip
    return made("model", "tiny_bn", state, shape=SHAPES[number % 3], classes=classes, **more)


FALLING = (
    ([0.75, 0.75, 0.625, 0.5, 0.25], 0.125), ([0.9, 0.9, 0.9, 0.9], 0.05), ([0.8, 0.78, 0.735, 0.7, 0.4], 0.08),
    ([0.5, 0.25, 0.25, 0.125], 0.125), ([0.98, 0.97, 0.93, 0.92, 0.9, 0.3], 0.04),
)  # fmt: skip
"""(accuracy with 0, 1, ... channels fallen, drop): eighths where a drop is met exactly, else no near ties."""
DIPS = (
    ([0.75, 0.5, 0.75, 0.625, 0.25], 0.125), ([0.9, 0.92, 0.95, 0.87, 0.5], 0.04), ([0.8, 0.79, 0.7, 0.78, 0.78, 0.2], 0.05),
    ([0.5, 0.75, 0.625, 0.5, 0.25], 0.125),
)  # fmt: skip
"""Curves that rise in between."""


def _curves(rng: RandomState, found: tuple[tuple[list[float], float], ...], times: int) -> Iterator[Draw]:
    for _ in range(times):
        for curve, drop in found:
            order = torch.from_numpy(rng.permutation(len(curve) - 1))
            keys = torch.ones(len(curve), len(order))
            for count in range(len(curve)):
                keys[count, order[:count]] = 0
            accuracy = made("scorer", keys, torch.tensor(curve, dtype=torch.float64))
            yield {"accuracy": accuracy, "order": order, "drop": drop, "_curve": curve}


def falling_draws(rng: RandomState) -> Iterator[Draw]:
    """Accuracies that fall, with the end in reach too."""
    return _curves(rng, FALLING, 3)


def counted(sub: Submission, draw: Draw) -> Any:
    """How many fall; where `accuracy` was asked about something that no right answer asks, that is said."""
    try:
        return sub.call("prune_until", draw["accuracy"], draw["order"], draw["drop"])
    except Raised as raised:
        if "none of the things" not in raised.detail:
            raise
        raise Wrong(
            "`accuracy` was asked about another `keep`: the first of `order` are 0 in it, all others 1"
        ) from None


def dip_draws(rng: RandomState) -> Iterator[Draw]:
    """Accuracies that rise in between."""
    return _curves(rng, DIPS, 2)


PRUNE_UNTIL = Exercise(
    "prune_until(accuracy, order, drop)", minutes=18, difficulty=2, importance=4,
    parts=[values(2, falling_draws, "15 draws, a drop that is met exactly, and one that is never reached", run=counted),
           values(1, dip_draws, "8 draws whose accuracy rises in between", name="dips", run=counted, after="values")],
    hints=(
        "With what do you compare the accuracy after each fall: with the one before, or with that of the whole network?",
        "Begin with all ones in `keep` and remember its accuracy. Let one channel of `order` fall after another; the first "
        "one that costs too much ends the loop.",
        "`for count, channel in enumerate(order[:-1])`: set keep[channel] = 0, ask. If start - accuracy(keep) > drop, return"
        " count: that is how many had fallen before. The last channel of all stays.",
    ),
    mistakes={
        "first_bad": "You count the channel that is too much. Wanted is how many fall before it.",
        "last_step": "You compare with the step before: many small steps may then lead far down. Compare with the whole "
        "network.",
        "relative": "Your drop is a share of the accuracy. `drop` is in shares of the images: .04 is four points.",
        "met": "You stop where the drop is met exactly. Only more than `drop` is too much.",
        "all_fall": "All channels may fall with you. One always stays.",
        "never": "Nothing ever stops you. Compare start - accuracy(keep) with `drop`: both are shares, .04 is four points.",
        "from_one": "You measure the drop from an accuracy of 1. It begins at the whole network's, which is lower.",
        "halves": "You search by halves, as if accuracy only fell. It may rise again: channel after channel, please.",
        "a_list": Mistake(
            "What is wanted is how many channels fall, a number, not which.",
            when=lambda draw, got, expected: isinstance(got, list) or (isinstance(got, Tensor) and got.ndim == 1),
        ),
        "best_of_all": "You take the last count whose accuracy is good enough. Behind a dip it may look good again: stop "
        "at the first channel that costs too much.",
        "from_best": "You compare with the best accuracy so far. Compare with the whole network's.",
    },
    onward="train on, without these channels",
)  # fmt: skip


# --- fine_prune ---


def repair_draws(rng: RandomState) -> Iterator[Draw]:
    """Networks with batch norm, batches of which the last is shorter, one epoch to three."""
    for number in range(20):
        count, classes = 5 + number % 3, 3 + number % 3
        x, y = images(rng, (count, *SHAPES[number % 3])), torch.arange(count) % classes
        channels = torch.from_numpy(rng.permutation(6)[: (2, 1, 4, 3)[number % 4]])
        yield {
            "model": network(number), "layer": "conv", "channels": channels, "batches": made("batches", x, y, 3),
            "epochs": (2, 1, 3)[number % 3], "lr": (0.5, 0.1)[number % 2], "_x": images(rng, (3, *SHAPES[number % 3])),
        }  # fmt: skip


ARGUMENTS = ("model", "layer", "channels", "batches", "epochs", "lr")


def answered(sub: Submission, model: Any, x: Tensor) -> Any:
    """What a network answers that came back.  Raises: `Wrong` where none did."""
    if not isinstance(model, Ref):
        came = "None (is a return missing?)" if model is None else f"of type {type(model).__name__}"
        raise Wrong(f"a model is wanted, what came back is {came}")
    return sub.invoke(model, x)


def asked(sub: Submission, draw: Draw) -> Any:
    """What the repaired network answers when it is asked in eval mode, however it came back."""
    model = sub.call("fine_prune", *(draw[name] for name in ARGUMENTS))
    return answered(sub, sub.fixture("evaluated", model) if isinstance(model, Ref) else model, draw["_x"])


def tuned(sub: Submission, draw: Draw) -> Any:
    """What the repaired network answers as it came back."""
    return answered(sub, sub.call("fine_prune", *(draw[name] for name in ARGUMENTS)), draw["_x"])


def state_draws(rng: RandomState) -> Iterator[Draw]:
    """As `repair_draws`, fewer; what is asked of the result does not matter."""
    for draw in list(repair_draws(rng))[:6]:
        yield {name: draw[name] for name in ARGUMENTS}


def nothing_left(part: Part) -> Part:
    """`state_restored`, and no hook stays on the model."""
    restored, judged = part.look, part.judge
    assert restored is not None and judged is not None

    def look(tried: Try) -> dict[str, Any]:
        found = restored(tried)
        return {**found, "hooks": tried.sub.value(tried.sub.fixture("hooks", tried.given["model"]))}

    def judge(draw: Draw, got: dict[str, Any]) -> Properties:
        left = "your function left a hook on model: on the copy, or off again by handle.remove()"
        return {left: not got["hooks"].any(), **judged(draw, got)}

    return replace(part, look=look, judge=judge, uses=(*part.uses, "hooks"))


FINE_PRUNE = Exercise(
    "fine_prune(model, layer, channels, batches, epochs, lr)", minutes=25, difficulty=4, importance=5,
    parts=[values(3, repair_draws, "20 draws: one epoch to three, the last batch shorter", run=asked, tolerance=1e-3,
                  uses=("evaluated",)),
           values(1, repair_draws, "it comes back in eval mode", name="eval mode", run=tuned, tolerance=1e-3,
                  after="values"),
           nothing_left(state_restored(1, state_draws))],
    hints=(
        "In which order: prune, train, or train, prune? And what keeps a channel silent while the weights move?",
        "Copy, silence the channels by a hook as before, put the copy into train mode, step by step down the gradient of "
        "the cross-entropy; at the end eval mode.",
        "`for _ in range(epochs): for x, y in batches:` zero the gradients, F.cross_entropy(copy(x), y).backward(), then "
        "torch.optim.SGD(copy.parameters(), lr=lr).step(). The hook stays on.",
    ),
    mistakes={
        "tuned_first": "You train first and prune then. Training must mend what pruning has broken.",
        "not_pruned": "You train, and nothing falls: the channels are not silent.",
        "mask_off": "You take the hook off before you give the network back: the channels speak again.",
        "weight_only": "You zero the weights once. Batch norm's shift still comes through, and training moves the "
        "weights: the channel comes back.",
        "no_zero_grad": "Gradients of earlier steps are added up. Zero them before each step.",
        "eval_mode": "You train in eval mode. Batch norm then takes its old statistics: train mode while it learns.",
        "left_in_train": "What comes back is in train mode: its answers depend on which images come together. Give it "
        "back in eval mode.",
        "one_epoch": "You go through the batches once. `epochs` says how often.",
        "one_batch": "Each epoch ends after one batch. Go through all of them.",
        "short_left_out": "You leave the last, shorter batch out.",
        "summed_loss": "Your loss is the sum over the batch. The mean is wanted: else a shorter batch steps less far.",
        "momentum": "You step with momentum. Plain gradient descent is asked for.",
        "adam": "You step with Adam. Plain gradient descent is asked for: torch.optim.SGD, or by hand.",
        "decay": "You step with weight decay. Plain gradient descent is asked for.",
        "their_weights": "Your optimiser holds the parameters of `model`, not of the copy: the copy never moves.",
        "likelihood": "Your loss takes the logits for logarithms of probabilities. F.cross_entropy does both steps.",
        "softmax_twice": "F.cross_entropy makes probabilities of the logits by itself: give it the logits.",
        "step_an_epoch": "You step once an epoch. After each batch is wanted.",
        "batch_by_batch": "You take one batch `epochs` times, then the next. All batches belong to each epoch.",
        "backwards": "You take the batches in another order than they come in.",
        "head_only": "Only the head learns. All parameters are to move.",
        "uphill": "You step up the gradient: the sign is wrong, and the loss grows.",
        "input_trained": "What comes back is right, but the model that came in was trained. Work on a copy.",
    },
    onward="open your repair shop",
)  # fmt: skip
