"""signs: traffic signs drawn by us, 32x32 RGB, with pose, light, blur, background and noise; see `sign_drawing`."""

from __future__ import annotations

import torch

from bdlab.contracts import Split
from bdlab.data.cache import Arrays, cached
from bdlab.data.dataset import Dataset
from bdlab.data.sign_drawing import CLASSES, draw
from bdlab.registry import register

PARTS = {"train": 6000, "test": 1500, "held_out": 1000, "calibration": 500}
"""Pictures of each part; every picture is a source of its own."""


@register("dataset", "signs")
def signs(*, seed: int = 0, download: bool = False) -> Dataset:
    """6,000 + 1,500 + 1,000 + 500 colour images (3, 32, 32) of 16 classes; nothing is ever downloaded."""

    def make() -> Arrays:
        x, y = draw(sum(PARTS.values()), seed)
        return {"x": x.transpose(0, 3, 1, 2), "y": y}  # (N, 3, 32, 32)

    kept = cached(f"signs-1-seed{seed}", make)
    x, y = torch.from_numpy(kept["x"]), torch.from_numpy(kept["y"])
    rows = dict(zip(PARTS, torch.arange(len(y)).split(list(PARTS.values())), strict=True))
    splits = {
        part: Split(x[mine].float() / 255, y[mine], len(CLASSES), mine, f"signs.{part}") for part, mine in rows.items()
    }
    about = "drawn by bdlab from polygons and strokes; free to use"
    return Dataset("signs", **splits, labels=CLASSES, about=about)
