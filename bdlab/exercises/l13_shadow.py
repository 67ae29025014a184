"""The exercises `unlearn_loss` and `shadow_step` of lesson 13: what the shadow is to answer, and how it learns it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Mistake, images, made

# --- unlearn_loss ---


def logit_draws(rng: RandomState) -> Iterator[Draw]:
    """First numbers to follow by hand; then 2 to 6 classes, one row, logits so large that exp of them overflows."""
    yield {"shadow": torch.tensor([[0.0, 1.0], [2.0, 0.0]]), "teacher": torch.tensor([[4.0, 0.0], [0.0, 2.0]])}
    for number in range(21):
        shape, size = ((3, 1, 2, 5)[number % 4], 2 + (number + 1) % 5), (5, 8, 200)[number % 3]
        yield {"shadow": (images(rng, shape) - 0.5) * size, "teacher": (images(rng, shape) - 0.5) * 10}


UNLEARN_LOSS = Exercise(
    "unlearn_loss(shadow, teacher)", minutes=18, difficulty=2, importance=4,
    parts=[values(3, logit_draws, "22 draws, 2 to 6 classes, one row and large logits too", tolerance=1e-3),
           unchanged(1, logit_draws)],
    hints=(
        "What does softmax make of minus half the teacher's logits? Where is it largest?",
        "The wanted shares stand before the logarithms: sum over the classes wanted * (log wanted - log shadow's).",
        "`F.kl_div(shadow.log_softmax(1), wanted, reduction=\"batchmean\")` takes logarithms first, shares second.",
    ),
    mistakes={
        "wrong_way": "The divergence runs the wrong way round. Weight with the wanted shares, not with the shadow's.",
        "plain": "You want what the teacher answers. The shadow is to unlearn: minus one half of each logit.",
        "unhalved": "You take minus the teacher's logits, without the half.",
        "doubled": "You take minus twice the teacher's logits. Asked for is minus one half of each.",
        "mean": "You divide by the number of classes, too. The divergence sums over the classes; the mean goes over images.",
        "summed": "You sum over the images. The mean over them makes the loss independent of the batch.",
        "sign": "Your number is the loss with the other sign. A step against its gradient would lead away from the wanted.",
        "crossed": "You give the cross-entropy. The divergence is smaller by the entropy of the wanted shares: log wanted "
        "is missing.",
        "rows": Mistake(
            "You return a number for each image. Asked for is one number: their mean.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.shape == draw["shadow"].shape[:1],
        ),
        "no_logarithm": "You give the shadow's shares where their logarithms belong. F.kl_div wants logarithms first.",
        "over_batch": "Your shares sum to 1 over the images. They belong over the classes: axis 1.",
        "in_place": "The loss is right, but teacher itself has changed.",
    },
    onward="let a shadow take a step",
)  # fmt: skip

# --- shadow_step ---


def step_draws(rng: RandomState) -> Iterator[Draw]:
    """A shadow with forgotten gradients and another teacher, both in eval mode; one image, grey and colour."""
    for seed in range(20):
        shape, count = ((1, 4, 4), (3, 4, 3))[seed % 2], (6, 4, 1, 9)[seed % 4]
        shadow = made("model", "tiny_bn", shape=shape, classes=3, seed=seed, stale_grad=True)
        teacher = made("model", "tiny_bn", shape=shape, classes=3, seed=seed + 40)
        x, optimiser = images(rng, (count, *shape)), made("sgd", shadow, 0.5)
        yield {"shadow": shadow, "teacher": teacher, "x": x, "optimiser": optimiser}


def _step(sub: Any, draw: Draw) -> Any:
    return sub.call("shadow_step", *(draw[name] for name in ("shadow", "teacher", "x", "optimiser")))


def stepped(sub: Any, draw: Draw) -> dict[str, Any]:
    """The loss, and the shadow after the step."""
    return {"loss": _step(sub, draw), "shadow": sub.state(draw["shadow"])}


def taught(sub: Any, draw: Draw) -> dict[str, Any]:
    """The teacher after the step: weights and statistics, gradients."""
    _step(sub, draw)
    return {"state": sub.state(draw["teacher"]), "gradients": sub.value(sub.fixture("gradients", draw["teacher"]))}


SHADOW_STEP = Exercise(
    "shadow_step(shadow, teacher, x, optimiser)", minutes=22, difficulty=3, importance=5,
    parts=[values(3, step_draws, "20 draws: the loss, and the shadow's weights and statistics", run=stepped, tolerance=1e-3),
           values(1, step_draws, "20 draws: weights, statistics and gradients of the teacher", name="teacher", run=taught,
                  uses=("gradients",), after="values", tolerance=1e-3)],
    hints=(
        "Which of the two networks needs gradients?",
        "Ask the teacher under torch.no_grad(). Empty the gradients, compute the loss, go backward, step.",
        "Call neither .train() nor .eval(): both networks are in eval mode, and batch norm's statistics stay as they are.",
    ),
    mistakes={
        "train_mode": "You put the shadow into train mode: batch norm's statistics move with your few images. Leave it "
        "in eval mode.",
        "no_zero": "Gradients of an earlier step are still there. Empty them before you go backward.",
        "no_step": "The shadow itself has not changed: optimiser.step() is missing, or a copy of the shadow took the step.",
        "ascent": "Your step leads away from the wanted answers: the loss has the wrong sign.",
        "plain": "Your shadow learns what the teacher answers. It is to unlearn: wanted is softmax of minus half the "
        "teacher's logits.",
        "late_loss": "You give the loss after the step. Asked for is the one that the gradients came from.",
        "twice": "You step twice. One call is one step.",
        "teacher_learns": "Shadow and loss are right, but the teacher gets gradients. Ask it under torch.no_grad().",
        "teacher_trains": "Shadow and loss are right, but the teacher's statistics have changed: it stays in eval mode.",
    },
    onward="ask what the shadow still recognises",
)  # fmt: skip
