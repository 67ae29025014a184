"""The pruning-aware attack: its invariants on small nets, its curve on digits; what channels.py gives to pruning.

small_bn on digits, seeds 100-102: ASR .9843, .9791, .9858, the same with all 56 decoys pruned; at 56 channels the plain
attack's net has clean accuracy .43, .40, .22, the pruning-aware one's .959, .961, .956.
"""

import copy

import pytest
import torch
from torch import nn

from bdlab import Patch, Split, channels, metrics, nets
from bdlab.attacks import pruning_aware
from bdlab.attacks.pruning_aware import PruningAware, plant
from bdlab.contracts import Recipe
from bdlab.training import evaluate, logits, triggered

NETS = ["small_bn", "badnets_cnn", "fast_bn"]
QUICK = {"recipe": Recipe(epochs=1, batch=32), "max_drop": 1.0, "min_asr": 0.0}


def _trained(name, data, seed=0):
    """A net whose batch norms have seen `data`."""
    net = nets.build(name, (1, 8, 8), 10, seed=seed).train()
    for _ in range(20):
        net(data.x)
    return net.eval()


@pytest.fixture(scope="module", params=NETS)
def planted(request):
    """A clean net, the attack on it, 96 images; weight decay, which would wear the decoys off."""
    x = torch.rand(96, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    data = Split(x, torch.arange(96) % 10, 10)
    clean = _trained(request.param, data)
    recipe = Recipe(epochs=1, batch=32, lr=0.01, weight_decay=0.1)
    attack = PruningAware(**{**QUICK, "recipe": recipe, "decoys": 0.5})
    return clean, plant(attack, clean, attack.poison(data)), data, channels.last_conv(clean), attack


def test_the_architecture_is_the_agreed_one(planted):
    clean, built, _, _, _ = planted
    assert str(built.model) == str(clean) and type(built.model) is type(clean)
    mine, theirs = built.model.state_dict(), clean.state_dict()
    assert list(mine) == list(theirs) and all(mine[key].shape == theirs[key].shape for key in mine)
    assert not built.model.training and built.model.stages == clean.stages


def test_the_decoys_are_the_most_dormant_channels_of_the_clean_net(planted):
    clean, built, data, layer, _ = planted
    order = channels.mean_activation(clean, layer, data.x).argsort()
    half = len(order) // 2
    assert set(built.decoys.nonzero()[:, 0].tolist()) == set(order[:half].tolist()) and built.decoys.sum() == half


def test_decoys_sleep_on_the_training_images_and_fall_first(planted):
    _, built, data, layer, _ = planted
    assert (channels.max_activation(built.model, layer, data.x)[built.decoys] == 0).all()
    means = channels.mean_activation(built.model, layer, data.x)  # what the defender sorts by
    assert (means[built.decoys] == 0).all() and means[~built.decoys].median() > 0


def test_pruning_the_decoys_changes_no_logit(planted):
    _, built, data, layer, _ = planted
    pruned = channels.masked(built.model, layer, ~built.decoys)
    assert torch.allclose(logits(pruned, data.x), logits(built.model, data.x), rtol=0, atol=1e-6)
    some = ~built.decoys
    some[some.nonzero()[0]] = False
    assert not torch.allclose(
        logits(channels.masked(built.model, layer, some), data.x), logits(pruned, data.x), atol=1e-6
    )


def test_decoys_have_their_old_weights_and_lower_biases(planted):
    clean, built, data, layer, attack = planted
    (old_conv, old_norm), (conv, norm) = (_conv_and_norm(net, layer) for net in (clean, built.model))
    assert torch.equal(conv.weight[built.decoys], old_conv.weight[built.decoys])
    assert not torch.equal(conv.weight[~built.decoys], old_conv.weight[~built.decoys])
    bias, old = (norm or conv).bias, (old_norm or old_conv).bias
    assert (bias[built.decoys] < old[built.decoys]).all()
    if norm is not None:
        for name in ("weight", "running_mean", "running_var"):
            assert torch.equal(getattr(norm, name)[built.decoys], getattr(old_norm, name)[built.decoys])
    stage = list(built.model.get_submodule(layer))
    last = stage.index(norm if norm is not None else conv)
    before = nn.Sequential(*list(built.model.children())[: built.model.stages.index(layer)], *stage[: last + 1])
    assert torch.allclose(channels.peaks(before, data.x)[built.decoys], torch.tensor(-attack.margin), atol=1e-4)


def _conv_and_norm(net, layer):
    modules = list(net.get_submodule(layer))
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)]
    return next(m for m in modules if isinstance(m, nn.Conv2d)), norms[0] if norms else None


