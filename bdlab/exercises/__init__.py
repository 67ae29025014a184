"""The lessons' exercises: their declarations, and what students call: `check`, `hint`, `failing`, `mine`, `quiz` ..."""

from bdlab.exercises.checks import check, check_all, failing, hint
from bdlab.exercises.quizzes import quiz
from bdlab.exercises.specification import Exercise, Lesson, Part, Question, Wrong, made
from bdlab.exercises.using import mine, use
from bdlab.lessons.demos import cached, demo

__all__ = [
    "Exercise", "Lesson", "Part", "Question", "Wrong", "cached", "check", "check_all", "demo", "failing", "hint", "made",
    "mine", "quiz", "use",
]  # fmt: skip
