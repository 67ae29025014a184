"""Verdicts in nbgrader's gradebook and folders: by `nbgrader autograde` and by the bulk writer, which must agree."""

import copy
import dataclasses
import json
import math
import os
import re
import shutil
import sys
import time
from contextlib import nullcontext
from datetime import timedelta

import bs4
import nbformat
import pytest
from grading_course import HOME, TASKS, course, released, strongest
from hypothesis import given
from hypothesis import strategies as st
from nbgrader.api import Base
from sqlalchemy import create_engine

from autograder.authoring.sources import mistakes
from autograder.commands import grading
from autograder.course import secret
from autograder.course.nbgrader import nbgrader
from autograder.gradebook import button, enter
from autograder.gradebook.feedback import NARROW, clamped, is_check, marked, text
from autograder.handin.timestamp import handed_in_at
from autograder.trials.invented import samples
from autograder.verdict import assignment
from autograder.verdict.journal import CellGrade, Record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jails need Linux")
ESSAY = f"{TASKS[0].id.split('_')[0]}_essay"
STRANGE = "<img src=x onerror=alert(1)>"
AGAIN = ("ada", "dora", "files")
"""Who is graded a second time."""
LEFT_OUT = ("bela", "carl", "emil", "hana")
"""Of the sample class, to save time."""
DUE, LATE = "2026-01-05 12:00:00 UTC", "2026-01-06 12:00:00 UTC"
SETTINGS = """c = get_config()
c.LateSubmissionPlugin.penalty_method = "zero"
"""
SPEAKS = """# [l03_stamp]
def stamp(x, pattern, mask, position=(0, 0)):
    print("LE" + "AK", x)
    raise ValueError("LE" + "AK " + repr(x.flatten()[:9].tolist()))
"""


def _strange_hand_ins(root):
    """What else a class hands in: student -> the folder, some of it unreadable."""
    release = released(root)
    perfect = samples.samples(HOME)[0]
    whole = json.dumps(samples.handed_in(release, perfect))
    samples.hand_in(root, HOME.name, "broken", whole[:-40])
    samples.hand_in(root, HOME.name, "renamed", whole).rename(root / "submitted/renamed" / HOME.name / "mine.ipynb")
    samples.hand_in(root, HOME.name, "missing", whole).unlink()
    samples.hand_in(root, HOME.name, "badtime", whole).with_name("timestamp.txt").write_text("yesterday\0")
    samples.hand_in(root, HOME.name, "late", whole).with_name("timestamp.txt").write_text(LATE)
    linked = samples.hand_in(root, HOME.name, "linked", whole)
    linked.unlink()
    linked.symlink_to(root / "submitted" / "ada" / HOME.name / linked.name)
    files = samples.hand_in(root, HOME.name, "files", whole).parent
    (files / "page.html").write_text("<script>alert(1)</script>")
    (files / "stolen.txt").symlink_to(root / secret.NAME)
    (files / "endless").symlink_to("/dev/zero")
    (files / "[x]").mkdir()
    (files / "[x]" / "inner.txt").write_text("inner")
    speaks = samples.Sample("speaks", "", 0.0, {**perfect.answers, TASKS[0].id: SPEAKS})
    samples.hand_in(root, HOME.name, "speaks", json.dumps(samples.handed_in(release, speaks)))
    samples.hand_in(root, HOME.name, STRANGE, whole)


def _autograde(root, student="*"):
    """What formgrader's button and `nbgrader autograde` run."""
    from nbgrader.converters import Autograde
    from nbgrader.coursedir import CourseDirectory

    config = enter.settings(root)
    where = CourseDirectory(config=config, assignment_id=HOME.name, student_id=student)
    Autograde(coursedir=where, config=config, force=True).start()


def _gradebook(root):
    from nbgrader.api import Gradebook

    return Gradebook(f"sqlite:///{root / 'gradebook.db'}")


