"""The reference's outcomes and the fingerprints of wrong answers on the public draws, as one small file a lesson."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np

from bdlab.exercises import lessons
from bdlab.exercises.comparing import difference
from bdlab.exercises.recognising import Fingerprint, fingerprint
from bdlab.exercises.specification import Exercise, Lesson
from bdlab.exercises.verdict import Outcomes, Tries, outcomes
from bdlab.submission import Submission
from bdlab.submission.frames import decode, encode

Answered = Callable[[Exercise, str], Submission]
"""Exercise, name of a mistake ('' for the reference) -> that answer, loaded."""
Content = tuple[Outcomes, dict[str, Fingerprint]]
"""The reference's outcomes, and mistake -> its fingerprint."""
LIMIT = 256 * 1024
"""Bytes of one lesson's file."""


def place(lesson: Lesson) -> Path:
    """Where the file of a lesson lies: in the folder 'frozen' beside its declaration."""
    return lessons.home(lesson) / "frozen" / f"{lesson.short}.npz"


@cache
def frozen(exercise: str) -> Content:
    """The reference's outcomes where they are needed, and every mistake's fingerprint, for the exercise with this id."""
    with np.load(place(lessons.lesson(exercise.partition("_")[0]))) as stored:
        expected, edits = decode(stored[exercise].tobytes())
    return expected, edits


def freeze(lesson: Lesson, contents: Mapping[str, Content]) -> Path:
    """Write exercise -> its `content`."""
    arrays = {name: np.frombuffer(encode(new), np.uint8) for name, new in contents.items()}
    memory = io.BytesIO()
    np.savez_compressed(memory, allow_pickle=False, **arrays)
    if memory.tell() > LIMIT:
        raise ValueError(
            f"outcomes of {lesson.id} must fit into {LIMIT} bytes, got {memory.tell()}; draw smaller inputs"
        )
    path = place(lesson)
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".new").write_bytes(memory.getvalue())
    os.replace(path.with_suffix(".new"), path)
    frozen.cache_clear()
    return path


def content(exercise: Exercise, answered: Answered) -> Content:
    """What is kept of one exercise.

    Raises: `ValueError` for a mistake that the first draws of no part tell from the reference: its message would reach
    everyone whose mistake shows later.
    """
    given = outcomes(exercise, answered(exercise, ""))
    expected = {part.name: given[part.name] if part.frozen else [] for part in exercise.parts}
    edits = {name: fingerprint(Tries(exercise, answered(exercise, name)), expected) for name in exercise.mistakes}
    right = fingerprint(Tries(exercise, answered(exercise, "")), expected)
    alike = [name for name, its in edits.items() if difference(its, right) is None]
    if alike:
        raise ValueError(
            f"mistakes of {exercise.id} must show within the first draws, got {', '.join(alike)}; put a draw that "
            "tells them from the reference among the first of its part"
        )
    twins = [f"{a} and {b}" for a, b in combinations(edits, 2) if difference(edits[a], edits[b]) is None]
    if twins:
        raise ValueError(f"mistakes of {exercise.id} must differ on the first draws, got {', '.join(twins)}; drop one, or "
                         "put a draw that tells them apart among the first of its part")  # fmt: skip
    return expected, edits
