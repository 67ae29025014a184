"""Pruning, fine-tuning, fine-pruning: invariants on small nets, against slow loops; what they do to backdoors on digits."""

import copy
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from bdlab import Split, channels, metrics, nets
from bdlab.attacks.operations import Swap
from bdlab.attacks.quantization import quantised
from bdlab.contracts import Recipe
from bdlab.defenses import fine_pruning
from bdlab.defenses.fine_pruning import TUNING, FinePruning, FineTuning, Pruning, moved
from bdlab.training import evaluate, fit, logits

NETS = {"small_bn": "conv3", "badnets_cnn": "conv2", "fast_bn": "conv2"}
QUICK = Recipe(epochs=2, batch=32, optimiser="sgd", lr=0.05, weight_decay=0.1, schedule="constant")
STILL = {"recipe": QUICK, "shift": 0, "apart": 0}
"""A short tuning on all images as they are, whose result is taken."""
REPAIRS = [Pruning(max_drop=0.3), FineTuning(**STILL), FinePruning(max_drop=0.3, **STILL)]
MASKING = [REPAIRS[0], REPAIRS[2]]


def ids(repair):
    return type(repair).__name__


def separable(n=160, classes=5, side=8, seed=0):
    """Images whose class is the brightest of five rows, with noise: learnt in an epoch."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    x = torch.rand(n, 1, side, side, generator=generator) * 0.6
    x[torch.arange(n), 0, y] += 0.3
    return Split(x.clamp(0, 1), y, classes, name="rows")


@pytest.fixture(scope="module", params=NETS)
def trained(request):
    """A net that has learnt `separable`, its last convolution, and the images."""
    data = separable()
    net = fit(nets.build(request.param, (1, 8, 8), 5, seed=1), data, Recipe(epochs=8, batch=16, lr=0.01))
    return net, NETS[request.param], data


def kept(model, layer):
    """Which channels the repaired model keeps, bool (channels,)."""
    return model.get_submodule(layer)[1].keep.bool()


@pytest.mark.parametrize("repair", MASKING, ids=ids)
def test_a_pruned_channel_is_exactly_zero_for_every_input(repair, trained):
    """Also after fine-tuning, whatever bias and batch norm say, in either mode, on inputs far from the data."""
    net, layer, data = trained
    repaired = repair(net, data).model
    keep = kept(repaired, layer)
    assert 0 < keep.sum() < len(keep)
    trunk, _ = channels.split(repaired, layer)
    far = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(9)) * 30
    with torch.no_grad():
        for x in (data.x, far, torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)):
            assert (trunk(x)[:, ~keep] == 0).all()
        live = copy.deepcopy(trunk).train()(far)
    assert (live[:, ~keep] == 0).all() and (live[:, keep] != 0).any()
    unmasked, _ = channels.split(channels.unmasked(repaired, layer), layer)
    with torch.no_grad():
        assert (unmasked(far)[:, ~keep] != 0).any()  # without the mask they would answer: the test can fail


def test_channels_fall_in_the_order_of_their_mean_activation_behind_the_relu(trained):
    net, layer, data = trained
    keep = kept(Pruning(max_drop=0.3)(net, data).model, layer)
    trunk, _ = channels.split(net, layer)
    with torch.no_grad():
        maps = trunk(data.x)  # (N, channels, h, w)
    mean = maps.double().mean((0, 2, 3))
    assert (maps >= 0).all() and mean.min() >= 0
    order = mean.argsort(stable=True)
    assert (mean[order].diff() >= 0).all()
    assert torch.equal((~keep).nonzero()[:, 0], order[: (~keep).sum()].sort().values)


def slow_curve(net, layer, order, data):
    """Accuracy with the first 0, 1, ... channels of `order` masked, one net at a time."""
    shares = []
    for count in range(len(order)):
        keep = torch.ones(len(order), dtype=torch.bool)
        keep[order[:count]] = False
        answers = logits(channels.masked(net, layer, keep), data.x).argmax(1)
        shares.append(metrics.accuracy(answers, data.y))
    return shares


def test_the_trace_is_the_curve_of_masked_nets(trained):
    net, layer, data = trained
    repaired = Pruning(max_drop=0.3)(net, data)
    order = channels.mean_activation(net, layer, data.x).argsort(stable=True)
    assert [row["pruned"] for row in repaired.trace] == list(range(len(order)))
    assert all(row["epochs"] == 0 for row in repaired.trace)
    ours, slow = [row["clean_accuracy"] for row in repaired.trace], slow_curve(net, layer, order, data)
    assert max(abs(a - b) for a, b in zip(ours, slow, strict=True)) <= 1 / len(
        data
    )  # a near tie may fall the other way
    assert sum(a != b for a, b in zip(ours, slow, strict=True)) <= 2
    assert min(ours) < 0.7 < max(ours)


def in_place_or_not(kind, in_place):
    """A net by hand, with random weights, in which what follows the pruned stage works in place, or does not."""
    with nets.seeded(0):
        conv, one, two = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6)), nn.Linear(216, 24), nn.Linear(24, 5)
    act = nn.LeakyReLU(0.3, inplace=in_place)
    if kind == "behind a linear layer":
        head = nn.Sequential(nn.Flatten(), one, act, two)
    else:
        head = nn.Sequential(act, nn.Flatten(), one, two)
    return nets.Net((1, 8, 8), 5, conv=conv, head=head).eval()


@pytest.mark.parametrize("kind", ["behind a linear layer", "right behind the stage"])
def test_what_works_in_place_does_not_change_the_curve(kind):
    x, order = (
        3 * torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
        torch.tensor([3, 1, 0, 5, 2, 4]),
    )
    net, plain = (in_place_or_not(kind, in_place) for in_place in (True, False))
    ours = channels.pruned_predictions(net, "conv", order, x)
    keeps = [~torch.isin(torch.arange(6), order[:count]) for count in range(7)]
    slow = torch.stack([logits(channels.masked(plain, "conv", keep), x).argmax(1) for keep in keeps])
    assert torch.equal(ours, slow) and len({tuple(row) for row in slow.tolist()}) > 3
    assert torch.equal(channels.pruned_predictions(plain, "conv", order, x), slow)


def test_a_module_that_serves_as_two_stages_is_run_twice(noise):
    relu, x = nn.ReLU(), noise(9, (1, 8, 8), 4).x
    with nets.seeded(0):
        one, two, head = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3), nn.Sequential(nn.Flatten(), nn.Linear(48, 4))
    net = nets.Net((1, 8, 8), 4, conv1=one, act1=relu, conv2=two, act2=relu, head=head).eval()
    with torch.no_grad():
        for stage in net.stages:
            trunk, tail = channels.split(net, stage)
            assert torch.equal(tail(trunk(x)), net(x)) and len(trunk) == net.stages.index(stage) + 1
    assert channels.last_conv(net) == "conv2"
    assert channels.last_conv(nets.Net((1, 8, 8), 4, a=two, b=relu, c=two)) == "c"
    without = logits(channels.masked(net, "act2", torch.tensor([False, True, True])), x).argmax(1)
    assert torch.equal(channels.pruned_predictions(net, "act2", torch.tensor([0]), x)[1], without)


@pytest.mark.parametrize("max_drop", [0.0, 0.04, 0.3])
def test_it_stops_before_accuracy_falls_further_than_allowed(max_drop, trained):
    net, layer, data = trained
    repaired = Pruning(max_drop=max_drop)(net, data)
    curve = [row["clean_accuracy"] for row in repaired.trace]
    count = int((~kept(repaired.model, layer)).sum())
    assert all(share >= curve[0] - max_drop - 1e-9 for share in curve[: count + 1])
    assert curve[count + 1] < curve[0] - max_drop  # one more would have been too many
    assert metrics.accuracy(logits(repaired.model, data.x).argmax(1), data.y) >= curve[0] - max_drop - 1 / len(data)


def test_a_dip_ends_it_even_where_accuracy_comes_back():
    curve = channels.Curve(torch.arange(5), torch.tensor([0.9, 0.9, 0.8, 0.9, 0.1], dtype=torch.float64))
    assert [curve.stop(drop) for drop in (0.0, 0.05, 0.1, 0.5, 0.8, 1.0)] == [1, 1, 3, 3, 4, 4]
    assert curve.keep(2).tolist() == [False, False, True, True, True]


def test_one_channel_stays_even_where_any_loss_is_allowed(trained):
    net, layer, data = trained
    keep = kept(Pruning(max_drop=1.0)(net, data).model, layer)
    assert keep.sum() == 1 and keep[channels.mean_activation(net, layer, data.x).argmax()]


@pytest.fixture
def both_needed():
    """A net by hand: channel 0 is the pixel, channel 1 its negative; the class is the larger.  Neither can be spared."""
    conv, head = nn.Conv2d(1, 2, 1), nn.Linear(2, 2)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        conv.bias.copy_(torch.tensor([0.0, 1.0]))
        head.weight.copy_(torch.eye(2))
        head.bias.zero_()
    net = nets.Net((1, 1, 1), 2, conv=nn.Sequential(conv, nn.ReLU()), head=nn.Sequential(nn.Flatten(), head))
    x = torch.tensor([0.1, 0.2, 0.8, 0.9, 0.7, 0.3]).view(-1, 1, 1, 1)
    return net.eval(), Split(x, (x.flatten() < 0.5).long(), 2)


def test_where_nothing_can_be_spared_nothing_falls(both_needed):
    net, data = both_needed
    repaired = Pruning()(net, data)
    assert [row["clean_accuracy"] for row in repaired.trace] == [1.0, 0.5]
    assert kept(repaired.model, "conv").all()
    assert torch.equal(logits(repaired.model, data.x), logits(net, data.x))
    assert kept(Pruning(max_drop=0.5)(net, data).model, "conv").tolist() in ([True, False], [False, True])


def test_a_mask_of_ones_is_the_identity(trained):
    net, layer, data = trained
    width = len(channels.mean_activation(net, layer, data.x))
    whole = channels.masked(net, layer, channels.Curve(torch.arange(width), torch.ones(width)).keep(0))
    assert torch.equal(logits(whole, data.x), logits(net, data.x))


def test_the_whole_curve_takes_two_passes_through_the_trunk_and_one_through_the_head(trained, noise):
    """One for the order, one for the curve; the head's linear layer runs once a batch, not once a channel."""
    net, layer, _ = trained
    data = noise(1100, classes=5)  # three batches
    seen = {"trunk": 0, "head": 0}
    linear = next(m for m in channels.split(net, layer)[1].modules() if isinstance(m, nn.Linear))
    hooks = [
        net.conv1.register_forward_hook(lambda module, inputs, out: seen.update(trunk=seen["trunk"] + len(out))),
        linear.register_forward_hook(lambda module, inputs, out: seen.update(head=seen["head"] + len(out))),
    ]
    repaired = Pruning()(net, data)
    for hook in hooks:
        hook.remove()
    few = 8 * channels.FEW  # the shortcut is compared with the whole network
    assert 2 * len(data) < seen["trunk"] <= 2 * len(data) + few and len(data) < seen["head"] <= len(data) + few
    assert len(repaired.trace) >= 32


