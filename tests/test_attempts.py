"""What students write, and what they are told: every table below tests/attempts/, through the notebook's check."""

import contextlib
import importlib
import io
import linecache
import pkgutil
import sys
from functools import cache
from unittest import mock

import attempts
import pytest
import which

import bdlab
from bdlab.exercises import lessons
from bdlab.exercises.telling import LOST

NAMES = [one.name for one in pkgutil.iter_modules(attempts.__path__)]
TABLES = {name: importlib.import_module(f"attempts.{name}").ATTEMPTS for name in NAMES}
HOMES = {home.name: home for home in which.GRADED}
MARKS = {name: which.marks(HOMES[name[1:]]) for name in NAMES}
ROWS = [
    pytest.param(name.partition("_")[0], *row, marks=MARKS[name], id=f"{name[:3]}-{row[0]}-{at}")
    for name, table in TABLES.items() for at, row in enumerate(table)
]  # fmt: skip
BY_NAME = [pytest.param(name, marks=MARKS[name]) for name in NAMES]


@cache
def _heard(exercise, source):
    """Points, and the words of the check after a cell with this source has run."""
    task, name = lessons.find(exercise), f"<cell {abs(hash(source))}>"
    namespace = {"__name__": "__main__"}
    exec(lessons.lesson(exercise.partition("_")[0]).setup, namespace)
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)
    others = {name: namespace[name] for name in task.names[1:] if name in namespace}
    with contextlib.redirect_stdout(io.StringIO()) as printed, mock.patch.dict(vars(sys.modules["__main__"]), others):
        points = bdlab.check(exercise, namespace[task.name])
    return points, " ".join(printed.getvalue().split())


@pytest.mark.parametrize(("lesson", "key", "source", "points", "said"), ROWS)
def test_an_attempt_gets_its_points_and_hears_what_is_wrong(lesson, key, source, points, said):
    given, heard = _heard(f"{lesson}_{key}", source)
    assert given == points
    assert said in heard


@pytest.mark.parametrize("name", BY_NAME)
def test_at_most_one_wrong_attempt_in_ten_hears_nothing_of_its_own(name):
    short = name.partition("_")[0]
    full = {task.id: task.points for task in lessons.lesson(short).exercises}
    wrong = [(f"{short}_{key}", source) for key, source, points, _ in TABLES[name] if points < full[f"{short}_{key}"]]
    generic = [source for exercise, source in wrong if LOST[:20] in _heard(exercise, source)[1]]
    assert len(generic) <= len(wrong) / 10, generic


@pytest.mark.parametrize("name", BY_NAME)
def test_every_predicate_speaks_to_some_attempt(name):
    short = name.partition("_")[0]
    heard = " ".join(_heard(f"{short}_{key}", source)[1] for key, source, _, _ in TABLES[name])
    for task in lessons.lesson(short).exercises:
        assert [key for key, one in task.mistakes.items() if one.when and one.message not in heard] == []


@pytest.mark.parametrize("lesson", [one for one in lessons.all_lessons() if one.id in TABLES or f"l{one.id}" in TABLES])
def test_every_exercise_has_its_attempts(lesson):
    table = TABLES[f"l{lesson.id}"]
    assert all(sum(row[0] == task.key for row in table) >= 15 for task in lesson.exercises)