def _rows(root):
    """All that the gradebook holds of the assignment, but the random names of rows."""
    with _gradebook(root) as book:
        return {
            row.student_id: (
                row.timestamp,
                row.extension,
                row.score,
                [(part.name, part.score, part.late_submission_penalty) for part in row.notebooks],
                {
                    g.cell.name: (g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade)
                    for part in row.notebooks
                    for g in part.grades
                },
                {c.cell.name: (c.auto_comment, c.manual_comment) for part in row.notebooks for c in part.comments},
            )
            for row in book.assignment_submissions(HOME.name)
        }


def _files(root, step="autograded"):
    paths = (root / step).rglob("*")
    return {path.relative_to(root): (path.read_bytes(), path.stat().st_mode) for path in paths if path.is_file()}


def _a_humans_work(root):
    """A human marks, comments and grants time, between two runs."""
    with _gradebook(root) as book:
        grade = book.find_grade(ESSAY, HOME.name, HOME.name, "ada")
        grade.manual_score, grade.needs_manual_grade, grade.extra_credit = 4.0, False, 0.5
        book.find_grade(TASKS[0].id, HOME.name, HOME.name, "dora").manual_score = 1.5
        book.find_comment(ESSAY, HOME.name, HOME.name, "ada").manual_comment = "Well argued."
        book.find_submission(HOME.name, "files").extension = timedelta(days=2)
        book.db.commit()


@pytest.fixture(scope="module")
def warden(warden_of):
    """The one that `SafeExecute` shares in this process, too."""
    with pytest.MonkeyPatch.context() as patch:
        warden = warden_of(strongest())
        patch.setattr(button, "_warden", lambda policy, trust: warden)
        yield warden


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """The class before anything is graded."""
    root = tmp_path_factory.mktemp("begun") / "course"
    course(root)
    for student in LEFT_OUT:
        shutil.rmtree(root / "submitted" / student)
    _strange_hand_ins(root)
    (root / ".jupyter").mkdir(exist_ok=True)
    (root / ".jupyter" / "nbgrader_config.py").write_text(SETTINGS)
    with _gradebook(root) as book:
        book.update_or_create_assignment(HOME.name, duedate=DUE)
    return root


def _copy(begun, folder):
    root = shutil.copytree(begun, folder / "course", symlinks=True)
    os.mkfifo(root / "submitted" / "files" / HOME.name / "pipe")  # which no copy can be made of
    return root


@pytest.fixture(scope="module")
def entered(begun, tmp_path_factory, warden):
    """Graded in bulk, with a human's work between two runs: the course, its records, who was refused."""
    root = _copy(begun, tmp_path_factory.mktemp("entered"))
    work = assignment.assignment(root, HOME)
    records = assignment.run(work, warden)
    refused = enter.write(work, records)
    _a_humans_work(root)
    enter.write(work, assignment.run(work, warden, students=AGAIN))
    enter.feedback(work.root, work.name, (*AGAIN, "broken", "missing", "linked", "speaks"))
    return root, records, refused


@pytest.fixture(scope="module")
def converted(begun, tmp_path_factory, warden):
    """The same through nbgrader's converter."""
    root = _copy(begun, tmp_path_factory.mktemp("converted"))
    _autograde(root)
    _a_humans_work(root)
    for student in AGAIN:
        _autograde(root, student)
    return root


@pytest.mark.slow
def test_both_ways_leave_the_same_rows_and_notebooks(entered, converted):
    one, other = entered[0], converted
    assert _rows(one) == _rows(other)
    assert _files(one) == _files(other)
    assert len(_rows(one)) == 12 and len([path for path in _files(one) if path.suffix == ".ipynb"]) == 12


def test_given_is_deserved(entered):
    rows = _rows(entered[0])
    given = {student: sum(row[4][task.id][0] for task in TASKS) for student, row in rows.items()}
    full = sum(task.points for task in TASKS)
    expected = {sample.student: sample.deserved for sample in samples.samples(HOME) if sample.student not in LEFT_OUT}
    expected |= dict.fromkeys(("renamed", "badtime", "late", "files"), full)
    expected |= dict.fromkeys(("broken", "missing", "linked"), 0.0) | {"speaks": full - TASKS[0].points}
    assert given == expected