@pytest.mark.slow
def test_the_whole_curve_costs_at_most_three_evaluations(badnets, digits):
    def seconds(work):
        start = time.process_time()
        work()
        return time.process_time() - start

    ratios = [
        seconds(lambda: Pruning()(badnets.shipped, digits.test))
        / seconds(lambda: logits(badnets.shipped, digits.test.x))
        for _ in range(5)
    ]
    assert sorted(ratios)[2] <= 3, ratios


def test_fine_tuning_is_training_on_clean_images_and_nothing_else(trained):
    net, _, data = trained
    repaired = FineTuning(**STILL, seed=3)(net, data)
    plain = fit(net, data, QUICK, seed=3)
    assert all(
        torch.equal(a, b)
        for a, b in zip(repaired.model.state_dict().values(), plain.state_dict().values(), strict=True)
    )
    assert list(repaired.model.state_dict()) == list(net.state_dict())
    assert [(row["pruned"], row["epochs"]) for row in repaired.trace] == [(0, 0), (0, 2)]
    ends = [metrics.accuracy(logits(m, data.x).argmax(1), data.y) for m in (net, plain)]
    assert [row["clean_accuracy"] for row in repaired.trace] == ends


def test_images_are_moved_each_by_its_own_draw_and_their_edges_repeated(noise):
    x = noise(300, (3, 6, 9), 4).x
    wide = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="replicate")
    places = [(down, right) for down in range(5) for right in range(5)]
    all_of = torch.stack([wide[:, :, d : d + 6, r : r + 9] for d, r in places])  # (25, N, C, H, W)
    out = moved(x, 2, torch.Generator().manual_seed(0))
    hits = (all_of == out).flatten(2).all(2)  # (25, N)
    assert (hits.sum(0) == 1).all() and (hits.sum(1) >= 3).all()  # 12 of each on average
    assert torch.equal(moved(x, 0, torch.Generator()), x)
    assert not torch.equal(out, moved(x, 2, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("make", [FineTuning, FinePruning])
def test_tuning_moves_its_images_anew_in_every_batch_and_by_its_seed(make, noise, monkeypatch):
    net, data, seen = nets.build("small_bn", (1, 8, 8), 5), noise(40, (1, 8, 8), 5), []

    def move(x, shift, generator):
        seen.append((len(x), shift))
        return moved(x, shift, generator)

    monkeypatch.setattr(fine_pruning, "moved", move)
    monkeypatch.setattr(fine_pruning, "tolerated", lambda model, clean, shift, seed: shift)
    ends = [logits(make(recipe=QUICK, shift=1, apart=0, seed=seed)(net, data).model, data.x) for seed in (3, 3, 4)]
    assert seen == [(32, 1), (8, 1)] * 2 * 3
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])
    assert not torch.equal(ends[0], logits(make(**STILL, seed=3)(net, data).model, data.x))
    with pytest.raises(ValueError, match=r"^shift must be 0 or more pixels, got -1"):
        make(shift=-1)


