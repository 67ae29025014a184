"""Networks as sequences of named stages, with normalisation inside, so that every trigger and defence works on pixels.

A stage is a unit that defences cut at: `channels.split(net, "conv2")` gives what lies before and behind it.  Weights are
drawn from `seed` alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bdlab.contracts import Shape
from bdlab.registry import find, register


class Net(nn.Sequential):
    """A classifier whose children are its stages; knows `input_shape` (C, H, W) and `classes`."""

    def __init__(self, input_shape: Shape, classes: int, **stages: nn.Module) -> None:
        super().__init__()
        self.input_shape, self.classes = tuple(input_shape), classes
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.to(memory_format=torch.channels_last)  # the same numbers, up to twice as fast on a CPU

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != self.input_shape:
            raise ValueError(
                f"x must have shape (N, {', '.join(map(str, self.input_shape))}) for this net, got {tuple(x.shape)}; "
                "build the net with the data's input_shape"
            )
        return super().forward(x)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages from pixels to logits."""
        return tuple(self._modules)


class Normalize(nn.Module):
    """(x - mean) / std, one constant for all channels."""

    def __init__(self, mean: float = 0.5, std: float = 0.5) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


_ALONE = threading.RLock()


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """What draws from the global generators of the CPU and of `device` draws from `seed`; then they are as they were.

    One thread at a time: two would draw each other's numbers.
    """
    gpus = [device] if device is not None and device.type == "cuda" else []
    with _ALONE, torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` would seed every GPU too, and nothing undo it
        for gpu in gpus:
            torch.cuda.default_generators[gpu.index or 0].manual_seed(seed)
        yield


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[nn.Module]:
    """`model` in eval mode; afterwards every submodule has its own mode again.  What it draws all the same is seed 0's."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with seeded(0, device_of(model)):
            yield model
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Inference with `model`, in eval mode: no autograd, but not torch's inference mode.

    What is computed inside may be written into, and what a model keeps of it does not spoil its next training.
    """
    with in_eval_mode(model), torch.no_grad():
        yield model


def device_of(model: nn.Module) -> torch.device:
    """Where the model lives: the device of its first parameter or buffer."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def build(name: str, input_shape: Shape, classes: int, *, seed: int = 0) -> Net:
    """The registered net called `name`, for images (C, H, W) of `classes` classes, with weights drawn from `seed`."""
    net: Net = find("net", name).make(input_shape, classes, seed=seed)
    return net


def _conv_bn(into: int, out: int, *, pool: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)


def _conv_pool_bn(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(into, out, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(out), nn.ReLU()
    )


@register("net", "badnets_cnn", paper="Gu, Dolan-Gavitt, Garg 2017, arXiv 1708.06733, table 1")
def badnets_cnn(input_shape: Shape, classes: int, *, seed: int = 0, padded: bool = True) -> Net:
    """The MNIST network of BadNets: two 5x5 convolutions of 16 and 32 channels, average pooling, 512 hidden units.

    Fidelity: the paper's convolutions have no padding, and hardly see a pixel two steps from the corner: of the 25
    positions at which a 5x5 window could cover it, the image leaves four.  Ours pad ('same'), so that the hidden layer
    gets 7x7x32 inputs instead of 4x4x32.  `padded=False` is the paper's; `bdlab reproduce badnets` shows the difference.
    """
    channels, height, width = input_shape
    pad, lost = (2, 0) if padded else (0, 3)  # each unpadded layer takes 4 pixels off, 3 positions in all after pooling
    flat = 32 * (height // 4 - lost) * (width // 4 - lost)
    with seeded(seed):
        return Net(
            input_shape,
            classes,
            normalize=Normalize(mean=0.0, std=0.5),  # black stays 0, which is what padding puts around it
            conv1=nn.Sequential(nn.Conv2d(channels, 16, 5, padding=pad), nn.ReLU(), nn.AvgPool2d(2)),
            conv2=nn.Sequential(nn.Conv2d(16, 32, 5, padding=pad), nn.ReLU(), nn.AvgPool2d(2)),
            fc1=nn.Sequential(nn.Flatten(), nn.Linear(flat, 512), nn.ReLU()),
            head=nn.Linear(512, classes),
        )


@register("net", "small_bn")
def small_bn(input_shape: Shape, classes: int, *, seed: int = 0) -> Net:
    """The default: three 3x3 convolutions of 16, 32 and 64 channels with batch norm, one linear layer."""
    channels, height, width = input_shape
    with seeded(seed):
        return Net(
            input_shape,
            classes,
            normalize=Normalize(),
            conv1=_conv_bn(channels, 16, pool=True),  # (16, H/2, W/2)
            conv2=_conv_bn(16, 32, pool=True),  # (32, H/4, W/4)
            conv3=_conv_bn(32, 64, pool=False),  # (64, H/4, W/4)
            head=nn.Sequential(nn.Flatten(), nn.Linear(64 * (height // 4) * (width // 4), classes)),
        )


@register("net", "small_gap")
def small_gap(input_shape: Shape, classes: int, *, seed: int = 0) -> Net:
    """small_bn with a pooled head: each channel's mean over all places, then one linear layer.

    A class's logit is then the mean over the places of the channels weighted by the head's row, so that Grad-CAM's map adds
    up to it; and 64 weights a class are enough for images of any size.
    """
    channels = input_shape[0]
    with seeded(seed):
        return Net(
            input_shape,
            classes,
            normalize=Normalize(),
            conv1=_conv_bn(channels, 16, pool=True),  # (16, H/2, W/2)
            conv2=_conv_bn(16, 32, pool=True),  # (32, H/4, W/4)
            conv3=_conv_bn(32, 64, pool=False),  # (64, H/4, W/4)
            head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)),
        )


@register("net", "fast_bn")
def fast_bn(input_shape: Shape, classes: int, *, seed: int = 0) -> Net:
    """A net for whole MNIST on a laptop: each 2x2 block of pixels becomes one position with four times the channels.

    The first layer then works on a quarter of the positions, which is where a small CNN spends its time; pooling comes
    before the norm, which so sees a quarter of the values.
    """
    channels, height, width = input_shape
    with seeded(seed):
        return Net(
            input_shape,
            classes,
            normalize=nn.Sequential(Normalize(), nn.PixelUnshuffle(2)),  # (4C, H/2, W/2)
            conv1=_conv_pool_bn(4 * channels, 16),  # (16, H/4, W/4)
            conv2=_conv_pool_bn(16, 64),  # (64, H/8, W/8)
            head=nn.Sequential(nn.Flatten(), nn.Linear(64 * (height // 8) * (width // 8), classes)),
        )


class PreActBlock(nn.Module):
    """BN-ReLU-conv twice, added to the shortcut (He et al. 2016, arXiv 1603.05027)."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(into), nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(out), nn.Conv2d(out, out, 3, 1, 1, bias=False)
        narrow = stride != 1 or into != out
        self.shortcut = nn.Conv2d(into, out, 1, stride, bias=False) if narrow else None

    def forward(self, x: Tensor) -> Tensor:
        pre = self.bn1(x).relu()
        skip = x if self.shortcut is None else self.shortcut(pre)
        return self.conv2(self.bn2(self.conv1(pre)).relu()) + skip


@register("net", "preact_resnet18", paper="He, Zhang, Ren, Sun 2016, arXiv 1603.05027")
def preact_resnet18(input_shape: Shape, classes: int, *, seed: int = 0) -> Net:
    """The network of BackdoorBench's tables: four groups of two pre-activation blocks, 64 to 512 channels.

    The last batch norm and ReLU belong to `conv5`, so that its output is what pruning calls an activation.
    """
    channels = input_shape[0]
    with seeded(seed):
        return Net(
            input_shape,
            classes,
            normalize=Normalize(),
            conv1=nn.Conv2d(channels, 64, 3, padding=1, bias=False),
            conv2=nn.Sequential(PreActBlock(64, 64, 1), PreActBlock(64, 64, 1)),
            conv3=nn.Sequential(PreActBlock(64, 128, 2), PreActBlock(128, 128, 1)),
            conv4=nn.Sequential(PreActBlock(128, 256, 2), PreActBlock(256, 256, 1)),
            conv5=nn.Sequential(PreActBlock(256, 512, 2), PreActBlock(512, 512, 1), nn.BatchNorm2d(512), nn.ReLU()),
            head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes)),
        )


def _conv(into: int, out: int, *, pad: int = 0, pool: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(into, out, 3, padding=pad), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)


@register("net", "operations_mnist", paper="Clements, Lao 2018, IEEE GlobalSIP")
def operations_mnist(input_shape: Shape, classes: int, *, seed: int = 0) -> Net:
    """The MNIST network of the attack on operations: five convolutions of 20 to 120 channels, 150 hidden units.

    Fidelity: known are the neurons of each layer, 15680, 31360, 11760, 15680, 5880, 150, 10; that is 20, 40, 60, 80, 120
    channels before pooling where convolutions keep the size.  Max pooling stands where the slides write 'conv/max', of 2x2,
    as the neurons of the next layer say; 3x3 windows are our choice.
    """
    channels, height, width = input_shape
    with seeded(seed):
        return Net(
            input_shape,
            classes,
            normalize=Normalize(),
            conv1=_conv(channels, 20, pad=1),  # (20, H, W)
            conv2=_conv(20, 40, pad=1, pool=True),  # (40, H, W) -> (40, H/2, W/2)
            conv3=_conv(40, 60, pad=1),  # (60, H/2, W/2)
            conv4=_conv(60, 80, pad=1, pool=True),  # (80, H/2, W/2) -> (80, H/4, W/4)
            conv5=_conv(80, 120, pad=1),  # (120, H/4, W/4)
            fc1=nn.Sequential(nn.Flatten(), nn.Linear(120 * (height // 4) * (width // 4), 150), nn.ReLU()),
            head=nn.Linear(150, classes),
        )


@register("net", "operations_cifar", paper="Clements, Lao 2018, IEEE GlobalSIP")
def operations_cifar(input_shape: Shape, classes: int, *, seed: int = 0) -> Net:
    """The CIFAR-10 network of the attack on operations: four unpadded 3x3 convolutions, 1024 and 180 hidden units.

    Fidelity: known are the neurons of each layer, 28800, 50176, 18432, 2048, 1024, 180, 10; that is 32, 64, 128, 128
    channels before pooling where 3x3 convolutions have no padding.  Max pooling stands where the slides write 'conv/max',
    of 2x2, as the neurons of the next layer say.
    """
    channels, height, width = input_shape
    h, w = (((side - 4) // 2 - 2) // 2 - 2 for side in (height, width))  # of conv4: 4 of 32 pixels
    with seeded(seed):
        return Net(
            input_shape,
            classes,
            normalize=Normalize(),
            conv1=_conv(channels, 32),  # (32, 30, 30) of 32x32 pixels
            conv2=_conv(32, 64, pool=True),  # (64, 28, 28) -> (64, 14, 14)
            conv3=_conv(64, 128, pool=True),  # (128, 12, 12) -> (128, 6, 6)
            conv4=_conv(128, 128, pool=True),  # (128, 4, 4) -> (128, 2, 2)
            fc1=nn.Sequential(nn.Flatten(), nn.Linear(128 * (h // 2) * (w // 2), 1024), nn.ReLU()),
            fc2=nn.Sequential(nn.Linear(1024, 180), nn.ReLU()),
            head=nn.Linear(180, classes),
        )