def test_every_graded_cell_of_every_student_has_a_number_and_a_reason(entered):
    root, records, _ = entered
    graded = {task.id for task in TASKS}
    for record in records:
        if record.student == STRANGE:
            continue
        path = root / "autograded" / record.student / HOME.name / f"{HOME.name}.ipynb"
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        checks = [cell for cell in book.cells if is_check(cell)]
        assert {cell.metadata.nbgrader.grade_id for cell in checks} == graded
        for cell in checks:
            said, result = cell.outputs
            assert (said.output_type, said.name, result.output_type) == ("stream", "stdout", "execute_result")
            assert len(said.text.strip()) > 10
            assert result.data["text/plain"] == repr(record.cells[cell.metadata.nbgrader.grade_id].points)
        assert not any(cell.get("outputs") for cell in book.cells if not is_check(cell))


def test_what_could_not_be_read_is_zero_with_its_reason_and_waits_for_a_human(entered):
    root, *_ = entered
    rows = _rows(root)
    told = {"broken": "must be a notebook", "missing": "no notebook handed in", "linked": "no notebook handed in"}
    for student, reason in told.items():
        grades = rows[student][4]
        assert all(grades[task.id] == (0.0, None, None, True) for task in TASKS), student
        assert grades[ESSAY][0] == 0.0
        assert reason in (root / "feedback" / student / HOME.name / f"{HOME.name}.html").read_text(encoding="utf-8")


def test_a_humans_work_stays(entered):
    rows = _rows(entered[0])
    assert rows["ada"][4][ESSAY] == (None, 4.0, 0.5, False) and rows["ada"][5][ESSAY][1] == "Well argued."
    wrong = next(answer for answer in mistakes(HOME) if answer.exercise == TASKS[0].id)  # what dora handed in
    assert rows["dora"][4][TASKS[0].id] == (wrong.points, 1.5, None, False)
    assert rows["files"][1] == timedelta(days=2)


def _hands_in(root, student, essay):
    """The perfect answers once more, with another essay."""
    own = dataclasses.replace(samples.samples(HOME)[0], essay=essay)
    samples.hand_in(root, HOME.name, student, json.dumps(samples.handed_in(released(root), own)))


def _by_the_button(work, warden, student):
    _autograde(work.root, student)
    return []


def _in_bulk(work, warden, student):
    return enter.write(work, assignment.run(work, warden, students=[student]))


@pytest.mark.parametrize("again", [_in_bulk, pytest.param(_by_the_button, marks=pytest.mark.slow)])
def test_a_mark_waits_for_a_human_again_only_where_its_subject_has_changed(again, entered, warden, tmp_path):
    root = shutil.copytree(entered[0], tmp_path / "course", symlinks=True, ignore=shutil.ignore_patterns("pipe"))
    work = assignment.assignment(root, HOME)
    essay, check = (lambda: _rows(root)["ada"][4][ESSAY]), (lambda: _rows(root)["ada"][4][TASKS[0].id])
    for _ in range(2):
        assert again(work, warden, "ada") == [] and essay() == (None, 4.0, 0.5, False)
    with _gradebook(root) as book:
        book.find_grade(TASKS[0].id, HOME.name, HOME.name, "ada").manual_score = 1.0
        book.db.commit()
    _hands_in(root, "ada", "Another essay, and the same answers.")
    told = again(work, warden, "ada")
    assert told in ([], [f"ada: {ESSAY} has changed since it was marked; the mark stands and waits for a human"])
    assert bool(told) == (again is _in_bulk)  # nbgrader's own log tells it there
    assert essay() == (None, 4.0, 0.5, True) and check()[1:] == (1.0, None, False)
    assert again(work, warden, "ada") == [] and essay()[3]
    shutil.rmtree(root / "autograded" / "ada")
    told = again(work, warden, "ada")
    assert told in ([], [f"ada: what {TASKS[0].id} was marked for is not in autograded/ any more; it waits for a human"])
    assert check()[1:] == (1.0, None, True)