def test_fine_pruning_is_pruning_and_then_fine_tuning(trained):
    net, layer, data = trained
    both = FinePruning(max_drop=0.3, **STILL, seed=3)(net, data)
    pruned = Pruning(max_drop=0.3)(net, data)
    tuned = fit(pruned.model, data, QUICK, seed=3)
    assert torch.equal(logits(both.model, data.x), logits(tuned, data.x))
    count = int((~kept(pruned.model, layer)).sum())
    assert both.trace[: len(pruned.trace)] == pruned.trace
    assert [(row["pruned"], row["epochs"]) for row in both.trace[len(pruned.trace) :]] == [(count, 2)]
    assert torch.equal(kept(both.model, layer), kept(pruned.model, layer))  # the mask itself is not trained


def test_images_are_moved_as_far_as_the_model_as_given_tolerates():
    """A net that reads one pixel is wrong once it moves; one that averages is right however far the image moves."""
    x = torch.zeros(200, 1, 6, 6)
    y = torch.arange(200) % 2
    x[:, 0, 3, 3] = y.float()
    clean = Split(x, y, 2)

    class Reads(nn.Module):
        def __init__(self, wide):
            super().__init__()
            self.scale, self.low = nn.Parameter(torch.tensor(9.0)), 3 - wide
            self.high = 4 + wide

        def forward(self, x):
            lit = x[:, 0, self.low : self.high, self.low : self.high].sum((1, 2)) - 0.5
            return self.scale * torch.stack((-lit, lit), 1)

    assert [fine_pruning.tolerated(Reads(wide), clean, 2, 0) for wide in (0, 1, 2)] == [0, 1, 2]
    assert fine_pruning.tolerated(Reads(2), clean, 1, 0) == 1 and fine_pruning.tolerated(Reads(0), clean, 0, 0) == 0


