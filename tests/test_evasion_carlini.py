"""The attacks behind the feature squeezing table: each wins by its confidence, and is the best by its own measure."""

import copy

import pytest
import torch
from torch import nn

from bdlab import nets
from bdlab.evasion import lead, next_class
from bdlab.evasion.carlini import DescentL0, DescentL2, DescentLinf
from bdlab.training import logits

ATTACKS = {
    "l2": DescentL2(confidence=2.0, steps=60, rounds=6, lr=0.2),
    "linf": DescentLinf(confidence=2.0, steps=20, rounds=15),
    "l0": DescentL0(confidence=2.0, steps=15, rounds=30),
}


@pytest.fixture(scope="module")
def found():
    """A tiny net in train mode, images black, white and grey, classes to reach, and what each attack makes of them."""
    with nets.seeded(1):
        net = nets.Net(
            (1, 6, 7),
            4,
            conv=nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()),
            head=nn.Sequential(nn.Flatten(), nn.Linear(168, 4)),
        )
    with torch.no_grad():
        net.head[1].weight.mul_(10)
    x = torch.rand(6, 1, 6, 7, generator=torch.Generator().manual_seed(0)).mul(2).sub(0.5).clamp(0, 1)
    goal = next_class(logits(net, x).argmax(1), 4)
    return net, x, goal, {name: attack(net, x, goal) for name, attack in ATTACKS.items()}


def test_each_leads_by_its_confidence_and_is_the_smallest_by_its_own_measure(found):
    net, x, goal, changed = found
    sizes = {}
    for name, images in changed.items():
        assert images.min() >= 0 and images.max() <= 1
        assert (lead(logits(net, images), goal, True) >= 2 - 1e-4).all()
        change = (images - x).flatten(1)
        sizes[name] = change.norm(dim=1).mean(), change.abs().amax(1).mean(), (change != 0).sum(1).double().mean()
    for i, name in enumerate(ATTACKS):
        assert all(sizes[name][i] < sizes[other][i] for other in ATTACKS if other != name), sizes
    assert ((changed["l2"] - x).abs()[(x == 0) | (x == 1)] > 0.01).any()  # black and white pixels move too


def test_the_model_stays_as_it_is_and_the_image_where_nothing_wins(found, global_rng_untouched):
    net, x, goal, _ = found
    state, modes = copy.deepcopy(net.state_dict()), [m.training for m in net.modules()]
    assert torch.equal(DescentL2(confidence=1e6, steps=2, rounds=2)(net, x, goal), x)
    assert [m.training for m in net.modules()] == modes and all(p.grad is None for p in net.parameters())
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DescentL2(steps=0), "steps must be positive, got 0"),
        (lambda: DescentL2(rounds=0), "rounds must be positive, got 0"),
        (lambda: DescentLinf(lr=0), "lr must be positive, got 0"),
        (lambda: DescentLinf(confidence=-1.0), r"confidence must be 0 or more, got -1\.0; it is a lead in logits"),
        (lambda: DescentL0(confidence=-0.5), r"confidence must be 0 or more, got -0\.5"),
        (lambda: DescentL0(share=0), r"share must be in \(0, 1\], got 0;"),
        (lambda: DescentL0(share=5), r"share must be in \(0, 1\], got 5; it is a share, not a percentage"),
        (lambda: DescentL0(steps=0), "steps must be positive, got 0"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()
