"""Stock nbgrader grades the lessons: a class of invented hand-ins, damaged ones, blank ones, every mutant."""

import json
import os
import stat

import nbformat
import pytest
import throwaway
import which
from grading_course import course, fresh, released

from autograder.authoring.build import canary
from autograder.authoring.sources import alternatives, mistakes, references
from autograder.course.nbgrader import nbgrader
from autograder.trials.invented import mishaps, samples
from bdlab.exercises import lessons

pytestmark = pytest.mark.slow
DAMAGED = ("colab", "lost_all", "duplicated", "deleted")


def _mutant_students(home):
    """Hand-ins that together hold every mutant and every alternative: student -> (answers, deserved points)."""
    right = {name: answer.source for name, answer in references(home).items()}
    tasks, table = lessons.lesson(home.name).exercises, {}
    for kind, answers in (("mutant", mistakes(home)), ("style", alternatives(home))):
        per_task = {task.id: [a for a in answers if a.exercise == task.id] for task in tasks}
        for number in range(max(map(len, per_task.values()))):
            chosen = {name: own[number] for name, own in per_task.items() if number < len(own)}
            deserved = sum(chosen[t.id].points if t.id in chosen else t.points for t in tasks)
            table[f"{kind}{number}"] = ({**right, **{k: a.source for k, a in chosen.items()}}, deserved)
    return table


@pytest.fixture(scope="module", params=which.homes())
def home(request, probe):
    """Each lesson; the kernels that nbgrader starts know the throw-away ones."""
    with pytest.MonkeyPatch.context() as patch:
        throwaway.in_nbgrader(patch)
        yield request.param


@pytest.fixture(scope="module")
def graded(home, tmp_path_factory):
    """(course folder, the sample class as stock nbgrader graded it, with feedback)."""
    root = tmp_path_factory.mktemp("class") / "course"
    course(root, home=home)
    return root, samples.stock(home, root)


@pytest.fixture(scope="module")
def others(home, tmp_path_factory):
    """(points, remarks) of damaged hand-ins, and of some that together hold every mutant and every alternative."""
    root = tmp_path_factory.mktemp("others") / "course"
    fresh(home, root)
    release, perfect = released(root, home), samples.samples(home)[0]
    for name in DAMAGED:
        book = json.loads(json.dumps(samples.handed_in(release, perfect)))
        samples.hand_in(root, home.name, f"vandal_{name}", json.dumps(mishaps.IN_FILE[name](book)))
    for student, (answers, deserved) in _mutant_students(home).items():
        sample = samples.Sample(student, "", deserved, answers)
        samples.hand_in(root, home.name, student, json.dumps(samples.handed_in(release, sample)))
    remarks = samples.mend(root, home.name)
    samples.stock(home, root)
    return samples.points(root, home.name), remarks


def test_given_is_deserved_eight_of_eight(home, graded):
    _, found = graded
    assert len(found) == 8
    assert [(g.sample.student, g.given) for g in found] == [(g.sample.student, g.sample.deserved) for g in found]
    by_name = {g.sample.student: g for g in found}
    assert by_name["ada"].given == by_name["bela"].given == lessons.lesson(home.name).automatic == 15
    assert by_name["fay"].given == by_name["hana"].given == 0
    assert by_name["hana"].essay and not by_name["fay"].essay  # an essay waits for a human, an empty one does not


def test_every_mutant_and_alternative_gets_what_it_deserves(home, others):
    points, _ = others
    expected = {student: deserved for student, (_, deserved) in _mutant_students(home).items()}
    assert {student: points[student][0] for student in expected} == expected


def test_a_damaged_hand_in_gets_its_points_and_its_remark(others):
    points, remarks = others
    assert {name: points[f"vandal_{name}"][0] for name in DAMAGED} == dict.fromkeys(DAMAGED, 15.0)
    assert {name for name in DAMAGED if f"vandal_{name}" in remarks} == {"lost_all", "duplicated", "deleted"}
    assert set(remarks) <= {f"vandal_{name}" for name in DAMAGED}  # sound hand-ins stay as they are


def test_the_feedback_says_why(home, graded):
    root, _ = graded
    first = lessons.lesson(home.name).exercises[0]
    page = (root / "feedback" / "dora" / home.name / f"{home.name}.html").read_text(encoding="utf-8")
    wrong = next(answer for answer in mistakes(home) if answer.exercise == first.id)
    assert first.messages[wrong.name][:40] in page.replace("&#39;", "'").replace("&quot;", '"')


def test_no_graded_cell_writes_to_stderr_or_lacks_a_number(home, graded):
    root, _ = graded
    paths, tasks = list((root / "autograded").glob(f"*/{home.name}/*.ipynb")), lessons.lesson(home.name).exercises
    assert len(paths) == 8
    for path in paths:
        checks = [cell for cell in nbformat.read(path, as_version=4).cells if cell.get("id") in {t.id for t in tasks}]
        assert len(checks) == len(tasks)
        for cell in checks:
            assert not [out for out in cell.outputs if out.get("name") == "stderr"], path
            (result,) = [out for out in cell.outputs if out.output_type == "execute_result"]
            assert 0 <= float(result.data["text/plain"]) <= 5, path


def test_a_blank_hand_in_shows_nothing_of_the_solutions(home, graded):
    root, _ = graded
    paths = [path for step in ("autograded", "feedback") for path in (root / step / "fay").rglob("*.*")]
    assert {path.suffix for path in paths} >= {".ipynb", ".html"}
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert "END SOLUTION" not in text, path
        assert not any(canary(task) in text for task in lessons.lesson(home.name).exercises), path


@pytest.mark.skipif(os.name == "nt", reason="modes are a matter of POSIX")
def test_what_is_about_students_is_private(graded):
    assert stat.S_IMODE(graded[0].stat().st_mode) == 0o700


def test_the_students_notebook_runs_to_its_end_with_nothing_written(home, graded):
    """The blank hand-in was executed as it is: no check cell raised."""
    root, _ = graded
    book = nbformat.read(root / "autograded" / "fay" / home.name / f"{home.name}.ipynb", as_version=4)
    assert [cell.get("id") for cell in book.cells if cell.get("outputs")]
    raised = [cell.get("id") for cell in book.cells if any(o.output_type == "error" for o in cell.get("outputs", []))]
    assert raised == []


def test_what_nbgrader_refuses_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="nbgrader autograde failed:\n"):
        nbgrader(tmp_path, "autograde", "no_such_lesson")