def test_pages_older_than_the_marks_are_written_anew(entered, tmp_path):
    root = shutil.copytree(entered[0], tmp_path / "course", symlinks=True, ignore=shutil.ignore_patterns("pipe"))
    page = root / "feedback" / "dora" / HOME.name / f"{HOME.name}.html"
    students = [*AGAIN, "broken", "missing", "linked", "speaks"]
    assert enter.old_pages(root, HOME.name, HOME.name, students) == []
    assert "Score: not yet marked / 5.0" in page.read_text(encoding="utf-8")
    with _gradebook(root) as book:
        grade = book.find_grade(ESSAY, HOME.name, HOME.name, "dora")
        grade.manual_score, grade.needs_manual_grade = 3.0, False
        book.db.commit()
    assert enter.old_pages(root, HOME.name, HOME.name, students) == ["dora"]
    enter.feedback(root, HOME.name, ["dora"])
    assert enter.old_pages(root, HOME.name, HOME.name, students) == []
    text = page.read_text(encoding="utf-8")
    assert "Score: 3.0 / 5.0" in text and "not yet marked" not in text
    page.unlink()
    shutil.rmtree(root / "autograded" / "broken")
    assert enter.old_pages(root, HOME.name, HOME.name, [*students, "nobody"]) == ["dora"]


def test_who_is_late_loses_what_the_course_says(entered):
    rows = _rows(entered[0])
    (name, score, penalty) = rows["late"][3][0]
    assert (name, score, penalty) == (HOME.name, 15.0, 15.0)
    assert rows["ada"][3][0][2] is None and rows["badtime"][0] is None


def test_doubts_flag_a_cell_and_leave_its_number(entered, warden):
    root, records, _ = entered
    work = assignment.assignment(root, HOME)
    ada = next(record for record in records if record.student == "ada")
    before = _rows(root)["ada"][4]
    doubted = {**ada.cells, TASKS[1].id: CellGrade(TASKS[1].points, TASKS[1].points, ("fine",), ("needs a human",))}
    enter.write(work, [Record(**{**vars(ada), "cells": doubted})])
    now = _rows(root)["ada"][4]
    assert now[TASKS[1].id] == (TASKS[1].points, None, None, True) and now[TASKS[0].id] == before[TASKS[0].id]
    enter.write(work, [ada])
    assert _rows(root)["ada"][4] == before


def test_a_name_that_is_no_students_is_refused_and_nowhere(entered):
    root, records, refused = entered
    work = assignment.assignment(root, HOME)
    assert refused == [] and work.strangers() == [STRANGE] and STRANGE not in work.students()
    strange = dataclasses.replace(records[0], student=STRANGE)
    assert enter.write(work, [strange]) == [f"{STRANGE!r} is no name for a student"]
    with _gradebook(root) as book:
        assert STRANGE not in {student.id for student in book.students}
    assert not (root / "autograded" / STRANGE).exists() and not (root / "feedback" / STRANGE).exists()


def _holds_nothing_of_a_student(root, *steps):
    for step in steps:
        found = {path.name for path in (root / step / "files").rglob("*")}
        assert HOME.name in found
        assert found <= {HOME.name, f"{HOME.name}.ipynb", f"{HOME.name}.html", "timestamp.txt"}, (root, step)


def test_no_file_of_a_student_gets_anywhere(entered):
    _holds_nothing_of_a_student(entered[0], "autograded", "feedback")


@pytest.mark.slow
def test_no_file_of_a_student_gets_anywhere_through_nbgrader(converted):
    _holds_nothing_of_a_student(converted, "autograded")


