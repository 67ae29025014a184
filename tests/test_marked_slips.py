"""The slips that teachers expect in lessons 10, 12 and 13 can be named: each hears its own words from a check."""

import importlib
import pkgutil

import pytest
import slips
from rewriting import rewrite

from bdlab.exercises import checks
from bdlab.exercises.frozen import content
from bdlab.exercises.telling import LOST
from bdlab.submission import Local, Submission

NAMES = [one.name for one in pkgutil.iter_modules(slips.__path__)]
ROWS = [row for name in NAMES for row in importlib.import_module(f"slips.{name}").SLIPS]


def _namespace(source):
    namespace = {"__name__": "__main__"}
    exec(slips.SETUP + source, namespace)
    return namespace


@pytest.fixture
def heard(monkeypatch):
    """heard(row, source): the verdict on an answer, and what a student reads, as in the notebook."""
    known = {}

    def look(row, source):
        if row.task.id not in known:
            answered = lambda task, name: Submission(Local(_namespace(row.source(name))), task.fixtures)  # noqa: E731
            known[row.task.id] = content(row.task, answered)
        monkeypatch.setattr(checks, "frozen", known.__getitem__)
        monkeypatch.setattr(checks, "notebook", lambda: (_namespace(source), []))
        verdict, lines = checks.looked_at(row.task)
        return verdict, " ".join(" ".join(lines).split())

    return look


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.task.id)
def test_every_slip_hears_its_own_words_and_the_reference_is_full(row, heard):
    """Each with other names and in another order: what it does is recognised, not how it is written."""
    assert heard(row, rewrite(row.source()))[0].points == row.task.points
    for name, slip in row.slips.items():
        verdict, said = heard(row, rewrite(row.source(name)))
        assert verdict.points == row.points(name) < row.task.points, (name, said)
        assert verdict.mistakes[:1] == (name,), (name, said)
        assert slip.message in said and LOST[:20] not in said


def test_each_exercise_of_the_lessons_to_come_has_three():
    assert {row.task.id: len(row.slips) for row in ROWS if len(row.slips) < 3} == {}
    assert {name: sum(row.task.lesson == name for row in ROWS) for name in NAMES} == dict.fromkeys(NAMES, 4)
    assert NAMES == ["l12", "l13"]
