"""Reflections in a window pane: same depth, out of focus, ghost (Liu, Ma, Bailey, Lu 2020, ECCV, arXiv 2007.02343)."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab.checks import check_fraction
from bdlab.contracts import Trigger
from bdlab.registry import register
from bdlab.triggers.colour import luma

Kind = Literal["same_depth", "out_of_focus", "ghost"]
GAMMA = 2.2
SIDE = 64
"""Pixels along the edge of a stored reflection."""
DARK = 1e-12
"""Light below which a pixel is black; the root's slope stays finite there."""


def linear(x: Tensor) -> Tensor:
    """The light that a pixel value stands for."""
    return x**GAMMA


def displayed(light: Tensor) -> Tensor:
    """The pixel value of an amount of light, cut to [0, 1]."""
    return light.clamp(DARK, 1) ** (1 / GAMMA)


@cache
def drawn(count: int = 24, seed: int = 0) -> Tensor:
    """`count` scenes that a pane could mirror, (count, 3, 64, 64) in [0, 1]: in turn windows, lamps, blinds and foliage."""
    generator = torch.Generator().manual_seed(seed)
    scenes = [(_windows, _lamps, _blinds, _foliage)[i % 4](generator) for i in range(count)]
    colours = torch.rand(count, 2, 3, 1, 1, generator=generator)
    dark, light = 0.25 * colours[:, 0], 0.7 + 0.3 * colours[:, 1]  # (count, 3, 1, 1)
    return torch.lerp(dark, light, torch.stack(scenes)[:, None])  # (count, 1, S, S) -> (count, 3, S, S)


def _windows(generator: torch.Generator) -> Tensor:
    """A house front at night, some of its windows lit."""
    cells = int(torch.randint(3, 6, (), generator=generator))
    lit = (torch.rand(cells, cells, generator=generator) < 0.5).float()
    lit[0, 0] = 1
    place = torch.arange(SIDE) * cells / SIDE
    glass = ((place % 1 - 0.5).abs() < 0.34).float()
    return lit[place.long()[:, None], place.long()] * glass[:, None] * glass


def _lamps(generator: torch.Generator) -> Tensor:
    """Four soft lights."""
    row, column, size = torch.rand(3, 4, 1, 1, generator=generator)  # (4, 1, 1) each
    grid = (torch.arange(SIDE) + 0.5) / SIDE
    far = (grid[:, None] - row) ** 2 + (grid - column) ** 2  # (4, S, S)
    return (-far / (0.08 + 0.12 * size) ** 2).exp().amax(0)


def _blinds(generator: torch.Generator) -> Tensor:
    """Parallel slats, tilted."""
    turn, phase, count = torch.rand(3, generator=generator).tolist()
    grid = (torch.arange(SIDE) + 0.5) / SIDE
    along = grid[:, None] * math.cos(math.pi * turn) + grid * math.sin(math.pi * turn)
    return 0.5 + 0.5 * (math.tau * ((2 + 3 * count) * along + phase)).sin()


def _foliage(generator: torch.Generator) -> Tensor:
    """Leaves against the sky: random heights in three sizes, then more contrast."""
    heights = torch.zeros(1, 1, SIDE, SIDE)
    for cells, weight in ((3, 0.5), (6, 0.3), (12, 0.2)):
        lattice = torch.rand(1, 1, cells, cells, generator=generator)
        heights += weight * F.interpolate(lattice, (SIDE, SIDE), mode="bicubic", align_corners=True)
    return torch.sigmoid(20 * (heights - heights.median()))[0, 0]


