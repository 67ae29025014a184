"""Answers that are alike by their normalised syntax tree, across the exercises of one lesson: flags for a human, no proof.

What counts is not how alike two answers are but how rare that is in this class.  Short exercises have few right forms, so
that many answers are alike and nobody has copied.  What was measured stands in docs/grading.md.

Limits: a paraphrase (a loop for a comprehension) is not seen; what many share, such as an answer that went round, looks like
the common way to do it; one exercise alone never flags; students of one style in all exercises are not independent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from autograder.handin.reader import ask

GRAM = 4
"""Neighbouring nodes that are compared together."""
ALIKE = 0.8
"""Dice coefficient of their grams from which two answers are alike; one line more or less stays above it."""
SIZE = 45
"""Grams below which an answer says nothing: it has few right forms."""
LEAST = 4.0
"""Bits below which nothing is flagged: in a class of five, everything is rare."""


@dataclass(frozen=True)
class Pair:
    """Two who are alike.  bits: -log2 of how likely so much likeness is by chance in this class.

    shared: exercise -> (how many of the class are alike to these two, themselves included; of how many), the rarest first.
    """

    first: str
    second: str
    bits: float
    shared: Mapping[str, tuple[int, int]]


def pairs(answers: Mapping[str, Mapping[str, str]], stubs: Mapping[str, str]) -> list[Pair]:
    """The pairs that chance alone would give about once in a class of this size, or more rarely; the rarest first.

    answers: student -> exercise -> source; stubs: exercise -> the released answer cell, whose nodes count for nothing.
    For each exercise the share of the class that is alike to the two is taken as the chance of being alike, and the
    exercises as independent.
    """
    students = sorted(answers)
    n = len(students)
    bits = {exercise: np.zeros((n, n)) for exercise in stubs}
    near = {
        exercise: rarity([answers[student].get(exercise, "") for student in students], stub, bits[exercise])
        for exercise, stub in stubs.items()
    }
    total = np.triu(sum(bits.values(), np.zeros((n, n))), 1)
    wrote = sum(any(counts[i, i] for counts in near.values()) for i in range(n))
    found = []
    for i, j in np.argwhere(total >= max(np.log2(max(wrote * (wrote - 1) / 2, 1)), LEAST)):
        own = sorted((name for name in stubs if bits[name][i, j] > 0), key=lambda name: -bits[name][i, j])
        if len(own) > 1:
            shared = {name: (int(near[name][i, j]), int((near[name].diagonal() > 0).sum())) for name in own}
            found.append(Pair(students[i], students[j], float(total[i, j]), shared))
    return sorted(found, key=lambda pair: -pair.bits)


def rarity(sources: Sequence[str], stub: str, bits: NDArray[np.float64]) -> NDArray[np.int64]:
    """Fill `bits` (n, n) for one exercise: log2 of the others over those alike to the two, 0 where they are not alike.

    Returns: int64 (n, n), how many answers are alike to one of the two, both included; 0 on the diagonal of those that
    are too short.
    """
    common = set(grams(stub))
    own = [set(grams(source)) - common for source in sources]
    own = [found if len(found) >= SIZE else set() for found in own]
    alike = _alike(own)
    near = alike.sum(1)
    both = near[:, None] + near[None, :] - alike.astype(np.float32) @ alike.astype(np.float32)  # (n, n)
    count = int(alike.diagonal().sum())
    others = np.maximum(both - 1, 1)  # alike to the first, the second among them
    rare = alike & ~np.eye(len(own), dtype=bool)
    bits[rare] = np.log2(np.maximum(count - 1, 1) / others[rare]).clip(0)
    return np.rint(both).astype(np.int64)


def _alike(own: Sequence[set[tuple[object, ...]]]) -> NDArray[np.bool_]:
    """bool (n, n): whose grams are the same to `ALIKE`."""
    from scipy.sparse import csr_array

    numbers: dict[tuple[object, ...], int] = {}
    columns = [numbers.setdefault(gram, len(numbers)) for found in own for gram in found]
    sizes = np.array([len(found) for found in own])
    rows = np.repeat(np.arange(len(own)), sizes)
    table = csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(own), max(len(numbers), 1)))
    shared = (table @ table.T).toarray()
    return (2 * shared >= ALIKE * (sizes[:, None] + sizes[None, :])) & (sizes[:, None] > 0) & (sizes[None, :] > 0)


def grams(source: str) -> Iterator[tuple[object, ...]]:
    """Runs of `GRAM` neighbouring nodes, each with a number that tells its repeats apart; none of what is not Python."""
    found = labels(source)
    seen: Counter[tuple[str, ...]] = Counter()
    for place in range(len(found) - GRAM + 1):
        gram = found[place : place + GRAM]
        seen[gram] += 1
        yield (*gram, seen[gram])


@lru_cache(4096)
def labels(source: str) -> tuple[str, ...]:
    """See `autograder.handin.shape.labels`."""
    return tuple(ask("labels", source))
