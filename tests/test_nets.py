"""Nets and the surgery on them."""

import contextlib
import copy

import pytest
import torch
from torch import nn

from bdlab import channels, nets
from bdlab.registry import registered

NETS = list(registered("net"))
SHAPES = [((1, 28, 28), 10), ((3, 32, 32), 16)]


def _small(seed=0):
    """A small_bn for 3x12x8 images whose batch norms have seen data, so that train and eval mode differ."""
    net = nets.build("small_bn", (3, 12, 8), 5, seed=seed)
    net.train()(torch.rand(32, 3, 12, 8, generator=torch.Generator().manual_seed(seed)))
    return net.eval()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("shape", "classes"), SHAPES)
def test_every_net_gives_finite_logits_of_the_right_shape(name, shape, classes):
    net = nets.build(name, shape, classes).eval()
    assert (net.input_shape, net.classes) == (shape, classes)
    with torch.inference_mode():
        out = net(torch.rand(2, *shape))
        assert out.shape == (2, classes) and out.isfinite().all()
        assert torch.allclose(net(torch.zeros(1, *shape)), net(torch.zeros(2, *shape))[:1], atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_weights_come_from_the_seed_alone(name, global_rng_untouched):
    before = torch.get_rng_state()
    one = nets.build(name, (1, 28, 28), 10, seed=3).state_dict()
    torch.rand(7)  # moves the global generator, which must not matter
    two = nets.build(name, (1, 28, 28), 10, seed=3).state_dict()
    torch.set_rng_state(before)
    other = nets.build(name, (1, 28, 28), 10, seed=4).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)
    drawn = [key for key in one if key.endswith("weight") and one[key].dim() > 1]
    assert drawn and all(not torch.equal(one[key], other[key]) for key in drawn)


@pytest.mark.parametrize("name", NETS)
def test_weights_are_those_of_the_global_generator_with_that_seed(name):
    """And no GPU's generator is touched, for nothing would set it back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "manual_seed_all", _refuse)
        made = nets.build(name, (1, 28, 28), 10, seed=3).state_dict()
    with torch.random.fork_rng(devices=[]), pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(3)
        patch.setattr(nets, "seeded", lambda seed: contextlib.nullcontext())
        expected = nets.build(name, (1, 28, 28), 10).state_dict()
    assert all(torch.equal(made[key], expected[key]) for key in expected)


def _refuse(*_):
    raise AssertionError("a GPU was seeded")


@pytest.mark.parametrize("name", NETS)
def test_images_of_another_shape_are_refused(name):
    net = nets.build(name, (1, 28, 28), 10)
    for shape in ((2, 3, 28, 28), (2, 1, 32, 32), (1, 28, 28)):
        with pytest.raises(ValueError, match=r"x must have shape \(N, 1, 28, 28\) for this net, got"):
            net(torch.rand(shape))


@pytest.mark.parametrize("name", NETS)
def test_normalisation_is_the_first_thing_inside(name):
    net = nets.build(name, (1, 28, 28), 10)
    first = net.stages[0]
    (layer,) = [m for m in net.get_submodule(first).modules() if isinstance(m, nets.Normalize)]
    x = torch.rand(2, 1, 4, 4)
    assert torch.allclose(layer(x), (x - layer.mean) / layer.std) and layer.std == 0.5
    assert not list(net.get_submodule(first).parameters())  # only convolutions behind it learn


def test_the_default_net_sees_minus_one_to_one():
    normalize = nets.build("small_bn", (1, 28, 28), 10).normalize
    assert normalize(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1, 0, 1]


def test_the_papers_network_loses_the_border_without_padding():
    paper, ours = (nets.badnets_cnn((1, 28, 28), 10, padded=padded) for padded in (False, True))
    assert paper.fc1[1].in_features == 4 * 4 * 32 and ours.fc1[1].in_features == 7 * 7 * 32
    assert paper.fc1[1].out_features == 512 and paper(torch.rand(1, 1, 28, 28)).shape == (1, 10)
    assert [m.kernel_size for m in paper.modules() if isinstance(m, nn.Conv2d)] == [(5, 5)] * 2


def test_the_pooled_net_is_small_and_its_logits_are_means_over_places():
    """w_k . mean of A over places = mean over places of w_k . A: what Grad-CAM's weights are without a bias."""
    net = nets.build("small_gap", (3, 32, 32), 16).eval()
    assert sum(p.numel() for p in net.parameters()) == 23_472 + 2 * (16 + 32 + 64) + 65 * 16  # convolutions, norms, head
    assert [m.shape for m in nets.build("small_gap", (1, 28, 28), 10).head.parameters()] == [(10, 64), (10,)]
    trunk, _ = channels.split(net, "conv3")
    x, (weight, bias) = torch.rand(2, 3, 32, 32), net.head.parameters()
    with torch.no_grad():
        maps = trunk(x)  # (2, 64, 8, 8)
        assert maps.shape == (2, 64, 8, 8)
        evidence = torch.einsum("kc,nchw->nkhw", weight, maps)  # (2, 16, 8, 8)
        assert torch.allclose(evidence.mean((2, 3)) + bias, net(x), atol=1e-5)


def test_the_residual_net_is_a_resnet18():
    net = nets.build("preact_resnet18", (3, 32, 32), 10)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len([m for m in convolutions if m.kernel_size == (3, 3)]) == 17  # and the linear layer: 18
    assert len([m for m in convolutions if m.kernel_size == (1, 1)]) == 3
    assert sum(p.numel() for p in net.parameters()) == 11_172_170  # BackdoorBench's, 10 classes
    trunk, _ = channels.split(net.eval(), "conv5")
    assert trunk(torch.rand(1, 3, 32, 32)).shape == (1, 512, 4, 4)