def test_what_is_kept_apart_shares_no_source_and_leaves_every_class_some(noise):
    data = noise(90, classes=5)
    source = torch.arange(90) // 3 * 5 + data.y  # a source has one class
    data = Split(data.x, data.y, 5, source)
    first = torch.arange(90) < 3
    alone = Split(data.x, torch.where(first, 4, data.y % 4), 5, torch.where(first, 999, source))
    for clean in (data, alone):
        judges, own = fine_pruning.kept_apart(clean, 0.3, 1)
        assert len(judges) + len(own) == 90 and not torch.isin(judges.source, own.source).any()
        assert own.y.unique().tolist() == [0, 1, 2, 3, 4] and 12 <= len(judges) <= 42
    assert 4 not in judges.y  # its only source tunes
    assert len(fine_pruning.kept_apart(data, 0.0, 1)[0]) == 0
    again, other = (fine_pruning.kept_apart(data, 0.3, seed)[0].source.unique() for seed in (1, 2))
    assert not torch.equal(again, other)


def test_what_is_lost_has_a_standard_error_over_sources(noise):
    """Two images a source: as if every source were one image twice as heavy."""
    data = noise(40, classes=4)
    first, other = (nets.build("small_bn", data.x.shape[1:], 4, seed=seed) for seed in (0, 1))
    right = [(logits(net, data.x).argmax(1) == data.y).double() for net in (first, other)]
    fell = (right[0] - right[1]).numpy()
    loss, error = fine_pruning.lost(first, other, Split(data.x, data.y, 4, torch.arange(40)))
    assert loss == pytest.approx(fell.mean()) and error == pytest.approx(fell.std(ddof=1) / 40**0.5)
    twice = Split(data.x.repeat(2, 1, 1, 1), data.y.repeat(2), 4, torch.arange(40).repeat(2))
    assert fine_pruning.lost(first, other, twice) == pytest.approx((loss, error))  # frames of one sign tell nothing new
    assert fine_pruning.lost(first, first, data) == (0.0, 0.0)


