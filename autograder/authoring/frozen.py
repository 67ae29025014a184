"""What of a lesson is computed once and committed, frozen outcomes and cached demos; and what its mistakes cost."""

from __future__ import annotations

from pathlib import Path

from autograder.authoring.sources import Answer, mistakes, references
from bdlab.exercises import lessons
from bdlab.exercises.comparing import difference
from bdlab.exercises.frozen import Answered, Content, content, freeze, frozen
from bdlab.exercises.specification import Exercise
from bdlab.exercises.verdict import Outcomes, Tries, judge, outcomes
from bdlab.lessons import demos
from bdlab.submission import Local, Submission

SECRET = b"the build"
"""Draws of which no student sees anything, like those of a course."""


def submission(answer: Answer) -> Submission:
    """One answer, loaded, in this process."""
    sub = Submission(Local({}), lessons.find(answer.exercise).fixtures)
    raised = [name for name in sub.load(answer.cells) if name]
    if raised:
        raise ValueError(f"{answer.exercise}, {answer.name}: its cell raised {raised[0]}")
    return sub


def refresh(home: Path, everything: bool = False) -> list[Path]:
    """Write what the references, the wrong answers and the demos of a lesson answer: only what changed, or `everything`.

    Raises: `ValueError` for a mistake that costs other parts than it says.
    """
    lesson = lessons.lesson(home.name)
    written = demos.refresh(lesson.short, demos.makers(lesson.id), everything=everything)
    if not lesson.exercises:
        return written
    wrong = [line for task in lesson.exercises for line in costs_otherwise(home, task)]
    if wrong:
        raise ValueError("\n".join(wrong))
    contents = {task.id: content(task, _answered(home)) for task in lesson.exercises}
    changed = everything or any(_differs(name, new) for name, new in contents.items())
    return [freeze(lesson, contents), *written] if changed else written


def stale(home: Path) -> list[str]:
    """Exercises whose frozen outcomes are not what the references and the wrong answers answer now."""
    return [
        f"{task.id}: its frozen outcomes are not what its reference and wrong answers answer"
        for task in lessons.lesson(home.name).exercises
        if _differs(task.id, content(task, _answered(home)))
    ]


def missing(home: Path) -> list[str]:
    """Exercises that have no frozen outcomes at all: no check of theirs could recognise a mistake."""
    return [task.id for task in lessons.lesson(home.name).exercises if _there(task.id) is None]


def _there(exercise: str) -> Content | None:
    try:
        return frozen(exercise)
    except (OSError, KeyError):
        return None


def _differs(exercise: str, new: Content) -> bool:
    old = _there(exercise)
    return old is None or difference(list(old), list(new)) is not None or list(old[1]) != list(new[1])


def costs_otherwise(home: Path, task: Exercise) -> list[str]:
    """Mistakes of an exercise that cost other parts than `loses` says, on public or on other draws, or have no words."""
    own = [answer for answer in mistakes(home) if answer.exercise == task.id]
    names = [answer.name for answer in own]
    found = [f"{task.id}: {name} has words and no edit in wrong.py" for name in task.mistakes if name not in names]
    found += [f"{task.id}: {name} is an edit in wrong.py without words" for name in names if name not in task.mistakes]
    reference = references(home)[task.id]
    for secret in (None, SECRET):
        keyed = {} if secret is None else {"secret": secret}
        expected = outcomes(task, submission(reference), **keyed)
        found += [line for answer in own for line in _otherwise(task, answer, expected, keyed)]
    return found


def _otherwise(task: Exercise, answer: Answer, expected: Outcomes, keyed: dict[str, bytes]) -> list[str]:
    results = judge(Tries(task, submission(answer), **keyed), expected)
    lost = {result.part.name for result in results if result.complaint is not None}
    if lost == answer.lost:
        return []
    which = "draws that nobody sees" if keyed else "the public draws"
    return [
        f"{task.id}, {answer.name}: loses {', '.join(sorted(lost)) or 'nothing'} on {which}; wrong.py says "
        f"{', '.join(sorted(answer.lost))}"
    ]


def _answered(home: Path) -> Answered:
    """(exercise, name of a mistake or '') -> its answer, loaded."""
    table = {(answer.exercise, answer.name): answer for answer in mistakes(home)}
    return lambda task, name: submission(table[task.id, name] if name else references(home)[task.id])
