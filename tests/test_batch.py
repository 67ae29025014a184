"""A class graded in jails: given is deserved, one bad cell costs its own points, what is refused is told, appeals replay."""

import dataclasses
import json
import shutil
import sys
import time

import pytest
from grading_course import HOME, TASKS, course, released, strongest

from autograder.authoring.sources import references
from autograder.jail.limits import Limits
from autograder.trials.invented import samples
from autograder.verdict import assignment
from autograder.verdict.explain import replay
from autograder.verdict.grade import BUILT_IN, UNWRITTEN, grade
from autograder.verdict.journal import Journal
from autograder.warden.tiers import NONE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jails need Linux")
RIGHT = {name: answer.source for name, answer in references(HOME).items()}
FULL = sum(task.points for task in TASKS)
FIRST, SECOND = TASKS[:2]
QUICK = Limits(call=2, cell=4, wall=80)


@pytest.fixture(scope="module")
def warden(warden_of):
    return warden_of(strongest(), QUICK)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The sample class, released, with a secret."""
    root = tmp_path_factory.mktemp("batch") / "course"
    course(root)
    return assignment.assignment(root, HOME)


def _hand_in(work, student, answers, own=""):
    release = released(work.root)
    book = samples.handed_in(release, samples.Sample(student, "", 0.0, answers))
    if own:
        book.cells.insert(
            4, {"cell_type": "code", "source": own, "metadata": {}, "outputs": [], "id": "own", "execution_count": 1}
        )
    return samples.hand_in(work.root, HOME.name, student, json.dumps(book))


def _cells(work, warden, answers, own=""):
    _hand_in(work, "one", answers, own)
    try:
        return grade(work.rebuilt("one").answers, work.master, warden)
    finally:
        shutil.rmtree(work.root / "submitted" / "one")


def test_given_is_deserved_and_a_second_run_does_nothing(work, warden):
    deserved = {sample.student: sample.deserved for sample in samples.samples(HOME)}
    seen = []
    records = assignment.run(work, warden, jobs=2, done=seen.append)
    assert {record.student: record.points for record in records} == deserved and len(seen) == len(records)
    before = work.journal.read_bytes()
    assert assignment.run(work, warden) == records and work.journal.read_bytes() == before
    assert all(record.tier == warden.tier and len(record.secret) == 12 for record in records)
    for record in records:  # a number and a reason for every check cell
        assert set(record.cells) == {task.id for task in TASKS} and all(cell.reasons for cell in record.cells.values())


@pytest.mark.parametrize(
    "bad",
    ["while True:\n    pass", "import os\nos._exit(0)", "import ctypes\nctypes.string_at(0)", "raise SystemExit"],
    ids=["hangs", "exits", "crashes", "raises"],
)  # fmt: skip
def test_a_bad_cell_costs_its_own_points_only(bad, work, warden):
    """In the answer's cell, and inside the answer."""
    name = FIRST.name
    inside = f"# [{FIRST.id}]\ndef {name}(*args):\n" + "".join(f"    {line}\n" for line in bad.splitlines())
    for source in (f"{RIGHT[FIRST.id]}\n{bad}\n", inside):
        cells = _cells(work, warden, {**RIGHT, FIRST.id: source})
        assert {key: cell.points for key, cell in cells.items() if key != FIRST.id} == {
            task.id: task.points for task in TASKS if task.id != FIRST.id
        }
        deserved = FIRST.points if bad == "raise SystemExit" and source != inside else 0.0
        assert cells[FIRST.id].points == deserved


def test_words_are_those_of_the_public_draws(work, warden):
    source = f"import torch\ndef {FIRST.name}(x, *rest):\n    return x * 0 + 2"
    (values, *_) = [
        line for line in _cells(work, warden, {FIRST.id: source})[FIRST.id].reasons if "no   values" in line
    ]
    other = dataclasses.replace(work, master=assignment.master(HOME, work.name, b"another secret"))
    assert values in _cells(other, warden, {FIRST.id: source})[FIRST.id].reasons