def test_no_secret_gets_to_students(entered):
    root, records, _ = entered
    key = (root / secret.NAME).read_text().strip()
    work = assignment.assignment(root, HOME)
    hidden = [key, work.master.secret.hex(), secret.fingerprint(secret.load(root)), str(root), str(HOME), "LEAK"]
    hidden += [record.key for record in records]
    names = [record.student for record in records if record.student not in ("files", "late", "missing", "broken")]
    names = [name for name in names if name not in ("speaks", "renamed", "linked", "badtime")]  # also plain words
    for step in ("autograded", "feedback"):
        paths = [path for path in (root / step).rglob("*") if path.is_file()]
        assert len(paths) >= len(AGAIN)
        for path in paths:
            content = path.read_text(encoding="utf-8")
            owner = path.relative_to(root / step).parts[0]
            assert [word for word in hidden if word in content] == [], path
            outputs = content if step == "feedback" else ""
            own = released(root)
            lesson = " ".join(cell.source for cell in own.cells)
            others = [name for name in names if name != owner and name not in lesson]
            assert [name for name in others if f">{name}<" in outputs or f" {name} " in outputs] == [], path


@pytest.mark.slow
def test_the_feedback_is_nbgraders(entered):
    """Quick pages differ from nbconvert's in a second parse, pictures' width, the last line, and what is not yet marked."""
    from nbconvert.exporters import HTMLExporter
    from nbgrader.converters import GenerateFeedback
    from nbgrader.coursedir import CourseDirectory

    root, *_ = entered
    path = root / "feedback" / "dora" / HOME.name / f"{HOME.name}.html"
    quick = path.read_text(encoding="utf-8")
    config = enter.settings(root)
    config.GenerateFeedback.exporter_class = HTMLExporter
    where = CourseDirectory(config=config, assignment_id=HOME.name, student_id="dora")
    GenerateFeedback(coursedir=where, config=config, force=True).start()
    assert quick.count(NARROW) == 1 and "not yet marked" in quick
    ours, line = quick.replace("not yet marked", "0.0").replace(NARROW, ""), r"\n<!-- marks [0-9a-f]{16} -->\n$"
    assert len(re.findall(line, ours)) == 1
    theirs = path.read_text(encoding="utf-8")
    assert str(bs4.BeautifulSoup(re.sub(line, "", ours), "html.parser")) == theirs
    dora = next(record for record in entered[1] if record.student == "dora")
    shown = bs4.BeautifulSoup(quick, "html.parser").get_text()
    assert all(line.strip() in shown for line in dora.cells[TASKS[0].id].reasons)


def _ungraded(source, root):
    """A copy without what was graded, but for what a human has marked: that mark is about what lies there."""
    shutil.copytree(source, root, symlinks=True, ignore=shutil.ignore_patterns("feedback", "pipe"))
    for folder in (root / "autograded").iterdir():
        if folder.name not in ("ada", "dora"):
            shutil.rmtree(folder)


@pytest.mark.parametrize("where", ["rows", pytest.param("files", marks=pytest.mark.slow)])
def test_killed_half_way_the_same_call_completes_it(where, entered, tmp_path, monkeypatch):
    source, records, _ = entered
    root = tmp_path / "course"
    _ungraded(source, root)
    work = assignment.assignment(root, HOME)
    expected = {path: content for path, content in _files(source).items()}
    calls = []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return original(*arguments)

    target = (enter, "_file") if where == "files" else (enter._Rows, "_penalty")
    original = getattr(*target)
    before, there = _rows(root), _files(root)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(*target, killed)
        enter.write(work, records)
    assert _files(root) == there if where == "rows" else len(there) < len(_files(root)) < len(expected)
    if where == "rows":
        assert _rows(root) == before
    enter.write(work, records)
    assert _files(root) == expected and _rows(root) == before


def test_what_is_written_is_what_nbconvert_writes(entered):
    root, records, _ = entered
    work = assignment.assignment(root, HOME)
    for record in records[:3]:
        release = copy.deepcopy(work.release)
        book = marked(work, work.rebuilt(record.student), record)
        assert text(book) == nbformat.writes(book, version=4) + "\n"
        assert work.release == release and isinstance(book.cells[0].source, str)


