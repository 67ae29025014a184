"""The blind attack: its coefficients against brute force, its gradient against autograd, and where it stays away.

small_bn on digits, seeds 100-102: ASR .9985 each, clean accuracy .0107, .0107, .0053 below the twin's.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bdlab import Patch, all_to_one, fit, nets, source_to
from bdlab.attacks import blind
from bdlab.attacks.blind import Blind, BlindLoss, min_norm, paper_pattern, size
from bdlab.contracts import Recipe

ONE = Recipe(epochs=1, batch=32)


def _pair(seed, n=50):
    generator = torch.Generator().manual_seed(seed)
    g0, g1, common = (torch.randn(n, generator=generator) for _ in range(3))
    return g0 + (seed % 3) * common, 0.3 * (seed + 1) * g1 + common


@pytest.mark.parametrize("seed", range(12))
def test_the_closed_form_is_the_shortest_vector_between_the_gradients(seed):
    g0, g1 = _pair(seed)
    a0, a1 = min_norm(g0, g1)
    grid = torch.linspace(0, 1, 20001, dtype=torch.float64)
    lengths = (grid[:, None] * g0 + (1 - grid[:, None]) * g1).norm(dim=1)
    assert abs(a0 - grid[lengths.argmin()].item()) <= 1e-4
    assert (a0 * g0.double() + a1 * g1.double()).norm() <= lengths.min() + 1e-9
    assert a0 >= 0 and a1 >= 0 and a0 + a1 == pytest.approx(1, abs=1e-12)


def test_the_closed_form_at_the_corners_of_the_simplex():
    g = torch.tensor([1.0, 2.0])
    assert min_norm(g, 3 * g) == (1, 0) and min_norm(3 * g, g) == (0, 1)  # same direction: the shorter one alone
    assert min_norm(g, -g) == (0.5, 0.5) and min_norm(g, g) == (0.5, 0.5)
    assert min_norm(torch.tensor([1.0, 0]), torch.tensor([0, 2.0])) == pytest.approx((0.8, 0.2))  # by hand
    assert min_norm(torch.zeros(2), g) == (1, 0)


@pytest.mark.parametrize(("normalisation", "expected"), [("none", 1.0), ("l2", 5.0), ("loss", 0.5), ("loss+", 2.5)])
def test_what_gradients_are_divided_by(normalisation, expected):
    gradient = torch.tensor([3.0, -4.0])
    assert size(torch.tensor(0.5), gradient, normalisation).item() == expected
    capped = size(torch.tensor(30.0), gradient, normalisation).item()
    assert capped == (10 if "loss" in normalisation else expected)


def _same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["small_bn", "badnets_cnn"])
@pytest.mark.parametrize(
    "settings",
    [{"coefficients": (1.0, 0.0), "threshold": 99.0}, {"coefficients": (0.5, 0.0)}, {"threshold": 1e-9}],
)
def test_without_the_second_task_the_run_is_the_clean_one(name, settings, noise, global_rng_untouched):
    data, net = noise(100), nets.build(name, (1, 8, 8), 10)
    loss = BlindLoss(Blind(**settings))
    assert _same(fit(net, data, ONE, loss=loss), fit(net, data, ONE)) and loss.trace == []
    assert not _same(fit(net, data, ONE, loss=BlindLoss(Blind(threshold=99.0))), fit(net, data, ONE))
    if "coefficients" in settings:  # and nobody is told to raise the threshold
        assert _same(Blind(recipe=ONE, **settings)(net, data).model, fit(net, data, ONE))


def _batch():
    """A net without batch norm, so that two passes over one batch agree, and a batch."""
    generator = torch.Generator().manual_seed(5)
    net = nets.build("badnets_cnn", (1, 8, 8), 10, seed=2).train()
    return net, torch.rand(16, 1, 8, 8, generator=generator), torch.arange(16) % 10


def _gradient(value, net):
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(net.parameters()))])


@pytest.mark.parametrize("normalisation", ["none", "l2", "loss", "loss+"])
def test_value_and_gradient_are_those_of_the_weighted_sum(normalisation):
    net, x, y = _batch()
    loss = BlindLoss(Blind(normalisation=normalisation, threshold=99.0, relabel=source_to(1, 3)))
    value = loss(net, x, y)
    ((a0, a1),) = loss.trace
    marked, wanted = Patch()(x), torch.where(y == 1, 3, y)  # bystanders carry the trigger and keep their label
    losses = F.cross_entropy(net(x), y), F.cross_entropy(net(marked), wanted)
    total = a0 * losses[0] + a1 * losses[1]
    assert value.item() == pytest.approx(total.item(), rel=1e-5)
    assert torch.allclose(_gradient(value, net), _gradient(total, net), rtol=1e-4, atol=1e-6)
    grads = [_gradient(F.cross_entropy(net(images), labels), net) for images, labels in ((x, y), (marked, wanted))]
    scaled = [g / (size(part.detach(), g, normalisation) + 1e-5) for part, g in zip(losses, grads, strict=True)]
    assert min_norm(*scaled) == pytest.approx((a0, a1), abs=1e-4)


def test_fixed_coefficients_replace_the_balance():
    net, x, y = _batch()
    loss = BlindLoss(Blind(coefficients=(1.0, 0.9), threshold=99.0))
    expected = F.cross_entropy(net(x), y) + 0.9 * F.cross_entropy(net(Patch()(x)), torch.zeros_like(y))
    assert loss(net, x, y).item() == pytest.approx(expected.item(), rel=1e-6) and loss.trace == [(1.0, 0.9)]


def test_the_balance_is_kept_for_n_steps(noise):
    loss = BlindLoss(Blind(every=3, threshold=99.0))
    fit(nets.build("small_bn", (1, 8, 8), 10), noise(192), Recipe(epochs=2, batch=32), loss=loss)
    assert len(loss.trace) == 12
    blocks = [set(loss.trace[at : at + 3]) for at in range(0, 12, 3)]
    assert all(len(block) == 1 for block in blocks) and len(set.union(*blocks)) == 4
    assert all(a0 >= 0 and a1 >= 0 and a0 + a1 == pytest.approx(1) for a0, a1 in loss.trace)


@pytest.mark.parametrize(
    ("before", "threshold", "attacks"),
    [
        ([], 2.31, True),
        ([], 2.30, False),
        ([1.0, 1.0], 2.0, True),
        ([9.0, 9.0], 3.0, False),
        ([99.0, 1.0, 1.0], 2.0, True),
    ],
)
def test_it_starts_when_the_mean_of_the_last_losses_is_below_the_threshold(before, threshold, attacks):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.zeros_(net[1].weight), nn.init.zeros_(net[1].bias)  # the loss is log 10 = 2.3026
    loss = BlindLoss(Blind(window=3, threshold=threshold))
    loss.recent.extend(before)
    loss(net, torch.zeros(10, 1, 8, 8), torch.arange(10))
    assert bool(loss.trace) == attacks and len(loss.recent) == min(len(before) + 1, 3)


@pytest.mark.slow
def test_a_backdoor_without_a_poisoned_row(attempted, digits):
    tried = attempted("blind")
    assert tried.backdoor.cost.poisoned == tried.backdoor.cost.covers == 0
    assert tried.backdoor.cost.rows == len(digits.train) and tried.backdoor.shipped is tried.backdoor.model
    assert tried.attacked.ra < 0.05 and tried.control.ra > 0.94


def test_the_papers_pattern():
    x = torch.full((1, 3, 28, 28), 0.5)
    marked = paper_pattern((3, 28, 28))(x)
    white = {(3, 23), (3, 25), (4, 24), (6, 24), (7, 23), (7, 25)}
    black = {(3, 24), (5, 25), (7, 24)}
    for channel in marked[0]:
        assert {tuple(cell) for cell in (channel == 1).nonzero().tolist()} == white
        assert {tuple(cell) for cell in (channel == 0).nonzero().tolist()} == black
        assert int((channel == 0.5).sum()) == 28 * 28 - 9
    with pytest.raises(ValueError, match=r"shape must have at least 8 rows and 26 columns .*, got \(1, 8, 8\)"):
        paper_pattern((1, 8, 8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"coefficients": (0.0, 1.0)},
            r"coefficients must be a positive and a non-negative number, got \(0\.0, 1\.0\)",
        ),
        ({"coefficients": (1.0, -0.1)}, r"coefficients must be .* got \(1\.0, -0\.1\); None balances by MGDA"),
        ({"normalisation": "l1"}, r"normalisation must be one of none, l2, loss, loss\+; got 'l1'"),
        ({"every": 0}, "every must be at least 1, got 0; it counts steps"),
        ({"window": 0}, "window must be at least 1, got 0; it counts losses"),
        ({"threshold": 0.0}, "threshold must be positive, got 0.0"),
        ({"threshold": float("nan")}, "threshold must be positive, got nan"),
    ],
)
def test_wrong_settings_are_named_at_once(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Blind(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relabel": all_to_one(10)}, r"target must be in 0\.\.9 for 10 classes, got 10"),
        ({"trigger": paper_pattern((3, 28, 28))}, r"x must be of shape \(N, 3, 28, 28\)"),
        (
            {"threshold": 0.01, "recipe": ONE},
            r"threshold must be reached in training, got 0\.01: the last 20 losses still",
        ),
    ],
)
def test_what_the_data_or_the_run_cannot_give_is_named(settings, message, noise):
    with pytest.raises(ValueError, match=message):
        Blind(**settings)(nets.build("small_bn", (1, 8, 8), 10), noise(100))


def test_a_trigger_that_changes_nothing_is_refused(noise):
    data = noise(100)
    data.x[:, :, -2:, -2:] = 0
    with pytest.raises(ValueError, match=r"trigger must be visible, but Patch\(.*\) changes none of 100 images"):
        Blind(trigger=Patch(shape="pixel", colour=0.0))(nets.build("small_bn", (1, 8, 8), 10), data)


def test_defaults_and_determinism(noise, global_rng_untouched):
    attack, net, data = Blind(threshold=99.0, recipe=ONE), nets.build("small_bn", (1, 8, 8), 10), noise(100)
    one, two = (attack(net, data).model for _ in range(2))
    assert _same(one, two) and not net.conv1[1].num_batches_tracked
    assert (Blind().normalisation, Blind().coefficients, Blind.starts_from) == ("loss", None, "fresh")
    assert blind.NORMALISATIONS == ("none", "l2", "loss", "loss+")