@pytest.mark.parametrize("make", [FineTuning, FinePruning])
def test_a_repair_that_costs_too_much_is_not_taken(make, trained, monkeypatch):
    """A tuning after which every answer is class 0: the model comes back as it was given, and the trace says so."""
    net, layer, data = trained
    monkeypatch.setattr(fine_pruning, "fit", lambda model, split, recipe, *, seed, loss: broken(model))
    repaired = make(recipe=QUICK, seed=3)(net, data)
    assert torch.equal(logits(repaired.model, data.x), logits(net, data.x)) and repaired.model is not net
    assert (repaired.trace[-1]["pruned"], repaired.trace[-1]["epochs"]) == (0, 0)
    if make is FinePruning:
        assert kept(repaired.model, layer).all()
    for anyway in (make(recipe=QUICK, apart=0), make(recipe=QUICK, max_loss=1.0)):
        assert (logits(anyway(net, data).model, data.x).argmax(1) == 0).all()


def test_depths_are_tried_from_the_deepest_until_what_comes_out_is_good_enough(trained, monkeypatch):
    net, layer, data = trained
    curve = fine_pruning.falling(net, data, None)[2]
    stops = [curve.stop(0.4), curve.stop(0.1), 0]
    assert len(set(stops)) == 3
    for place in range(3):
        tried = []

        def fit_one(model, split, recipe, *, seed, loss, place=place, tried=tried):
            tried.append((int((~kept(model, layer)).sum()), len(split)))
            return model if len(tried) == place + 1 else broken(model)

        monkeypatch.setattr(fine_pruning, "fit", fit_one)
        repaired = FinePruning(max_drop=0.4, max_loss=0.6, recipe=QUICK)(net, data)
        assert [count for count, _ in tried] == [*stops[: place + 1], stops[place]]
        assert all(0 < n < len(data) for _, n in tried[:-1]) and tried[-1][1] == len(data)  # made again with all
        assert int((~kept(repaired.model, layer)).sum()) == stops[place] == repaired.trace[-1]["pruned"]


def broken(model):
    """A copy whose answer is always class 0."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.zero_()
    return model


@pytest.mark.parametrize("repair", REPAIRS, ids=ids)
def test_the_model_and_the_data_given_stay_as_they_were(repair, trained, global_rng_untouched):
    """Also a model that is handed over in training mode: it is judged in eval mode and given back in training mode."""
    net, _, data = copy.deepcopy(trained)
    judged = repair(net, data)
    net.train()
    net.conv1.eval()
    modes, state, x = [m.training for m in net.modules()], copy.deepcopy(net.state_dict()), data.x.clone()
    again = repair(net, data)
    assert [m.training for m in net.modules()] == modes and torch.equal(data.x, x)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(logits(again.model, x), logits(judged.model, x)) and again.trace == judged.trace
    assert not any(m.training for m in again.model.modules())


@pytest.mark.parametrize("repair", REPAIRS, ids=ids)
def test_a_repaired_model_is_a_net_with_the_same_stages(repair, trained):
    net, layer, data = trained
    model = repair(net, data).model
    assert type(model) is nets.Net and model.stages == net.stages
    assert (model.input_shape, model.classes) == (net.input_shape, net.classes)
    bare = model if isinstance(repair, FineTuning) else channels.unmasked(model, layer)
    assert list(bare.state_dict()) == list(net.state_dict())
    again = repair(model, data).model  # it can be repaired once more
    assert logits(again, data.x).isfinite().all()


@pytest.mark.parametrize("repair", REPAIRS, ids=ids)
def test_a_repaired_model_can_be_quantised(repair, trained):
    """The PQ backdoor's victim runs the quantised weights; a pruned channel stays pruned there."""
    net, layer, data = trained
    repaired = repair(net, data).model
    deployed = quantised(repaired, bits=8)
    assert (logits(deployed, data.x).argmax(1) == logits(repaired, data.x).argmax(1)).double().mean() > 0.9
    assert not torch.equal(logits(deployed, data.x), logits(repaired, data.x))
    if not isinstance(repair, FineTuning):
        _silent(deployed, layer, data, kept(repaired, layer))


