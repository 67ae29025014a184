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
    of = {home.name[:2]: marks(home) for home in GRADED}
    return [pytest.param(a, marks=of[a.exercise[1:3]], id=f"{a.exercise}-{a.name}") for a in every]


def tasks(every):
    """Parameters of a test: exercises, each with its lesson's mark."""
    of = {home.name[:2]: marks(home) for home in GRADED}
    return [pytest.param(task, marks=of[task.id[1:3]], id=task.id) for task in every]
