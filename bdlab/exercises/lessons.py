"""The list of the lessons, in their order: each is the `LESSON` of a module lNN_topic of this package."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from functools import cache
from pathlib import Path

from bdlab.exercises.specification import Exercise, Lesson, Question


@cache
def _modules() -> dict[str, str]:
    """Lesson -> the module that declares it."""
    there = pkgutil.iter_modules(sys.modules[__package__].__path__)
    found = sorted(one.name for one in there if re.match(r"l\d\d_", one.name))
    loaded = {name: importlib.import_module(f"bdlab.exercises.{name}") for name in found}
    return {module.LESSON.id: f"bdlab.exercises.{name}" for name, module in loaded.items() if hasattr(module, "LESSON")}


@cache
def all_lessons() -> tuple[Lesson, ...]:
    """Every lesson that is there."""
    return tuple(importlib.import_module(name).LESSON for name in _modules().values())


def home(lesson: Lesson) -> Path:
    """The folder in which a lesson is declared."""
    return Path(str(importlib.import_module(_modules()[lesson.id]).__file__)).parent


def lesson(name: str) -> Lesson:
    """The lesson 'l03', '03' or '03_badnets'.  Raises: `ValueError` for an unknown one."""
    for found in all_lessons():
        if name in (found.id, found.short, found.short[1:]):
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


def question(name: str) -> Question:
    """The question 'l03_q1'.  Raises: `ValueError` for an unknown one."""
    questions = {f"{one.short}_{key}": asked for one in all_lessons() for key, asked in one.questions.items()}
    if name not in questions:
        raise ValueError(f"question must be one of {', '.join(questions)}; got {name!r}")
    return questions[name]
