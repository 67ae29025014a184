"""Running any module as a classifier: what goes in, what must come out, and copies of modules that deepcopy refuses.

A model may work in place, hold half or double numbers, or answer with something else than logits (N, K).  Whoever runs a
model for its logits calls `answer`, whoever runs a part of one hands it `feed`.
"""

from __future__ import annotations

import copy
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn

from bdlab.checks import check_whole
from bdlab.contracts import Split
from bdlab.nets import device_of, evaluating

HALVES = (torch.float16, torch.bfloat16)
M = TypeVar("M", bound=nn.Module)


def dtype_of(model: nn.Module) -> torch.dtype:
    """The type of the model's numbers: that of its first floating parameter or buffer, float32 where it has none."""
    kinds = (tensor.dtype for tensor in chain(model.parameters(), model.buffers()) if tensor.is_floating_point())
    return next(kinds, torch.float32)


def feed(model: nn.Module, x: Tensor) -> Tensor:
    """Images as `model` takes them: a copy, since a first layer may work in place, on its device and in its type."""
    return x.to(device_of(model), dtype_of(model), copy=True)


def answer(model: nn.Module, x: Tensor) -> Tensor:
    """The logits (N, K) of images (N, C, H, W), on the model's device; those of half precision become float32.

    Raises: `TypeError` for anything but a tensor; `ValueError` for another shape than (N, K) or (N, K, 1, ...), K >= 2.
    """
    return as_logits(model(feed(model, x)), len(x))


def as_logits(out: object, n: int) -> Tensor:
    """What a model put out for `n` images as logits (n, K), see `answer`."""
    if not isinstance(out, Tensor):
        raise TypeError(f"model must return logits, a tensor (N, K), got {type(out).__name__}; wrap it in a module whose "
                        "forward returns that tensor alone")  # fmt: skip
    if out.dim() < 2 or len(out) != n or any(side != 1 for side in out.shape[2:]):
        raise ValueError(f"model must return logits (N, K), here N = {n}, got shape {tuple(out.shape)}; wrap it in a "
                         "module whose forward returns them so")  # fmt: skip
    if out.shape[1] < 2:
        raise ValueError("model must return a logit for each of at least two classes, got 1; of one logit z for two "
                         "classes make torch.cat((0 * z, z), 1)")  # fmt: skip
    out = out.reshape(n, out.shape[1])  # (N, K, 1, 1) -> (N, K)
    return out.float() if out.dtype in HALVES else out


def check_classes(model: nn.Module, split: Split, *, exactly: bool = False, name: str = "split") -> None:
    """Raise a `ValueError` unless the model has a logit for every class of `split`, and no other where `exactly`."""
    with evaluating(model):
        found = answer(model, split.x[:1]).shape[1]
    if found < split.classes or (exactly and found != split.classes):
        raise ValueError(f"{name} must have {'' if exactly else 'at most '}the model's {found} classes, got {split}; give "
                         f"it images of its own data, or build a net of {split.classes} classes")  # fmt: skip


def check_labels(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Raise a `ValueError` unless y holds int64 classes of the model, (N,), one for each of images x (N, C, H, W)."""
    check_whole(y, len(x), "y")
    with evaluating(model):
        found = answer(model, x[:1]).shape[1] if len(x) else 0
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < found:
        raise ValueError(f"y must be in 0..{found - 1}, the model's classes, got {int(y.min())}..{int(y.max())}")


def agree(found: Tensor, whole: Tensor) -> bool:
    """Whether a shortcut's logits are those of the whole model, up to rounding (NaN where NaN is)."""
    top = float(whole.abs().nan_to_num(0, 0, 0).max())
    return torch.allclose(found, whole, rtol=1e-3, atol=1e-3 * top, equal_nan=True)


def copied(model: M) -> M:
    """A deep copy, also of models whose weights are computed anew in each pass (weight_norm, torch.nn.utils.prune)."""
    computed = [t for module in model.modules() for t in vars(module).values() if isinstance(t, Tensor)]
    return copy.deepcopy(model, {id(t): t.detach().clone() for t in computed})


def frozen(model: M) -> M:
    """A copy of `model` in eval mode without weight gradients, to differentiate through; in float32 where it was half."""
    net = copied(model).eval().requires_grad_(False)
    return net.float() if dtype_of(net) in HALVES else net


def check_trainable(model: nn.Module) -> None:
    """Raise a `ValueError` for a model in half precision, whose steps would round to nothing."""
    if dtype_of(model) in HALVES:
        raise ValueError(f"model must be float32 or float64 to be trained, got {dtype_of(model)}; call model.float()")


def hooked(part: nn.Module) -> bool:
    """Whether something runs before or behind `part` that its class does not tell."""
    return bool(part._forward_hooks or part._forward_pre_hooks) or "forward" in vars(part)
