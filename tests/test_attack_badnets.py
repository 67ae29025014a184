"""BadNets on digits, in bands of our own runs; what it refuses.

small_bn, 5 epochs, seeds 100-104 (torch 2.15, CPU), mean and sd over the seeds:
  clean twin           clean .9677 +/- .0039                                   trigger ASR .0003
  all to 0, rate .1    clean .9665 +/- .0026   ASR .9957 +/- .0014
  1 to 7, rate .05, covers .2                  ASR .990 +/- .008   leak .0235 +/- .0033
  1 to 7, rate .05, no covers                  ASR .997 +/- .004   leak .712 +/- .056
The bands are the means -/+ about 4 sd.
"""

from contextlib import nullcontext

import pytest
import torch

from bdlab import BadNets, Patch, all_to_one, evaluate, fit, source_to
from bdlab.attacks.poisoning import check_visible, count_changed
from bdlab.contracts import Poisoned, Recipe, Split
from bdlab.nets import build

CLEAN, ASR = (0.956, 0.977), 0.990
SPECIFIC_ASR, SPECIFIC_LEAK, BARE_LEAK = 0.958, (0.010, 0.037), (0.49, 0.94)
SPECIFIC = {"relabel": source_to(1, 7), "rate": 0.05}


def _hold_all_to_one(backdoor, clean_model, data):
    scores, clean = evaluate(backdoor, data.test), evaluate(clean_model, data.test, backdoor)
    assert CLEAN[0] < scores.clean_accuracy < CLEAN[1] and scores.asr > ASR and scores.ra < 1 - ASR
    assert clean.asr < 0.01 and clean.ra > 0.94  # a clean model does not mind the patch
    assert abs(scores.clean_accuracy - clean.clean_accuracy) < 0.02  # the victim sees nothing on clean images
    assert scores.attacked_n == int((data.test.y != 0).sum()) and scores.leak is None


def _hold_specific(covered, bare, data):
    with_covers, without = evaluate(covered, data.test), evaluate(bare, data.test)
    assert min(with_covers.asr, without.asr) > SPECIFIC_ASR and with_covers.clean_accuracy > CLEAN[0] - 0.005
    assert SPECIFIC_LEAK[0] < with_covers.leak < SPECIFIC_LEAK[1] and BARE_LEAK[0] < without.leak < BARE_LEAK[1]
    assert with_covers.attacked_n == int((data.test.y == 1).sum())


def test_a_patch_becomes_a_backdoor(badnets, clean_model, digits):
    _hold_all_to_one(badnets, clean_model, digits)
    assert (badnets.cost.poisoned, badnets.cost.covers, badnets.cost.rows) == (600, 0, 6600)
    assert (
        badnets.cost.seconds > 0 and badnets.shipped is badnets.model and badnets.deploy(badnets.model) is badnets.model
    )


@pytest.mark.slow
def test_covers_are_what_keeps_a_source_specific_backdoor_specific(source_specific, digits, fresh):
    bare = BadNets(**SPECIFIC, seed=100)(fresh(digits), digits.train)
    _hold_specific(source_specific, bare, digits)
    assert (source_specific.cost.poisoned, source_specific.cost.covers) == (300, 1200)


@pytest.mark.slow
def test_covers_do_so_with_another_seed(digits, fresh):
    covered, bare = (BadNets(**SPECIFIC, covers=covers, seed=101)(fresh(digits, 101), digits.train) for covers in (0.2, 0))
    _hold_specific(covered, bare, digits)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 1.5}, r"rate must be in \(0, 1\], got 1\.5"),
        ({"rate": 0}, r"rate must be in \(0, 1\], got 0;"),
        ({"rate": -0.1}, r"rate must be in \(0, 1\], got -0\.1"),
        ({"rate": float("nan")}, r"rate must be in \(0, 1\], got nan"),
        ({"rate": 10}, r"rate must be in \(0, 1\], got 10; it is a share, not a percentage"),
        ({"covers": 1.2}, r"covers must be in \[0, 1\], got 1\.2"),
        ({"covers": -1}, r"covers must be in \[0, 1\], got -1"),
        ({"mode": "add"}, "mode must be 'append' or 'replace', got 'add'"),
    ],
)
def test_wrong_settings_are_named_at_once(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        BadNets(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relabel": all_to_one(10)}, r"target must be in 0\.\.9 for 10 classes, got 10 from all_to_one\(target=10\)"),
        ({"relabel": source_to(1, 12)}, r"target must be in 0\.\.9 for 10 classes, got 12"),
        ({"rate": 1e-5}, r"rate must choose 1 to \d+ of 6000 rows .*, got 1e-05 = 0 rows"),
        ({"rate": 1.0}, r"rate must choose 1 to 5\d\d\d of 6000 rows .*, got 1\.0 = 6000 rows"),
        ({"relabel": source_to(1, 7), "rate": 0.2}, r"rate must choose 1 to [56]\d\d of 6000 .*, got 0\.2 = 1200 rows"),
        ({"covers": 0.5}, r"covers must choose 1 to [56]\d\d of 6000 rows .*, got 0\.5 = 3000 rows"),
        ({"covers": 1e-6}, "covers must choose 1 to"),
        ({"trigger": Patch(at=(27, 27))}, "at must keep the 3x3 patch inside the 28x28 image"),
    ],
)
def test_what_the_data_cannot_give_is_named(settings, message, digits):
    with pytest.raises(ValueError, match=message):
        BadNets(**settings).poison(digits.train)


