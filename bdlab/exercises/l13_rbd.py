"""Lesson 13, RBD: the score and the guard; the shadow is made in l13_shadow.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.l13_questions import QUESTIONS
from bdlab.exercises.l13_shadow import SHADOW_STEP, UNLEARN_LOSS
from bdlab.exercises.parts import state_restored, values
from bdlab.exercises.specification import Draw, Exercise, Lesson, Mistake, images, made

# --- rbd_score ---


def scored_draws(rng: RandomState) -> Iterator[Draw]:
    """Two networks that come in train or in eval mode; 2 to 5 classes, one image too."""
    for seed in range(20):
        shape, train = ((1, 2, 2), (3, 3, 2))[seed % 2], seed % 3 != 2
        model, shadow = (
            made("model", "tiny_bn", shape=shape, classes=3 + seed % 3, seed=seed + more, train=train) for more in (0, 50)
        )
        yield {"model": model, "shadow": shadow, "x": images(rng, ((6, 4, 1)[seed % 3], *shape)) * 9}


RBD_SCORE = Exercise(
    "rbd_score(model, shadow, x)", minutes=15, difficulty=2, importance=5,
    parts=[values(3, scored_draws, "20 draws, both networks in train and in eval mode, one image too", tolerance=1e-3),
           state_restored(1, scored_draws)],
    hints=(
        "Which network chooses the class, and which one is asked for its share?",
        "argmax of the model's logits, softmax of the shadow's; from each row of shares pick the chosen class.",
        "`shares.gather(1, chosen[:, None])[:, 0]` picks one number of each row.",
    ),
    mistakes={
        "own_choice": "You take the class that the shadow chooses. Asked for is the share of the model's class.",
        "own_share": "This is the model's own share. Ask the shadow how much it gives the class.",
        "swapped": "The two networks have changed places: the model chooses, the shadow is asked for its share.",
        "rest": "You give 1 minus the share. High means that the shadow still recognises: the share itself.",
        "over_batch": "Your softmax runs over the images. The shares of one image sum to 1: axis 1.",
        "no_softmax": "You give the shadow's logit. Softmax makes shares of its logits first.",
        "column_kept": Mistake(
            "The numbers are right, but of shape (N, 1). Wanted is (N,).",
            when=lambda draw, got, expected: got.shape == (len(expected), 1) and torch.allclose(got[:, 0], expected, 1e-3),
        ),
        "all_pairs": Mistake(
            "You return (N, N): for each image the shares of all images' classes. Pick one number of each row.",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.shape == (len(draw["x"]), len(draw["x"]))
            and len(draw["x"]) > 1,
        ),
        "train_model": "You ask the model in the mode in which it came. In train mode the class hangs on the other images: "
        "eval first.",
        "train_shadow": "You ask the shadow in the mode in which it came. In train mode its share hangs on the other "
        "images: eval first.",
        "mode_left": "The scores are right, but the model that came in train mode stays in eval mode.",
        "both_left": "The scores are right, but both networks stay in eval mode, also where they came in train mode.",
    },
    onward="draw a line and guard the road",
)  # fmt: skip

# --- guard ---


def guard_draws(rng: RandomState) -> Iterator[Draw]:
    """Clean images and a stream that holds them, so that what lies on the line shows; fpr times N is never nearly whole."""
    for seed in range(20):
        model, shadow = (made("model", "linear", shape=(1, 2, 2), classes=4, seed=seed + more) for more in (0, 50))
        clean = images(rng, ((10, 7, 13)[seed % 3], 1, 2, 2)) * 9
        yield {"model": model, "shadow": shadow, "clean": clean, "fpr": (0.25, 0.37, 0.02)[seed % 3],
               "_x": torch.cat([clean, images(rng, (20, 1, 2, 2)) * 9])}  # fmt: skip


def flags(sub: Any, draw: Draw) -> Any:
    """What the guard that comes back says of a stream."""
    guard = sub.call("guard", *(draw[name] for name in ("model", "shadow", "clean", "fpr")))
    return sub.invoke(guard, draw["_x"])


GUARD = Exercise(
    "guard(model, shadow, clean, fpr)", minutes=20, difficulty=3, importance=4,
    parts=[values(3, guard_draws, "20 guards, asked about 27 to 33 images", run=flags)],
    hints=(
        "Which scores are suspicious, high or low ones? How many clean images may lie above the line?",
        "Sort the clean scores, highest first. With k = int(fpr * N), the line is the score at place k, counted from 0.",
        "Return a function: `return lambda x: score(x) > line`. It is made once, and called for each image on the road.",
    ),
    mistakes={
        "lower": "Your line comes from the lower end. High scores are suspicious: it lies among the highest clean ones.",
        "below": "You flag what lies below the line. Suspicious is what the shadow still recognises: above.",
        "ties": "You flag what lies exactly on the line, too. Then one clean image more than allowed is refused.",
        "one_up": "Your line lies one place too high: one clean image fewer is flagged than k = int(fpr * N).",
        "rounded_up": "You round fpr * N up. At most that share of the clean images may be flagged: round down.",
        "median": "Your line is the median of the clean scores, whatever fpr says.",
        "own_share": "You score by the model's own share. Ask the shadow how much it gives the model's class.",
        "new_line": "Your guard draws a new line from each stream it meets. The line is drawn once, from clean.",
    },
    onward="stand before three readers",
)  # fmt: skip

LESSON = Lesson("13_rbd", "RBD: a shadow model on the road", 120, (UNLEARN_LOSS, SHADOW_STEP, RBD_SCORE, GUARD),
                QUESTIONS,
                imports=("import torch", "import torch.nn.functional as F", "from torch import Tensor"))