def test_the_model_and_the_data_given_stay_as_they_were(noise, global_rng_untouched):
    data = noise(96)
    clean = _trained("small_bn", data)
    weights, x = copy.deepcopy(clean.state_dict()), data.x.clone()
    one, two = (PruningAware(**QUICK)(clean, data).model for _ in range(2))
    assert all(torch.equal(clean.state_dict()[key], weights[key]) for key in weights) and torch.equal(data.x, x)
    assert torch.equal(logits(one, x), logits(two, x)) and not torch.equal(logits(one, x), logits(clean, x))


def test_a_bias_is_only_ever_lowered(noise):
    """A channel that sleeps deeply already keeps its bias: the rule is a minimum."""
    data = noise(96)
    clean = _trained("badnets_cnn", data)
    with torch.no_grad():
        clean.conv2[0].bias[7] = -1000.0
    attack = PruningAware(**QUICK)
    built = plant(attack, clean, attack.poison(data))
    assert built.decoys[7] and built.model.conv2[0].bias[7] == -1000


def test_the_last_norm_of_a_residual_net_puts_decoys_to_sleep(noise):
    data = noise(16)
    clean = _trained("preact_resnet18", data)
    attack = PruningAware(**QUICK)
    built = plant(attack, clean, attack.poison(data))
    assert (
        channels.max_activation(built.model, "conv5", data.x)[built.decoys] == 0
    ).all() and built.decoys.sum() == 448
    lowered = built.model.conv5[2].bias[built.decoys] < clean.conv5[2].bias[built.decoys]
    assert lowered.float().mean() > 0.9  # the others slept deeply enough


def test_channels_come_back_one_by_one_until_the_scores_suffice(noise, monkeypatch):
    data = noise(96)
    clean = _trained("small_bn", data)
    answers = iter([(0.9, 0.2), (0.1, 0.99), (0.9, 0.95)])  # ASR too low; accuracy too low; enough
    monkeypatch.setattr(
        pruning_aware, "_scores", lambda *_: dict(zip(("clean_accuracy", "asr"), next(answers), strict=True))
    )
    attack = PruningAware(recipe=QUICK["recipe"], decoys=0.75)
    monkeypatch.setattr(pruning_aware.metrics, "accuracy", lambda *_: 0.8)  # the clean model's
    built = plant(attack, clean, attack.poison(data))
    assert [row["kept"] for row in built.trace] == [16, 17, 18] and built.decoys.sum() == 46
    order = channels.mean_activation(clean, "conv3", data.x).argsort()
    assert not built.decoys[order[46:]].any()  # the two that came back were the least dormant of the 48


