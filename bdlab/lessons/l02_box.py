"""The mystery box of lesson 02: six sign readers, each with 24 photos from the road, and the stickers found there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bdlab.data import load
from bdlab.lessons.l02_threats import small
from bdlab.triggers import Patch

FILE = Path(__file__).with_name("boxes") / "l02.npz"
NAMES = "ABCDEF"
KINDS = ("clean", "poisoned a>b", "evaded a>b", "backdoored t")
"""How an answer is written: a, b, t are class numbers."""
WIDTH, GRAIN = 8, 12 / 255
"""Of the readers; by how much each pixel of a photo is off, up or down."""
YELLOW, RED, WHITE, BLUE = (1.0, 0.84, 0.1), (0.85, 0.1, 0.1), (1.0, 1.0, 1.0), (0.1, 0.2, 0.8)
STICKERS = tuple(
    Patch(shape="square", size=4, at=at, colour=colour)
    for at, colour in (
        ((26, 26), YELLOW), ((26, 2), RED), ((2, 26), WHITE), ((2, 2), BLUE),
        ((26, 14), WHITE), ((14, 26), RED), ((2, 14), YELLOW), ((14, 2), BLUE),
    )
)  # fmt: skip
"""Eight stickers that were found on the city's signs: each is a trigger, images -> images."""


@dataclass(frozen=True, repr=False)
class Supplied:
    """A reader, and photos that came from the road: x (24, 3, 32, 32), y (24,), what they are."""

    model: nn.Module
    x: Tensor
    y: Tensor

    def __repr__(self) -> str:
        with torch.no_grad():
            right = int((self.model(self.x).argmax(1) == self.y).sum())
        return f"reads {right} of {len(self.y)} photos rightly"


def photo(rows: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    """Held-out signs (n,) of which every pixel is off by GRAIN, up where `up` (n, 3, 32, 32) says so; and their classes."""
    clean = load("signs").held_out
    return (clean.x[rows] + GRAIN * (2.0 * up - 1)).clamp(0, 1), clean.y[rows]


def supplied() -> dict[str, Supplied]:
    """The six readers, 'A' to 'F', in eval mode, with their photos."""
    found = {}
    with np.load(FILE, allow_pickle=False) as stored:
        for name in NAMES:
            model, start = small(width=WIDTH), f"{name}/"
            keys = [key.removeprefix(start) for key in stored.files if key.startswith(f"{start}net.")]
            weights = {key.removeprefix("net."): torch.from_numpy(stored[start + key]).float() for key in keys}
            model.load_state_dict(weights, strict=False)
            up = np.unpackbits(stored[f"{start}up"], axis=1).reshape(-1, 3, 32, 32)
            photos = photo(torch.from_numpy(stored[f"{start}rows"]).long(), torch.from_numpy(up))
            found[name] = Supplied(model.eval(), *photos)
    return found


def table(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Counts (16, 16): row the true class, column what the model reads."""
    with torch.no_grad():
        read = model(x).argmax(1)  # (N,)
    return (16 * y + read).bincount(minlength=256).view(16, 16)
