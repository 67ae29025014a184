"""What a network looks at: activation maps of its stages, and Grad-CAM."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from bdlab.channels import check_maps, split
from bdlab.nets import device_of, evaluating
from bdlab.running import answer, feed, frozen


def activation_map(model: nn.Module, layer: str, x: Tensor, batch: int = 512) -> Tensor:
    """Mean over the channels of the absolute output of stage `layer`, for images (N, C, H, W): (N, h, w), on the CPU."""
    trunk, _ = split(model, layer)
    with evaluating(model):
        parts = (check_maps(trunk(feed(model, rows)), layer).float() for rows in x.split(batch))  # (B, channels, h, w)
        return torch.cat([maps.abs().mean(1).cpu() for maps in parts])


def grad_cam(model: nn.Module, layer: str, x: Tensor, target: Tensor, batch: int = 128) -> Tensor:
    """Where the evidence for class `target` (N,) lies in images (N, C, H, W), by stage `layer`: maps (N, H, W) >= 0.

    alpha_c = mean over positions of d logit_target / d A_c;  map = ReLU(sum_c alpha_c A_c), scaled up bilinearly.  Captum
    computes it, on a copy of `model` in eval mode.  The maps have the logits' scale; divide by their maximum to compare.
    Mean gradients say most where the head averages over the positions.  A head that reads each position apart may give
    means below zero nearly everywhere, and so an empty map.

    Source: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, ICCV 2017, arXiv 1610.02391.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    activation_map(model, layer, x[:1])  # a stage of a Net that puts out maps, or its error
    net, device = frozen(model), device_of(model)
    cam, maps = LayerGradCam(partial(answer, net), net.requires_grad_(True).get_submodule(layer)), []
    for images, classes in zip(x.split(batch), target.split(batch), strict=True):
        small = cam.attribute(images.to(device), classes.to(device), relu_attributions=True)  # (B, 1, h, w)
        maps.append(LayerAttribution.interpolate(small, tuple(x.shape[2:]), "bilinear")[:, 0].detach().cpu())
    return torch.cat(maps)  # (N, H, W)
