"""The lessons' exercises: their declarations, and what students call: `check`, `check_all`, `hint`."""

from bdlab.demos import cached, demo
from bdlab.exercises.checks import check, check_all, hint
from bdlab.exercises.specification import Exercise, Lesson, Part, Wrong

__all__ = ["Exercise", "Lesson", "Part", "Wrong", "cached", "check", "check_all", "demo", "hint"]
