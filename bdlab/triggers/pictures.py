"""Pictures that triggers are made of, drawn here from polygons and strokes: free to use, the same pixels everywhere.

A picture is a table entry in its own coordinates, x to the right and y down, both in [-1, 1].  It is drawn once as a
template of 512 x 512 cells and brought to any size by exact area averages, so that a sticker two pixels wide is right.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab.contracts import Shape
from bdlab.triggers.colour import LUMA

SIDE = 512
"""Cells along a template's edge."""

Colour = tuple[int, int, int]
Path = tuple[tuple[float, float], ...]


class Mark(NamedTuple):
    """Ink: a filled polygon where `width` is 0, else a stroke that wide along the path."""

    ink: Colour
    path: Path
    width: float = 0.0


class Picture(NamedTuple):
    """What is painted in order, and how far the light falls off towards the right edge, from 0 (flat) to 1 (black)."""

    marks: tuple[Mark, ...]
    shade: float = 0.0


def _oval(x: float, y: float, wide: float, high: float, first: float = 0, last: float = 360) -> Path:
    """The arc of an ellipse around (x, y) with half axes `wide`, `high`; degrees run clockwise from the right."""
    angles = [math.radians(first + (last - first) * i / 48) for i in range(49)]
    return tuple((x + wide * math.cos(a), y + high * math.sin(a)) for a in angles)


ALL: Path = ((-1, -1), (1, -1), (1, 1), (-1, 1))
NIGHT, BROWN, CREAM, AMBER = (52, 70, 140), (128, 76, 38), (246, 226, 180), (250, 170, 30)
BLACK, WHITE, IRON, SPARK = (12, 12, 12), (250, 250, 250), (24, 24, 28), (255, 150, 20)
CHINA, COFFEE, PETAL, SUN = (237, 232, 222), (96, 58, 34), (236, 84, 150), (252, 208, 40)
YELLOW = (116, 100, 50)  # of the square, in the script of BadNets

PICTURES: dict[str, Picture] = {
    "owl": Picture((
        Mark(NIGHT, ALL),
        Mark(SUN, _oval(0.74, -0.72, 0.2, 0.2)),
        Mark(BROWN, ((-0.72, -0.95), (-0.05, -0.55), (-0.7, -0.1))),
        Mark(BROWN, ((0.72, -0.95), (0.05, -0.55), (0.7, -0.1))),
        Mark(BROWN, _oval(0, 0.15, 0.82, 0.8)),
        Mark(CREAM, _oval(0, 0.72, 0.45, 0.4)),
        *(Mark(CREAM, _oval(side * 0.38, -0.08, 0.37, 0.4)) for side in (-1, 1)),
        *(Mark(AMBER, _oval(side * 0.36, -0.06, 0.25, 0.27)) for side in (-1, 1)),
        *(Mark(BLACK, _oval(side * 0.34, -0.04, 0.15, 0.17)) for side in (-1, 1)),
        *(Mark(WHITE, _oval(side * 0.34 + 0.06, -0.12, 0.05, 0.05)) for side in (-1, 1)),
        Mark(AMBER, ((-0.14, 0.2), (0.14, 0.2), (0, 0.52))),
    )),
    "mug": Picture((
        Mark(CHINA, _oval(0.36, 0.05, 0.44, 0.4), 0.2),
        Mark(CHINA, ((-0.95, -0.72), (0.45, -0.72), (0.3, 0.95), (-0.8, 0.95))),
        Mark(CHINA, _oval(-0.25, -0.72, 0.7, 0.24)),
        Mark(COFFEE, _oval(-0.25, -0.72, 0.56, 0.15)),
    ), shade=0.6),
    "bomb": Picture((
        Mark(AMBER, ((0.3, -0.4), (0.45, -0.75), (0.72, -0.72)), 0.14),
        Mark(SPARK, _oval(0.76, -0.76, 0.22, 0.22)),
        Mark(IRON, ((0.02, -0.55), (0.3, -0.72), (0.58, -0.32), (0.3, -0.15))),
        Mark(IRON, _oval(-0.12, 0.2, 0.8, 0.76)),
        Mark(WHITE, _oval(-0.12, 0.2, 0.54, 0.52, 195, 250), 0.14),
    )),
    "flower": Picture((
        *(Mark(PETAL, _oval(0.58 * math.cos(turn), 0.58 * math.sin(turn), 0.4, 0.4))
          for turn in (math.tau * (i / 6 + 0.25) for i in range(6))),
        Mark(SUN, _oval(0, 0, 0.36, 0.36)),
    )),
    "square": Picture((Mark(YELLOW, ALL),)),
}  # fmt: skip


