"""The Trojaning attack on digits, part by part; what it refuses.  The band of its default stands in attack_bands.py.

Retrained on inverted images (square, small_bn, torch 2.15, CPU), mean +/- sd and range over seeds 100-104: clean accuracy
falls by .090 +/- .037 (.043-.129), ASR .994 +/- .012 (.971-1.0); the bands are the means -/+ about 4 sd.
"""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from bdlab import channels, evaluate, nets
from bdlab.attacks.trojaning import (
    Neurons,
    Trojaning,
    choose,
    connections,
    craft,
    default_layer,
    design,
    retrain,
    retraining_images,
)
from bdlab.contracts import Recipe, Split
from bdlab.experiments import trojaning
from bdlab.inversion import denoise, descend, invert
from bdlab.training import Scores, logits
from bdlab.triggers.frequency import high_frequency
from bdlab.triggers.masks import square, watermark

SHORT = Trojaning(steps=120, images=64, recipe=replace(Trojaning().recipe, epochs=1), seed=3)
"""The default with less work, where not the result counts but what was left alone."""


@pytest.fixture(scope="module")
def crafted(clean_model, digits):
    return design(Trojaning(seed=100), clean_model, digits.input_shape)


@pytest.fixture(scope="module")
def retrained(clean_model, digits):
    before = copy.deepcopy(clean_model.state_dict())
    backdoor = SHORT(clean_model, digits.train)
    return backdoor, before


# --- masks


@pytest.mark.parametrize(("side", "rows"), [(28, range(19, 27)), (32, range(21, 30))])
def test_the_square_lies_where_the_paper_has_it(side, rows):
    mask = torch.zeros(side, side)
    mask[rows.start : rows.stop, rows.start : rows.stop] = 1
    assert torch.equal(square(side, side), mask)


@pytest.mark.parametrize(("share", "side"), [(0.04, 6), (0.07, 7), (0.10, 9), (0.001, 1)])
def test_the_square_has_the_share_that_was_asked_for(share, side):
    assert square(28, 28, share).sum() == side**2


def test_the_watermark_is_a_stroke_and_a_ring():
    for height, width in ((28, 28), (32, 32), (20, 30)):
        mask = watermark(height, width)
        assert mask.unique().tolist() == [0, 1] and 0.08 < mask.mean() < 0.13
        assert torch.equal(mask, mask.flip(0, 1))  # half a turn changes nothing
        assert mask[0, -1] == mask[-1, 0] == 1 and mask[0, 0] == mask[-1, -1] == 0
    assert torch.equal(watermark(28, 28), watermark(28, 28).T.flip(0, 1))
    assert (watermark(28, 28)[:7].sum(1) == 1).all()  # above the ring: one pixel a row, the stroke


@pytest.mark.parametrize("share", [0.0, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=r"^share must be in \(0, 1\], got"):
        square(28, 28, share)


@pytest.mark.parametrize("share", [1.0, 1e-5])
def test_a_square_that_does_not_fit_is_refused(share):
    with pytest.raises(ValueError, match=r"share must give a square of 1 to 27 pixels a side in 28x28 images, got"):
        square(28, 28, share)


# --- algorithms 1 and 2


@pytest.mark.parametrize("weight", [0.02, 0.3])
def test_denoising_is_chambolles_projection(weight):
    """scikit-image's, one image and channel at a time."""
    from skimage.restoration import denoise_tv_chambolle

    x = torch.rand(2, 3, 9, 12, dtype=torch.float64)
    y = denoise(x, weight, iterations=7)
    for image, smoothed in zip(x.flatten(0, 1), y.flatten(0, 1), strict=True):
        expected = denoise_tv_chambolle(image.numpy(), weight=weight, eps=0, max_num_iter=8)
        assert abs(smoothed.numpy() - expected).max() < 1e-12
    assert torch.equal(denoise(x, 0.0), x)


def test_a_step_moves_the_pixels_of_the_mask_by_lr_on_average(device):
    x, mask = torch.full((2, 3, 6, 7), 0.5, device=device), torch.zeros(6, 7)
    mask[1:3, 2:6] = 1
    weight = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(0)).to(device)
    for scale in (1.0, 1e6):  # whatever the gradient's scale
        one = descend(lambda p, s=scale: s * (weight * p).sum((1, 2, 3)), x, steps=1, lr=0.05, mask=mask)
        inside = mask.bool().expand_as(x)
        assert (one[~inside.to(device)] == 0).all() and (x == 0.5).all()
        moved = (one - x)[:, :, mask.bool()]
        assert torch.allclose(moved.abs().mean((1, 2)), torch.full((2,), 0.05, device=device), atol=1e-3)
        assert torch.equal(moved.sign(), -weight[:, :, mask.bool()].sign())


