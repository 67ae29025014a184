"""Settings of the wrong type: argument, value, what is allowed, remedy."""

import numpy as np
import pytest
import torch

from bdlab import BadNets, Patch, Recipe, Split, Strip
from bdlab.attacks.operations import Keys
from bdlab.defenses import DeepInspect, Pruning
from bdlab.evasion import BIM, JSMA
from bdlab.registry import registered
from bdlab.triggers.overlay import Crafted


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Patch(size=2.0), "size must be a whole number, got 2.0; see Patch's defaults"),
        (lambda: Patch(at=(1.5, 2)), r"at must be a tuple \(a whole number, a whole number\) or None, got \(1.5, 2\)"),
        (lambda: BadNets(relabel=0), r"relabel must be a function of labels such as all_to_one\(0\), got 0"),
        (lambda: BadNets(trigger="patch"), "trigger must be a Trigger, got 'patch'"),
        (lambda: BadNets(recipe=5), "recipe must be a Recipe, got 5"),
        (lambda: BadNets(rate="0.1"), "rate must be a number, got '0.1'"),
        (lambda: BadNets(seed=1.0), "seed must be a whole number, got 1.0"),
        (lambda: Recipe(epochs=2.5), "epochs must be a whole number, got 2.5"),
        (lambda: Strip(early_stopping=1), "early_stopping must be True or False, got 1"),
        (lambda: DeepInspect(steps=True), "steps must be a whole number, got True"),
        (lambda: Pruning(layer=3), "layer must be a text or None, got 3"),
        (lambda: BIM(steps=None), "steps must be a whole number, got None"),
    ],
)
def test_a_setting_of_the_wrong_type_is_named(make, line):
    with pytest.raises(ValueError, match=line):
        make()


@pytest.mark.parametrize("kind", ["trigger", "attack", "defense"])
def test_defaults_and_numpys_numbers_are_fine(kind):
    for entry in registered(kind).values():
        entry.make()
    assert Patch(size=np.int64(2), colour=np.float32(0.5)).size == 2


def test_numpy_in_the_place_of_tensors_is_named():
    x, y = torch.rand(4, 1, 8, 8), torch.arange(4)
    for make, name in ((lambda: Split(x.numpy(), y, 4), "data.x"), (lambda: Split(x, y.numpy(), 4), "data.y"),
                       (lambda: Patch()(x.numpy()), "x")):  # fmt: skip
        with pytest.raises(TypeError, match=rf"{name} must be a torch tensor, got numpy.ndarray; torch.as_tensor"):
            make()


def test_triggers_that_differ_look_different():
    mask = torch.zeros(8, 8)
    mask[0, 0] = 1
    one, two = (Crafted(pattern=torch.full((1, 8, 8), v), mask=mask) for v in (0.25, 0.75))
    assert repr(one) != repr(two) and repr(one) == repr(Crafted(pattern=one.pattern.clone(), mask=mask.clone()))
    assert repr(Keys(torch.zeros(2, 1, 8, 8))) != repr(Keys(torch.ones(2, 1, 8, 8)))


def test_the_budget_of_jsma_is_not_rounded_down_by_the_machine():
    """.1 of 290 values is 29, as a float 28.999999999999996."""
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(290, 3))
    with torch.no_grad():
        linear[1].weight.copy_(torch.tensor([[-0.01], [0.01], [0.0]]).expand(3, 290))
        linear[1].bias.copy_(torch.tensor([5.0, 0.0, 0.0]))  # out of reach: the whole budget is spent
    x = torch.zeros(1, 1, 10, 29)
    assert int(JSMA(gamma=0.1)(linear, x, torch.tensor([1])).count_nonzero()) == 29
