"""L-infinity pruning: the norms, the patch it finds by itself, the order in which channels fall, what it does on digits."""

import copy
import math

import pytest
import torch
from torch import nn

from bdlab import Split, channels, metrics, nets
from bdlab.defenses.linf_pruning import ORDERS, LinfPruning, Recovered, rise
from bdlab.experiments import linf_pruning as experiment
from bdlab.experiments.curves import along
from bdlab.training import evaluate, logits

READINGS = ["recovered", "clean"]


@pytest.fixture(scope="module")
def toy():
    """A small net whose batch norms have seen its 60 images."""
    x = torch.rand(60, 2, 8, 8, generator=torch.Generator().manual_seed(2))
    net = nets.build("small_bn", (2, 8, 8), 4, seed=1).train()
    for _ in range(10):
        net(x)
    return net.eval(), Split(x, torch.arange(60) % 4, 4)


@pytest.mark.parametrize("norm", ORDERS)
def test_norms_of_channel_maps_against_a_loop(norm, toy):
    net, data = toy
    with torch.no_grad():
        maps = channels.split(net, "conv2")[0](data.x).double()  # (N, channels, h, w)
    slow = []
    for channel in range(32):
        sizes = [m[channel].abs() for m in maps]
        of = {"linf": lambda a: a.max(), "l1": lambda a: a.sum(), "l2": lambda a: (a * a).sum().sqrt()}[norm]
        slow.append(sum(of(a).item() for a in sizes) / len(sizes))
    found = channels.mean_norm(net, "conv2", data.x, ORDERS[norm], batch=13)
    assert found.shape == (32,) and found.tolist() == pytest.approx(slow, abs=1e-6)


def test_the_highest_is_at_least_the_mean_and_no_norm_is_negative(toy):
    net, data = toy
    high, mean = channels.mean_norm(net, "conv3", data.x), channels.mean_activation(net, "conv3", data.x)
    assert (high >= mean).all() and (mean >= 0).all() and (high > mean).any()


@pytest.mark.parametrize("norm", ORDERS)
def test_images_that_are_not_marked_raise_nothing(norm, toy):
    net, data = toy
    assert (rise(net, "conv3", data.x, data.x.clone(), ORDERS[norm]) == 0).all()
    nothing = Recovered(torch.zeros(1, 8, 8), torch.rand(2, 8, 8), 0, torch.zeros(4))
    assert torch.equal(nothing(data.x), data.x)


