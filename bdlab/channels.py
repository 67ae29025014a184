"""What pruning, the attack on it and the views share: cutting a net at a stage, channel statistics, channel masks."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from bdlab.nets import Net, device_of, evaluating


def split(model: nn.Module, layer: str) -> tuple[nn.Sequential, nn.Sequential]:
    """Trunk (pixels to the output of stage `layer`) and tail (from there to the logits); both share the model's modules.

    Raises `TypeError` for a module without named stages, `ValueError` for a stage that it does not have.
    """
    if not isinstance(model, Net):
        raise TypeError(
            f"model must be a bdlab.nets.Net, got {type(model).__name__}; wrap its parts as Net(..., name=stage)"
        )
    if layer not in model.stages:
        raise ValueError(f"layer must be one of {', '.join(model.stages)}; got {layer!r}")
    cut = model.stages.index(layer) + 1
    parts = list(model.children())
    return nn.Sequential(*parts[:cut]), nn.Sequential(*parts[cut:])


def last_conv(model: Net) -> str:
    """The name of the last stage that holds a convolution: where pruning looks."""
    names = [name for name, stage in model.named_children() if any(isinstance(m, nn.Conv2d) for m in stage.modules())]
    if not names:
        raise ValueError(f"model has no convolution in its stages {', '.join(model.stages)}; name a layer")
    return names[-1]


def mean_activation(model: nn.Module, layer: str, x: Tensor, batch: int = 512) -> Tensor:
    """Mean output of every channel of stage `layer` over images (N, C, H, W) and positions: float64 (channels,)."""
    trunk, _ = split(model, layer)
    device, total = device_of(model), torch.zeros((), dtype=torch.float64)
    with evaluating(trunk):
        for rows in x.split(batch):
            maps = trunk(rows.to(device))  # (B, channels, h, w)
            total = total + maps.double().mean((2, 3)).sum(0).cpu()
    return total / len(x)


class ChannelMask(nn.Module):
    """Multiplies channel c by keep[c], which makes a masked channel exactly 0 whatever its bias or batch norm says."""

    keep: Tensor

    def __init__(self, keep: Tensor) -> None:
        super().__init__()
        self.register_buffer("keep", keep.clone().float())

    def forward(self, maps: Tensor) -> Tensor:
        return maps * self.keep[:, None, None]


def masked(model: Net, layer: str, keep: Tensor) -> Net:
    """A copy of `model` whose stage `layer` ends in a mask; keep (channels,) is True for channels that stay."""
    split(model, layer)
    pruned = copy.deepcopy(model)
    setattr(pruned, layer, nn.Sequential(pruned.get_submodule(layer), ChannelMask(keep.to(device_of(model)))))
    return pruned