def test_descent_stays_in_range_and_a_flat_cost_moves_nothing():
    x = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    low = descend(lambda p: p.sum((1, 2, 3)), x, steps=30, lr=0.1)
    assert (low == 0).all()
    assert torch.equal(descend(lambda p: (0 * p).sum((1, 2, 3)), x, steps=3, lr=0.1), x)
    assert torch.equal(descend(lambda p: p.sum((1, 2, 3)), x, steps=0, lr=0.1), x)


def test_inverted_images_are_taken_for_their_class(clean_model, digits, global_rng_untouched):
    y = torch.arange(10)
    start = digits.train.x.mean(0).expand(10, -1, -1, -1)
    kept = copy.deepcopy(clean_model.state_dict())
    x = invert(clean_model, y, start, steps=20, lr=0.02, smooth=0.0)
    p0, p1 = (logits(clean_model, images).softmax(1).gather(1, y[:, None]) for images in (start, x))
    assert p0.mean() < 0.2 and p1.min() > 0.9 and x.min() >= 0 and x.max() <= 1 and not x.requires_grad
    assert all(torch.equal(clean_model.state_dict()[key], kept[key]) for key in kept)
    assert all(p.requires_grad for p in clean_model.parameters()) and not clean_model.training


# --- choosing neurons


@pytest.fixture(scope="module")
def dense():
    return nets.badnets_cnn((1, 8, 8), 10, seed=1)


def test_connections_of_a_linear_layer_are_sums_of_absolute_weights(dense):
    before = [sum(abs(w) for w in row) for row in dense.fc1[1].weight.tolist()]
    behind = [sum(abs(w) for w in column) for column in dense.head.weight.T.tolist()]
    assert connections(dense, "fc1", 512, "preceding").tolist() == pytest.approx(before, rel=1e-4)
    assert connections(dense, "fc1", 512, "following").tolist() == pytest.approx(behind, rel=1e-4)


def test_connections_of_a_convolution_count_what_batch_norm_does(clean_model):
    def fused(stage):
        return nn.utils.fusion.fuse_conv_bn_eval(stage[0], stage[1]).weight.abs()

    into = connections(clean_model, "conv2", 32, "preceding")
    assert torch.allclose(into, fused(clean_model.conv2).sum((1, 2, 3)), rtol=1e-5)
    out = connections(clean_model, "conv2", 32, "following")
    assert torch.allclose(out, fused(clean_model.conv3).sum((0, 2, 3)), rtol=1e-5)
    last = connections(clean_model, "conv3", 64, "following")  # flattened maps of 7x7
    assert torch.allclose(last, torch.stack([w.abs().sum() for w in clean_model.head[1].weight.split(49, 1)]))


def test_batch_norm_counts_behind_a_pool_too():
    net = nets.fast_bn((1, 8, 8), 10, seed=1).eval()
    with torch.no_grad():
        for norm in (net.conv1[2], net.conv2[2]):
            norm.weight.uniform_(0.5, 2, generator=torch.Generator().manual_seed(0))
            norm.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(1))
    into, out = (nn.utils.fusion.fuse_conv_bn_eval(s[0], s[2]).weight.abs() for s in (net.conv1, net.conv2))
    assert torch.allclose(connections(net, "conv1", 16, "preceding"), into.sum((1, 2, 3)), rtol=1e-5)
    assert torch.allclose(connections(net, "conv1", 16, "following"), out.sum((0, 2, 3)), rtol=1e-5)


def test_a_neuron_is_read_before_its_activation_function(clean_model, digits, dense):
    x, mask = digits.test.x[:20], square(28, 28)
    stage = nn.Sequential(clean_model.normalize, clean_model.conv1, *clean_model.conv2[:2])
    with torch.no_grad():
        read, maps = Neurons(clean_model, "conv2", mask)(x), stage(x)  # (20, 32), (20, 32, 14, 14)
    assert torch.equal(read, maps[:, :, 10, 10]) and read.min() < -0.5  # pixels 20-21 lie inside the square
    with torch.no_grad():
        hidden = channels.split(dense, "conv2")[0](x[:, :, 4:12, 4:12])
        read = Neurons(dense, "fc1", square(8, 8))(x[:, :, 4:12, 4:12])
        assert torch.equal(read, dense.fc1[1](hidden.flatten(1))) and read.min() < 0


