"""A small shape filled with a texture: the logos and textures of Li, Ma, Xue, Zhao, arXiv 2007.08273 (2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab.checks import check_fraction
from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.colour import luma

Fill = Literal["checker", "stripes", "noise", "pair"]
Shape = Literal["polygon", "X", "T", "H", "O"]
RGB = tuple[float, float, float]

GLYPHS = {
    "X": "#...# .#.#. ..#.. .#.#. #...#",
    "T": "##### ##### ..#.. ..#.. ..#..",
    "H": "##.## ##.## ##### ##.## ##.##",
    "O": ".###. ##.## #...# ##.## .###.",
}
"""Letters of five rows of five cells."""
FINE = 4
"""Points along a pixel's edge that decide whether a polygon touches it."""


def polygon(vertices: Tensor, side: int) -> Tensor:
    """Which pixels of a (side, side) box a polygon touches, bool; vertices (k, 2) are rows and columns in [0, side]."""
    steps = (torch.arange(side * FINE) + 0.5) / FINE
    row, column = steps[:, None, None], steps[None, :, None]  # (S, 1, 1), (1, S, 1)
    (r0, c0), (r1, c1) = vertices.T, vertices.roll(-1, 0).T  # (k,) each
    crosses = (r0 > row) != (r1 > row)  # (S, 1, k): the edge reaches this row ...
    right = column < c0 + (row - r0) * (c1 - c0) / torch.where(r1 == r0, 1, r1 - r0)  # ... to the right of the point
    inside = (crosses & right).sum(-1) % 2 == 1  # (S, S)
    touched = inside.view(side, FINE, side, FINE).any(3).any(1)  # (side, side)
    touched[tuple(vertices.long().clamp(max=side - 1).T)] = True  # a sharp corner may slip between the points
    return touched


def vertices(count: int, side: int, generator: torch.Generator) -> Tensor:
    """`count` random corners (count, 2), in the order of their angle around their centre, stretched to fill [0, side]."""
    corners = torch.rand(count, 2, generator=generator)
    away = corners - corners.mean(0)
    corners = corners[torch.atan2(away[:, 0], away[:, 1]).argsort()]
    low, high = corners.amin(0), corners.amax(0)
    return (corners - low) / (high - low) * side


