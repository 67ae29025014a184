"""Stock nbgrader grades the lessons: a class of invented hand-ins, damaged ones, blank ones, every mutant."""

import json
import os
import shutil
import stat

import nbformat
import pytest
from test_build import CANARY, HOME

from autograder.authoring.sources import alternatives, mistakes, references
from autograder.course.nbgrader import nbgrader
from autograder.trials.invented import mishaps, samples
from bdlab.exercises import lessons

TASKS = lessons.lesson(HOME.name).exercises
DAMAGED = ("colab", "lost_all", "duplicated", "deleted")


def _mutant_students():
    """Hand-ins that together hold every mutant and every alternative: student -> (answers, deserved points)."""
    right = {name: answer.source for name, answer in references(HOME).items()}
    table = {}
    for kind, answers in (("mutant", mistakes(HOME)), ("style", alternatives(HOME))):
        per_task = {task.id: [a for a in answers if a.exercise == task.id] for task in TASKS}
        for number in range(max(map(len, per_task.values()))):
            chosen = {name: own[number] for name, own in per_task.items() if number < len(own)}
            deserved = sum(chosen[t.id].points if t.id in chosen else t.points for t in TASKS)
            table[f"{kind}{number}"] = ({**right, **{k: a.source for k, a in chosen.items()}}, deserved)
    return table


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The sample class, graded by stock nbgrader, with feedback."""
    root = tmp_path_factory.mktemp("class") / "course"
    samples.write(HOME, root)
    return root, samples.stock(HOME, root)


@pytest.fixture(scope="module")
def others_course(tmp_path_factory):
    """Damaged hand-ins, and some that together hold every mutant and every alternative."""
    root = tmp_path_factory.mktemp("others") / "course"
    samples.write(HOME, root)
    shutil.rmtree(root / "submitted")
    release = nbformat.read(root / "release" / HOME.name / f"{HOME.name}.ipynb", as_version=4)
    perfect = samples.samples(HOME)[0]
    for name in DAMAGED:
        book = json.loads(json.dumps(samples.handed_in(release, perfect)))
        samples.hand_in(root, HOME.name, f"vandal_{name}", json.dumps(mishaps.IN_FILE[name](book)))
    for student, (answers, deserved) in _mutant_students().items():
        sample = samples.Sample(student, "", deserved, answers)
        samples.hand_in(root, HOME.name, student, json.dumps(samples.handed_in(release, sample)))
    remarks = samples.mend(root, HOME.name)
    samples.stock(HOME, root)
    return samples.points(root, HOME.name), remarks


def test_given_is_deserved_eight_of_eight(course):
    _, graded = course
    assert len(graded) == 8
    assert [(g.sample.student, g.given) for g in graded] == [(g.sample.student, g.sample.deserved) for g in graded]
    automatic = sum(task.points for task in TASKS)
    by_name = {g.sample.student: g for g in graded}
    assert by_name["ada"].given == by_name["bela"].given == automatic == 15
    assert by_name["fay"].given == by_name["hana"].given == 0
    assert by_name["hana"].essay and not by_name["fay"].essay  # an essay waits for a human, an empty one does not


@pytest.mark.slow
def test_every_mutant_and_alternative_gets_what_it_deserves(others_course):
    points, _ = others_course
    expected = {student: deserved for student, (_, deserved) in _mutant_students().items()}
    assert {student: points[student][0] for student in expected} == expected


@pytest.mark.slow
def test_a_damaged_hand_in_gets_its_points_and_its_remark(others_course):
    points, remarks = others_course
    assert {name: points[f"vandal_{name}"][0] for name in DAMAGED} == dict.fromkeys(DAMAGED, 15.0)
    assert {name for name in DAMAGED if f"vandal_{name}" in remarks} == {"lost_all", "duplicated", "deleted"}
    assert set(remarks) <= {f"vandal_{name}" for name in DAMAGED}  # sound hand-ins stay as they are


def test_the_feedback_says_why(course):
    root, _ = course
    page = (root / "feedback" / "dora" / HOME.name / f"{HOME.name}.html").read_text(encoding="utf-8")
    wrong = next(answer for answer in mistakes(HOME) if answer.exercise == TASKS[0].id)
    assert TASKS[0].messages[wrong.name][:40] in page.replace("&#39;", "'").replace("&quot;", '"')


def test_no_graded_cell_writes_to_stderr_or_lacks_a_number(course):
    root, _ = course
    for path in (root / "autograded").glob(f"*/{HOME.name}/*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.get("id") in {task.id for task in TASKS}:
                assert not [out for out in cell.outputs if out.get("name") == "stderr"], path
                (result,) = [out for out in cell.outputs if out.output_type == "execute_result"]
                assert 0 <= float(result.data["text/plain"]) <= 5, path


def test_a_blank_hand_in_shows_nothing_of_the_solutions(course):
    root, _ = course
    for step in ("autograded", "feedback"):
        for path in (root / step / "fay").rglob("*.*"):
            text = path.read_text(encoding="utf-8")
            assert not CANARY.search(text) and "END SOLUTION" not in text, path


@pytest.mark.skipif(os.name == "nt", reason="modes are a matter of POSIX")
def test_what_is_about_students_is_private(course):
    assert stat.S_IMODE(course[0].stat().st_mode) == 0o700


def test_the_students_notebook_runs_to_its_end_with_nothing_written(course):
    """The blank hand-in was executed as it is: no check cell raised."""
    root, _ = course
    book = nbformat.read(root / "autograded" / "fay" / HOME.name / f"{HOME.name}.ipynb", as_version=4)
    raised = [cell.get("id") for cell in book.cells if any(o.output_type == "error" for o in cell.get("outputs", []))]
    assert raised == []


def test_what_nbgrader_refuses_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="nbgrader autograde failed:\n"):
        nbgrader(tmp_path, "autograde", "no_such_lesson")
