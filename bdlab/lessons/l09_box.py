"""The mystery box of lesson 09: a reader, and sixty signs that it met on the road, a sticker on each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bdlab.data import load
from bdlab.nets import build
from bdlab.triggers import Patch

FILE = Path(__file__).with_name("boxes") / "l09.npz"
COLOURS = ((1.0, 0.84, 0.1), (1.0, 0.15, 0.8), (0.1, 0.9, 1.0), (0.3, 0.95, 0.2))
PLACES = ((26, 26), (26, 2), (2, 2), (2, 26))
"""Upper left corners of the stickers, which are 4 x 4 pixels."""


@dataclass(frozen=True)
class Delivered:
    """The reader, in eval mode, and the signs (60, 3, 32, 32)."""

    model: nn.Module
    x: Tensor


def stickers(x: Tensor, kinds: Tensor) -> Tensor:
    """Images (N, 3, 32, 32) with a sticker each; kinds int64 (N,): 4 times the place's number plus the colour's."""
    marked = x.clone()
    for kind in kinds.unique().tolist():
        patch = Patch(size=4, at=PLACES[kind // 4], colour=COLOURS[kind % 4])
        marked[kinds == kind] = patch(x[kinds == kind])
    return marked


def supplied() -> Delivered:
    """What was delivered: the reader and the sixty signs, numbered 0 to 59."""
    data = load("signs")
    with np.load(FILE, allow_pickle=False) as stored:
        state = {name: torch.from_numpy(stored[name]).float() for name in stored.files if name not in ("rows", "kinds")}
        rows, kinds = (torch.from_numpy(stored[name].astype("int64")) for name in ("rows", "kinds"))
    model = build("small_bn", data.input_shape, data.classes)
    model.load_state_dict(state, strict=False)
    return Delivered(model.eval(), stickers(data.test.x[rows], kinds))