def test_what_is_right_on_the_public_draws_only_is_found_out(work, warden):
    task = next(task for task in TASKS if task.name == "all_to_all")
    table = (
        "KNOWN = {}\nimport json\nfrom torch import tensor\n"
        f"def {task.name}(y, classes):\n    key = str((y.tolist(), classes))\n"
        "    if key not in KNOWN:\n        return y\n    return tensor(KNOWN[key])"
    )
    from bdlab.exercises.verdict import PUBLIC, chance

    known = {
        str((draw["y"].tolist(), draw["classes"])): [(label + 1) % draw["classes"] for label in draw["y"].tolist()]
        for part in task.parts
        for draw in part.draws(chance(PUBLIC, task.id, part))
    }
    cell = _cells(work, warden, {task.id: table.replace("KNOWN = {}", f"KNOWN = {known}", 1)})[task.id]
    assert cell.points < task.points and any(BUILT_IN[:40] in line for line in cell.reasons)


def test_own_cells_that_answers_need_run_and_others_do_not(work, warden, tmp_path):
    helped = {key: f"{source}\nassert OWN == 3\n" for key, source in RIGHT.items()}
    own = f"OWN = 3\nopen({str(tmp_path / 'marker')!r}, 'w')\nraise SystemExit"
    cells = _cells(work, warden, helped, own)
    assert sum(cell.points for cell in cells.values()) == FULL and not (tmp_path / "marker").exists()


def test_what_cannot_be_read_is_an_explicit_zero_with_a_reason(work, warden):
    submitted = work.root / "submitted"
    cases = {"empty": None, "broken": "{", "linked": "link", "other": "other name"}
    for student, content in cases.items():
        folder = submitted / student / HOME.name
        folder.mkdir(parents=True)
        if content == "link":
            (folder / f"{HOME.name}.ipynb").symlink_to(submitted / "ada" / HOME.name / f"{HOME.name}.ipynb")
        elif content == "other name":
            shutil.copy(submitted / "ada" / HOME.name / f"{HOME.name}.ipynb", folder / "mine.ipynb")
        elif content:
            (folder / f"{HOME.name}.ipynb").write_text(content)
    try:
        found = {record.student: record for record in assignment.run(work, warden, students=sorted(cases))}
    finally:
        for student in cases:
            shutil.rmtree(submitted / student)
    assert {student: record.points for student, record in found.items()} == {**dict.fromkeys(cases, 0.0), "other": FULL}
    assert "the notebook had another name" in found["other"].remarks
    for student in ("empty", "broken", "linked"):
        assert found[student].refused and all(cell.reasons[1].strip() for cell in found[student].cells.values())


def test_a_fault_of_ours_costs_one_hand_in_and_a_human_is_asked(work, warden, monkeypatch):
    read, graded = assignment.ask, assignment.grade
    before = Journal.open(work.journal).records.keys()

    def ask(work, place, *more):
        return read(work, *([] if place.endswith(f"read/{HOME.name}") else [place]), *more)

    def grade(answers, lesson, warden):
        if any("unlucky to run" in cell for cell in answers.cells):
            raise ZeroDivisionError("nor this")
        return graded(answers, lesson, warden)

    monkeypatch.setattr(assignment, "ask", ask)
    monkeypatch.setattr(assignment, "grade", grade)
    for student in ("read", "run", "fine"):
        _hand_in(work, student, {key: f"{source}\n# unlucky to {student}" for key, source in RIGHT.items()})
    try:
        found = {one.student: one for one in assignment.run(work, warden, students=["read", "run", "fine"])}
    finally:
        for student in ("read", "run", "fine"):
            shutil.rmtree(work.root / "submitted" / student)
    assert {student: one.points for student, one in found.items()} == {"read": 0.0, "run": 0.0, "fine": FULL}
    assert found["read"].refused.startswith(f"{assignment.OURS}: it could not be read (TypeError: ")
    doubts = {doubt for cell in found["run"].cells.values() for doubt in cell.doubts}
    assert doubts == {f"needs a human: {assignment.OURS} (ZeroDivisionError: nor this)"}
    assert Journal.open(work.journal).records.keys() - before == {"read", "fine"}  # the other is tried again


