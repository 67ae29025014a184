"""The reference's outcomes and the mutants' fingerprints on the public draws, as one small file a lesson."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from bdlab.exercises.comparing import difference
from bdlab.exercises.specification import Exercise, Lesson
from bdlab.exercises.verdict import Outcomes, Tries, fingerprint, outcomes
from bdlab.submission import Submission
from bdlab.submission.frames import decode, encode

HOME = Path(__file__).parent / "frozen"
Reference = Callable[[str], Submission]
"""Exercise id -> the reference, loaded."""
Mutant = Callable[[str, str], Submission]
"""Exercise id, mutant -> that wrong solution, loaded."""
LIMIT = 256 * 1024
"""Bytes of one lesson's file."""


@cache
def frozen(exercise: str) -> tuple[Outcomes, dict[str, Outcomes]]:
    """The reference's outcomes, and every mutant's fingerprint, for the exercise with this id."""
    with np.load(HOME / f"{exercise.partition('_')[0]}.npz") as stored:
        expected, mutants = decode(stored[exercise].tobytes())
    return expected, mutants


def freeze(lesson: Lesson, reference: Reference, mutant: Mutant) -> Path:
    """Run `reference(exercise id)` and every `mutant(exercise id, name)` on the public draws and write what they answer."""
    arrays = {task.id: np.frombuffer(encode(content(task, reference, mutant)), np.uint8) for task in lesson.exercises}
    memory = io.BytesIO()
    np.savez_compressed(memory, allow_pickle=False, **arrays)
    if memory.tell() > LIMIT:
        raise ValueError(
            f"outcomes of {lesson.id} must fit into {LIMIT} bytes, got {memory.tell()}; draw smaller inputs"
        )
    path = HOME / f"{lesson.short}.npz"
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".new").write_bytes(memory.getvalue())
    os.replace(path.with_suffix(".new"), path)
    frozen.cache_clear()
    return path


def content(exercise: Exercise, reference: Reference, mutant: Mutant) -> tuple[Outcomes, dict[str, Outcomes]]:
    """What is kept of one exercise: the reference's outcomes where they are compared, and every mutant's fingerprint."""
    expected = outcomes(exercise, reference(exercise.id))
    compared = {part.name: expected[part.name] if part.judge is None else [] for part in exercise.parts}
    mutants = {name: fingerprint(Tries(exercise, mutant(exercise.id, name))) for name in exercise.messages}
    right = fingerprint(Tries(exercise, reference(exercise.id)))
    alike = [name for name, its in mutants.items() if difference(its, right) is None]
    if alike:  # its message would reach everyone whose mistake shows later
        raise ValueError(
            f"mutants of {exercise.id} must show within the first draws, got {', '.join(alike)}; put a draw that "
            "tells them from the reference among the first of its part"
        )
    return compared, mutants