def test_a_trigger_that_few_images_show_is_refused(digits):
    corner = (digits.train.x[:, 0, :3, :3] == 0).flatten(1).all(1)  # the corner is black in nearly all of them
    black = BadNets(trigger=Patch(colour=0.0, at=(0, 0)))
    message = r"trigger must be visible, but Patch\(.*\) changes {} 600 images; move or recolour it"
    with pytest.raises(ValueError, match=message.format(r"\d of")):
        black.poison(digits.train)
    assert 5500 < corner.sum() < 6000
    with pytest.raises(ValueError, match="changes none of"):
        black.poison(digits.train[corner])
    stroke = BadNets(trigger=Patch(colour=0.0, at=(12, 12)))
    assert len(stroke.poison(digits.train).indices) == 600


@pytest.mark.parametrize(("seen", "refused"), [(0, True), (49, True), (50, False), (100, False)])
def test_half_of_the_images_are_enough(seen, refused):
    x = torch.zeros(100, 1, 4, 4)
    x[seen:, 0, 0, 0] = 1  # a white pixel shows on the first `seen` images only
    white = Patch(shape="pixel", at=(0, 0))
    changed = count_changed(x, white(x))
    assert changed == seen
    with pytest.raises(ValueError, match=r"changes (49|none) of") if refused else nullcontext():
        check_visible(white, changed, 100)


def test_a_source_class_that_the_data_does_not_have():
    x = torch.rand(20, 1, 8, 8)
    with pytest.raises(ValueError, match="rate must choose 1 to 0 of 20 rows"):
        BadNets(relabel=source_to(5, 1)).poison(Split(x, torch.zeros(20, dtype=torch.int64), 10))


def test_the_default_is_ten_percent_appended_and_the_settings_show():
    attack = BadNets()
    assert (attack.rate, attack.covers, attack.mode, attack.starts_from) == (0.1, 0.0, "append", "fresh")
    assert attack.relabel == all_to_one(0) and attack.trigger == Patch()
    assert repr(attack).startswith("BadNets(trigger=Patch(shape='square', size=3,") and "seed=0" in repr(attack)
    with pytest.raises(AttributeError):
        attack.rate = 0.5


def test_the_attack_is_its_data_and_no_poison_is_the_clean_model(noise):
    """The victim is what `fit` makes of the poisoned set, to the last bit; of a set with no poison it makes the twin."""
    data, net, recipe = noise(60), build("small_bn", (1, 8, 8), 10), Recipe(epochs=1)
    attack = BadNets(recipe=recipe, seed=3)
    p = attack.poison(data)
    for mode in ("append", "replace"):
        none = Poisoned(data, p.indices[:0], p.stamped[:0], p.labels[:0], p.covers[:0], mode).split
        assert _same(fit(net, none, recipe, seed=3), fit(net, data, recipe, seed=3))
    victim = attack(net, data).model
    assert _same(victim, fit(net, p.split, recipe, seed=3)) and not _same(victim, fit(net, data, recipe, seed=3))


def _same(one, two):
    return all(torch.equal(value, two.state_dict()[key]) for key, value in one.state_dict().items())


def test_the_seed_draws_the_rows(noise, global_rng_untouched):
    one, two, other = (BadNets(seed=seed).poison(noise(200)).indices for seed in (4, 4, 5))
    assert torch.equal(one, two) and not torch.equal(one.sort().values, other.sort().values)
