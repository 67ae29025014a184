"""The list of the lessons, in their order; each is declared in a file of its own."""

from __future__ import annotations

import importlib
from functools import cache

from bdlab.exercises.specification import Exercise, Lesson

MODULES = ("l03_badnets",)


@cache
def all_lessons() -> tuple[Lesson, ...]:
    """Every lesson that is there."""
    return tuple(importlib.import_module(f"bdlab.exercises.{name}").LESSON for name in MODULES)


def lesson(name: str) -> Lesson:
    """The lesson 'l03' or '03_badnets'.  Raises: `ValueError` for an unknown one."""
    for found in all_lessons():
        if name in (found.id, found.short):
            return found
    raise ValueError(
        f"lesson must be one of {', '.join(f'{one.short} or {one.id}' for one in all_lessons())}; got {name!r}"
    )


def find(exercise: str) -> Exercise:
    """The exercise with this id.  Raises: `ValueError` for an unknown one."""
    tasks = {task.id: task for one in all_lessons() for task in one.exercises}
    if exercise not in tasks:
        raise ValueError(f"exercise must be one of {', '.join(tasks)}; got {exercise!r}")
    return tasks[exercise]
