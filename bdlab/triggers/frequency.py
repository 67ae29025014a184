"""Triggers seen as frequencies (Zeng, Park, Mao, Jia 2021, ICCV, arXiv 2104.03413).

Natural images hold little at high frequencies, and what most triggers add there shows in a two-dimensional cosine
transform.  In a spectrum (H, W) the mean sits at row 0, column 0; frequencies rise downwards and to the right.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bdlab.checks import check_images
from bdlab.contracts import Trigger


def spectrum(x: Tensor) -> Tensor:
    """Size of the orthonormal 2-D DCT-II of each channel of x (N, C, H, W): (N, C, H, W), on x's device."""
    from scipy.fft import dctn

    transformed = dctn(x.detach().cpu().numpy(), axes=(-2, -1), norm="ortho")
    return torch.from_numpy(transformed).abs().to(x)


def mean_spectra(trigger: Trigger, x: Tensor, *, seed: int = 0) -> dict[str, Tensor]:
    """Spectra to draw, each (H, W), the mean over images and channels of `x` (N, C, H, W).

    'clean': of the images.  'triggered': of the marked images.  'difference': of marked minus clean, which is the
    trigger alone.  `seed` feeds triggers that draw.  Draw them as log10(spectrum + 1e-3).
    """
    check_images(x)
    marked = trigger(x, torch.Generator().manual_seed(seed))
    views = {"clean": x, "triggered": marked, "difference": marked - x}
    return {name: spectrum(view).mean((0, 1)) for name, view in views.items()}


def above_antidiagonal(height: int, width: int) -> Tensor:
    """Which cells of a spectrum are high: strictly beyond the diagonal from lower left to upper right, bool (H, W)."""
    rows, columns = 2 * torch.arange(height) + 1, 2 * torch.arange(width) + 1  # centres of cells, in half cells
    return rows[:, None] * width + columns * height > 2 * height * width


def high_frequency(x: Tensor) -> Tensor:
    """Mean size of the high cells, those above the anti-diagonal, for each image of x (N, C, H, W): (N,)."""
    return spectrum(x)[..., above_antidiagonal(*x.shape[-2:])].mean((1, 2))
