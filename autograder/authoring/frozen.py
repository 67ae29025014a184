"""What of a lesson is computed once and committed: frozen outcomes and cached demos."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from autograder.authoring.sources import Answer, others, references
from bdlab import demos
from bdlab.exercises import lessons
from bdlab.exercises.comparing import difference
from bdlab.exercises.frozen import content, freeze, frozen
from bdlab.submission import Local, Submission


def submission(answer: Answer) -> Submission:
    """One answer, loaded, in this process."""
    sub = Submission(Local({}), lessons.find(answer.exercise).fixtures)
    raised = [name for name in sub.load(answer.cells) if name]
    if raised:
        raise ValueError(f"{answer.exercise}, {answer.name}: its cell raised {raised[0]}")
    return sub


def refresh(home: Path) -> list[Path]:
    """Run the reference, the mutants and the demos of a lesson, and write what they answer."""
    lesson = lessons.lesson(home.name)
    reference, mutant = _answers(home)
    makers = importlib.import_module(f"bdlab.experiments.lesson{lesson.id[:2]}").MAKERS
    return [freeze(lesson, reference, mutant), demos.refresh(lesson.short, makers)]


def stale(home: Path) -> list[str]:
    """Exercises whose frozen outcomes are not what the reference and the mutants answer now."""
    reference, mutant = _answers(home)
    found = []
    for task in lessons.lesson(home.name).exercises:
        try:
            old = frozen(task.id)
        except (OSError, KeyError):
            old = ({}, {})
        new = content(task, reference, mutant)
        if difference(list(old), list(new)) is not None:
            found.append(f"{task.id}: its frozen outcomes are not what its reference and mutants answer")
    return found


def _answers(home: Path) -> tuple[Callable[[str], Submission], Callable[[str, str], Submission]]:
    """(exercise -> Submission of the reference, (exercise, mutant) -> Submission)."""
    _, mutants = others(home)
    table = {(answer.exercise, answer.name): answer for answer in mutants}
    return lambda task: submission(references(home)[task]), lambda task, name: submission(table[task, name])