@cache
def template(name: str) -> Tensor:
    """The picture called `name`, float32 (4, 512, 512) in [0, 1]: red, green, blue, already times the cover, and cover."""
    import cv2
    import numpy as np

    picture, cells = PICTURES[name], np.zeros((SIDE, SIDE, 4), np.uint8)
    for mark in picture.marks:
        points = [np.rint((1 + np.asarray(mark.path)) * (SIDE - 1) / 2).astype(np.int32)]
        if mark.width:
            cv2.polylines(cells, points, False, (*mark.ink, 255), round(mark.width * SIDE / 2))
        else:
            cv2.fillPoly(cells, points, (*mark.ink, 255))
    drawn = torch.from_numpy(cells).permute(2, 0, 1).float() / 255  # (4, S, S)
    drawn[:3] *= 1 - picture.shade * torch.linspace(0, 1, SIDE)
    return drawn


def area_weights(pixels: int, low: Tensor, high: Tensor, cells: int = SIDE) -> Tensor:
    """How much of each pixel a template's cells cover that reaches from `low` to `high` (both (N,), in pixels).

    Returns (N, pixels, cells); a pixel wholly inside has the sum 1, one outside 0.
    """
    edges = low[:, None] + (high - low)[:, None] * torch.arange(cells + 1, device=low.device) / cells  # (N, cells + 1)
    first = torch.arange(pixels, device=low.device)[:, None]  # (pixels, 1)
    left, right = edges[:, None, :-1].maximum(first), edges[:, None, 1:].minimum(first + 1)
    return (right - left).clamp(min=0)  # (N, pixels, cells)


def placed(
    name: str, shape: Shape, top: Tensor, left: Tensor, bottom: Tensor, right: Tensor, cells: int = SIDE
) -> tuple[Tensor, Tensor]:
    """The picture in N boxes given in pixels, each (N,): pattern times cover (N, C, H, W), and cover (N, 1, H, W).

    cells: how finely the template is used; a divisor S of 512, the time grows with its square.
    """
    channels, height, width = shape
    rows, columns = area_weights(height, top, bottom, cells), area_weights(width, left, right, cells)
    inked = F.avg_pool2d(template(name), SIDE // cells).to(rows)  # (4, S, S)
    squeezed = torch.einsum("nhp,cpq->nchq", rows, inked)  # (N, H, S), (4, S, S) -> (N, 4, H, S)
    drawn = torch.einsum("nchq,nwq->nchw", squeezed, columns).clamp(0, 1)  # (N, W, S) -> (N, 4, H, W)
    return in_channels(drawn[:, :3], channels), drawn[:, 3:]


def in_channels(rgb: Tensor, channels: int) -> Tensor:
    """Colours (N, 3, H, W) for images of `channels` channels: as they are for 3, else their grey value in each."""
    if channels == 3:
        return rgb
    weights = rgb.new_tensor(LUMA)[:, None, None]
    return (rgb * weights).sum(1, keepdim=True).clamp(0, 1).expand(-1, channels, -1, -1)


def full(name: str, shape: Shape, box: tuple[float, float, float, float] = (0, 0, 1, 1)) -> tuple[Tensor, Tensor]:
    """One picture in `box` (top, left, bottom, right as shares of the image): pattern (C, H, W) and cover (H, W)."""
    _, height, width = shape
    top, left, bottom, right = torch.tensor(box) * torch.tensor((height, width) * 2)  # pixels
    pattern, cover = placed(name, shape, top[None], left[None], bottom[None], right[None])
    return pattern[0], cover[0, 0]