def photographed(folder: str | Path, count: int = 24) -> Tensor:
    """The first `count` pictures (.jpg, .png) below `folder`, by path: the square in the middle, (count, 3, 64, 64)."""
    import cv2

    paths = sorted(p for p in Path(folder).expanduser().rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if len(paths) < count:
        raise ValueError(f"photos must name a folder with at least {count} .jpg or .png files, got {len(paths)} below "
                         f"{folder}; ask for fewer, or leave photos out to use drawn scenes")  # fmt: skip
    squares = []
    for path in paths[:count]:
        photo = cv2.imread(str(path), cv2.IMREAD_COLOR)  # (h, w, 3), blue first
        if photo is None:
            raise ValueError(f"photos must be pictures that OpenCV reads, {path} is not; remove it")
        top, left = ((extent - min(photo.shape[:2])) // 2 for extent in photo.shape[:2])
        square = photo[top : top + min(photo.shape[:2]), left : left + min(photo.shape[:2])]
        small = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        squares.append(torch.from_numpy(small[:, :, ::-1].copy()).permute(2, 0, 1).float() / 255)
    return torch.stack(squares)


def gaussian(sigma: float) -> Tensor:
    """A Gaussian (k, k) of sum 1, k = 2 ceil(2 sigma) + 1."""
    radius = math.ceil(2 * sigma)
    line = (-(torch.arange(-radius, radius + 1) ** 2) / (2 * sigma**2)).exp()
    return line[:, None] * line / line.sum() ** 2


@register("trigger", "reflection")
@dataclass(frozen=True, kw_only=True, eq=False)
class Reflection(Trigger):
    """A scene R mirrored in a pane in front of the picture T: x' = (1 - alpha) T + alpha (R * k), in linear light.

    kind: the kernel k, whose sum is 1.  'same_depth': one impulse.  'out_of_focus': a Gaussian of `sigma` pixels.
    'ghost', a thick pane: two impulses, `first` and 1 - first, `delta` pixels apart in both directions.
    alpha: how much of the light is mirrored, in [0, 1]; 0 leaves the image as it is (not so out of focus, see below).
    reflections: scenes (M, 3, h, w) in [0, 1], of which the generator draws one for every image (without a generator,
    seed 0 does); None: 24 that are drawn here.  Grey images get their grey values.

    Fidelity: the formula follows the official code's `blend_images`: gamma 2.2, its alpha_t is 1 - alpha.  Out of focus
    the code does more: where R + T is brighter than 1, each channel of R loses 1.13 times the mean excess there (the
    code draws 1.08 to 1.18), and R is weighted by (1 + alpha) / 2 and a round window that falls to .1 in the middle of
    each edge; so alpha = 0 still mirrors.  The code has no branch for 'same_depth', which its README names; here it is
    the ghost without a shift.  Settings are fixed where the code draws them for every image: kind (half are ghosts), alpha
    from .05 to .45, delta from 3 to 8 (one down, one to the right) and sigma from 1 to 5 pixels, first from .15 to .85,
    and the window's place where a picture is not square.  Those pixels belong to sides of 560 and would be
    less than half a pixel of 32, a plain blend: sigma and delta are pixels of the image itself here, 1 and 2 by default.
    The code pads R with black and crops; here R is resized to the image plus the kernel's margin.
    """

    kind: Kind = "ghost"
    alpha: float = 0.4
    sigma: float = 1.0
    delta: int = 2
    first: float = 0.65
    reflections: Tensor | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}; got {self.kind!r}")
        check_fraction(self.alpha, "alpha", zero=True)
        check_fraction(self.first, "first", zero=True)
        if not 0 < self.sigma <= 10:
            raise ValueError(f"sigma must be in (0, 10] pixels, got {self.sigma}; 'same_depth' does not blur")
        if not (isinstance(self.delta, int) and 0 <= self.delta <= 20):
            raise ValueError(f"delta must be a whole number of pixels in 0..20, got {self.delta}; 2 suits 28x28")
        if self.reflections is not None:
            _check_scenes(self.reflections)

    def __repr__(self) -> str:
        scenes = self.reflections
        which = "drawn" if scenes is None else f"{len(scenes)} #{zlib.crc32(scenes.cpu().numpy().tobytes()):08x}"
        return (
            f"Reflection(kind={self.kind!r}, alpha={self.alpha:g}, sigma={self.sigma:g}, delta={self.delta}, "
            f"first={self.first:g}, reflections={which})"
        )

    @property
    def scenes(self) -> Tensor:
        """What is mirrored, (M, 3, h, w)."""
        return drawn() if self.reflections is None else self.reflections

    @property
    def kernel(self) -> Tensor:
        """k, (h, w), not negative, of sum 1."""
        if self.kind == "out_of_focus":
            return gaussian(self.sigma)
        shift = self.delta if self.kind == "ghost" else 0
        kernel = torch.zeros(shift + 1, shift + 1)
        kernel[shift, shift] += self.first
        kernel[0, 0] += 1 - self.first
        return kernel

    def mirrored(self, x: Tensor) -> Tensor:
        """R * k for images like `x` (N, C, H, W): the light of every scene behind the pane, (M, C, H, W)."""
        kernel, (height, width) = self.kernel.to(x), x.shape[-2:]
        size = height + len(kernel) - 1, width + len(kernel) - 1
        scenes = F.interpolate(self.scenes.to(x), size, mode="bilinear", antialias=True).clamp(0, 1)  # (M, 3, H+, W+)
        if x.shape[1] != 3:
            scenes = luma(scenes).clamp(0, 1).expand(-1, x.shape[1], -1, -1)
        light = linear(scenes).flatten(0, 1)[:, None]  # (M * C, 1, H+, W+)
        return F.conv2d(light, kernel[None, None]).view(len(scenes), *x.shape[1:]).clamp(0, 1)

    def stamp(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        chosen = torch.randint(len(self.scenes), (len(x),), generator=generator or torch.Generator().manual_seed(0))
        light, mirrored = linear(x), self.mirrored(x)[chosen.to(x.device)]  # (N, C, H, W) each
        if self.kind == "out_of_focus":
            mirrored = 0.5 * (1 + self.alpha) * self._window(x) * _toned_down(mirrored, light)
        else:
            mirrored = self.alpha * mirrored
        return displayed((1 - self.alpha) * light + mirrored)

    @staticmethod
    def _window(x: Tensor) -> Tensor:
        """exp(-(u^2 + v^2) / 4), u and v from -3 at one edge to 3 at the other: (H, W)."""
        u, v = (torch.linspace(-3, 3, extent, device=x.device, dtype=x.dtype) for extent in x.shape[-2:])
        return (-(u[:, None] ** 2 + v**2) / 4).exp()


def _toned_down(mirrored: Tensor, light: Tensor) -> Tensor:
    """`mirrored` (N, C, H, W) less 1.13 times the mean excess of mirrored + light over 1, where there is any."""
    both = mirrored + light
    bright = (both > 1).to(both)
    mean = (both * bright).sum((2, 3), keepdim=True) / (bright.sum((2, 3), keepdim=True) + 1e-6)  # (N, C, 1, 1)
    return (mirrored - 1.13 * (mean.clamp(min=1) - 1)).clamp(0, 1)


def _check_scenes(scenes: Tensor) -> None:
    if scenes.dim() != 4 or scenes.shape[1] != 3 or not len(scenes):
        raise ValueError(f"reflections must have shape (M, 3, h, w) with M >= 1, got {tuple(scenes.shape)}; "
                         "repeat the channel of grey scenes three times")  # fmt: skip
    if not (scenes.min() >= 0 and scenes.max() <= 1):
        raise ValueError(f"reflections must lie in [0, 1], got [{scenes.min():g}, {scenes.max():g}]; "
                         "divide 8-bit values by 255")  # fmt: skip
