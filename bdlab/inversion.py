"""Images made from a trained network alone: gradient descent on pixels, smoothed after every step.

Liu, Ma, Aafer, Lee, Zhai, Wang, Zhang, 'Trojaning Attack on Neural Networks', NDSS 2018, algorithms 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bdlab.bars import track
from bdlab.nets import Net, device_of, seeded
from bdlab.running import agree, answer, check_labels, frozen, hooked


def denoise(x: Tensor, weight: float, iterations: int = 5) -> Tensor:
    """Total-variation denoising of images (N, C, H, W), channel by channel: smoother images of the same shape.

    min over y of  1/2 sum (x - y)^2 + weight * sum sqrt((d_i y)^2 + (d_j y)^2), by `iterations` steps of Chambolle's dual
    projection (2004); scikit-image has the same for one image at a time.  weight 0 gives `x` back.
    """
    if not weight:
        return x
    down = right = torch.zeros_like(x)  # the dual field, (N, C, H, W) each
    y, tau = x, 0.25
    for _ in range(iterations):
        dy, dx = F.pad(y.diff(dim=2), (0, 0, 0, 1)), F.pad(y.diff(dim=3), (0, 1))  # (N, C, H, W)
        scale = 1 + tau / weight * torch.hypot(dy, dx)
        down, right = (down - tau * dy) / scale, (right - tau * dx) / scale
        y = x - down - right + F.pad(down, (0, 0, 1, -1)) + F.pad(right, (1, -1))  # minus the divergence
    return y


def descend(
    cost: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    steps: int,
    lr: float,
    mask: Tensor | None = None,
    smooth: float = 0.0,
) -> Tensor:
    """Images (N, C, H, W) in [0, 1] with a lower cost: `cost` gives one number an image, (N,).

    Every step moves the pixels of an image by `lr` on average, whatever the gradient's scale, then smooths it (see
    `denoise`).  mask (H, W): pixels where it is 0 stay 0.
    """
    mask = torch.ones(x.shape[-2:]) if mask is None else mask
    mask = mask.to(x)
    x = x * mask
    for _ in track(range(steps), "gradient descent on pixels, steps"):
        pixels = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(cost(pixels).sum(), pixels)  # (N, C, H, W)
        slope = slope * mask
        size = slope.abs().sum((1, 2, 3), keepdim=True) / (mask.sum() * x.shape[1])  # mean over the mask, (N, 1, 1, 1)
        x = denoise(x - lr * slope / size.clamp(min=1e-12), smooth).clamp(0, 1) * mask
    return x.detach()


def lean(model: nn.Module, x: Tensor) -> nn.Module:
    """A `frozen` copy that gives the same logits with less work: for scans that pass through it a thousand times.

    Inside every Sequential a batch norm is folded into the convolution before it, and a ReLU before a max pooling comes
    after it instead, on a quarter of the values.  Logits differ by rounding only: both are asked about the first 16 images
    of `x` (N, C, H, W) and about noise.  Where they differ, since another module reaches into a Sequential, the plain copy
    is returned.
    """
    net, folded = frozen(model), _folded(frozen(model))
    noise = torch.rand(16, *x.shape[1:], generator=torch.Generator().manual_seed(0))
    images = torch.cat((x[:16].cpu(), noise))
    with torch.no_grad(), seeded(0, device_of(net)):
        whole = answer(net, images)
    with torch.no_grad(), seeded(0, device_of(net)):
        return folded if agree(answer(folded, images), whole) else net


def _folded(net: nn.Module) -> nn.Module:
    for part in [m for m in net.modules() if type(m) in (nn.Sequential, Net) and not hooked(m)]:
        for name, then in pairwise(list(part._modules)):
            one, two = part.get_submodule(name), part.get_submodule(then)
            if hooked(one) or hooked(two):
                continue
            if type(one) is nn.Conv2d and type(two) is nn.BatchNorm2d and two.running_var is not None:
                setattr(part, name, fuse_conv_bn_eval(one, two))
                setattr(part, then, nn.Identity())
            elif type(one) is nn.ReLU and type(two) is nn.MaxPool2d:
                setattr(part, name, two)
                setattr(part, then, one)
    return net.requires_grad_(False)


@seeded(0)
def invert(
    model: nn.Module, y: Tensor, start: Tensor, *, steps: int = 100, lr: float = 0.02, smooth: float = 0.02
) -> Tensor:
    """Algorithm 2: images (N, C, H, W) that `model` takes for the classes `y` (N,), from `start` (N, C, H, W).

    Descends (1 - p_y(x))^2, where p are the probabilities; on the model's device, the result on the CPU.
    """
    check_labels(model, start, y)
    net, device = frozen(model), device_of(model)

    def inverted(x: Tensor, labels: Tensor) -> Tensor:
        def cost(x: Tensor) -> Tensor:
            p = answer(net, x).softmax(1).gather(1, labels[:, None])[:, 0]  # (B, K) -> (B,)
            return (1 - p) ** 2

        return descend(cost, x, steps=steps, lr=lr, smooth=smooth).cpu()

    parts = zip(start.to(device).split(512), y.to(device).split(512), strict=True)
    return torch.cat([inverted(*part) for part in parts])
