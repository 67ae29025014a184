"""Things that a person could hold into the picture: physical objects of Li, Ma, Xue, Zhao, arXiv 2007.08273 (2020)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab.checks import check_fraction
from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.colour import colour, luma

FINE = 8
"""Points along a pixel's edge over which a drawing is averaged."""
Ink = tuple[Tensor, str]
"""Where (H, W), bool, and in which colour."""


def _post_it(u: Tensor, v: Tensor) -> list[Ink]:
    """RGB (255, 221, 64), the lower right corner bent into the shade."""
    return [((u.abs() <= 1) & (v.abs() <= 1), "#ffdd40"), (u + v > 1.5, "#c4a82c")]


def _glasses(u: Tensor, v: Tensor) -> list[Ink]:
    """Two dark lenses under one bar."""
    lens = ((u.abs() - 0.52).abs() ** 3 + (1.3 * v.abs()) ** 3) ** (1 / 3) < 0.46
    bar = (u.abs() <= 1) & ((v + 0.25).abs() < 0.12)
    glint = ((u.abs() - 0.52 + v).abs() < 0.06) & lens
    return [(lens | bar, "#1a1a20"), (glint, "#8c96aa")]


def _star(u: Tensor, v: Tensor) -> list[Ink]:
    """A red star of five points on a white disc."""
    radius, turn = (u**2 + v**2).sqrt(), (torch.atan2(u, -v) / math.tau * 5) % 1
    spoke = 0.36 + 0.54 * (2 * (turn - 0.5).abs()) ** 1.5
    return [(radius <= 1, "#f5f5f0"), (radius < spoke, "#d22030")]


OBJECTS: dict[str, Callable[[Tensor, Tensor], list[Ink]]] = {"post_it": _post_it, "glasses": _glasses, "star": _star}


def drawing(name: str, side: int) -> Tensor:
    """The object in a box: (4, side, side) in [0, 1], red, green, blue, each times the cover, and the cover."""
    steps = (torch.arange(side * FINE) + 0.5) / (side * FINE) * 2 - 1
    u, v = steps[None, :].expand(len(steps), -1), steps[:, None].expand(-1, len(steps))  # right and down, in [-1, 1]
    cells = torch.zeros(4, side * FINE, side * FINE)
    for where, code in OBJECTS[name](u, v):
        ink = torch.cat((colour(code, cells), torch.ones(1, 1, 1)))  # (4, 1, 1)
        cells = torch.where(where, ink, cells)
    return F.avg_pool2d(cells, FINE)  # (4, side, side)


def _two_shares(at: object) -> bool:
    return isinstance(at, tuple) and len(at) == 2 and all(isinstance(v, int | float) and 0 <= v <= 1 for v in at)


