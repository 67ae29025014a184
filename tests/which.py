"""Which lessons `make test` goes through: the first one, the throw-away ones, and what docs/quality.md does not cover."""

import pytest

from autograder.authoring import digests
from autograder.authoring.folders import folder
from autograder.course.folder import ROOT
from bdlab.exercises import lessons

GRADED = [folder(one.id) for one in lessons.all_lessons() if one.exercises]


def marks(home):
    """A lesson that is as it was when `make lessons` ran waits for `make test-all`."""
    always = home == GRADED[0] or home.parents[1] != ROOT
    return () if always or not digests.covered(home) else (pytest.mark.slow,)


def homes(every=GRADED):
    """Parameters of a test: lessons, by default those with exercises."""
    return [pytest.param(home, marks=marks(home), id=home.name) for home in every]


def answers(every):
    """Parameters of a test: answers, each with its lesson's mark."""
    return [pytest.param(a, marks=_of(a.exercise), id=f"{a.exercise}-{a.name}") for a in every]


def tasks(every):
    """Parameters of a test: exercises, each with its lesson's mark."""
    return [pytest.param(task, marks=_of(task.id), id=task.id) for task in every]


def predicates(every):
    """Parameters of a test: (exercise, mistake) for each mistake that a predicate recognises, with its lesson's mark."""
    found = [(task, name) for task in every for name, mistake in task.mistakes.items() if mistake.when]
    return [pytest.param(task, name, marks=_of(task.id), id=f"{task.id}-{name}") for task, name in found]


def _of(exercise):
    return next(marks(home) for home in GRADED if home.name[:2] == exercise[1:3])
