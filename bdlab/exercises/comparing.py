"""Where two outcomes differ, in words that help: existence, type, dtype, shape, range, then the first value."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bdlab.submission import Ref

TOLERANCE = 1e-5
"""Relative, and absolute beside the largest value that is expected; in float64."""
SMALLEST = 1e-8
"""What is as good as zero."""
ARRAYS = (Tensor, np.ndarray)
OTHER = "an object that is no value"


def difference(
    got: Any, expected: Any, what: str = "the result", *, tolerance: float = TOLERANCE,
    bounds: tuple[float, float] | None = None,
) -> str | None:  # fmt: skip
    """The first thing in which `got` is not `expected`, as one sentence; None where they agree.

    bounds: the range of right values, which is told where a value lies outside of it.
    """
    return _Comparison(tolerance, bounds).of(got, expected, what)


@dataclass(frozen=True)
class _Comparison:
    tolerance: float
    bounds: tuple[float, float] | None

    def of(self, got: Any, expected: Any, what: str) -> str | None:
        if isinstance(expected, np.generic):
            expected = expected.item()
        if _raised(got) is not None or _raised(expected) is not None:
            return _thrown(_raised(got), _raised(expected))
        if isinstance(expected, ARRAYS):
            return self._array(got, expected, what)
        if isinstance(expected, dict):
            return self._dict(got, expected, what)
        if isinstance(expected, list | tuple):
            return self._sequence(got, expected, what)
        return self._plain(got, expected, what)

    def _array(self, got: Any, expected: Any, what: str) -> str | None:
        if not isinstance(got, ARRAYS) or isinstance(got, Tensor) != isinstance(expected, Tensor):
            return _another_kind(got, expected, what)
        if expected.ndim == got.ndim == 1 and len(expected) == len(got) == 0:
            return None  # an empty list gives float32: no fault of its own
        if got.dtype != expected.dtype:
            return f"{what} has dtype {_dtype(got)}, expected {_dtype(expected)}"
        if got.shape != expected.shape:
            return f"{what} has shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
        return self._values(torch.as_tensor(got), torch.as_tensor(expected), what)

    def _values(self, got: Tensor, expected: Tensor, what: str) -> str | None:
        close = got == expected  # whole numbers and inf exactly
        if expected.is_floating_point():
            largest = expected[expected.isfinite()].abs().max().item() if expected.isfinite().any() else 0.0
            near = torch.isclose(
                got.double(), expected.double(), rtol=self.tolerance, atol=self._absolute(largest), equal_nan=True
            )
            close |= near
        if close.all():
            return None
        low, high = self.bounds or (-math.inf, math.inf)
        if expected.is_floating_point() and (got.min() < low or got.max() > high):  # nan is told of below
            return f"{what} goes from {got.min():.3g} to {got.max():.3g}; right values lie in [{low:g}, {high:g}]"
        at = (~close).nonzero()[0].tolist()
        where = f" at {at}" if at else ""
        wrong = int((~close).sum())
        return (
            f"{what} has{where} {_number(got[tuple(at)])}, expected {_number(expected[tuple(at)])}"
            f" ({wrong} of {close.numel()} values differ)"
        )

    def _absolute(self, largest: float) -> float:
        return max(SMALLEST, self.tolerance * min(1.0, largest))

    def _dict(self, got: Any, expected: dict[str, Any], what: str) -> str | None:
        if not isinstance(got, dict):
            return _another_kind(got, expected, what)
        if set(got) != set(expected):
            return f"{what} has the keys {_listed(got)}, expected {_listed(expected)}"
        return next(filter(None, (self.of(got[key], value, key) for key, value in expected.items())), None)

    def _sequence(self, got: Any, expected: Sequence[Any], what: str) -> str | None:
        if not isinstance(got, list | tuple):
            return _another_kind(got, expected, what)
        if len(got) != len(expected):
            return f"{what} has {len(got)} values, expected {len(expected)}"
        pairs = enumerate(zip(got, expected, strict=True), 1)
        return next(filter(None, (self.of(a, b, f"{what}, number {i},") for i, (a, b) in pairs)), None)

    def _plain(self, got: Any, expected: Any, what: str) -> str | None:
        if isinstance(got, np.ndarray) and got.ndim == 0:
            got = got.item()  # numpy's own float is a float
        if isinstance(expected, float) and type(got) in (int, float):
            near = math.isfinite(expected) and abs(got) < sys.float_info.max  # an int may be larger than any float
            agree = near and abs(got - expected) <= self._absolute(abs(expected)) + self.tolerance * abs(expected)
            agree = agree or got == expected or (got != got and expected != expected)
            shown = kind(got) if type(got) is int else f"{got:.6g}"
            return None if agree else f"{what} is {shown}, expected {expected:.6g}"
        if type(got) is not type(expected):
            return _another_kind(got, expected, what)
        return None if got == expected else f"{what} is {kind(got)}, expected {kind(expected)}"


def vague(complaint: str) -> bool:
    """Whether a complaint names two numbers and no reason."""
    return complaint.endswith("values differ)") or bool(re.search(r" is [-\d.e+naif]+, expected [-\d.e+naif]+$", complaint))


def _raised(outcome: Any) -> str | None:
    return outcome["raised"] if isinstance(outcome, dict) and set(outcome) == {"raised"} else None


def _thrown(theirs: str | None, ours: str | None) -> str | None:
    if ours is None:
        return f"your code raised {theirs}"
    if theirs is None:
        return f"expected a {ours}, but nothing was raised"
    return None if theirs == ours else f"expected a {ours}, your code raised {theirs}"


def _another_kind(got: Any, expected: Any, what: str) -> str:
    forgotten = " (is a return missing?)" if got is None and "result" in what else ""
    item = "; .item() gives it" if isinstance(got, ARRAYS) and got.ndim == 0 and isinstance(expected, float | int) else ""
    return f"{what} is {kind(got)}{forgotten}, expected {kind(expected)}{item}"


def kind(value: Any) -> str:
    """What a value is, in words: the type, and what else tells it from others."""
    if isinstance(value, ARRAYS):
        own = "a torch tensor" if isinstance(value, Tensor) else "a numpy array"
        return f"{own} of shape {tuple(value.shape)}, {_dtype(value)}"
    if isinstance(value, Ref):
        return {"module": "a network", "callable": "a function"}.get(value.kind, OTHER)
    if isinstance(value, dict):
        return f"a dict with the keys {_listed(value)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if value is None or isinstance(value, bool | int | float | str):
        return _float(value) if isinstance(value, float) else f"{value!r:.60}"
    return f"a {type(value).__name__}"


def _float(value: float) -> str:
    """Six digits, and a point where a whole number would be read as an int."""
    text = f"{value:.6g}"
    return f"{text}.0" if text.lstrip("-").isdigit() else text


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) or "(none)"


def _dtype(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")


def _number(value: Tensor) -> str:
    return f"{value.item():.6g}" if value.is_floating_point() else str(value.item())
