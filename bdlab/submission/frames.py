"""What may cross between a check and a student's code, as bytes: plain JSON and, behind it, the arrays' memory.

None, bool, int, float, str, lists, tuples, dicts with str keys, arrays (numpy and torch, the origin is kept) and `Ref`s.
Nothing is unpickled: a reply is bounded, its types are a closed list, and everything else is refused with `ValueError`.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
TEXT, BLOB, DEPTH = 1 << 20, 64 << 20, 16
"""Bounds of one frame: bytes of JSON, bytes of arrays, and how deep values may nest."""
HEAD = struct.Struct("<II")
KINDS = ("module", "callable", "other")
"""What a `Ref` may stand for."""
SCALARS = tuple(np.dtype(name).type for name in DTYPES)


@dataclass(frozen=True)
class Ref:
    """The name of an object that stays on the student's side.  kind: one of KINDS."""

    number: int
    kind: str = "other"


def encode(value: Any) -> bytes:
    """One frame: the lengths of both parts (2 x u32), JSON, arrays.  Raises `ValueError` for what must not cross."""
    arrays: list[bytes] = []
    text = json.dumps(_pack(value, arrays, 0)).encode()
    blob = b"".join(arrays)
    if len(text) > TEXT or len(blob) > BLOB:
        raise ValueError(f"a frame must hold at most {TEXT} + {BLOB} bytes, got {len(text)} + {len(blob)}")
    return HEAD.pack(len(text), len(blob)) + text + blob


def decode(frame: bytes) -> Any:
    """The value of one whole frame.  Raises: `ValueError` for everything that `encode` would not have written."""
    if len(frame) < HEAD.size:
        raise ValueError(f"a frame begins with {HEAD.size} bytes, {len(frame)} came")
    size, rest = HEAD.unpack_from(frame)
    if len(frame) != HEAD.size + size + rest:
        raise ValueError(f"a frame of {HEAD.size + size + rest} bytes was announced, {len(frame)} came")
    blob, place = memoryview(frame)[HEAD.size + size :], [0]
    try:
        value = _unpack(json.loads(frame[HEAD.size : HEAD.size + size]), blob, place, 0)
    except RecursionError:  # of the JSON parser, which knows no bound of its own
        raise ValueError(f"values must nest at most {DEPTH} deep") from None
    if place[0] != rest:
        raise ValueError(f"{rest - place[0]} bytes behind the last array")
    return value


def read(some: Callable[[int], bytes]) -> bytes:
    """One whole frame from `some(n)`, which returns 1 to n bytes, or none at the end; the lengths are checked first."""
    head = _all(some, HEAD.size)
    size, rest = HEAD.unpack(head)
    if size > TEXT or rest > BLOB:
        raise ValueError(f"a frame of {size} + {rest} bytes is too long")
    return head + _all(some, size + rest)


def _all(some: Callable[[int], bytes], count: int) -> bytes:
    parts, missing = [], count
    while missing:
        part = some(missing)
        if not part:
            raise EOFError("the other side has ended")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _pack(value: Any, arrays: list[bytes], depth: int) -> Any:
    if depth > DEPTH:
        raise ValueError(f"values must nest at most {DEPTH} deep")
    kind = type(value)  # exact types: a subclass may lie about its equality
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind in (list, tuple):
        items = [_pack(item, arrays, depth + 1) for item in value]
        return items if kind is list else {"tuple": items}
    if kind is dict and all(type(key) is str for key in value):
        return {"dict": {key: _pack(item, arrays, depth + 1) for key, item in value.items()}}
    if kind is Ref:
        return {"ref": [value.number, value.kind]}
    if kind in (Tensor, torch.nn.Parameter, np.ndarray, *SCALARS):
        return _pack_array(value, arrays)
    raise ValueError(f"{kind.__name__} must not cross; send plain values or arrays")


def _pack_array(value: Any, arrays: list[bytes]) -> dict[str, Any]:
    origin = "tensor" if isinstance(value, Tensor) else "array"
    name = str(value.dtype).removeprefix("torch.") if origin == "tensor" else value.dtype.name
    if name not in DTYPES:
        raise ValueError(f"an array must be one of {', '.join(DTYPES)}, got {name}")
    if origin == "tensor" and (value.layout != torch.strided or value.is_meta):
        raise ValueError(f"a tensor must hold all its values, got {value.layout} on {value.device}")
    if value.nbytes > BLOB:  # before it is copied: an expanded tensor may be large at no cost
        raise ValueError(f"arrays must hold at most {BLOB} bytes, got {value.nbytes}")
    if origin == "tensor":
        array = value.detach().cpu().resolve_neg().numpy()
    else:
        array = np.asarray(value, name)  # in this machine's byte order
    arrays.append(array.tobytes())
    return {origin: [name, list(array.shape)]}


def is_plain(value: Any) -> bool:
    """Whether `value` can cross as it is."""
    try:
        _pack(value, [], 0)
    except ValueError:
        return False
    return True


def _unpack(value: Any, blob: memoryview, place: list[int], depth: int) -> Any:
    if depth > DEPTH:
        raise ValueError(f"values must nest at most {DEPTH} deep")
    if isinstance(value, list):
        return [_unpack(item, blob, place, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(f"a tagged value must have one tag, got {len(value)}")
    (tag, inner), *_ = value.items()
    if tag == "float" and inner in ("nan", "inf", "-inf"):
        return float(inner)
    if tag == "tuple" and isinstance(inner, list):
        return tuple(_unpack(item, blob, place, depth + 1) for item in inner)
    if tag == "dict" and isinstance(inner, dict):
        return {key: _unpack(item, blob, place, depth + 1) for key, item in inner.items()}
    if tag == "ref" and isinstance(inner, list) and [type(part) for part in inner] == [int, str] and inner[1] in KINDS:
        return Ref(*inner)
    if tag in ("tensor", "array") and isinstance(inner, list) and len(inner) == 2:
        array = _unpack_array(inner[0], inner[1], blob, place)
        return torch.from_numpy(array) if tag == "tensor" else array
    raise ValueError(f"unknown tag {tag!r:.60}")


def _unpack_array(dtype: Any, shape: Any, blob: memoryview, place: list[int]) -> np.ndarray:
    sizes = isinstance(shape, list) and len(shape) <= DEPTH and all(type(size) is int and size >= 0 for size in shape)
    if dtype not in DTYPES or not sizes:
        raise ValueError(f"not an array: {dtype!r:.60}, {shape!r:.60}")
    length = math.prod(shape) * np.dtype(dtype).itemsize
    part = blob[place[0] : place[0] + length]
    if len(part) != length:
        raise ValueError(f"an array of {length} bytes was announced, {len(part)} came")
    place[0] += length
    array = np.frombuffer(part, dtype)
    if dtype == "bool" and (array.view(np.uint8) > 1).any():
        raise ValueError("a bool must be 0 or 1")
    return array.reshape(shape).copy()
