"""The mystery box of lesson 06: photos of signs behind panes, and the scene that the supplier mirrors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FILE = Path(__file__).with_name("boxes") / "l06.npz"
COUNT, SIDE, LARGEST = 24, 32, 8
"""Photos; their rows and columns; the largest offset that a pane has."""


@dataclass(frozen=True, repr=False)
class Supplied:
    """photos float32 (24, 3, 32, 32); scene float32 (3, 40, 40): a pane of offset d shows its first 32 + d rows and columns."""

    photos: Tensor
    scene: Tensor

    def __repr__(self) -> str:
        return f"{len(self.photos)} photos of signs, and one scene of {self.scene.shape[1]} x {self.scene.shape[2]} pixels"


def supplied() -> Supplied:
    """The 24 photos and the supplier's scene."""
    with np.load(FILE, allow_pickle=False) as stored:
        photos, scene = (torch.from_numpy(stored[name]).float() / 255 for name in ("photos", "scene"))
    return Supplied(photos, scene)
