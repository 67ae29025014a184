"""The mystery box of lesson 01: five readers, each with the log of its training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bdlab.data import load
from bdlab.nets import seeded

FILE = Path(__file__).with_name("boxes") / "l01.npz"
NAMES = "ABCDE"
BUGS = (
    "healthy",
    "the labels were shuffled",
    "the gradients were never cleared",
    "it was trained in eval mode",
    "one class was left out of the training set",
    "a softmax stood in front of the loss",
    "the learning rate was far too small",
    "two classes had each other's labels",
)
"""What may be wrong with a reader: 0 to 7."""


@dataclass(frozen=True, repr=False)
class Supplied:
    """A reader, and the loss that its own `train_epoch` returned after each pass."""

    model: nn.Module
    log: tuple[float, ...]

    def __repr__(self) -> str:
        return "loss pass by pass: " + ", ".join(f"{loss:.2f}" for loss in self.log)


def small(seed: int = 0) -> nn.Sequential:
    """A reader with 1,600 weights, with batch norm."""
    with seeded(seed):
        return nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10),
        )  # fmt: skip


def supplied() -> dict[str, Supplied]:
    """The five readers, 'A' to 'E', in eval mode."""
    found = {}
    with np.load(FILE, allow_pickle=False) as stored:
        for name in NAMES:
            model, start = small(), f"{name}/"
            names = [key.removeprefix(start) for key in stored.files if key.startswith(start) and key != f"{name}/log"]
            model.load_state_dict({key: torch.from_numpy(stored[start + key]).float() for key in names}, strict=False)
            found[name] = Supplied(model.eval(), tuple(stored[f"{name}/log"].tolist()))
    return found


def table(model: nn.Module, x: Tensor | None = None, y: Tensor | None = None) -> Tensor:
    """Counts (10, 10): row the true class, column what the model reads; of the 1,500 test images where none are given."""
    test = load("digits").test
    x, y = (test.x, test.y) if x is None or y is None else (x, y)
    with torch.no_grad():
        read = model(x).argmax(1)  # (N,)
    return (10 * y + read).bincount(minlength=100).view(10, 10)
