"""The mystery box of lesson 03: a training set as a supplier delivered it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bdlab.contracts import Split
from bdlab.data import load

FILE = Path(__file__).with_name("boxes") / "l03.npz"


def supplied() -> Split:
    """What the supplier delivered: images (N, 1, 28, 28) with dust on each, labels (N,) of which some are wrong."""
    train = load("digits").train
    with np.load(FILE, allow_pickle=False) as stored:
        rows, labels = (torch.from_numpy(stored[name].astype("int64")) for name in ("rows", "labels"))
        white = np.unpackbits(stored["spots"], axis=1)[:, : 28 * 28].astype(bool)  # (N, 784)
    return Split(train.x[rows].masked_fill(torch.from_numpy(white).view(-1, 1, 28, 28), 1.0), labels, train.classes)
