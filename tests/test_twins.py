"""Honest networks: an attack's twin has its start, its recipe and its epochs, and is trained once."""

from dataclasses import replace

import pytest
import torch

from bdlab.attacks import BadNets, PruningAware, Quantization, Steganography
from bdlab.contracts import Recipe
from bdlab.data import Dataset
from bdlab.nets import build
from bdlab.registry import registered
from bdlab.training import DEFAULT_RECIPE, fit
from bdlab.twins import Twins

FIRST, OWN = Recipe(epochs=1, batch=32), Recipe(epochs=2, batch=16, lr=1e-3)
TWICE = {"quantization": 8}
"""Attacks that train in two phases: the epochs of both."""


@pytest.fixture
def twins(noise):
    """Of 64 random images."""
    split = noise(64)
    return Twins(Dataset("noise", split, split, split, split, tuple("0123456789"), ""), net="fast_bn", first=FIRST)


@pytest.mark.parametrize("name", registered("attack"))
def test_the_twins_recipe_is_the_attacks_own(name):
    """Or none, where nothing is trained on the victim's data: there the twin is the network that was given."""
    attack = registered("attack")[name].make()
    if attack.twin_recipe is None:
        assert attack.starts_from == "trained" and name in ("operations", "trojaning", "trojannet", "undetectable")
    else:
        assert attack.twin_recipe == replace(attack.recipe, epochs=TWICE.get(name, attack.recipe.epochs))


def _same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def _trained(twins, *recipes):
    model = build("fast_bn", (1, 8, 8), 10, seed=7)
    for recipe in recipes:
        model = fit(model, twins.data.train, recipe, seed=7)
    return model


@pytest.mark.parametrize(
    ("attack", "before", "after"),
    [
        (BadNets(recipe=OWN), (), (OWN,)),
        (Steganography(recipe=OWN), (), (OWN,)),
        (Quantization(recipe=OWN, forget=2), (), (replace(OWN, epochs=4),)),
        (PruningAware(recipe=OWN), (FIRST,), (OWN,)),
        (registered("attack")["trojannet"].make(), (FIRST,), ()),
    ],
)
def test_start_and_twin_are_trained_as_the_attack_is(attack, before, after, twins):
    assert _same(twins.start(attack, 7), _trained(twins, *before))
    twin = twins.of(attack, 7)
    assert _same(twin, _trained(twins, *before, *after)) and _same(twins(7), _trained(twins, FIRST))
    assert twins.of(attack, 7) is twin and twins.start(attack, 7) is twins.start(attack, 7)
    assert not _same(twins.of(attack, 8), twin)


def test_a_twin_by_the_default_recipe_is_the_clean_network(twins):
    assert BadNets().recipe == DEFAULT_RECIPE and BadNets(recipe=FIRST).twin_recipe == FIRST
    assert twins.of(BadNets(recipe=FIRST), 7) is twins(7)