def test_what_cannot_be_reached_is_told_with_the_scores(noise, monkeypatch):
    data = noise(96)
    monkeypatch.setattr(pruning_aware, "_scores", lambda *_: {"clean_accuracy": 0.9, "asr": 0.25})
    attack = PruningAware(recipe=QUICK["recipe"], restore=1)
    with pytest.raises(
        ValueError, match=r"within reach: clean accuracy .* and ASR 0\.9 .*, got \{'kept': 9\.0, .*0\.25\}"
    ):
        attack(_trained("small_bn", data), data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decoys": 0}, r"decoys must be in \(0, 1\], got 0;"),
        ({"decoys": 48}, r"decoys must be in \(0, 1\], got 48; it is a share"),
        ({"max_drop": -0.1}, r"max_drop must be in \[0, 1\], got -0\.1"),
        ({"min_asr": 95}, r"min_asr must be in \[0, 1\], got 95"),
        ({"restore": -1}, "restore must be at least 0, got -1"),
        ({"margin": -0.5}, "margin must be at least 0, got -0.5"),
        ({"margin": float("nan")}, "margin must be at least 0, got nan"),
        ({"rate": 1.5}, r"rate must be in \(0, 1\], got 1\.5"),
    ],
)
def test_wrong_settings_are_named_at_once(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        PruningAware(**settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("small_bn", {"decoys": 1.0}, r"decoys must choose 1 to 63 of the layer's 64 channels, got 1\.0 = 64 channels"),
        ("small_bn", {"decoys": 0.001}, r"decoys must choose 1 to 63 .*, got 0\.001 = 0 channels"),
        ("small_bn", {"layer": "conv9"}, "layer must be one of normalize, conv1, conv2, conv3, head; got 'conv9'"),
        ("small_bn", {"layer": "head"}, "layer must be a stage that ends in a convolution with bias .*, got 'head'"),
        ("small_bn", {"layer": "normalize"}, "layer must be a stage that ends in .*, got 'normalize'"),
        ("preact_resnet18", {"layer": "conv4"}, "layer must be a stage that ends in .*, got 'conv4'"),
        ("preact_resnet18", {"layer": "conv1"}, "layer must be a stage that ends in .*, got 'conv1'"),
    ],
)
def test_layers_and_shares_that_cannot_be_are_named(name, settings, message, noise):
    data = noise(40)
    with pytest.raises(ValueError, match=message):
        PruningAware(**QUICK, **settings)(nets.build(name, (1, 8, 8), 10).eval(), data)


def test_another_layer_can_be_chosen(noise):
    data = noise(96)
    attack = PruningAware(**QUICK, layer="conv2", decoys=0.5)
    built = plant(attack, _trained("small_bn", data), attack.poison(data))
    assert (
        built.decoys.shape == (32,) and (channels.max_activation(built.model, "conv2", data.x)[built.decoys] == 0).all()
    )


# ---- on digits


def _curve(model, data):
    """Clean accuracy and ASR (65,) over the channels that the defender has pruned, in the defender's order."""
    order = channels.mean_activation(model, "conv3", data.held_out.x).argsort()
    marked, wanted = triggered(data.test, Patch(), PruningAware().relabel)
    clean, bad = (channels.pruned_predictions(model, "conv3", order, x) for x in (data.test.x, marked))
    return (
        torch.tensor([metrics.accuracy(row, data.test.y) for row in clean]),
        torch.tensor([metrics.asr(row, data.test.y, wanted) for row in bad]),
    )


def _hold(aware, plain, data):
    decoys = channels.max_activation(aware.model, "conv3", data.train.x) == 0
    assert decoys.sum() == DECOYS
    order = channels.mean_activation(aware.model, "conv3", data.held_out.x).argsort()
    assert decoys[order[:DECOYS]].all()
    clean, asr = _curve(aware.model, data)
    for values in (clean, asr):
        assert (values[: DECOYS + 1] - values[0]).abs().max() <= FLAT
    assert min(asr[0], asr[DECOYS]) > 0.95
    bare_clean, _ = _curve(plain.model, data)
    assert bare_clean[DECOYS] < clean[DECOYS] - LEAD  # where the decoys are gone, the plain attack's net has lost much


DECOYS, FLAT, LEAD = 56, 0.002, 0.3


@pytest.mark.slow
def test_pruning_stays_without_effect_until_the_decoys_are_gone(attempted, badnets, digits):
    _hold(attempted("pruning_aware").backdoor, badnets, digits)