def test_an_unknown_net_gets_the_list():
    with pytest.raises(ValueError, match=r"net must be one of badnets_cnn, small_bn.*; got 'resnet'"):
        nets.build("resnet", (1, 28, 28), 10)


def test_evaluating_gives_every_submodule_its_own_mode_back():
    net = _small().train()
    net.conv2.eval()
    net.conv3[1].eval()
    modes = [m.training for m in net.modules()]
    assert 0 < sum(modes) < len(modes)
    with nets.evaluating(net) as inside:
        assert inside is net and not any(m.training for m in net.modules()) and not torch.is_grad_enabled()
    assert [m.training for m in net.modules()] == modes and not torch.is_inference_mode_enabled()
    with pytest.raises(KeyError), nets.evaluating(net):
        raise KeyError
    assert [m.training for m in net.modules()] == modes


def test_device_of():
    assert nets.device_of(nn.Flatten()) == torch.device("cpu")
    assert nets.device_of(nn.Linear(2, 2, device="meta")) == torch.device("meta")
    assert nets.device_of(channels.ChannelMask(torch.ones(2)).to("meta")) == torch.device("meta")


@pytest.mark.parametrize("name", NETS)
def test_trunk_and_tail_make_the_model_at_every_stage(name):
    net = nets.build(name, (1, 28, 28), 10).eval()
    x = torch.rand(3, 1, 28, 28)
    with torch.inference_mode():
        expected = net(x)
        for layer in net.stages:
            trunk, tail = channels.split(net, layer)
            assert torch.equal(tail(trunk(x)), expected)
            assert trunk[-1] is net.get_submodule(layer)  # shared, not copied


def test_split_names_what_it_cannot_cut():
    with pytest.raises(TypeError, match=r"model must be a bdlab\.nets\.Net, got Sequential"):
        channels.split(nn.Sequential(nn.Flatten()), "0")
    with pytest.raises(ValueError, match="layer must be one of normalize, conv1, conv2, conv3, head; got 'conv9'"):
        channels.split(_small(), "conv9")


@pytest.mark.parametrize(("name", "layer"), [("small_bn", "conv3"), ("preact_resnet18", "conv5"), ("fast_bn", "conv2")])
def test_last_conv(name, layer):
    assert channels.last_conv(nets.build(name, (1, 28, 28), 10)) == layer


def test_last_conv_needs_one():
    with pytest.raises(ValueError, match="no convolution in its stages flat, head"):
        channels.last_conv(nets.Net((1, 2, 2), 2, flat=nn.Flatten(), head=nn.Linear(4, 2)))


def test_mean_activation_against_a_loop(device):
    net = _small().to(device).train()  # left in train mode: statistics must come from eval mode all the same
    x = torch.rand(23, 3, 12, 8, generator=torch.Generator().manual_seed(1))
    state = copy.deepcopy(net.state_dict())
    means = channels.mean_activation(net, "conv2", x, batch=7)
    assert net.training and all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    trunk = copy.deepcopy(nn.Sequential(*list(net.children())[:3])).cpu().double().eval()
    totals = [0.0] * 32
    with torch.inference_mode():
        for image in x:
            maps = trunk(image[None].double())[0]
            for channel in range(32):
                totals[channel] += maps[channel].sum().item() / maps[channel].numel() / len(x)
    assert means.dtype == torch.float64 and means.device.type == "cpu"
    assert means.tolist() == pytest.approx(totals, abs=1e-5 if device.type == "cpu" else 1e-3)


def test_a_masked_channel_is_exactly_zero_and_the_others_as_before(device):
    net = _small().to(device)
    with torch.no_grad():
        net.conv3[1].bias.fill_(0.7)  # a batch norm's bias would revive a channel whose weights were zeroed
    state, x = copy.deepcopy(net.state_dict()), torch.rand(4, 3, 12, 8).to(device)
    keep = torch.arange(64) % 3 != 0
    pruned = channels.masked(net, "conv3", keep)
    with torch.inference_mode():
        before, after = (channels.split(model, "conv3")[0](x) for model in (net, pruned))
    assert (after[:, ~keep] == 0).all() and (before[:, ~keep] != 0).any()
    assert torch.equal(after[:, keep], before[:, keep])
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert pruned.stages == net.stages and nets.device_of(pruned).type == device.type
    assert torch.equal(channels.masked(net, "conv3", torch.ones(64, dtype=torch.bool))(x), net(x))


def test_a_mask_stays_when_the_pruned_net_trains_on():
    pruned = channels.masked(_small(), "conv3", torch.arange(64) > 9)
    pruned.train()(torch.rand(8, 3, 12, 8)).sum().backward()
    with torch.no_grad():
        for weight in pruned.parameters():
            weight.sub_(0.1 * weight.grad)
    trunk, _ = channels.split(pruned.eval(), "conv3")
    assert (trunk(torch.rand(2, 3, 12, 8))[:, :10] == 0).all() and "conv3.1.keep" in pruned.state_dict()


def test_threads_that_build_nets_at_once_get_the_weights_of_their_seeds():
    """Hand-ins are judged in threads, and judges build the nets of their draws."""
    from concurrent.futures import ThreadPoolExecutor

    expected = {seed: nets.build("small_bn", (1, 8, 8), 4, seed=seed).state_dict() for seed in range(4)}
    with ThreadPoolExecutor(4) as pool:
        seeds = [seed % 4 for seed in range(200)]
        found = pool.map(lambda seed: nets.build("small_bn", (1, 8, 8), 4, seed=seed).state_dict(), seeds)
        for seed, state in zip(seeds, found, strict=True):
            assert all(torch.equal(state[name], value) for name, value in expected[seed].items())
