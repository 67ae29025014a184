"""What every attack owes: the victim notices nothing, the trigger works, and it works because of the backdoor."""

import copy
from dataclasses import replace

import pytest
import torch
from attack_bands import BANDS

from bdlab.contracts import Backdoor, Recipe
from bdlab.experiments.attacks import attempt
from bdlab.nets import device_of
from bdlab.registry import registered
from bdlab.training import logits

NAMES = list(registered("attack"))
ATTACKS = [pytest.param(name, marks=pytest.mark.slow) if BANDS[name].slow else name for name in NAMES]


def test_every_attack_has_its_band():
    assert set(BANDS) == set(NAMES)


def _hold(tried, band):
    attacked, control = tried.attacked, tried.control
    assert attacked.clean_accuracy > control.clean_accuracy - band.drop
    assert attacked.asr > band.asr and control.asr <= band.control
    assert band.leak is None or attacked.leak < band.leak


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_with_its_defaults(name, attempted, device):
    tried = attempted(name, device)
    _hold(tried, BANDS[name])
    backdoor = tried.backdoor
    assert isinstance(backdoor, Backdoor) and backdoor.cost.seconds > 0
    assert device_of(backdoor.model) == device_of(backdoor.shipped) == device_of(backdoor.deploy(backdoor.shipped))


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_deployed_is_what_the_victim_runs(name, attempted, load_once):
    backdoor, x = attempted(name).backdoor, load_once(BANDS[name].data).test.x[:64]
    marked = backdoor.trigger(x, torch.Generator().manual_seed(1))
    for images in (x, marked):
        assert torch.equal(logits(backdoor.deploy(backdoor.shipped), images), logits(backdoor.model, images))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if not BANDS[name].slow])
def test_attack_with_its_defaults_and_another_seed(name, twins_on):
    """Three seeds of every attack, and of the clean twin, stand in docs/results.md."""
    _hold(attempt(registered("attack")[name].make(seed=101), 101, twins_on(BANDS[name].data)), BANDS[name])


@pytest.mark.parametrize("name", ATTACKS)
def test_trigger_of_attack_is_a_pure_function_of_images(name, attempted, load_once, global_rng_untouched):
    trigger, x = attempted(name).backdoor.trigger, load_once(BANDS[name].data).test.x[:8]
    kept = x.clone()
    one, two = (trigger(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(x, kept) and torch.equal(one, two) and not torch.equal(one, x)
    assert one.shape == x.shape and one.dtype == torch.float32 and one.min() >= 0 and one.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_attack_leaves_model_and_data_as_they_were(name, load_once, twin_of, global_rng_untouched):
    """And the same seed makes the same backdoor: a short run on some images, twice."""
    data, clean = load_once(BANDS[name].data), twin_of(BANDS[name].data, 100)
    few, attack = data.train[:1000], _short(registered("attack")[name].make(seed=3))
    weights, x, y = copy.deepcopy(clean.state_dict()), few.x.clone(), few.y.clone()
    one, two = (attack(clean, few) for _ in range(2))
    assert all(torch.equal(clean.state_dict()[key], weights[key]) for key in weights) and not clean.training
    assert torch.equal(few.x, x) and torch.equal(few.y, y)
    images = data.test.x[:256]
    marked = [backdoor.trigger(images, torch.Generator().manual_seed(1)) for backdoor in (one, two)]
    assert torch.equal(*marked)
    assert all(torch.equal(logits(one.model, x), logits(two.model, x)) for x in (images, marked[0]))


def _short(attack):
    """One epoch of its recipe, and few steps of what comes before."""
    less = {name: value for name, value in {"steps": 20, "forget": 1, "rounds": 1}.items() if hasattr(attack, name)}
    if hasattr(attack, "recipe"):
        less["recipe"] = replace(attack.recipe, epochs=1)
    return replace(attack, **less)


def test_recipes_are_one_frozen_field():
    for name, entry in registered("attack").items():
        attack = entry.make()
        assert attack.starts_from in ("fresh", "trained"), name
        recipes = [value for value in vars(attack).values() if isinstance(value, Recipe)]
        assert len(recipes) <= 1 and (not recipes or attack.recipe is recipes[0]), name