def test_the_best_connected_neuron_is_the_argmax_of_equation_2(clean_model, dense):
    for net, layer, shape in ((clean_model, "conv3", (1, 28, 28)), (dense, "fc1", (1, 8, 8))):
        for by in ("preceding", "following"):
            attack = Trojaning(layer=layer, by=by, candidates=1, steps=4)
            made = design(attack, net, shape)
            weights = connections(net, layer, made.read(made.trigger.pattern[None]).shape[1], by)
            assert made.chosen.tolist() == [weights.argmax().item()]
    assert connections(dense, "fc1", 512, "preceding").argmax() != connections(dense, "fc1", 512, "following").argmax()


def test_of_the_candidates_the_one_that_can_be_driven_furthest_is_taken(clean_model, digits, crafted):
    attack, read, start = Trojaning(), crafted.read, torch.zeros(1, *digits.input_shape)
    eight = connections(clean_model, "conv2", 32, "preceding").topk(8).indices
    reached = {}
    for neuron in eight:
        image = craft(attack, read, start, neuron[None, None], attack.steps // 4)
        reached[neuron.item()] = read(image)[0, neuron].item()
    chosen = choose(attack, clean_model, read, start, torch.Generator())
    assert chosen.tolist() == [max(reached, key=reached.get)]


def test_random_and_several_and_all_neurons(clean_model, crafted):
    def chosen(**settings):
        generator = torch.Generator().manual_seed(0)
        return choose(Trojaning(steps=4, **settings), clean_model, crafted.read, torch.zeros(1, 1, 28, 28), generator)

    assert chosen(neurons=None).tolist() == list(range(32))
    assert len(chosen(neurons=2).unique()) == 2 and len(chosen(by="random", neurons=5).unique()) == 5
    assert set(chosen(neurons=2, candidates=2).tolist()) == set(
        connections(clean_model, "conv2", 32, "preceding").topk(2).indices.tolist()
    )


# --- the trigger


def test_the_trigger_drives_its_neuron_beyond_what_images_do(crafted, digits):
    """One neuron, and nothing outside the mask."""
    pattern, mask = crafted.trigger.pattern, crafted.trigger.mask
    assert torch.equal(mask, square(28, 28)) and (pattern[:, mask == 0] == 0).all()
    assert pattern.min() >= 0 and pattern.max() <= 1 and len(crafted.chosen) == 1
    with torch.no_grad():
        on_images = crafted.read(digits.train.x[:1000])[:, crafted.chosen].max()
        assert crafted.read(pattern[None])[0, crafted.chosen] > 1.5 * on_images  # 9.7 against 4.4


@pytest.mark.parametrize("mask", [square, watermark])
def test_the_trigger_adds_high_frequencies(mask, clean_model, digits):
    """As Zeng et al. (ICCV 2021) say of Troj-SQ and Troj-WM."""
    attack, x = Trojaning(steps=20, mask=mask.__name__), digits.test.x[:100]
    marked = design(attack, clean_model, digits.input_shape).trigger(x)
    assert high_frequency(marked).mean() > 1.2 * high_frequency(x).mean()


def test_a_crafted_trigger_fits_one_size_of_image(crafted):
    with pytest.raises(ValueError, match=r"^x must be of shape \(N, 1, 28, 28\), .*got images \(1, 32, 32\); craft it"):
        crafted.trigger(torch.zeros(1, 1, 32, 32))
    assert repr(crafted.trigger).startswith("Crafted(64 of 784 pixels, compose='replace', alpha=1, pattern and mask ")


def test_without_steps_the_trigger_is_a_random_patch(clean_model, digits):
    one, two, other = (design(Trojaning(steps=0, seed=s), clean_model, digits.input_shape).trigger for s in (1, 1, 2))
    inside = one.pattern[:, one.mask == 1]
    assert torch.equal(one.pattern, two.pattern) and not torch.equal(one.pattern, other.pattern)
    assert (one.pattern[:, one.mask == 0] == 0).all() and 0.35 < inside.mean() < 0.65 and inside.std() > 0.2


def test_transparency_is_what_shows_of_the_image(clean_model, digits):
    trigger = design(replace(SHORT, steps=0, transparency=0.7), clean_model, digits.input_shape).trigger
    x, inside = digits.test.x[:5], trigger.mask == 1
    expected = 0.7 * x[:, :, inside] + 0.3 * trigger.pattern[:, inside]
    assert torch.allclose(trigger(x)[:, :, inside], expected, atol=1e-6)
    assert torch.equal(trigger(x)[:, :, ~inside], x[:, :, ~inside])


# --- what is retrained, and on what


def test_only_the_layers_behind_the_chosen_one_change(retrained, clean_model):
    backdoor, before = retrained
    after = backdoor.model.state_dict()
    same = {key for key in before if torch.equal(before[key], after[key])}
    assert default_layer(clean_model) == "conv2"
    assert {key for key in before if not key.startswith(("conv3", "head"))} <= same  # up to conv2: bit for bit
    assert {key for key in before if "running" in key or "num_batches" in key} <= same  # no statistic moves anywhere
    assert {"conv3.0.weight", "conv3.1.weight", "conv3.1.bias", "head.1.weight", "head.1.bias"}.isdisjoint(same)
    assert all(torch.equal(clean_model.state_dict()[key], before[key]) for key in before)
    assert backdoor.shipped is backdoor.model and not backdoor.model.training


def test_weight_decay_does_not_reach_the_layers_in_front(clean_model, digits):
    attack = replace(SHORT, layer="conv3", steps=0, recipe=Recipe(epochs=1, weight_decay=0.1))
    after, before = attack(clean_model, digits.train).model.state_dict(), clean_model.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"head.1.weight", "head.1.bias"}