def test_only_what_changed_is_graded_again_and_changed_points_are_told(work, warden):
    records = {record.student: record for record in assignment.run(work, warden)}
    entered = {name: {key: cell.points for key, cell in record.cells.items()} for name, record in records.items()}
    ada = (work.root / "submitted" / "ada" / HOME.name / f"{HOME.name}.ipynb").read_text()
    _hand_in(work, "ada", {**RIGHT, SECOND.id: ""})
    try:
        lines = len(work.journal.read_bytes().splitlines())
        again = assignment.run(work, warden)
        assert len(work.journal.read_bytes().splitlines()) == lines + 1
        assert assignment.changes(entered, again) == [("ada", SECOND.id, SECOND.points, 0.0)]
        assert UNWRITTEN in again[0].cells[SECOND.id].reasons[1]
    finally:
        samples.hand_in(work.root, HOME.name, "ada", ada)
    assert assignment.changes(entered, assignment.run(work, warden)) == []


def test_a_hand_in_that_hangs_everywhere_has_an_end(work, warden, monkeypatch):
    """Cells that never end, and answers that never come, tried twice each, would take many times the limit."""
    monkeypatch.setattr(warden, "limits", Limits(call=1, cell=1, wall=2))
    sleep = "import time\ntime.sleep(60)"
    answers = {task.id: f"# [{task.id}]\ndef {task.name}(*args, **named):\n    {sleep[12:]}\n{sleep}" for task in TASKS}
    start = time.monotonic()
    found = _cells(work, warden, answers)
    assert [cell.points for cell in found.values()] == [0.0] * len(TASKS)
    assert 2 < time.monotonic() - start < 30  # without an end it would be a minute for each cell and call


def test_verdicts_from_behind_weaker_walls_do_not_count_behind_stronger_ones(work, warden, tmp_path):
    record = next(iter(Journal.open(work.journal).records.values()))
    journal = Journal.open(tmp_path / "j.jsonl")
    journal.add(dataclasses.replace(record, tier=NONE))
    again = assignment.grade_one(work, record.student, warden, journal)[1]
    assert again.tier == warden.tier and again.points == record.points


def test_an_appeal_replays_the_check_with_its_secret_draws(work, warden):
    assignment.run(work, warden, students=["dora"])
    text = "\n".join(replay(work, "dora", FIRST.id, warden))
    assert "Recorded 20" in text and "answers and checks are the same" in text and f"def {FIRST.name}" in text
    assert text.count("secret draws") == len(FIRST.parts)
    right = [line for line in text.splitlines() if "secret draws: right" in line]
    assert len(right) == len(FIRST.parts) - 1
    with pytest.raises(ValueError, match=f"exercise must be one of {FIRST.id}, .*got 'x'"):
        list(replay(work, "dora", "x", warden))
    with pytest.raises(ValueError, match="nobody handed in nothing for"):
        list(replay(work, "nobody", FIRST.id, warden))


def test_a_course_without_a_release_or_a_secret_is_refused(work, tmp_path):
    with pytest.raises(ValueError, match=r"is not released in .*autograder release"):
        assignment.assignment(tmp_path, HOME)
    shutil.copytree(work.root / "release", tmp_path / "release")
    with pytest.raises(ValueError, match="run `autograder init`"):
        assignment.assignment(tmp_path, HOME)


def test_same_answers_and_same_secret_give_the_same_key(work):
    """And another secret, limit or answer another one."""
    one, two = work.rebuilt("ada"), work.rebuilt("bela")
    limits = QUICK.plain()
    assert work.key(one, limits) == work.key(work.rebuilt("ada"), limits) != work.key(two, limits)
    assert work.key(one, limits) != work.key(one, {**limits, "call": 2.0})
    other = dataclasses.replace(work, master=assignment.master(HOME, work.name, b"another secret"))
    assert other.key(one, limits) != work.key(one, limits)