@pytest.mark.parametrize("repair", REPAIRS, ids=ids)
def test_an_altered_operation_finds_its_place_in_a_repaired_model(repair, trained):
    """The last ReLU of the pruned stage is swapped; what it puts into pruned channels does not get past the mask."""
    net, layer, data = trained
    relus = [name for name, module in net.named_modules() if isinstance(module, nn.ReLU)]
    last = max(i for i, name in enumerate(relus) if name.startswith(layer))
    deployed = Swap(Shout(), last)(repair(net, data).model)
    assert sum(isinstance(m, Shout) for m in deployed.modules()) == 1
    if not isinstance(repair, FineTuning):
        _silent(deployed, layer, data, kept(deployed, layer))


class Shout(nn.ReLU):
    """An operation that says 1 where a ReLU says 0."""

    def forward(self, v):
        return v.clamp(min=0) + 1.0


def _silent(model, layer, data, keep):
    with torch.no_grad():
        maps = channels.split(model, layer)[0](data.x)
    assert (maps[:, ~keep] == 0).all() and (maps[:, keep] != 0).any()


@pytest.mark.parametrize("make", [Pruning, FinePruning])
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("conv9", "layer must be one of normalize, conv1, conv2, conv3, head; got 'conv9'"),
        ("head", r"layer must be a stage that puts out maps \(N, channels, h, w\), got 'head' with shape \(N, 5\)"),
    ],
)
def test_layers_that_cannot_be_pruned_are_named(make, layer, message, noise):
    net = nets.build("small_bn", (1, 8, 8), 5)
    with pytest.raises(ValueError, match=message):
        make(layer=layer)(net, noise(40, classes=5))


def test_another_layer_can_be_chosen(noise):
    data, net = noise(60, classes=5), nets.build("small_bn", (1, 8, 8), 5)
    repaired = Pruning(layer="conv1", max_drop=0.5)(net, data)
    assert kept(repaired.model, "conv1").shape == (16,) and len(repaired.trace) == 16
    assert isinstance(repaired.model.conv3[0], nn.Conv2d)


@pytest.mark.parametrize("make", [Pruning, FinePruning])
def test_wrong_settings_are_named(make):
    for value in (-0.1, 4, float("nan")):
        for name in ("max_drop", "apart", "max_loss")[: 1 if make is Pruning else 3]:
            with pytest.raises(ValueError, match=rf"^{name} must be in \[0, 1\], got {value}; it is a share"):
                make(**{name: value})


@pytest.mark.parametrize("repair", REPAIRS, ids=ids)
def test_missing_or_one_sided_images_are_refused(repair, noise):
    net, data = nets.build("small_bn", (1, 8, 8), 10), noise(40)
    for clean in (None, data[:0], data[:1]):
        with pytest.raises(ValueError, match=r"^clean must hold at least 2 images"):
            repair(net, clean)
    with pytest.raises(ValueError, match=r"^clean must hold images of at least 2 classes, got \[3\]"):
        repair(net, data[data.y == 3])


@pytest.mark.parametrize("repair", REPAIRS, ids=ids)
def test_a_model_that_answers_nan_is_refused(repair, noise):
    net = nets.build("small_bn", (1, 8, 8), 10)
    with torch.no_grad():
        net.head[1].bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"the model gives NaN logits.*its training has diverged"):
        repair(net, noise(40))


@pytest.mark.parametrize("repair", MASKING, ids=ids)
def test_a_module_without_stages_or_convolutions_is_named(repair, noise):
    with pytest.raises(TypeError, match=r"model must be a bdlab\.nets\.Net, got Sequential; wrap its parts"):
        repair(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), noise(40))


