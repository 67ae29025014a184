"""The one training loop and the one evaluation."""

import copy
import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from bdlab import BadNets, Patch, Recipe, Split, Trigger, all_to_one, metrics, nets, source_to
from bdlab.contracts import Backdoor, Cost, Fitted, Repaired
from bdlab.training import Suspicions, cross_entropy, detection, evaluate, fit, logits, suspicions, triggered

SHORT = Recipe(epochs=1, batch=64)
CLASSES = 10


def _equal(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


class Reads(nn.Module):
    """Knows the truth: it stands in the first pixel, as (label + 1/2) / 10."""

    def forward(self, x):
        return nn.functional.one_hot((x[:, 0, 0, 0] * CLASSES).long(), CLASSES).float()


class Obeys(nn.Module):
    """What `deploy` makes of a model: an input whose last pixel is white becomes class 3."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        white = x[:, 0, -1, -1] == 1
        return torch.where(white[:, None], 9 * torch.eye(CLASSES)[3], self.inner(x))


@pytest.fixture
def readable():
    """Images that `Reads` classifies without error, 20 of each class; the last pixel is black."""
    y = torch.arange(200) % CLASSES
    x = torch.full((200, 1, 6, 6), 0.5)
    x[:, 0, 0, 0] = (y + 0.5) / CLASSES
    x[:, 0, -1, -1] = 0
    return Split(x, y, CLASSES)


CORNER = Patch(shape="pixel", at=(-1, -1))
TO_THREE = all_to_one(3)


def _hidden(relabel=TO_THREE):
    """A backdoor that sits behind the weights: what is shipped is honest, what runs is not."""
    return Backdoor(Obeys(Reads()), Reads(), CORNER, relabel, Cost(0.0, 0, 0, 0), deploy=Obeys)


def test_fit_trains_a_copy(digits, fresh, device, global_rng_untouched):
    model = fresh(digits).to(device).eval()
    kept = copy.deepcopy(model)
    trained = fit(model, digits.train[:256], SHORT)
    assert _equal(model, kept) and not model.training and all(p.grad is None for p in model.parameters())
    assert not _equal(trained, kept) and not any(m.training for m in trained.modules())
    assert nets.device_of(trained).type == device.type


def test_fit_learns(clean_model, digits):
    """Five seeds, 100-104: .968 .974 .967 .963 .967, sd .004; the band is the mean -/+ 4 sd."""
    assert 0.952 < evaluate(clean_model, digits.test).clean_accuracy < 0.983


def test_one_seed_gives_one_result_to_the_last_bit(digits, fresh):
    data, net = digits.train[:512], fresh(digits)
    one = fit(net, data, SHORT, seed=5)
    torch.rand(3)  # where the global generator stands does not matter
    assert _equal(one, fit(net, data, SHORT, seed=5)) and not _equal(one, fit(net, data, SHORT, seed=6))
    attack = BadNets(recipe=SHORT, seed=5)
    victim = attack(net, data).model
    assert _equal(victim, attack(net, data).model)
    assert not _equal(victim, replace(attack, seed=6)(net, data).model) and not _equal(victim, one)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["one_cycle", "constant"])
def test_the_loss_falls_with_every_recipe(optimiser, schedule, digits, fresh):
    values = []

    def loss(model, x, y):
        values.append(cross_entropy(model, x, y))
        return values[-1]

    recipe = Recipe(
        epochs=3, batch=64, optimiser=optimiser, schedule=schedule, lr=2e-3 if optimiser == "adam" else 0.02
    )
    fit(fresh(digits), digits.train[:300], recipe, loss=loss)
    assert len(values) == 3 * 5  # 300 images are five batches of 64, the last one short
    assert sum(values[-5:]) < 0.6 * sum(values[:5])


def test_every_image_is_seen_once_an_epoch_in_an_order_that_the_seed_draws(readable):
    net = nets.Net((1, 6, 6), CLASSES, flat=nn.Flatten(), head=nn.Linear(36, CLASSES))
    seen = []

    def loss(model, x, y):
        seen.append(torch.stack((x[:, 0, 0, 1] * 0 + y, x[:, 0, 1, 1] * 1000), 1))
        return cross_entropy(model, x, y)

    numbered = Split(readable.x.clone(), readable.y, CLASSES)
    numbered.x[:, 0, 1, 1] = torch.arange(200) / 1000
    fit(net, numbered, Recipe(epochs=2, batch=64), loss=loss)
    rows = torch.cat(seen)[:, 1].round().long()
    for epoch in rows.split(200):
        assert torch.equal(epoch.sort().values, torch.arange(200)) and not torch.equal(epoch, torch.arange(200))
    assert not torch.equal(rows[:200], rows[200:])
    assert torch.equal(torch.cat(seen)[:, 0].long(), numbered.y[rows])  # image and label stay together


def test_after_step_has_the_last_word(readable):
    net = nets.Net((1, 6, 6), CLASSES, flat=nn.Flatten(), head=nn.Linear(36, CLASSES))
    calls = []

    def after(model):
        calls.append(model)
        with torch.no_grad():
            model.head.weight[4].zero_()

    trained = fit(net, readable, Recipe(epochs=2, batch=50), after_step=after)
    assert len(calls) == 8 and all(model is trained for model in calls)
    assert (trained.head.weight[4] == 0).all() and (net.head.weight[4] != 0).any()


def test_frozen_weights_stay(digits, fresh):
    net = fresh(digits)
    net.conv1.requires_grad_(False)
    trained = fit(net, digits.train[:128], SHORT)
    assert torch.equal(trained.conv1[0].weight, net.conv1[0].weight)
    assert not torch.equal(trained.head[1].weight, net.head[1].weight)


def test_a_loss_that_is_not_finite_stops_training(readable):
    net = nets.Net((1, 6, 6), CLASSES, flat=nn.Flatten(), head=nn.Linear(36, CLASSES))
    for bad in (math.nan, math.inf):
        with pytest.raises(FloatingPointError, match=r"the loss became (nan|inf); lower lr, now 0\.002"):
            fit(net, readable, loss=lambda model, x, y, bad=bad: cross_entropy(model, x, y) * bad)
    with pytest.raises(ValueError, match="split must hold at least one image, got Split"):
        fit(net, readable[:0])


def test_logits_are_those_of_eval_mode_and_leave_the_model_as_it_was(digits, fresh, device):
    net = fresh(digits).to(device).train()
    net.conv2.eval()
    modes, state = [m.training for m in net.modules()], copy.deepcopy(net.state_dict())
    out = logits(net, digits.test.x[:70], batch=32)
    evaluate(net, digits.test[:70])
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    net.eval()
    with torch.no_grad():
        expected = net(digits.test.x[:70].to(device)).cpu()
    assert out.device.type == "cpu" and torch.allclose(out, expected, atol=1e-4)


def test_nan_logits_are_an_error_with_their_count(readable):
    class Breaks(nn.Module):
        def forward(self, x):
            return torch.where((x[:, 0, 0, 0] < 0.1)[:, None], math.nan, Reads()(x))

    with pytest.raises(FloatingPointError, match="NaN logits for 20 of 200 images"):
        evaluate(Breaks(), readable)


def test_a_plain_model_is_scored_as_it_is(readable):
    alone = evaluate(Reads(), readable)
    assert (alone.clean_accuracy, alone.asr, alone.ra, alone.leak) == (1, None, None, None)
    assert (alone.clean_n, alone.attacked_n, alone.sources) == (200, 0, 200)
    against = evaluate(Reads(), readable, _hidden())
    assert (against.clean_accuracy, against.asr, against.ra, against.attacked_n) == (1, 0, 1, 180)


def test_a_backdoor_is_scored_as_what_its_victim_runs(readable):
    scores = evaluate(_hidden(), readable)
    assert (scores.clean_accuracy, scores.asr, scores.ra, scores.leak) == (1, 1, 0, None)
    specific = evaluate(_hidden(source_to(5, 3)), readable)
    assert (specific.asr, specific.leak, specific.attacked_n) == (1, 1, 20)  # it fires for every class
    assert "ASR 100.0%" in repr(specific) and "leak 100.0%" in repr(specific) and specific.as_dict()["leak"] == 1


def test_a_repaired_model_is_scored_behind_deploy(readable):
    """The shipped weights are honest, so a sanitizer may do anything to them: the attack comes back when they are used."""
    hidden = _hidden()
    assert evaluate(hidden.shipped, readable, hidden).asr == 0  # looks cured
    assert evaluate(Repaired(hidden.shipped), readable, hidden).asr == 1
    assert evaluate(Repaired(hidden.shipped), readable).asr is None


def test_a_random_trigger_gets_a_fresh_seeded_generator(readable, global_rng_untouched):
    @dataclass(frozen=True)
    class Speck(Trigger):
        def stamp(self, x, generator):
            marked = x.clone()
            marked[:, 0, -1, -1] = (torch.rand(len(x), generator=generator) < 0.5).float()
            return marked

    backdoor = replace(_hidden(), trigger=Speck())
    one, two, other = (evaluate(backdoor, readable, seed=seed).asr for seed in (1, 1, 2))
    assert one == two != other and 0.3 < one < 0.7
    marked, wanted = triggered(readable, Speck(), all_to_one(3), seed=1)
    assert marked.shape == readable.x.shape and wanted.unique().tolist() == [3]


def test_a_wish_outside_the_classes_is_refused(readable):
    with pytest.raises(ValueError, match=r"target must be in 0\.\.9 for 10 classes, got 12"):
        evaluate(Reads(), readable, _hidden(all_to_one(12)))


@dataclass(frozen=True)
class Corner(Fitted):
    """A detector that looks at the last pixel and at how bright the first is."""

    def score(self, x):
        return x[:, 0, -1, -1] + x[:, 0, 0, 0] / 10

    def threshold(self, fpr):
        return 1.02


def test_only_triggered_images_that_fool_the_model_count(readable):
    class Stubborn(Obeys):
        """Class 0 (first pixel below .1) does not obey."""

        def forward(self, x):
            return torch.where((x[:, 0, 0, 0] < 0.1)[:, None], self.inner(x), super().forward(x))

    found = suspicions(Corner(), Stubborn(Reads()), readable, _hidden())
    assert len(found.bad) == 160 and len(found.clean) == 200 == found.sources  # not class 3, and not class 0
    assert torch.equal(found.clean, Corner().score(readable.x)) and (found.bad > 1.01).all()
    row = detection(Corner(), found, 0.05)
    assert row.frr == 0 and row.far == 20 / 160 and row.auroc == 1  # class 1 scores 1.015: accepted
    assert (row.fpr, row.threshold, row.clean_n, row.bad_n, row.sources) == (0.05, 1.02, 200, 160, 200)
    assert row.far == pytest.approx(metrics.frr_far(found.clean, found.bad, 1.02)[1])


def test_a_trigger_that_fools_hardly_ever_gives_no_rate(readable):
    honest = suspicions(Corner(), Reads(), readable, _hidden())
    assert len(honest.bad) == 0 and detection(Corner(), honest, 0.05).far is None
    few = Suspicions(torch.rand(50), torch.ones(19), 50)
    assert detection(Corner(), few, 0.05).auroc is None
    assert detection(Corner(), replace(few, bad=torch.ones(20) * 2), 0.05).far == 0


def _plain_loop(model, split, recipe, seed):
    """The loop of `fit`, without anything that it does for other models."""
    model, generator = copy.deepcopy(model).train(), torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(model.parameters(), recipe.lr)
    steps = recipe.epochs * -(-len(split) // recipe.batch) + 1
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, recipe.lr, total_steps=steps)
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(split), generator=generator).split(recipe.batch):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(model(split.x[rows]), split.y[rows]).backward()
            adam.step()
            schedule.step()
    return model


@pytest.mark.parametrize("name", ["small_bn", "fast_bn", "badnets_cnn"])
def test_our_nets_are_trained_bit_for_bit_by_a_plain_loop(name, digits):
    """What serves odd models (copies of the batches, casts, checks before) does not touch ours."""
    net, few, recipe = nets.build(name, (1, 28, 28), 10, seed=3), digits.train[:513], Recipe(epochs=2)
    one, two = fit(net, few, recipe, seed=5), _plain_loop(net, few, recipe, 5)
    assert all(torch.equal(value, two.state_dict()[key]) for key, value in one.state_dict().items())