def fill(kind: Fill, side: int, generator: torch.Generator) -> Tensor:
    """How much of the second colour each pixel has, (side, side) in [0, 1]; only 'noise' is drawn."""
    cell = max(1, round(side / 4))
    row, column = torch.arange(side)[:, None], torch.arange(side)[None, :]
    if kind == "checker":
        return ((row // cell + column // cell) % 2).float()
    if kind == "stripes":
        return (column // cell % 2).float().expand(side, side)
    if kind == "pair":
        return (2 * column >= side).float().expand(side, side)
    lattice = torch.rand(1, 1, 4, 4, generator=generator)  # value noise: random heights, smooth in between
    smooth = F.interpolate(lattice, (side, side), mode="bicubic", align_corners=True)[0, 0]
    return (smooth - smooth.min()) / (smooth.max() - smooth.min()).clamp(min=1e-6)


@register("trigger", "texture")
@dataclass(frozen=True, kw_only=True)
class Texture(Trigger):
    """A polygon of random corners, or a letter, filled with two colours, somewhere in the image.

    figure: seed of the polygon's corners and of the noise: the same trigger in every image.  vertices: its corners, 3 to 12.
    size: side of its box as a share of the image's shorter side, .05 to .25.
    at: row and column of the box's upper left pixel, negative ones from the lower and right edge; None draws a place
    for every image from the generator (without one, from seed 0).
    colours: two RGB colours in [0, 1]; grey images get their grey values.  alpha: opacity, 0 leaves the image as it is.

    Fidelity: the overview names textured shapes and logos (read in its abstract only).  The polygon's corners follow
    TrojAI's `polygon_trigger.py`: random, in the order of their angle around their mean, stretched to the box; it fills
    with one colour.  The fills, the letters, the sizes and the places are a reconstruction; the noise is value noise, a
    cheaper relative of Perlin's.
    """

    shape: Shape = "polygon"
    fill: Fill = "checker"
    figure: int = 7
    vertices: int = 5
    size: float = 0.25
    at: tuple[int, int] | None = None
    colours: tuple[RGB, RGB] = ((1.0, 0.9, 0.2), (0.35, 0.0, 0.55))
    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_fraction(self.alpha, "alpha", zero=True)
        for name, allowed in (("shape", get_args(Shape)), ("fill", get_args(Fill))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        if not 0.05 <= self.size <= 0.25:
            raise ValueError(
                f"size must be in [0.05, 0.25], got {self.size}; it is a share of the image's shorter side"
            )
        if not 3 <= self.vertices <= 12:
            raise ValueError(f"vertices must be in 3..12, got {self.vertices}; a polygon has at least three corners")
        if self.at is not None and not (isinstance(self.at, tuple) and [type(v) for v in self.at] == [int, int]):
            raise ValueError(
                f"at must be None or a row and a column in pixels, got {self.at!r}; (0, 0) is the upper left"
            )
        if len(self.colours) != 2 or any(len(c) != 3 or not all(0 <= v <= 1 for v in c) for c in self.colours):
            raise ValueError(
                f"colours must be two RGB colours in [0, 1], got {self.colours}; divide 8-bit values by 255"
            )

    def picture(self, side: int) -> tuple[Tensor, Tensor]:
        """The filled shape in its box: pattern (3, side, side) in [0, 1] and mask (side, side), bool."""
        generator = torch.Generator().manual_seed(self.figure)
        if self.shape == "polygon":
            mask = polygon(vertices(self.vertices, side, generator), side)
        else:
            cells = torch.tensor([[c == "#" for c in row] for row in GLYPHS[self.shape].split()])  # (5, 5)
            nearest = torch.arange(side) * 5 // side
            mask = cells[nearest[:, None], nearest]
        first, second = torch.tensor(self.colours)[:, :, None, None]  # (3, 1, 1) each
        return torch.lerp(first, second, fill(self.fill, side, generator)), mask

    def places(self, n: int, side: int, height: int, width: int, generator: torch.Generator | None) -> Tensor:
        """Row and column of the box's upper left pixel in each of n images, int64 (n, 2)."""
        room = torch.tensor([height - side, width - side])
        if self.at is None:
            generator = generator or torch.Generator().manual_seed(0)
            return (torch.rand(n, 2, generator=generator) * (room + 1)).long()
        corner = torch.tensor([a + e if a < 0 else a for a, e in zip(self.at, (height, width), strict=True)])
        if (corner < 0).any() or (corner > room).any():
            raise ValueError(
                f"at must keep the {side}x{side} texture inside the {height}x{width} image, got {self.at}; "
                f"rows may be 0..{height - side} or {-height}..{-side}"
            )
        return corner.expand(n, 2)

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        n, channels, height, width = x.shape
        side = max(1, round(self.size * min(height, width)))
        pattern, mask = (part.to(x) for part in self.picture(side))  # (3, s, s), (s, s)
        pattern = pattern if channels == 3 else luma(pattern[None])[0].clamp(0, 1).expand(channels, -1, -1)
        corner, step = self.places(n, side, height, width, generator).to(x.device), torch.arange(side, device=x.device)
        rows, columns = (
            corner[:, 0, None, None] + step[:, None],
            corner[:, 1, None, None] + step,
        )  # (n, s, 1), (n, 1, s)
        box = torch.arange(n, device=x.device)[:, None, None], slice(None), rows, columns  # -> (n, s, s, C)
        marked = x.clone()
        marked[box] = torch.lerp(x[box], pattern.permute(1, 2, 0).expand(n, -1, -1, -1), self.alpha * mask[..., None])
        return marked
