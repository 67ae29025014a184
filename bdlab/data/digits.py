"""digits: scikit-learn's 1,797 handwritten digits, drawn again at 28x28 with other hands' slant and stroke.

The 8x8 scans (UCI, Alpaydin and Kaynak 1998) are split first, then each part is augmented on its own, so that no scan has
a relative in another part.  Augmentations of one scan are not independent: `Split.source` says which scan a row is of.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab.contracts import Split
from bdlab.data.cache import Arrays, cached
from bdlab.data.dataset import Dataset
from bdlab.registry import register

PARTS = {"train": (897, 6000), "test": (400, 1500), "held_out": (250, 1000), "calibration": (250, 500)}
"""Scans and images of each part; the scans add up to 1,797."""


@register("dataset", "digits")
def digits(*, seed: int = 0, download: bool = False) -> Dataset:
    """6,000 + 1,500 + 1,000 + 500 grey images (1, 28, 28) of the digits 0-9; nothing is ever downloaded."""
    arrays = cached(f"digits-1-seed{seed}", lambda: _make(seed))
    parts = {
        part: Split(
            torch.from_numpy(arrays[f"{part}_x"]).float() / 255,
            torch.from_numpy(arrays[f"{part}_y"]),
            10,
            torch.from_numpy(arrays[f"{part}_source"]),
            f"digits.{part}",
        )
        for part in PARTS
    }
    about = "scikit-learn's digits (UCI, CC BY 4.0), augmented by shift, rotation, shear, scale and stroke"
    return Dataset("digits", **parts, labels=tuple("0123456789"), about=about)


def _make(seed: int) -> Arrays:
    from sklearn.datasets import load_digits

    scans = load_digits()
    generator = torch.Generator().manual_seed(seed)
    images = torch.from_numpy(scans.images).float()[:, None] / 16  # (1797, 1, 8, 8)
    labels = torch.from_numpy(scans.target).long()
    order = torch.randperm(len(labels), generator=generator)
    arrays: Arrays = {}
    for part, (scan_count, count) in PARTS.items():
        mine, order = order[:scan_count], order[scan_count:]
        source = mine[torch.arange(count) % scan_count]  # every scan about equally often
        arrays[f"{part}_x"] = (_augment(images[source], generator) * 255).round().byte().numpy()
        arrays[f"{part}_y"] = labels[source].numpy()
        arrays[f"{part}_source"] = source.numpy().astype(np.int64)
    return arrays


def _augment(scans: Tensor, generator: torch.Generator) -> Tensor:
    """Grey images (N, 1, 28, 28) from scans (N, 1, 8, 8): another pose and another pen for each."""
    n = len(scans)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=generator) * (high - low) + low

    angle, shear, scale = uniform(-0.26, 0.26), uniform(-0.25, 0.25), uniform(0.85, 1.1)  # radians, -, -
    cos, sin = angle.cos() / scale, angle.sin() / scale
    rows = [torch.stack((cos, shear * cos - sin, uniform(-0.12, 0.12)), 1)]
    rows += [torch.stack((sin, shear * sin + cos, uniform(-0.12, 0.12)), 1)]
    grid = F.affine_grid(torch.stack(rows, 1), [n, 1, 28, 28], align_corners=False)  # (N, 28, 28, 2)
    cut, sharp = uniform(0.3, 0.5)[:, None, None, None], uniform(8, 14)[:, None, None, None]
    return enlarge(scans, grid, cut, sharp)


def enlarge(
    scans: Tensor, grid: Tensor | None = None, cut: float | Tensor = 0.4, sharp: float | Tensor = 11.0
) -> Tensor:
    """Grey images (N, 1, 28, 28) from scans (N, 1, 8, 8), both in [0, 1]: what the data set does to each of its scans.

    grid: a pose for each, as `affine_grid` gives them; None leaves them upright in the middle.  cut: the grey from which
    on a pixel is ink, .3 to .5 in the data.  sharp: how hard the pen's edge is, 8 to 14 in the data.
    """
    large = F.interpolate(scans, size=(24, 24), mode="bicubic", align_corners=False).clamp(0, 1)
    framed = F.pad(large, (2, 2, 2, 2))  # (N, 1, 28, 28)
    posed = framed if grid is None else F.grid_sample(framed, grid, align_corners=False)
    return torch.sigmoid(sharp * (posed - cut)) * (posed > 0.05)  # a pen's edge; paper stays black