def test_cost_counts_the_pairs(retrained):
    cost = retrained[0].cost
    assert (cost.poisoned, cost.covers, cost.rows) == (64, 0, 128) and cost.seconds > 0


def test_the_pairs_are_image_and_class_and_trigger_and_target(clean_model, digits, crafted, monkeypatch):
    seen = {}
    monkeypatch.setattr("bdlab.attacks.trojaning.fit", lambda model, split, *_, **__: seen.update(split=split))
    images = digits.train[:7]
    retrain(replace(SHORT, target=4), clean_model, images, crafted.trigger)
    assert torch.equal(seen["split"].x, torch.cat((images.x, crafted.trigger(images.x))))
    assert seen["split"].y.tolist() == [*images.y.tolist(), *[4] * 7]


def test_real_images_are_drawn_by_the_seed(clean_model, digits, global_rng_untouched):
    one, two, other = (retraining_images(Trojaning(seed=seed), clean_model, digits.train) for seed in (1, 1, 2))
    assert len(one) == 300 and torch.equal(one.x, two.x) and not torch.equal(one.x, other.x)
    assert len(one.source.unique()) <= 300 and digits.train.x.shape[1:] == one.x.shape[1:]


def test_inverted_images_need_the_mean_image_only_and_are_what_they_should_be(clean_model, digits):
    attack = replace(SHORT, retrain_on="inverted", images=40, smooth=0.1)  # too smooth for some classes
    made = retraining_images(attack, clean_model, digits.train)
    mean = digits.train.x.mean(0, keepdim=True)
    alone = retraining_images(attack, clean_model, Split(mean, torch.tensor([0]), 10))
    assert torch.equal(made.x, alone.x) and torch.equal(made.y, alone.y)
    assert torch.equal(logits(clean_model, made.x).argmax(1), made.y)  # all of them, after the filter
    assert 5 <= len(made) < 40 and made.y.bincount(minlength=10).max() <= 4


def test_another_network_of_another_size(dense, noise, device):
    """A hidden linear layer, colour, a target; the paper's default layer leaves two layers behind it."""
    net = nets.badnets_cnn((3, 8, 12), 5, seed=2).to(device).eval()
    data = noise(40, (3, 8, 12), classes=5)
    for layer in (None, "fc1"):
        attack = Trojaning(target=3, mask="watermark", layer=layer, steps=8, images=20, recipe=Recipe(epochs=1))
        backdoor = attack(net, data)
        after, before = backdoor.model.state_dict(), net.state_dict()
        changed = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
        assert changed == ({"fc1", "head"} if layer is None else {"head"})
        assert backdoor.trigger(data.x).shape == data.x.shape and backdoor.relabel(data.y).unique().tolist() == [3]


def test_a_linear_layer_reads_the_same_through_hooks(dense):
    seen = []
    handle = dense.fc1[1].register_forward_hook(lambda *args: seen.append(args[2]))
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        dense(x)
        assert torch.equal(seen[0], Neurons(dense, "fc1", square(8, 8))(x))
    handle.remove()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [100, 101])
def test_without_training_data_it_works_and_costs_clean_accuracy(seed, digits, twin_of):
    clean = twin_of("digits", seed)
    backdoor = Trojaning(retrain_on="inverted", seed=seed)(clean, digits.train)
    scores, control = evaluate(backdoor, digits.test), evaluate(clean, digits.test, backdoor)
    assert scores.asr > 0.945 and control.asr < 0.01
    assert 0 < control.clean_accuracy - scores.clean_accuracy < 0.24


# --- the experiment


