"""What both inspectors refuse, in the same words."""

import math

import pytest
import torch
from torch import nn

from bdlab import nets
from bdlab.contracts import Inspection
from bdlab.defenses import DeepInspect, NeuralCleanse

LEAST = {NeuralCleanse: 128, DeepInspect: 50}
"""How many images each needs."""
ALIKE = [
    ({"steps": 0}, "steps must be positive, got 0"),
    ({"lr": -1}, "lr must be positive, got -1"),
    ({"share": 0}, r"share must be in \(0, 1\], got 0"),
    ({"deviation": "median"}, "deviation must be one of mean, mad, left_mad; got 'median'"),
    ({"cutoff": "fwer"}, "cutoff must be 'family_wise' or a positive number such as the papers' 2.0, got 'fwer'"),
    ({"cutoff": -2.0}, "cutoff must be 'family_wise' or a positive number .*, got -2.0"),
    ({"scale": "sqrt"}, "scale must be one of log, plain; got 'sqrt'"),
]
OWN = {
    NeuralCleanse: [
        ({"success": 99}, r"success must be in \(0, 1\], got 99"),
        ({"multiplier": 1.0}, "multiplier must be above 1, got 1.0"),
    ],
    DeepInspect: [
        ({"data": "train"}, "data must be one of held_out, inverted; got 'train'"),
        ({"threshold": -1.0}, "threshold must be 0 or more, got -1.0"),
        ({"gamma1": -0.1}, "gamma1 must be 0 or more, got -0.1"),
        ({"gamma2": 2.0}, r"gamma2 must be in \[1e-05, 1.0\], got 2.0"),
        ({"goal": 95}, r"goal must be in \(0, 1\], got 95"),
    ],
}
both = pytest.mark.parametrize("make", LEAST, ids=lambda make: make.__name__)


class Constant(nn.Module):
    """Gives one and the same logit for all of six classes."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return torch.full((len(x), 6), self.answer)


@pytest.mark.parametrize(
    ("make", "settings", "message"), [(make, *case) for make in LEAST for case in (*ALIKE, *OWN[make])]
)
def test_wrong_settings_are_named(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


@both
@pytest.mark.parametrize(
    ("count", "classes", "message"),
    [
        (None, 6, "clean must hold at least {least} images, got none"),
        (-1, 6, "clean must hold at least {least} images, got {count}"),
        (0, 1, "clean must hold images of at least 2 classes"),
    ],
)
def test_images_that_do_not_do_are_named(make, count, classes, message, noise):
    """count: how many more than it needs."""
    least = LEAST[make]
    clean = None if count is None else noise(least + count, (1, 8, 8), classes)
    with pytest.raises(ValueError, match=message.format(least=least, count=least - 1)):
        make()(Constant(0.0), clean)


@both
def test_a_model_that_answers_nan_is_refused(make, noise):
    with pytest.raises(FloatingPointError, match="NaN logits"):
        make()(Constant(math.nan), noise(LEAST[make], (1, 8, 8), 6))


@both
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "labels must name a class, for nothing was flagged"),
        ([], "labels must name a class, for nothing was flagged"),
        ([10], r"labels must be in 0\.\.9, got \[10\]"),
        ([-1], r"labels must be in 0\.\.9, got \[-1\]"),
    ],
)
def test_labels_that_cannot_be_repaired_are_named(make, labels, message, noise):
    model, found = nets.build("small_bn", (1, 8, 8), 10, seed=0), Inspection(torch.ones(10), torch.zeros(10), 4.0, [])
    with pytest.raises(ValueError, match=message):
        if make is NeuralCleanse:
            make().unlearn(model, noise(60, (1, 8, 8)), found, labels)
        else:
            make().patch(model, found, labels)
