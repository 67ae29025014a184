"""What crosses the line is read as data and never trusted: whatever bytes come, a value comes out or a plain refusal."""

import json
import math
import random
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bdlab.submission.frames import BLOB, DTYPES, HEAD, KINDS, TEXT, Ref, decode, encode, read

SETTINGS = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
MUTATIONS = 24
PLAIN = (type(None), bool, int, float, str, Ref, np.ndarray, torch.Tensor)


def _reader(data, step):
    """What `read` draws from: at most `step` bytes at a time, none at the end."""
    place = 0

    def some(count):
        nonlocal place
        part = data[place : place + min(count, step)]
        place += len(part)
        return part

    return some


def _all_plain(value):
    if type(value) in (list, tuple):
        return all(map(_all_plain, value))
    if type(value) is dict:
        return all(type(key) is str for key in value) and all(map(_all_plain, value.values()))
    return type(value) in PLAIN and (type(value) is not Ref or value.kind in KINDS)


def _comes_through(frame, step=4096):
    """Whether `frame` is one; whatever else is raised fails the test."""
    try:
        whole = read(_reader(frame, step))
        value = decode(whole)
    except (ValueError, EOFError):
        return False
    assert _all_plain(value)
    assert HEAD.size <= len(whole) <= HEAD.size + TEXT + BLOB
    return True


def _frame(text, blob=b""):
    return HEAD.pack(len(text), len(blob)) + text + blob


def _same(one, other):
    """Equal in type and value; nan is nan."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(_same, one.values(), other.values()))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and _same(one.numpy(), other.numpy())
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, float):
        return (
            math.isnan(other) if math.isnan(one) else (one, math.copysign(1, one)) == (other, math.copysign(1, other))
        )
    return one == other


@st.composite
def _arrays(draw):
    """Arrays and tensors of every dtype; none of their values is looked at."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    dtype = draw(st.sampled_from(DTYPES))
    size = math.prod(shape) * np.dtype(dtype).itemsize
    held = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    array = (held & 1 if dtype == "bool" else held).view(dtype).reshape(shape).copy()
    return torch.from_numpy(array) if draw(st.booleans()) else array


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**40), 10**40), st.floats(), st.text(max_size=8),
    st.builds(Ref, st.integers(0, 9), st.sampled_from(KINDS)), _arrays(),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
    ),
    max_leaves=8,
)
"""What may cross."""
TAGS = st.sampled_from(["float", "tuple", "dict", "ref", "tensor", "array", "Tensor", "__class__", "", "py/object"])
WORDS = st.sampled_from([*DTYPES, *KINDS, "nan", "inf", "-inf", "object", "complex64", "V8", "float128", "O"])
NUMBERS = st.one_of(st.integers(-3, 5), st.sampled_from([2**31, 2**32 + 1, 2**63, 10**30, True, 1.5, -0.0]))
TAGGED = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(TAGS, inner, max_size=2),
        st.builds(lambda tag, word, shape: {tag: [word, shape]}, TAGS, WORDS, st.lists(NUMBERS, max_size=4)),
    ),
    max_leaves=12,
)
"""JSON that has the look of a frame's."""


def _random_bytes(data, step):
    _comes_through(data, step)


def _random_text(text, blob):
    _comes_through(_frame(text, blob))


def _tagged(value, blob):
    _comes_through(_frame(json.dumps(value).encode(), blob))


def _mutated(value, seed):
    """Many frames: a few bytes other, cut, or joined with others."""
    chance, valid = random.Random(seed), encode(value)
    for _ in range(MUTATIONS):
        frame = bytearray(valid)
        for _ in range(chance.randint(0, 3)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        start, end = chance.choice([(0, None), (0, None), (0, -1), (0, -7), (1, None)])
        _comes_through(bytes(frame[start:end]), chance.randint(1, 300))


def _returns(value, step):
    frame = encode(value)
    assert _comes_through(frame, step)
    assert _same(decode(frame), value)


CHARACTERS = st.one_of(st.binary(max_size=60), st.text('[]{}":,0123e.-tfn\\u ', max_size=60).map(str.encode))
STEP = st.integers(1, 300)
KINDS_OF_FRAMES = {
    "bytes": (_random_bytes, (st.binary(max_size=200), STEP), 900),
    "text": (_random_text, (CHARACTERS, st.binary(max_size=20)), 900),
    "tags": (_tagged, (TAGGED, st.binary(max_size=64)), 800),
    "mutated": (_mutated, (VALUES, st.integers(0, 2**32)), 300),
    "valid": (_returns, (VALUES, STEP), 500),
}
"""name -> (test, what it is given, how often)."""


def test_there_are_ten_thousand_frames():
    assert (
        sum(count * (MUTATIONS if name == "mutated" else 1) for name, (*_, count) in KINDS_OF_FRAMES.items()) >= 10_000
    )


@pytest.mark.parametrize("kind", KINDS_OF_FRAMES)
def test_frames(kind):
    check, strategies, count = KINDS_OF_FRAMES[kind]
    settings(SETTINGS, max_examples=count)(given(*strategies)(check))()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS_OF_FRAMES)
def test_many_frames(kind):
    """Five times as many, others in every run."""
    check, strategies, count = KINDS_OF_FRAMES[kind]
    settings(SETTINGS, max_examples=5 * count, derandomize=False)(given(*strategies)(check))()


def _peak(frame):
    """Bytes that reading `frame` took at most."""
    tracemalloc.start()
    try:
        _comes_through(frame)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "frame",
    [
        HEAD.pack(2**32 - 1, 2**32 - 1),
        HEAD.pack(TEXT, BLOB),
        _frame(b'{"tensor": ["float64", [1000000000, 1000000000]]}', bytes(8)),
        _frame(b'{"array": ["uint8", [0, 99999999999999999999]]}'),
        _frame(b"[" * 100_000),
        _frame(b'{"tuple":' * 50_000),
        _frame(b"9" * 5000),
        _frame(b"1e999999999"),
        _frame(b'{"float": 1e400}'),
        _frame(b"\xff\xfe[\x00]\x00"),
    ],
    ids=[
        "announced",
        "at the bound",
        "a large array",
        "no array",
        "deep",
        "deep tags",
        "a long number",
        "1e",
        "inf",
        "16",
    ],
)
def test_a_small_frame_takes_little_memory(frame):
    assert _peak(frame) < 16 << 20


@pytest.mark.slow
def test_the_longest_frame_takes_a_few_times_its_length():
    frame = _frame(b"[" + b",".join([b"[]"] * (TEXT // 3 - 1)) + b"]")
    assert _peak(frame) < 200 << 20