@register("trigger", "sprite")
@dataclass(frozen=True, kw_only=True)
class Sprite(Trigger):
    """A yellow post-it, dark glasses or a star, held a little differently into every picture.

    size: side of its box as a share of the image's shorter side, in (0, 1].
    at: its middle as shares of height and width; None draws a place for every image, inside the image as far as it fits.
    scale, brightness, perspective: how far size, light and the two vanishing terms vary, as shares, up and down.  rotation:
    likewise in degrees.  All are drawn evenly from the generator (without one, from seed 0); 0 keeps them.
    alpha: opacity, 0 leaves the image as it is.  Grey images get grey values; the glasses hardly show on black ground.

    Fidelity: the overview names objects (read in its abstract only); the objects here are drawings.  That poses vary in
    training is what BackdoorBox's `PhysicalBA` does; the ranges (scale .8 to 1.2, 15 degrees, brightness 20 %,
    perspective .1) and the objects are a reconstruction.
    """

    name: Literal["post_it", "glasses", "star"] = "post_it"
    size: float = 0.25
    at: tuple[float, float] | None = (0.75, 0.75)
    scale: float = 0.2
    rotation: float = 15.0
    brightness: float = 0.2
    perspective: float = 0.1
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in OBJECTS:
            raise ValueError(f"name must be one of {', '.join(OBJECTS)}; got {self.name!r}")
        check_fraction(self.size, "size")
        check_fraction(self.alpha, "alpha", zero=True)
        check_fraction(self.brightness, "brightness", zero=True)
        for name, most in (("scale", 0.9), ("rotation", 180), ("perspective", 0.4)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(
                    f"{name} must be in [0, {most}], got {getattr(self, name)}; 0 keeps the object as it is"
                )
        if self.at is not None and not _two_shares(self.at):
            raise ValueError(f"at must be None or two shares in [0, 1], got {self.at!r}; (0.5, 0.5) is the middle")

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        draws = torch.rand(len(x), 7, generator=generator or torch.Generator().manual_seed(0)).to(x)  # (N, 7)
        marked = [self._held(part, row) for part, row in zip(x.split(256), draws.split(256), strict=True)]
        return torch.cat(marked)

    def _held(self, x: Tensor, draws: Tensor) -> Tensor:
        """`x` (n, C, H, W) with the object in front, posed by `draws` (n, 7) in [0, 1)."""
        side = max(2, round(self.size * min(x.shape[-2:])))
        canvas = drawing(self.name, side).to(x).expand(len(x), -1, -1, -1)  # (n, 4, side, side)
        view = F.grid_sample(
            canvas, self._grid(draws, x.shape[-2], x.shape[-1], side), align_corners=False
        )  # (n, 4, H, W)
        light = 1 + self.brightness * (2 * draws[:, 2, None, None, None] - 1)
        cover, paint = view[:, 3:], view[:, :3] * light
        paint = paint.minimum(cover)  # a colour times its cover: no brighter than white
        paint = paint if x.shape[1] == 3 else luma(paint).expand(-1, x.shape[1], -1, -1)
        return (x * (1 - self.alpha * cover) + self.alpha * paint).clamp(0, 1)

    def _grid(self, draws: Tensor, height: int, width: int, side: int) -> Tensor:
        """Where in the object's box, [-1, 1] x [-1, 1], each pixel of each image looks: (n, H, W, 2), right and down."""
        jitter = 2 * draws - 1
        half = side / 2 * (1 + self.scale * jitter[:, 0, None, None])  # (n, 1, 1)
        angle = math.radians(self.rotation) * jitter[:, 1, None, None]
        middle = self._middles(draws[:, 5:], height, width, side)  # (n, 2)
        down = (torch.arange(height, device=draws.device)[:, None] + 0.5 - middle[:, 0, None, None]) / half  # (n, H, 1)
        right = (torch.arange(width, device=draws.device) + 0.5 - middle[:, 1, None, None]) / half  # (n, 1, W)
        u, v = right * angle.cos() + down * angle.sin(), down * angle.cos() - right * angle.sin()  # (n, H, W)
        far = 1 + self.perspective * (jitter[:, 3, None, None] * u + jitter[:, 4, None, None] * v)
        # nothing at or behind the horizon (far <= 0) is in the box: there |u| or |v| > |far|, as perspective < 1/2
        return torch.stack((u, v), -1) / far.clamp(min=1e-3)[..., None]

    def _middles(self, draws: Tensor, height: int, width: int, side: int) -> Tensor:
        """The object's middle in pixels (n, 2), for `draws` (n, 2) in [0, 1)."""
        extent = draws.new_tensor([height, width])
        if self.at is not None:
            return (draws.new_tensor(self.at) * extent).expand_as(draws)
        angle = math.radians(min(self.rotation, 45))
        reach = (side + 1) / 2 * (1 + self.scale) * (math.cos(angle) + math.sin(angle)) / (1 - 2 * self.perspective)
        margin = (extent / 2).clamp(max=reach)
        return margin + draws * (extent - 2 * margin)
