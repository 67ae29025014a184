"""Squeezers: an image is made coarser, so that few images remain to choose from (Xu, Evans, Qi, NDSS 2018)."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab.checks import Checked, check_images


class Squeezer(Checked, ABC):
    """A pure function of images.  Subclasses are frozen keyword-only dataclasses that implement `squeeze`."""

    def __call__(self, x: Tensor) -> Tensor:
        """Coarser copies of `x` (N, C, H, W) in [0, 1]: same shape, same range, on the same device."""
        check_images(x)
        return self.squeeze(x)

    @abstractmethod
    def squeeze(self, x: Tensor) -> Tensor:
        """The squeezing itself, of images that were checked."""

    @property
    @abstractmethod
    def name(self) -> str:
        """As the study writes it: 1-bit, 2x2, 13-3-2."""


@dataclass(frozen=True, kw_only=True)
class BitDepth(Squeezer):
    """round(x (2^b - 1)) / (2^b - 1), halves to the even side: each value gets `bits` bits; of one bit, .5 gives 0."""

    bits: int = 1

    def __post_init__(self) -> None:
        if not (isinstance(self.bits, int) and 1 <= self.bits <= 8):
            raise ValueError(f"bits must be a whole number in 1..8, got {self.bits}; 8-bit images have eight")

    def squeeze(self, x: Tensor) -> Tensor:
        top = 2**self.bits - 1
        return (x * top).round() / top

    @property
    def name(self) -> str:
        return f"{self.bits}-bit"


@dataclass(frozen=True, kw_only=True)
class Median(Squeezer):
    """The median of a size x size window, channel by channel, as `scipy.ndimage.median_filter(mode="reflect")` takes it.

    Beyond the border the outermost pixel is repeated.  Of an even window the pixel in question is the lower right one,
    and the median is the upper one of the two in the middle: `torch.median`, kornia and ART take the lower one.
    """

    size: int = 2

    def __post_init__(self) -> None:
        if self.size not in (2, 3):
            raise ValueError(f"size must be 2 or 3, the windows of the study, got {self.size}")

    def squeeze(self, x: Tensor) -> Tensor:
        k = self.size
        after = (k - 1) // 2
        padded = F.pad(x, (k // 2, after, k // 2, after), mode="replicate")  # (N, C, H + k - 1, W + k - 1)
        windows = torch.stack([padded[..., i : i + x.shape[2], j : j + x.shape[3]] for i in range(k) for j in range(k)])
        return windows.sort(0).values[k * k // 2]  # (k * k, N, C, H, W) -> (N, C, H, W)

    @property
    def name(self) -> str:
        return f"{self.size}x{self.size}"


@dataclass(frozen=True, kw_only=True)
class NonLocalMeans(Squeezer):
    """Each pixel becomes the mean of those whose surroundings look like its own, by OpenCV, on 8-bit images.

    search: side of the window that they come from.  patch: side of the surroundings.  strength: how different they may be,
    in grey levels of 255; in colour the same for luminance and colour.  The study writes search-patch-strength.

    Fidelity: OpenCV takes an image of three channels for BGR.  Ours are RGB and are turned round before and after; the
    authors hand over RGB as it is.
    """

    search: int = 13
    patch: int = 3
    strength: float = 2

    def __post_init__(self) -> None:
        for field, side in (("search", self.search), ("patch", self.patch)):
            if not (isinstance(side, int) and side > 0 and side % 2):
                raise ValueError(f"{field} must be an odd number of pixels, got {side}; the study has 11 or 13, and 3")
        if not self.strength > 0:
            raise ValueError(f"strength must be positive, got {self.strength}; the study has 2 and 4")

    def squeeze(self, x: Tensor) -> Tensor:
        import cv2
        import numpy as np

        if x.shape[1] not in (1, 3):
            raise ValueError(
                f"x must have 1 or 3 channels for non-local means, got {x.shape[1]}; leave this squeezer out"
            )
        h, window = float(self.strength), {"templateWindowSize": self.patch, "searchWindowSize": self.search}
        levels = (x * 255).round().byte().flip(1).permute(0, 2, 3, 1).cpu().numpy()  # (N, H, W, C), BGR
        out = np.empty_like(levels)
        for i, image in enumerate(np.ascontiguousarray(levels)):
            if x.shape[1] == 3:
                out[i] = cv2.fastNlMeansDenoisingColored(image, None, h=h, hColor=h, **window)
            else:
                out[i, ..., 0] = cv2.fastNlMeansDenoising(image[..., 0], None, h=h, **window)
        return torch.from_numpy(out).permute(0, 3, 1, 2).flip(1).to(x.device) / 255  # float32

    @property
    def name(self) -> str:
        return f"{self.search}-{self.patch}-{self.strength:g}"


NOTATION = (
    (r"(\d+)-bit", lambda bits: BitDepth(bits=bits)),
    (r"(\d+)x(?:\1)", lambda size: Median(size=size)),
    (
        r"(\d+)-(\d+)-(\d+)",
        lambda search, patch, strength: NonLocalMeans(search=search, patch=patch, strength=strength),
    ),
)


def parse(text: str) -> tuple[Squeezer, ...]:
    """Squeezers in the study's notation, comma between: '1-bit, 2x2, 13-3-2'."""
    return tuple(_parsed(part.strip()) for part in text.split(","))


def _parsed(part: str) -> Squeezer:
    for pattern, make in NOTATION:
        found = re.fullmatch(pattern, part)
        if found:
            return make(*map(int, found.groups()))
    raise ValueError(f"squeezers must look like 1-bit, 2x2 (median) or 13-3-2 (non-local means), got {part!r}")