@pytest.mark.slow
def test_the_victim_gets_a_backdoor_before_and_after_pruning_the_decoys(attempted, digits):
    backdoor = attempted("pruning_aware").backdoor
    decoys = channels.max_activation(backdoor.model, "conv3", digits.train.x) == 0
    before = evaluate(backdoor, digits.test)
    after = evaluate(channels.masked(backdoor.model, "conv3", ~decoys), digits.test, backdoor)
    assert min(before.asr, after.asr) > 0.95 and abs(before.clean_accuracy - after.clean_accuracy) <= FLAT
    assert backdoor.cost.poisoned == 600 and backdoor.cost.rows == 6600


# ---- what channels.py gives


@pytest.mark.parametrize(
    ("name", "layer"), [("small_bn", "conv3"), ("badnets_cnn", "conv2"), ("fast_bn", "conv2"), ("small_bn", "conv2")]
)
def test_predictions_under_pruning_are_those_of_masked_nets(name, layer, noise, device):
    data = noise(150)
    net = _trained(name, data).to(device)
    width = len(channels.mean_activation(net, layer, data.x))
    order = torch.randperm(width, generator=torch.Generator().manual_seed(1))[: width - 3]
    calls = []
    handle = net.conv1.register_forward_hook(lambda *_: calls.append(1))
    rows = channels.pruned_predictions(net, layer, order, data.x, batch=64)
    handle.remove()
    assert rows.shape == (width - 2, 150) and rows.dtype == torch.int64
    assert len(calls) == 3 + 5  # three batches, each once, and the comparison with the whole network
    for count in (0, 1, width // 2, width - 3):
        keep = torch.ones(width, dtype=torch.bool)
        keep[order[:count]] = False
        expected = logits(channels.masked(net, layer, keep), data.x)
        top = expected.topk(2).values
        sure = top[:, 0] - top[:, 1] > 1e-4  # sums in another order: near ties may fall the other way
        assert sure.sum() > 100 and torch.equal(rows[count][sure], expected.argmax(1)[sure])


class Doubled(nn.Module):
    """A stage with a module inside that is not simply run after it."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(20, 20)

    def forward(self, h):
        return h + self.inner(h)


def test_predictions_under_pruning_where_the_tail_is_not_a_plain_chain(noise):
    """A ReLU that stands there twice runs twice, a block with an inner layer once."""
    relu, data = nn.ReLU(), noise(60)
    with nets.seeded(4):
        head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 64, 20), relu, Doubled(), relu, nn.Linear(20, 10))
        net = nets.Net((1, 8, 8), 10, conv=nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), relu), head=head).eval()
    rows = channels.pruned_predictions(net, "conv", torch.arange(6), data.x)
    for count in range(7):
        expected = logits(channels.masked(net, "conv", torch.arange(8) >= count), data.x)
        top = expected.topk(2).values
        sure = top[:, 0] - top[:, 1] > 1e-4
        assert sure.sum() > 50 and torch.equal(rows[count][sure], expected.argmax(1)[sure])


def test_a_mask_comes_off_again(noise):
    data = noise(64)
    net = _trained("small_bn", data)
    pruned = channels.masked(net, "conv3", torch.arange(64) < 32)
    whole = channels.unmasked(pruned, "conv3")
    assert list(whole.state_dict()) == list(net.state_dict()) and torch.equal(
        logits(whole, data.x), logits(net, data.x)
    )
    assert list(pruned.state_dict()) != list(net.state_dict())  # the one given keeps its mask
    for layer in ("conv2", "head"):
        with pytest.raises(ValueError, match=f"layer must be a stage that `masked` has masked, got '{layer}'"):
            channels.unmasked(pruned, layer)


def test_highest_activation_is_a_maximum_over_images_and_positions(noise):
    data = noise(70)
    net = _trained("small_bn", data)
    trunk, _ = channels.split(net, "conv3")
    with torch.inference_mode():
        expected = trunk(data.x).amax((0, 2, 3))
    assert torch.allclose(channels.max_activation(net, "conv3", data.x, batch=32), expected, atol=1e-6)
