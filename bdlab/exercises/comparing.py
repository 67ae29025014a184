"""Where two outcomes differ, in words that help: existence, type, dtype, shape, range, then the first value."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bdlab.submission import Ref

TOLERANCE = 1e-5
"""Absolute and relative, in float64."""
ARRAYS = (Tensor, np.ndarray)


def difference(got: Any, expected: Any, what: str = "the result") -> str | None:
    """The first thing in which `got` is not `expected`, as one sentence; None where they agree."""
    for find in (_thrown, _array, _several, _plain):
        applies, found = find(got, expected, what)
        if applies:
            return found
    raise TypeError(f"cannot compare {type(expected).__name__}")


Found = tuple[bool, str | None]
PASS: Found = (False, None)


def _thrown(got: Any, expected: Any, what: str) -> Found:
    theirs, ours = _raised(got), _raised(expected)
    if theirs is None and ours is None:
        return PASS
    if ours is None:
        return True, f"your code raised {theirs}"
    if theirs is None:
        return True, f"expected a {ours}, but nothing was raised"
    return True, None if theirs == ours else f"expected a {ours}, your code raised {theirs}"


def _raised(outcome: Any) -> str | None:
    return outcome["raised"] if isinstance(outcome, dict) and set(outcome) == {"raised"} else None


def _array(got: Any, expected: Any, what: str) -> Found:
    if not isinstance(expected, ARRAYS):
        return PASS
    if not isinstance(got, ARRAYS) or isinstance(got, Tensor) != isinstance(expected, Tensor):
        return True, f"{what} is {_kind(got)}, expected {_kind(expected)}{_forgotten(got, what)}"
    if got.dtype != expected.dtype:
        return True, f"{what} has dtype {_dtype(got)}, expected {_dtype(expected)}"
    if got.shape != expected.shape:
        return True, f"{what} has shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
    return True, _values(torch.as_tensor(got), torch.as_tensor(expected), what)


def _values(got: Tensor, expected: Tensor, what: str) -> str | None:
    close = got == expected  # whole numbers and inf exactly
    if expected.is_floating_point():
        close |= torch.isclose(got.double(), expected.double(), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    if close.all():
        return None
    inside = expected.is_floating_point() and expected.min() >= 0 and expected.max() <= 1
    if inside and (got.min() < 0 or got.max() > 1):  # nan is told of below
        return f"{what} goes from {got.min():.3g} to {got.max():.3g}; expected values lie in [0, 1]"
    at = (~close).nonzero()[0].tolist()
    where = f" at {at}" if at else ""
    wrong = int((~close).sum())
    return (
        f"{what} has{where} {_number(got[tuple(at)])}, expected {_number(expected[tuple(at)])}"
        f" ({wrong} of {close.numel()} values differ)"
    )


def _several(got: Any, expected: Any, what: str) -> Found:
    if isinstance(expected, dict):
        if not isinstance(got, dict) or set(got) != set(expected):
            return True, f"{what} is {_kind(got)}, expected {', '.join(expected)}"
        pairs = [(got[key], value, key) for key, value in expected.items()]
    elif isinstance(expected, list | tuple):
        if not isinstance(got, list | tuple):
            return True, f"{what} is {_kind(got)}, expected {len(expected)} values{_forgotten(got, what)}"
        if len(got) != len(expected):
            return True, f"{what} has {len(got)} values, expected {len(expected)}"
        pairs = [(a, b, f"{what}, number {i}") for i, (a, b) in enumerate(zip(got, expected, strict=True), 1)]
    else:
        return PASS
    return True, next(filter(None, (difference(*pair) for pair in pairs)), None)


def _plain(got: Any, expected: Any, what: str) -> Found:
    if isinstance(got, ARRAYS) and got.ndim == 0:
        got = got.item()
    if isinstance(expected, float) and type(got) in (int, float):
        near = math.isfinite(expected) and abs(got) < sys.float_info.max  # an int may be larger than any float
        agree = near and abs(got - expected) <= TOLERANCE * (1 + abs(expected))
        agree = agree or got == expected or (got != got and expected != expected)
        shown = _kind(got) if type(got) is int else f"{got:.6g}"
        return True, None if agree else f"{what} is {shown}, expected {expected:.6g}"
    if type(got) is type(expected):
        return True, None if got == expected else f"{what} is {_kind(got)}, expected {_kind(expected)}"
    return True, f"{what} is {_kind(got)}, expected {_kind(expected)}"


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return "a torch tensor"
    if isinstance(value, np.ndarray):
        return "a numpy array"
    if isinstance(value, Ref):
        return f"an object that is no value ({value.kind})"
    return (
        "None"
        if value is None
        else f"{value!r:.60}"
        if isinstance(value, bool | int | float | str)
        else (f"a {type(value).__name__}")
    )


def _forgotten(got: Any, what: str) -> str:
    return "; is a return missing?" if got is None and "result" in what else ""


def _dtype(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")


def _number(value: Tensor) -> str:
    return f"{value.item():.6g}" if value.is_floating_point() else str(value.item())
