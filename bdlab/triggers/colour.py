"""What photo filters are made of: functions of pictures (N, 3, H, W) in [0, 1], differentiable, the range kept.

Only to rounding: who hands a picture on clips it, once, since a clip lets no gradient through at 0 and 1.
Each stands for ImageMagick's operator of the same purpose; `bdlab.triggers.filters` says where they differ.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey value (ITU-R BT.601)."""
TINY = 1e-6
"""Below every difference of two 8-bit values: keeps a quotient finite where its numerator is 0 as well."""


def luma(x: Tensor) -> Tensor:
    """The grey values (N, 1, H, W) of a picture."""
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def colour(code: str, like: Tensor) -> Tensor:
    """'#rrggbb' as (3, 1, 1) in [0, 1], with the type and device of `like`."""
    return like.new_tensor(list(bytes.fromhex(code[1:])))[:, None, None] / 255


def modulate(x: Tensor, lightness: float, saturation: float) -> Tensor:
    """Lightness and saturation of HSL times a factor each, both cut at 1; the hue stays.

    With the hue kept, a channel's distance from the lightness scales as the room that HSL leaves for it does, so no hue
    is computed: new = L' + (x - L) S'/S room(L')/room(L), where room(L) = 1 - |2 L - 1|.
    """
    high, low = x.amax(1, keepdim=True), x.amin(1, keepdim=True)  # (N, 1, H, W)
    old = (high + low) / 2
    new = (lightness * old).clamp(max=1)
    room, left = (1 - (2 * level - 1).abs() for level in (old, new))
    scale = torch.minimum(saturation * left / room.clamp(min=TINY), left / (high - low).clamp(min=TINY))  # S' <= 1
    return new + (x - old) * scale


def blend(x: Tensor, code: str, alpha: float) -> Tensor:
    """The picture under a sheet of one colour of opacity `alpha`."""
    return torch.lerp(x, colour(code, x).expand_as(x), alpha)


def gamma(x: Tensor, value: float | Tensor) -> Tensor:
    """x ** (1 / value), the slope at black set to 0, where it may be infinite."""
    lit = x > 0
    return torch.where(lit, torch.where(lit, x, 1.0) ** (1 / value), 0.0)


def auto_gamma(x: Tensor) -> Tensor:
    """The gamma that would bring an image's mean, here kept in [.02, .98], to one half: one value an image."""
    mean = x.mean((1, 2, 3), keepdim=True).clamp(0.02, 0.98)  # (N, 1, 1, 1)
    return gamma(x, mean.log() / math.log(0.5))


def sigmoid(x: Tensor, strength: float = 3.0, middle: float = 0.5) -> Tensor:
    """More contrast around `middle`: the logistic curve, stretched so that 0 and 1 stay."""
    curve = torch.sigmoid(strength * (torch.cat((x.new_tensor([0.0, 1.0]), x.flatten())) - middle))
    return ((curve[2:] - curve[0]) / (curve[1] - curve[0])).view_as(x)


def levels(x: Tensor, black: float, white: float, channels: tuple[int, ...]) -> Tensor:
    """In `channels`, stretch [black, white] to [0, 1] and cut what lies outside."""
    stretched = ((x - black) / (white - black)).clamp(0, 1)
    chosen = torch.tensor([c in channels for c in range(3)], device=x.device)[:, None, None]
    return torch.where(chosen, stretched, x)


def tone(x: Tensor, code: str, weight: float, *, dark: bool) -> Tensor:
    """Colour the shadows (`dark`) or the lights, each pixel by its share of them times `weight`."""
    share = 1 - luma(x) if dark else luma(x)  # (N, 1, H, W)
    return x + share * weight * (colour(code, x) - x)


def vignette(x: Tensor, centre: str, edge: str) -> Tensor:
    """Times a round gradient, `centre` in the middle, `edge` at 1.5 of the half longer side; '#ffffff' changes nothing."""
    height, width = x.shape[-2:]
    rows, columns = (torch.arange(n, device=x.device) + 0.5 - n / 2 for n in (height, width))
    far = (rows[:, None] ** 2 + columns**2).sqrt() / (1.5 * max(height, width) / 2)  # (H, W)
    return x * torch.lerp(colour(centre, x), colour(edge, x), far.clamp(max=1).to(x))  # (3, 1, 1) -> (3, H, W)
