"""A mended reference, end to end: it counts from its release on, is named before, and changes whose points it must."""

import dataclasses
import shutil

import pytest
from grading_course import HOME, TASKS, course, strongest

from autograder.authoring import judged_by
from autograder.authoring.sources import mistakes, references
from autograder.verdict import assignment
from autograder.verdict.explain import replay
from autograder.verdict.grade import master
from autograder.warden.pool import Warden

FIRST = TASKS[0]
OLD = references(HOME)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    place = tmp_path_factory.mktemp("judged") / "course"
    course(place)
    return place


def _points(root, warden):
    return {one.student: one.points for one in assignment.run(assignment.assignment(root, HOME), warden, jobs=2)}


def test_a_mended_reference_counts_from_its_release_on(root, monkeypatch):
    wrong = next(one for one in mistakes(HOME) if one.exercise == FIRST.id)
    first = {**OLD, FIRST.id: dataclasses.replace(OLD[FIRST.id], source=wrong.source)}
    monkeypatch.setattr(judged_by, "references", lambda home: first)  # a reference with a mistake was released
    judged_by.keep(root, HOME, HOME.name)
    assert judged_by.differs(root, HOME, HOME.name) == []
    with Warden(strongest()) as warden:
        before = _points(root, warden)
        monkeypatch.setattr(judged_by, "references", lambda home: OLD)  # mended in the work tree
        (told,) = judged_by.differs(root, HOME, HOME.name)
        assert told.startswith(f"the reference of {FIRST.id} has changed and does not count yet: `autograder release 03")
        assert next(replay(assignment.assignment(root, HOME), "ada", FIRST.id, warden)) == told
        assert _points(root, warden) == before
        judged_by.keep(root, HOME, HOME.name)
        after = assignment.run(assignment.assignment(root, HOME), warden, jobs=2)
    assert {one.student: one.points for one in after}["ada"] == sum(task.points for task in TASKS) > before["ada"]
    entered = {student: {FIRST.id: points} for student, points in before.items()}
    assert {student for student, *_ in assignment.changes(entered, after)} >= {"ada", "bela"}


def test_a_changed_check_is_named_and_gives_another_key(root, monkeypatch):
    work = assignment.assignment(root, HOME)
    now = judged_by.checks(HOME)
    assert {"remote.py", "comparing.py", "l03.npz"} <= now.keys() and not any(name.startswith("l02") for name in now)
    other = dataclasses.replace(work, master=dataclasses.replace(work.master, checks={**now, "l03.npz": "another"}))
    assert other.key(work.rebuilt("ada"), {}) != work.key(work.rebuilt("ada"), {})
    judged_by.keep(root, HOME, HOME.name)
    monkeypatch.setattr(judged_by, "checks", lambda home: {**now, "l03.npz": "another"})
    assert judged_by.differs(root, HOME, HOME.name) == ["checks have changed, and count: l03.npz"]


def test_references_that_answer_the_same_give_the_same_key():
    one, same = (master(HOME, "a", b"secret", OLD) for _ in range(2))
    assert one.key(NOTHING, {}) == same.key(NOTHING, {}) != master(HOME, "b", b"secret", OLD).key(NOTHING, {})
    commented = {name: dataclasses.replace(one, source=f"{one.source}\n# better\n") for name, one in OLD.items()}
    assert master(HOME, "a", b"secret", commented).key(NOTHING, {}) == one.key(NOTHING, {})


def test_what_was_never_kept_is_the_work_trees(root, tmp_path):
    shutil.copytree(root / "release", tmp_path / "release")
    assert judged_by.kept(tmp_path, HOME, HOME.name) == OLD and judged_by.differs(tmp_path, HOME, HOME.name) == []


NOTHING = assignment.Rebuilt().answers
