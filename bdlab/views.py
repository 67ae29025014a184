"""What a network looks at: activation maps of its stages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bdlab.channels import split
from bdlab.nets import device_of, evaluating


def activation_map(model: nn.Module, layer: str, x: Tensor, batch: int = 512) -> Tensor:
    """Mean over the channels of the absolute output of stage `layer`, for images (N, C, H, W): (N, h, w), on the CPU."""
    trunk, _ = split(model, layer)
    device = device_of(model)
    with evaluating(model):
        return torch.cat([trunk(rows.to(device)).abs().mean(1).cpu() for rows in x.split(batch)])
