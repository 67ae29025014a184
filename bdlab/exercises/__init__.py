"""The lessons' exercises: their declarations, and what students call: `check`, `hint`, `failing`, `mine`, `quiz` ...

What is not asked for is not imported: a grader that only reads names needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bdlab.exercises.checks import check, check_all, failing, hint
    from bdlab.exercises.quizzes import quiz
    from bdlab.exercises.specification import Exercise, Lesson, Part, Question, Wrong, made
    from bdlab.exercises.using import mine, use
    from bdlab.lessons.demos import cached, demo

_HOMES = {
    "exercises.checks": ("check", "check_all", "failing", "hint"),
    "exercises.quizzes": ("quiz",),
    "exercises.specification": ("Exercise", "Lesson", "Part", "Question", "Wrong", "made"),
    "exercises.using": ("mine", "use"),
    "lessons.demos": ("cached", "demo"),
}
__all__ = [
    "Exercise", "Lesson", "Part", "Question", "Wrong", "cached", "check", "check_all", "demo", "failing", "hint", "made",
    "mine", "quiz", "use",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"bdlab.{home}"), name)
