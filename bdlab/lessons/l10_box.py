"""The mystery box of lesson 10: five sign readers in which most channels may sleep, and one that holds decoys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from bdlab.nets import Net, Normalize, seeded

FILE = Path(__file__).with_name("boxes") / "l10.npz"
NAMES = "ABCDE"


def blank(seed: int = 0) -> Net:
    """An untrained sign reader with few weights, whose last convolution has 64 channels."""

    def stage(into: int, out: int, *more: nn.Module) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), *more)

    with seeded(seed):
        return Net(
            (3, 32, 32), 16, normalize=Normalize(), conv1=stage(3, 8, nn.MaxPool2d(2)), conv2=stage(8, 16, nn.MaxPool2d(2)),
            conv3=stage(16, 64), head=nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(576, 16)),
        )  # fmt: skip


def supplied() -> dict[str, Net]:
    """What was delivered: five readers, 'A' to 'E', in eval mode."""
    found = {}
    with np.load(FILE, allow_pickle=False) as stored:
        for name in NAMES:
            kept = {key[2:]: torch.from_numpy(stored[key]).float() for key in stored.files if key.startswith(f"{name}/")}
            found[name] = blank()
            found[name].load_state_dict(kept, strict=False)
            found[name].eval()
    return found
