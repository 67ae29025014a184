"""Models that differ a little from ours, and beside each the same function written plainly."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from bdlab.nets import Net, seeded

SHAPE, CLASSES = (3, 16, 16), 8


class InPlace(nn.Module):
    """Normalises its input where it lies, as torchvision's Normalize(inplace=True)."""

    def forward(self, x):
        return x.sub_(0.5).div_(0.5)


class Normal(nn.Module):
    def forward(self, x):
        return (x - 0.5) / 0.5


class Doubling(nn.Linear):
    """A head that is a subclass of nn.Linear: its weights do not tell what it computes."""

    def forward(self, x):
        return F.linear(x, 2 * self.weight, 2 * self.bias)


class Remembering(nn.Module):
    """Keeps a tensor that its first pass has made."""

    kept = None

    def forward(self, x):
        if self.kept is None:
            self.kept = torch.zeros(x.shape[1], dtype=x.dtype) + 1
        return x * self.kept


class Always(nn.Module):
    """Dropout that nobody can switch off."""

    def forward(self, x):
        return F.dropout(x, 0.1, training=True)


class Tap(nn.Module):
    """Runs a Sequential, and adds what its first convolution and its first ReLU say."""

    def __init__(self, net, sequential):
        super().__init__()
        self.body = nn.Sequential(*net) if sequential else nn.ModuleList(net)
        self.input_shape, self.classes = SHAPE, CLASSES

    def forward(self, x):
        conv, norm, relu, pool = self.body[1].children()
        early = conv(self.body[0](x))
        middle = relu(norm(early))
        rest = self.body[3](self.body[2](pool(middle)))
        return rest + early.mean((2, 3)) + middle.mean((2, 3))


class Reaching(Net):
    """A Net with a forward of its own."""

    def forward(self, x):
        return super().forward(x) * 2


class Answering(nn.Module):
    """Gives its logits in another form."""

    def __init__(self, net, form):
        super().__init__()
        self.net, self.form = net, form

    def forward(self, x):
        return self.form(self.net(x))


def plain():
    """Two convolutions and a linear layer, trained by nobody."""
    with seeded(1):
        return Net(
            SHAPE, CLASSES, normalize=Normal(),
            conv1=nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
            conv2=nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
            head=nn.Sequential(nn.Flatten(), nn.Linear(128, CLASSES)),
        )  # fmt: skip


def with_stage(net, **stages):
    """`net` with some stages exchanged, or added behind the head."""
    return Net(SHAPE, CLASSES, **(dict(net.named_children()) | stages))


def _in_place(net):
    return with_stage(net, normalize=InPlace())


def _subclass(net):
    head = Doubling(128, CLASSES)
    head.weight.data, head.bias.data = net.head[1].weight.data / 2, net.head[1].bias.data / 2
    return with_stage(net, head=nn.Sequential(nn.Flatten(), head))


def _shared_relu(net):
    net.conv2[2] = net.conv1[2]
    return net


def _flatten_2(net):
    with seeded(2):
        return with_stage(net, head=nn.Sequential(nn.Flatten(2), nn.Linear(16, 1)))


def _flatten_2_plainly(net):
    odd = _flatten_2(net)
    return with_stage(net, head=Answering(odd.head, lambda z: z[:, :, 0]))


def _dropout(net):
    return with_stage(net, head=nn.Sequential(nn.Flatten(), nn.Dropout(0.5), net.head[1]))


def _prune(net):
    net.to(memory_format=torch.contiguous_format)  # prune cannot handle the other
    prune.l1_unstructured(net.conv2[0], "weight", amount=0.5)
    prune.l1_unstructured(net.head[1], "weight", amount=0.5)
    return net


def _pruned_plainly(net):
    _prune(net)
    prune.remove(net.conv2[0], "weight")
    prune.remove(net.head[1], "weight")
    return net


def _weight_norm(net):
    parametrizations.weight_norm(net.conv2[0])
    parametrizations.weight_norm(net.head[1])
    return net


def _old_weight_norm(net):
    nn.utils.weight_norm(net.conv2[0])
    nn.utils.weight_norm(net.head[1])
    return net


def _hook(net):
    net.head[1].register_forward_hook(lambda module, inputs, out: 2 * out)
    return net


def _hook_plainly(net):
    net.head[1].weight.data *= 2
    net.head[1].bias.data *= 2
    return net


def masked(net):
    """Its last class is switched off."""
    return Answering(net, lambda z: z.masked_fill(torch.arange(CLASSES) == CLASSES - 1, -torch.inf))


class Shape4(nn.Module):
    def forward(self, z):
        return z[:, :, None, None]


same = lambda net: net  # noqa: E731
ODD = {  # name -> how the plain net becomes the odd one, and how it becomes a plain one of the same function
    "in place": (_in_place, same),
    "head is a subclass": (_subclass, same),
    "shared ReLU": (_shared_relu, same),
    "parent taps its Sequential": (lambda net: Tap(net, True), lambda net: Tap(net, False)),
    "Net with a forward of its own": (lambda net: Reaching(SHAPE, CLASSES, **dict(net.named_children())), _hook_plainly),
    "Flatten(2)": (_flatten_2, _flatten_2_plainly),
    "dropout": (_dropout, same),
    "remembers": (lambda net: with_stage(net, head=nn.Sequential(nn.Flatten(), Remembering(), net.head[1])), same),
    "(N, K, 1, 1)": (lambda net: with_stage(net, shape=Shape4()), same),
    "half": (lambda net: net.half(), same),
    "bfloat16": (lambda net: net.bfloat16(), same),
    "double": (lambda net: net.double(), same),
    "pruned by torch": (_prune, _pruned_plainly),
    "weight_norm": (_weight_norm, same),
    "weight_norm, the old one": (_old_weight_norm, same),
    "hook on the head": (_hook, _hook_plainly),
}
WRONG = {  # name -> a model that is none for these eight classes
    "tuple": lambda net: Answering(net, lambda z: (z, None)),
    "dict": lambda net: Answering(net, lambda z: {"logits": z}),
    "object": lambda net: Answering(net, lambda z: SimpleNamespace(logits=z)),
    "one logit": lambda net: Answering(net, lambda z: z[:, :1]),
    "(N, 1, K)": lambda net: Answering(net, lambda z: z[:, None]),
    "five logits": lambda net: Answering(net, lambda z: z[:, :5]),
    "no batch": lambda net: Answering(net, lambda z: z[0]),
}


def pair(name, net):
    """The odd model of that name, and the plain one of the same function, both in eval mode."""
    return tuple(make(copy.deepcopy(net)).eval() for make in ODD[name])
