"""Where a crafted trigger may live: the square and the watermark of the Trojaning attack, as masks.

Liu, Ma, Aafer, Lee, Zhai, Wang, Zhang, 'Trojaning Attack on Neural Networks', NDSS 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bdlab.checks import check_fraction

MARGIN = 0.05
"""Distance of the square from the lower and the right edge, as a share of the side: 1 pixel of 28, 2 of 32."""
RADIUS, STROKE = 0.22, 0.055
"""Radius and width of the watermark's ring, as shares of the image's shorter side."""


def square(height: int, width: int, share: float = 0.08) -> Tensor:
    """A square near the lower right corner that covers about `share` of the image: float (H, W), 0 or 1.

    The default is 8x8 in rows and columns 19-26 of 28x28, and 9x9 in rows and columns 21-29 of 32x32.
    """
    check_fraction(share, "share")
    side = round((share * height * width) ** 0.5)
    bottom, right = height - round(MARGIN * height), width - round(MARGIN * width)
    if not 0 < side <= min(bottom, right):
        raise ValueError(
            f"share must give a square of 1 to {min(bottom, right)} pixels a side in {height}x{width} images, "
            f"got {share} = {side}; choose another share"
        )
    mask = torch.zeros(height, width)
    mask[bottom - side : bottom, right - side : right] = 1
    return mask


def watermark(height: int, width: int) -> Tensor:
    """A thin stroke from the lower left to the upper right corner and a ring in the middle: float (H, W), 0 or 1.

    Reconstruction: the paper's own was not seen.  Stroke and ring are as in the Troj-WM that Zeng et al. (ICCV 2021)
    released, which has 321 pixels of 32x32; ours covers about a tenth of the image.
    """
    row, column = torch.arange(height)[:, None] + 0.5, torch.arange(width)[None] + 0.5
    stroke = (row / height + column / width - 1).abs() * min(height, width) < 0.75  # (H, W)
    side = min(height, width)
    distance = torch.hypot(row - height / 2, column - width / 2)  # (H, W)
    ring = (distance - RADIUS * side).abs() <= STROKE * side / 2
    return (stroke | ring).float()
