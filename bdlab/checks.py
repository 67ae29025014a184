"""What the nouns of the house ask of images and settings; every error names argument, value, what is allowed, what to do."""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

WORDS = {
    int: "a whole number", float: "a number", bool: "True or False", str: "a text", bytes: "bytes", Tensor: "a torch tensor"
}  # fmt: skip


def check_tensor(x: object, name: str) -> None:
    """Raise a `TypeError` unless `x` is a torch tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {type(x).__module__}.{type(x).__name__}; "
                        f"torch.as_tensor({name}) makes one")  # fmt: skip


def check_images(x: Tensor, name: str = "x") -> None:
    """Raise a `TypeError` or a `ValueError` unless `x` is a float32 tensor `(N, C, H, W)` in [0, 1]."""
    check_tensor(x, name)
    if x.dim() != 4:
        raise ValueError(
            f"{name} must have shape (N, C, H, W), got {tuple(x.shape)}; add the missing axis, as in x[None]"
        )
    if x.dtype != torch.float32:
        raise ValueError(f"{name} must be float32 in [0, 1], got {x.dtype}; for 8-bit images use x.float() / 255")
    if x.numel():
        low, high = (bound.item() for bound in x.detach().aminmax())
        if not (low >= 0 and high <= 1):  # also catches NaN
            raise ValueError(
                f"{name} must lie in [0, 1], got [{low:g}, {high:g}]; normalisation belongs into the model"
            )


def check_whole(y: Tensor, n: int, name: str) -> None:
    """Raise a `TypeError` or a `ValueError` unless `y` is an int64 tensor (n,)."""
    check_tensor(y, name)
    if y.dtype != torch.int64:
        raise ValueError(f"{name} must be int64, got {y.dtype}; {name}.long() makes it so")
    if y.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), one for each image, got {tuple(y.shape)}; do images and labels "
                         "come from the same file?")  # fmt: skip


def check_fraction(value: float, name: str, *, zero: bool = False) -> None:
    """Raise a `ValueError` unless `value` is a share in (0, 1], or in [0, 1] where `zero` is allowed."""
    if not (0 <= value <= 1) or (value == 0 and not zero):
        raise ValueError(f"{name} must be in {'[' if zero else '('}0, 1], got {value}; it is a share, not a percentage")


def check_positive(settings: object, *names: str) -> None:
    """Raise a `ValueError` unless these fields of `settings` are above zero."""
    for name in names:
        if not getattr(settings, name) > 0:
            raise ValueError(f"{name} must be positive, got {getattr(settings, name)!r}; see {type(settings).__name__}'s "
                             "defaults")  # fmt: skip


class Checked:
    """A dataclass whose settings are checked against their annotations when it is made, before its own `__post_init__`."""

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        own: Callable[[Any], None] | None = cls.__dict__.get("__post_init__")
        if own is not None:

            @functools.wraps(own)
            def checked(self: Any) -> None:
                check_settings(self)
                own(self)

            cls.__post_init__ = checked  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        check_settings(self)


def check_settings(settings: Any) -> None:
    """Raise a `ValueError` unless every field of the dataclass holds what its annotation says."""
    for name, kind in get_type_hints(type(settings)).items():
        if name in getattr(settings, "__dataclass_fields__", ()) and hasattr(settings, name):
            value = getattr(settings, name)
            if not _fits(value, kind):
                raise ValueError(f"{name} must be {_words(kind)}, got {value!r}; see {type(settings).__name__}'s defaults")


def _fits(value: Any, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is tuple and isinstance(value, tuple):
        inside = parts[:1] * len(value) if Ellipsis in parts else parts
        return len(value) == len(inside) and all(map(_fits, value, inside))
    if kind in (int, float):
        number = "__index__" if kind is int else "__float__"
        return hasattr(value, number) and not isinstance(value, bool | str | Tensor)
    if origin is Literal or kind is Any or not isinstance(origin or kind, type):
        return True  # the words of a Literal are checked where they are listed
    if origin is Callable:
        return callable(value)
    return isinstance(value, origin or kind)


def _words(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_words, parts))
    if origin is tuple:
        return f"a tuple ({', '.join('...' if part is Ellipsis else _words(part) for part in parts)})"
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is not None:
        return "a function of labels such as all_to_one(0)"
    return WORDS.get(kind) or ("None" if kind is type(None) else f"a {getattr(kind, '__name__', kind)}")


def digest(*tensors: Tensor) -> str:
    """Eight hexadecimal digits that tell tensors of different shape or content apart, for a `repr`."""
    known = hashlib.sha256()
    for tensor in tensors:
        known.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        known.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return known.hexdigest()[:8]
