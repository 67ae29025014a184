"""The rows pruning and cleanse: a whole pruning curve against evaluation passes, Neural Cleanse against a plain loop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import torch
from common import timed
from table import Line, medians, ratio
from torch import Tensor, nn
from torch.nn import functional as F

from bdlab import channels, load
from bdlab.contracts import Recipe
from bdlab.defenses.neural_cleanse import NeuralCleanse, reverse
from bdlab.nets import small_bn
from bdlab.training import fit, logits

STEPS, BATCH = 100, 128


def pruning(repeats: int) -> Iterator[Line]:
    """Accuracy of `small_bn` on MNIST's test images while the channels of its last convolution fall, one after another."""
    data = load("mnist")
    net = small_bn(data.input_shape, data.classes)
    layer = channels.last_conv(net)
    order = channels.mean_activation(net, layer, data.held_out.x).argsort()
    runs = defaultdict(list)
    for _ in range(repeats):
        runs["bdlab"].append(timed(lambda: channels.curve(net, layer, order, data.test))[0])
        runs["one pass"].append(timed(lambda: logits(net, data.test.x))[0])
    yield Line(f"curve of {len(order)} channels / one evaluation pass", medians(runs), ratio(*runs.values()), 3)


def cleanse(repeats: int) -> Iterator[Line]:
    """100 steps for every class of MNIST, batch 128, on a trained `small_bn`; ours measures success on the way."""
    data = load("mnist")
    net = fit(small_bn(data.input_shape, data.classes), data.train[:6000], Recipe(epochs=2))
    settings, x = NeuralCleanse(steps=STEPS // 4, updates=4, batch=BATCH, idle=STEPS), data.held_out.x
    start, runs = settings.start(data.held_out), defaultdict(list)
    for _ in range(repeats):
        runs["bdlab"].append(timed(lambda: reverse(settings, net, x, range(data.classes), *start))[0] / data.classes)
        runs["plain loop"].append(timed(lambda: _plain(net, x, 0))[0])
    yield Line(f"{STEPS} steps of one class / a plain loop", medians(runs), ratio(*runs.values()), 0.95)


def _plain(net: nn.Module, x: Tensor, target: int) -> Tensor:
    """The loop of most toolboxes, for one class: the weights' gradients are computed and thrown away.  Returns the mask."""
    generator = torch.Generator().manual_seed(0)
    shape = x.shape[1:]
    mask, pattern = (torch.randn(1, *size, generator=generator).requires_grad_() for size in ((1, *shape[1:]), shape))
    optimiser = torch.optim.Adam([mask, pattern], 0.1, betas=(0.5, 0.9))
    y = torch.full((BATCH,), target)
    for _ in range(STEPS):
        rows = torch.randint(len(x), (BATCH,), generator=generator)
        m, delta = mask.tanh() / 2 + 0.5, pattern.tanh() / 2 + 0.5
        loss = F.cross_entropy(net((1 - m) * x[rows] + m * delta), y) + 1e-3 * m.sum()
        optimiser.zero_grad()
        net.zero_grad()
        loss.backward()
        optimiser.step()
    return mask.detach()