def test_images_stay_as_they_were_under_a_stage_that_gives_them_back(noise):
    """Channels of the pixels themselves: a tail that is no linear layer, on images that the trunk does not copy."""
    data, body = noise(40, (3, 8, 8), 5), nets.build("small_bn", (3, 8, 8), 5)
    net = nets.Net((3, 8, 8), 5, pixels=nn.Identity(), **dict(list(body.named_children())[1:])).eval()
    x = data.x.clone()
    repaired = Pruning(layer="pixels", max_drop=1.0)(net, data)
    assert torch.equal(data.x, x) and len(repaired.trace) == 3
    slow = slow_curve(net, "pixels", x.mean((0, 2, 3)).argsort(), data)
    assert [row["clean_accuracy"] for row in repaired.trace] == pytest.approx(slow, abs=1 / len(data))


def test_a_module_beside_the_network_cannot_be_pruned_but_tuned(noise):
    """TrojanNet ships a host and a module; there is no last stage to prune, and the error says so."""
    net, data = nets.build("small_bn", (1, 8, 8), 10), noise(40)
    beside = nn.Sequential(net)
    for repair in MASKING:
        with pytest.raises(TypeError, match=r"model must be a bdlab\.nets\.Net, got Sequential"):
            repair(beside, data)
    assert list(FineTuning(**STILL)(beside, data).model.state_dict()) == list(beside.state_dict())


def test_it_runs_where_the_model_is(trained, device):
    net, _, data = trained
    repaired = FinePruning(max_drop=0.3, **STILL)(copy.deepcopy(net).to(device), data)
    assert all(t.device.type == device.type for t in repaired.model.state_dict().values())
    assert logits(repaired.model, data.x).isfinite().all()


# ---- on digits: small_bn, default settings, seeds 100, 101, 102; ASR on all test images
# BadNets .994 .996 .996: fine-tuning .971 .968 .951, pruning .824 .378 .678, fine-pruning .116 .016 .069 (mean .067)
# pruning-aware .984 .979 .986: fine-tuning .515 .520 .392, pruning .581 .399 .990, fine-pruning .075 .084 .129
# clean accuracy of BadNets .966 .971 .967: pruning .929 .945 .919, fine-tuning .975 .980 .972, fine-pruning .970 .971 .971

LOST = {Pruning: 0.06, FineTuning: 0.01, FinePruning: 0.01}
"""Clean accuracy that a repair may cost on test images; pruning stops at four points on the defender's own."""


def _repaired(backdoor, data, seed, test):
    scores, before = {}, evaluate(backdoor, test)
    for make in (FineTuning, Pruning, FinePruning):
        scores[make] = evaluate(make(seed=seed)(backdoor.shipped, data.held_out), test, backdoor)
        assert scores[make].clean_accuracy >= before.clean_accuracy - LOST[make]
    return scores


def test_fine_tuning_does_less_than_pruning_and_pruning_less_than_both(badnets, digits):
    scores = _repaired(badnets, digits, 100, digits.test[:500])
    assert scores[FineTuning].asr > scores[Pruning].asr > scores[FinePruning].asr
    assert scores[FineTuning].asr > 0.85 and scores[FinePruning].asr < 0.2
    assert scores[FinePruning].ra > 0.75  # the images get their true class back


@pytest.mark.parametrize("epochs", [3, pytest.param(TUNING.epochs, marks=pytest.mark.slow)])
def test_a_clean_model_keeps_its_accuracy(epochs, clean_model, badnets, digits):
    test, repair = digits.test[:500], FinePruning(recipe=replace(TUNING, epochs=epochs), seed=100)
    before, after = (
        evaluate(model, test, badnets) for model in (clean_model, repair(clean_model, digits.held_out).model)
    )
    assert after.clean_accuracy >= before.clean_accuracy - LOST[FinePruning] and after.asr < 0.02


@pytest.mark.slow
def test_the_order_holds_for_another_seed(badnets_of, digits):
    scores = _repaired(badnets_of(101), digits, 101, digits.test)
    assert scores[FineTuning].asr > scores[Pruning].asr > scores[FinePruning].asr
    assert scores[FineTuning].asr > 0.85 and scores[FinePruning].asr < 0.2


@pytest.mark.slow
def test_the_pruning_aware_attack_survives_pruning_and_falls_to_fine_pruning(attempted, digits):
    scores = _repaired(attempted("pruning_aware").backdoor, digits, 100, digits.test)
    assert scores[Pruning].asr > 0.3 > 0.2 > scores[FinePruning].asr
    assert scores[FineTuning].asr < 0.7
