"""Activation maps and Grad-CAM against ten-line oracles; the model is left as it was."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bdlab import channels, nets, views
from bdlab.experiments.linf_pruning import averaged

NETS = {"small_bn": "conv3", "badnets_cnn": "conv2", "fast_bn": "conv1", "small_gap": "conv3"}


@pytest.fixture(params=NETS)
def seen(request, noise):
    """A net whose norms have seen data, a stage with small maps, 20 images."""
    net = nets.build(request.param, (1, 12, 16), 4, seed=3).train()
    data = noise(20, (1, 12, 16), 4)
    for _ in range(10):
        net(data.x)
    return net.eval(), NETS[request.param], data


def test_activation_maps_are_means_of_absolute_outputs(seen):
    net, layer, data = seen
    with torch.no_grad():
        maps = channels.split(net, layer)[0](data.x)  # (N, channels, h, w)
    expected = maps.abs().mean(1)
    assert torch.allclose(views.activation_map(net, layer, data.x, batch=7), expected, atol=1e-6)


def oracle(net, layer, x, target):
    """Grad-CAM by autograd: gradients of one logit at a time, averaged over positions, weigh the maps."""
    trunk, tail = channels.split(copy.deepcopy(net).eval(), layer)
    rows = []
    for image, label in zip(x, target.tolist(), strict=True):
        maps = trunk(image[None])
        (slope,) = torch.autograd.grad(tail(maps)[0, label], maps)
        cam = (slope.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
        rows.append(F.interpolate(cam, x.shape[2:], mode="bilinear")[0, 0].detach())
    return torch.stack(rows)


def test_grad_cam_against_autograd(seen):
    net, layer, data = seen
    cam = views.grad_cam(net, layer, data.x, data.y, batch=7)
    assert cam.shape == (20, 12, 16) and cam.min() >= 0 and cam.max() > 0 and not cam.requires_grad
    assert torch.allclose(cam, oracle(net, layer, data.x, data.y), atol=1e-5 * float(cam.max()))
    other = views.grad_cam(net, layer, data.x, (data.y + 1) % 4)
    assert not torch.allclose(cam, other, atol=1e-3 * float(cam.max()))  # the class matters


def test_where_the_head_averages_grad_cam_is_the_logit_laid_out_over_the_positions(noise):
    """Then alpha_c = w_tc / (h w): the map before the ReLU adds up to the logit without its bias."""
    data = noise(20, (1, 12, 16), 4)
    net = averaged((1, 12, 16), 4, seed=3).train()
    net(data.x)
    linear = net.eval().head[2]
    with torch.no_grad():
        maps = channels.split(net, "conv3")[0](data.x)  # (N, 64, 3, 4)
        laid = torch.einsum("nchw,nc->nhw", maps, linear.weight[data.y]) / 12
        logit = net(data.x).gather(1, data.y[:, None])[:, 0] - linear.bias[data.y]
    assert torch.allclose(laid.sum((1, 2)), logit, atol=1e-5)
    cam = views.grad_cam(net, "conv3", data.x, data.y)
    expected = F.interpolate(laid.relu()[:, None], (12, 16), mode="bilinear")[:, 0]
    assert torch.allclose(cam, expected, atol=1e-5) and cam.max() > 0


def test_scaled_logits_scale_the_maps_and_nothing_else(seen):
    net, layer, data = seen
    louder = copy.deepcopy(net)
    head = [m for m in louder.head.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        head.weight.mul_(7), head.bias.mul_(7)
    ours, theirs = (views.grad_cam(n, layer, data.x, data.y) for n in (net, louder))
    assert torch.allclose(theirs, 7 * ours, rtol=1e-4, atol=1e-5 * float(theirs.max()))
    assert torch.allclose(theirs / theirs.max(), ours / ours.max(), atol=1e-4)


def test_it_finds_the_place_that_speaks_for_a_class():
    """A net by hand that reads class 1 from the pixel at (2, 5) and nothing else."""
    conv, head = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(64, 2, bias=False)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        head.weight.zero_()
        head.weight[1, 2 * 8 + 5] = 3.0
    net = nets.Net((1, 8, 8), 2, conv=nn.Sequential(conv, nn.ReLU()), head=nn.Sequential(nn.Flatten(), head))
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 2, 5] = 0.5
    cam = views.grad_cam(net, "conv", x, torch.tensor([1]))
    expected = torch.zeros(8, 8)
    expected[2, 5] = 0.5 * 3.0 / 64
    assert torch.allclose(cam[0], expected, atol=1e-6)
    assert not views.grad_cam(net, "conv", x, torch.tensor([0])).any()


def test_the_model_is_left_as_it_was(seen, global_rng_untouched):
    net, layer, data = copy.deepcopy(seen)
    net.train()
    net.conv1.eval()
    net.conv1.requires_grad_(False)
    modes, grads = [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]
    state, x = copy.deepcopy(net.state_dict()), data.x.clone()
    cam = views.grad_cam(net, layer, x, data.y)
    views.activation_map(net, layer, x)
    assert [m.training for m in net.modules()] == modes and [p.requires_grad for p in net.parameters()] == grads
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(p.grad is None and not p._backward_hooks for p in net.parameters()) and not x.requires_grad
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in net.modules())
    assert torch.allclose(cam, views.grad_cam(seen[0], layer, data.x, data.y))  # judged in eval mode all the same


def test_layers_that_do_not_exist_are_named(seen):
    net, _, data = seen
    for look in (views.activation_map, lambda *args: views.grad_cam(*args, data.y)):
        with pytest.raises(ValueError, match=r"layer must be one of normalize, conv1.*; got 'conv9'"):
            look(net, "conv9", data.x)
        with pytest.raises(TypeError, match=r"model must be a bdlab\.nets\.Net, got Sequential"):
            look(nn.Sequential(net), "conv1", data.x)
        with pytest.raises(ValueError, match=r"layer must be a stage that puts out maps .*, got 'head'"):
            look(net, "head", data.x)


def test_grad_cam_runs_where_the_model_is(seen, device):
    net, layer, data = seen
    cam = views.grad_cam(copy.deepcopy(net).to(device), layer, data.x, data.y)
    assert cam.device.type == "cpu" and torch.allclose(cam, oracle(net, layer, data.x, data.y), atol=1e-3 * cam.max())