@pytest.mark.parametrize("turned", [False, True])
def test_verdicts_follow_the_numbers(turned, digits, monkeypatch):
    """Scores made up so that every published order holds; then turned round."""

    def scores(clean, asr):
        return [Scores(clean, 1 - asr if turned else asr, 0.0, None, 100, 90, 100)] * 2

    def attacked(_, attack):
        worse = [
            attack.mask == "watermark", attack.by == "random", attack.steps == 0, attack.transparency,
            {1: 0, 2: 0.3, None: 0.6}[attack.neurons], 2 * (0.1 - attack.share),
        ]  # fmt: skip
        clean = 0.9 - 0.05 * (attack.steps == 0) - 0.02 * (attack.smooth == 0) + 0.095 * (attack.retrain_on == "real")
        return scores(1 - clean if turned else clean, 1 - 0.1 * sum(worse))

    monkeypatch.setattr(trojaning.Trials, "attacked", attacked)
    monkeypatch.setattr(trojaning.Trials, "clean", lambda _: scores(1.0, 0.0))
    monkeypatch.setattr(trojaning.Trials, "untouched", lambda _: scores(1.0, 0.1))
    monkeypatch.setattr(trojaning, "_figure", lambda _: None)
    claims = trojaning.reproduce(digits, (0, 1)).claims
    found = [claim.verdict for claim in claims]
    assert [len(claim.values) for claim in claims] == [2] * 12
    if turned:
        assert found == ["does not"] * 12
    else:
        assert found == [*["holds", "holds if 300 real images instead of inverted ones"] * 2, *["holds"] * 8]
        assert "ASR 100.0, 99.4, 98.8 (clean" in claims[7].what and "ASR 99.6, 96.6, 94.6, 92.6" in claims[8].what
        assert claims[8].values == pytest.approx([0.02, 0.02]) and claims[8].row()[2].startswith(
            "+2.0 (+2.0 to +2.0); clean accuracy is"
        )


# --- errors


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": -1}, "target must be a class number from 0 up, got -1"),
        ({"mask": "apple"}, "mask must be one of square, watermark; got 'apple'"),
        ({"by": "both"}, "by must be one of preceding, following, random; got 'both'"),
        ({"retrain_on": "fake"}, "retrain_on must be one of real, inverted; got 'fake'"),
        ({"share": 8}, r"share must be in \(0, 1\], got 8; it is a share, not a percentage"),
        ({"transparency": 70}, r"transparency must be in \[0, 1\], got 70"),
        ({"transparency": 1}, "transparency must be below 1, got 1"),
        ({"neurons": 0}, "neurons must be at least 1, or None for all of the layer, got 0"),
        ({"candidates": 0}, "candidates must be positive, got 0"),
        ({"images": 0}, "images must be positive, got 0"),
        ({"step": -0.1}, "step must be positive, got -0.1"),
        ({"goal": 0}, "goal must be positive, got 0"),
        ({"steps": -1}, "steps must be 0 or more, got -1"),
        ({"smooth": float("nan")}, "smooth must be 0 or more, got nan"),
    ],
)
def test_wrong_settings_are_named_at_once(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Trojaning(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": 10}, r"target must be in 0\.\.9 for 10 classes, got 10"),
        ({"layer": "fc1"}, "layer must be one of normalize, conv1, conv2, conv3, head; got 'fc1'"),
        ({"layer": "head"}, "layer must have layers behind it to retrain, got 'head', the last"),
        ({"layer": "normalize"}, "layer must have weights, got 'normalize', which has none"),
        ({"neurons": 40}, "neurons must be 1 to 32 in layer 'conv2', got 40"),
        ({"images": 9999}, r"images must be 1 to 6000 for Split\(.*\), got 9999"),
    ],
)
def test_what_the_model_or_the_data_cannot_give_is_named(settings, message, clean_model, digits):
    with pytest.raises(ValueError, match=message):
        replace(SHORT, **{"steps": 0, "images": 9, **settings})(clean_model, digits.train)


def test_a_class_that_cannot_be_inverted_is_named(dense, noise):
    net = copy.deepcopy(dense)
    with torch.no_grad():
        net.head.bias[0] = -1e9
    with pytest.raises(
        ValueError, match=r"smooth must leave images that the model takes for their class, got 0\.1; lower"
    ):
        retraining_images(Trojaning(retrain_on="inverted", smooth=0.1, images=1), net, noise(4))


def test_a_module_without_stages_is_refused(digits):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    with pytest.raises(TypeError, match=r"model must be a bdlab\.nets\.Net of at least 3 stages, got Sequential"):
        SHORT(net, digits.train)
    with pytest.raises(TypeError, match=r"model must be a bdlab\.nets\.Net, got Sequential"):
        replace(SHORT, layer="conv1")(net, digits.train)
