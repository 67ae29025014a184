"""Lesson 01: the questions of its quizzes, and its mystery box."""

from bdlab.exercises.specification import Question

QUESTIONS: dict[str, Question] = {}
BOX = None