@pytest.fixture(scope="module")
def planted():
    """A net by hand: channel c < 4 sees quadrant c, channel 4 only the white corner pixel, which leads to class 0.

    The class of an image is its brightest quadrant; the corner pixel, which no clean image lights, overrules it.
    """
    conv, head = nn.Conv2d(1, 5, 8), nn.Linear(5, 4)
    with torch.no_grad():
        conv.weight.zero_(), conv.bias.zero_(), head.weight.zero_(), head.bias.zero_()
        for c in range(4):
            top, left = 4 * (c // 2), 4 * (c % 2)
            conv.weight[c, 0, top : top + 4, left : left + 4] = 1 / 16
        conv.weight[:4, 0, 7, 7] = 0
        conv.weight[4, 0, 7, 7], conv.bias[4] = 4.0, -0.2
        head.weight[:, :4] = 4 * torch.eye(4)
        head.weight[0, 4] = 5.0
    net = nets.Net((1, 8, 8), 4, conv=nn.Sequential(conv, nn.ReLU()), head=nn.Sequential(nn.Flatten(), head)).eval()
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(200) % 4
    x = torch.rand(200, 1, 8, 8, generator=generator) * 0.4
    for row, label in enumerate(y.tolist()):
        x[row, 0, 4 * (label // 2) : 4 * (label // 2) + 4, 4 * (label % 2) : 4 * (label % 2) + 4] += 0.5
    x[:, 0, 7, 7] = 0.0
    return net, Split(x, y, 4)


@pytest.mark.parametrize("norm", ORDERS)
def test_the_channel_of_the_backdoor_is_found_from_clean_images_alone(norm, planted):
    net, data = planted
    assert metrics.accuracy(logits(net, data.x).argmax(1), data.y) == 1
    guard = LinfPruning(norm=norm, sparsity=0.05)
    found = guard.recover(net, data)
    assert found.suspect == 0 and int(found.mask.argmax()) == 63  # the corner pixel
    others = data.x[data.y != 0]
    assert int(rise(net, "conv", others, found(others), ORDERS[norm]).argmax()) == 4
    repaired = guard(net, data)
    assert not repaired.model.conv[1].keep[4] and repaired.trace[1]["clean_accuracy"] == 1
    order = rise(net, "conv", others, found(others), ORDERS[norm]).argsort(descending=True)  # the largest falls first
    assert [row["channel"] for row in repaired.trace] == [-1, *order[:-1].tolist()]
    white = others.clone()
    white[:, 0, 7, 7] = 1.0
    assert (logits(net, white).argmax(1) == 0).all() and (logits(repaired.model, white).argmax(1) != 0).all()


def test_the_trigger_free_reading_takes_the_largest_clean_norms_first(planted):
    """It cannot see the sleeping channel: that one falls last, that is, never."""
    net, data = planted
    score = channels.mean_norm(net, "conv", data.x)
    repaired = LinfPruning(reading="clean", max_drop=0.3)(net, data)
    keep = repaired.model.conv[1].keep.bool()
    fallen = (~keep).nonzero()[:, 0].tolist()
    assert set(fallen) == set(score.argsort(descending=True)[: len(fallen)].tolist()) and len(fallen) == 1
    assert score.argmin() == 4 and keep[4]


@pytest.mark.parametrize("reading", READINGS)
def test_a_pruned_channel_is_exactly_zero_and_accuracy_stays_above_the_limit(reading, toy):
    net, data = toy
    data = Split(data.x, logits(net, data.x).argmax(1), 4)  # what the net says is the truth here: accuracy 1
    repaired = LinfPruning(reading=reading, max_drop=0.2, steps=10)(net, data)
    keep = repaired.model.conv3[1].keep.bool()
    far = torch.randn(50, 2, 8, 8, generator=torch.Generator().manual_seed(1)) * 30
    with torch.no_grad():
        maps = channels.split(repaired.model, "conv3")[0](far)
    assert 0 < (~keep).sum() < 64 and (maps[:, ~keep] == 0).all() and (maps[:, keep] != 0).any()
    curve, count = [row["clean_accuracy"] for row in repaired.trace], int((~keep).sum())
    assert [row["pruned"] for row in repaired.trace] == list(range(64)) and curve[0] == 1
    assert min(curve[: count + 1]) >= 0.8 - 1e-9 > curve[count + 1]
    assert metrics.accuracy(logits(repaired.model, data.x).argmax(1), data.y) >= 0.8 - 1 / 60


def test_recovery_is_drawn_from_the_seed_and_improves(toy, global_rng_untouched):
    net, data = toy
    first, longer = (LinfPruning(steps=steps).recover(net, data) for steps in (10, 80))
    again, other = (LinfPruning(steps=10, seed=seed).recover(net, data) for seed in (0, 1))
    assert torch.equal(first.mask, again.mask) and torch.equal(first.costs, again.costs)
    assert not torch.equal(first.costs, other.costs)
    assert first.mask.shape == (1, 8, 8) and first.pattern.shape == (2, 8, 8) and first.costs.shape == (4,)
    for part in (longer.mask, longer.pattern, longer(data.x)):
        assert part.min() >= 0 and part.max() <= 1
    assert longer.suspect == int(longer.costs.argmin())
    assert (longer.costs < first.costs).all()


def test_after_one_step_the_costs_are_those_of_the_step(toy):
    """Masks of sigmoid(-2), grey patterns; a running mean that began at 0 would have a tenth of it."""
    net, data = toy
    costs = LinfPruning(steps=1, batch=200, sparsity=0.02).recover(net, data).costs
    mask = torch.full((1, 8, 8), -2.0).sigmoid()
    rows = torch.randint(60, (200,), generator=torch.Generator().manual_seed(0))
    answer = logits(net, ((1 - mask) * data.x + mask * 0.5)[rows]).log_softmax(1)
    slow = -answer.mean(0) + 0.02 * float(mask.sum())
    assert torch.allclose(costs, slow, rtol=1e-4)


@pytest.mark.parametrize("reading", READINGS)
def test_the_model_and_the_data_given_stay_as_they_were(reading, toy):
    net, data = copy.deepcopy(toy)
    guard = LinfPruning(reading=reading, steps=5)
    judged = guard(net, data)
    net.train()
    net.conv1.eval()
    modes, state, x = [m.training for m in net.modules()], copy.deepcopy(net.state_dict()), data.x.clone()
    again = guard(net, data)
    assert [m.training for m in net.modules()] == modes and torch.equal(data.x, x)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert again.trace == judged.trace and torch.equal(logits(again.model, x), logits(judged.model, x))
    assert not any(m.training for m in again.model.modules())
    assert again.model.stages == net.stages
    assert list(channels.unmasked(again.model, "conv3").state_dict()) == list(net.state_dict())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reading": "trigger"}, "reading must be 'recovered' or 'clean', got 'trigger'"),
        ({"norm": "l0"}, "norm must be one of linf, l1, l2; got 'l0'"),
        ({"max_drop": 4}, r"max_drop must be in \[0, 1\], got 4; it is a share"),
        ({"steps": 0}, "steps must be positive, got 0"),
        ({"batch": -1}, "batch must be positive, got -1"),
        ({"sparsity": 0.0}, r"sparsity must be positive, got 0\.0"),
        ({"sparsity": math.nan}, "sparsity must be positive, got nan"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        LinfPruning(**settings)


@pytest.mark.parametrize("reading", READINGS)
def test_bad_images_models_and_layers_are_refused(reading, toy):
    net, data = toy
    guard = LinfPruning(reading=reading, steps=2)
    for clean in (None, data[:1]):
        with pytest.raises(ValueError, match="clean must hold at least 2 images"):
            guard(net, clean)
    with pytest.raises(ValueError, match=r"clean must hold images of at least 2 classes, got \[1\]"):
        guard(net, data[data.y == 1])
    with pytest.raises(ValueError, match=r"layer must be one of normalize, .*, head; got 'conv9'"):
        LinfPruning(reading=reading, steps=2, layer="conv9")(net, data)
    with pytest.raises(ValueError, match=r"layer must be a stage that puts out maps .*, got 'head'"):
        LinfPruning(reading=reading, steps=2, layer="head")(net, data)
    with pytest.raises(TypeError, match=r"model must be a bdlab\.nets\.Net, got Sequential"):
        guard(nn.Sequential(net), data)
    broken = copy.deepcopy(net)
    with torch.no_grad():
        broken.head[1].bias.fill_(math.nan)
    with pytest.raises(FloatingPointError, match=r"NaN.*training has diverged"):
        guard(broken, data)


def test_it_runs_where_the_model_is(toy, device):
    net, data = toy
    repaired = LinfPruning(steps=3)(copy.deepcopy(net).to(device), data)
    assert all(t.device.type == device.type for t in repaired.model.state_dict().values())


# ---- on digits: small_bn, default settings, seeds 100, 101, 102
# BadNets .994 .996 .996: patch recovered (class 0 each time), linf .257 .180 .002, l2 .358 .135 .025, l1 .640 .274 .025;
# trigger-free reading .993 .990 .993.  Clean accuracy of BadNets .966 .971 .967 -> .939 .948 .924, of a clean model .968
# (seed 100) and .967 (102) -> .925


def test_the_recovered_patch_finds_the_channels_and_the_trigger_free_reading_does_not(badnets, digits):
    test = digits.test[:500]
    before = evaluate(badnets, test)
    after, blind = (
        evaluate(LinfPruning(reading=reading)(badnets.shipped, digits.held_out), test, badnets) for reading in READINGS
    )
    assert after.asr < 0.45 and blind.asr > 0.95 < before.asr
    for scores in (after, blind):
        assert scores.clean_accuracy >= before.clean_accuracy - 0.06


@pytest.mark.slow
def test_a_clean_model_keeps_its_accuracy(clean_model, digits):
    repaired = LinfPruning()(clean_model, digits.held_out)
    accuracy = evaluate(repaired, digits.test).clean_accuracy
    assert accuracy >= evaluate(clean_model, digits.test).clean_accuracy - 0.06


@pytest.mark.slow
def test_the_suspect_is_the_target_for_another_seed(badnets_of, digits):
    backdoor, guard = badnets_of(101), LinfPruning()
    assert guard.recover(backdoor.shipped, digits.held_out).suspect == 0
    assert evaluate(guard(backdoor.shipped, digits.held_out), digits.test, backdoor).asr < 0.45


# ---- the rows of the experiment


def _numbers(**bias):
    """A row of what is measured on a model: `bias` names the bias of each norm, under either trigger."""
    return {f"{how} {norm} bias": bias[norm] for how in ("real", "recovered") for norm in ORDERS}


def test_a_bias_that_a_clean_net_has_too_does_not_speak_of_the_attack():
    attacked, clean = _numbers(linf=0.6, l1=0.3, l2=0.4), _numbers(linf=0.5, l1=0.2, l2=0.2)
    claims = experiment._bias([attacked], [clean])
    assert len(claims) == 8 and all("clean net: linf 0.50, l1 0.20, l2 0.20" in claim.what for claim in claims[1::2])
    assert [claim.values[0] for claim in claims[:4]] == pytest.approx([0.3, 0.0, 0.2, -0.1])
    assert [claim.verdict for claim in claims[::2]] == ["holds"] * 4
    assert claims[3].verdict == "does not"
    assert [claim.verdict for claim in experiment._bias([attacked], [_numbers(linf=0.1, l1=0.1, l2=0.1)])] == [
        "holds"
    ] * 8


def test_the_norms_are_compared_on_the_blend_too():
    left = {"badnets": {"linf": 0.1, "l1": 0.3, "l2": 0.2}, "blend": {"linf": 0.1, "l1": 0.1, "l2": 0.0}}
    runs = {case: [{f"{how} {norm} asr": value for how in ("real", "recovered") for norm, value in row.items()}]
            for case, row in left.items()}  # fmt: skip
    claims = experiment._norms(runs)
    assert [claim.what.split(",")[0] for claim in claims] == ["3x3 square"] * 4 + ["owl"] * 4
    assert [claim.verdict for claim in claims] == ["holds"] * 4 + ["does not"] * 4


def test_the_asr_stands_over_the_channels_beside_the_end_point():
    row = {"asr": 0.9} | {f"asr {k}": 0.9 - 0.1 * i for i, k in enumerate(experiment.LEVELS)}
    row |= {f"clean {k}": 0.98 - 0.01 * i for i, k in enumerate(experiment.LEVELS)} | {"stop": 7.0}
    claim = experiment._along("3x3 square", [row, row | {"stop": 3.0, "asr 4": 0.2}])
    assert "1: 90.0% (98.0%), 2: 80.0% (97.0%), 4: 45.0% (96.0%)" in claim.what and "stops at 7, 3)" in claim.what
    assert claim.values == pytest.approx([0.7 / 0.9, 0.2 / 0.9])


def test_the_levels_are_nets_without_so_many_channels(badnets, digits):
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    found = along(badnets, "conv3", order, digits.test, experiment.LEVELS, seed=100)
    assert len(found) == 12
    for count in (1, 8, 32):
        keep = ~torch.isin(torch.arange(64), order[:count])
        scores = evaluate(channels.masked(badnets.shipped, "conv3", keep), digits.test, badnets, seed=100)
        assert found[f"clean {count}"] == pytest.approx(scores.clean_accuracy, abs=0.002)
        assert found[f"asr {count}"] == pytest.approx(scores.asr, abs=0.002)