@given(st.floats(), st.floats(0, 100))
def test_points_are_a_number_between_nothing_and_all(points, maximum):
    found = clamped(points, maximum)
    assert 0.0 <= found <= maximum and isinstance(found, float)
    if 0 <= points <= maximum:
        assert found == points
    assert math.isfinite(float(repr(found)))


@pytest.mark.parametrize(
    ("content", "hour"),
    [("2026-01-01 10:00:00 UTC", 10), ("", None), ("x" * 200, None), ("soon", None),
     ("99999-01-01", None), ("2026-01-01 10:00:00 /dev/zero", None), ("2026-01-01 10:00:00.5 UTC", 10)],
)  # fmt: skip
def test_the_time_of_a_hand_in(content, hour, tmp_path):
    (tmp_path / "timestamp.txt").write_text(content)
    found = handed_in_at(tmp_path)
    assert (found and found.hour) == hour
    (tmp_path / "timestamp.txt").unlink()
    (tmp_path / "timestamp.txt").symlink_to("/dev/zero")
    assert handed_in_at(tmp_path) is None


def test_without_a_gradebook_it_is_told_what_to_do(entered, tmp_path):
    work = assignment.assignment(entered[0], HOME)
    alone = dataclasses.replace(work, root=tmp_path)
    with pytest.raises(ValueError, match=r"gradebook\.db has no 03_badnets; run `autograder release"):
        enter.write(alone, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [grading.grade, grading.regrade])
def test_without_the_assignment_nothing_is_graded_and_it_is_told_what_to_do(command, entered, tmp_path, monkeypatch):
    root = tmp_path / "course"
    for name in ("release", "submitted/ada"):  # not all: somebody has handed in a link to a file without an end
        shutil.copytree(entered[0] / name, root / name)
    shutil.copy(entered[0] / secret.NAME, root)
    Base.metadata.create_all(create_engine(f"sqlite:///{root / 'gradebook.db'}"))
    monkeypatch.setattr("autograder.warden.policy.guarded", lambda *_: nullcontext())
    with pytest.raises(ValueError, match=r"gradebook\.db has no 03_badnets; run `autograder release 03_badnets` first"):
        command("03", course=root)
    assert not (root / "journal").exists() and not (root / "autograded").exists()


@pytest.mark.slow
def test_the_command_of_nbgrader_grades_this_way(entered, tmp_path):
    """As a process of its own, with its walls tried: `nbgrader autograde`, then a second time without --force."""
    source, *_ = entered
    root = tmp_path / "course"
    _ungraded(source, root)
    nbgrader(root, "autograde", HOME.name)
    assert _files(root) == _files(source) and _rows(root) == _rows(source)
    times = {path: path.stat().st_mtime_ns for path in (root / "autograded").rglob("*.ipynb")}
    later = root / "submitted" / "ada" / HOME.name / "timestamp.txt"
    later.write_text("2026-01-02 10:00:00 UTC")
    nbgrader(root, "autograde", HOME.name)
    again = {path.parts[-3] for path, when in times.items() if path.stat().st_mtime_ns != when}
    assert again == {"ada"}


@pytest.mark.slow
def test_two_hundred_students_are_entered_in_seconds(entered, tmp_path):
    source, records, _ = entered
    root = tmp_path / "course"
    _ungraded(source, root)
    ada = next(record for record in records if record.student == "ada")
    many = [Record(**{**vars(ada), "student": f"s{number:03}"}) for number in range(200)]
    for record in many:
        shutil.copytree(root / "submitted" / "ada", root / "submitted" / record.student)
    work = assignment.assignment(root, HOME)
    start = time.process_time()
    enter.write(work, many)
    seconds = time.process_time() - start
    print(f"200 students: {seconds:.1f} CPU-s")
    assert len(_rows(root)) == 212 and seconds < 12  # 4.0 measured; a busy machine counts half as much again
