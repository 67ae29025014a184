"""Every lesson through the whole chain, known by nothing but its own files: class, jail, gradebook, feedback, report."""

import collections
import json
import random
import shutil
import sys

import pytest
import which
from grading_course import course, fresh, released, strongest

from autograder.authoring import build
from autograder.authoring.sources import alternatives, mistakes, references
from autograder.course import secret
from autograder.gradebook import enter
from autograder.gradebook.read import scores
from autograder.trials.hostile.case import Material
from autograder.trials.hostile.forging import by_heart
from autograder.trials.invented import sample_class, sample_files, sample_report, samples
from autograder.trials.invented.variation import broken, vary
from autograder.verdict import assignment
from bdlab.exercises import lessons

pytestmark = [
    pytest.mark.usefixtures("probe"),
    pytest.mark.skipif(sys.platform != "linux", reason="jails need Linux"),
]


@pytest.fixture(scope="module")
def warden(warden_of):
    return warden_of(strongest())


@pytest.fixture(scope="module", params=which.homes())
def home(request):
    return request.param


@pytest.fixture(scope="module")
def work(home, tmp_path_factory):
    """The sample class, released, with a secret."""
    root = tmp_path_factory.mktemp("chain") / "course"
    course(root, home=home)
    return assignment.assignment(root, home)


@pytest.fixture(scope="module")
def graded(work, warden):
    """Its records, entered into the gradebook, with feedback."""
    records = {record.student: record for record in assignment.run(work, warden, jobs=2)}
    assert enter.write(work, list(records.values())) == []
    enter.feedback(work.root, work.name)
    return records


def test_given_is_deserved_eight_of_eight(home, work, graded):
    deserved = {sample.student: sample.deserved for sample in samples.samples(home)}
    assert {student: record.points for student, record in graded.items()} == deserved and len(deserved) == 8
    full = lessons.lesson(home.name).automatic
    assert deserved["ada"] == deserved["bela"] == full > deserved["carl"] > 0 == deserved["fay"]
    given = samples.points(work.root, home.name)
    assert given == {name: (points, name != "fay") for name, points in deserved.items()}


def test_the_feedback_says_why_and_shows_nothing_of_the_solutions(home, work, graded):
    first = lessons.lesson(home.name).exercises[0]
    wrong = next(answer for answer in mistakes(home) if answer.exercise == first.id)
    page = (work.root / "feedback" / "dora" / home.name / f"{home.name}.html").read_text(encoding="utf-8")
    assert first.messages[wrong.name][:40] in page.replace("&#39;", "'").replace("&quot;", '"')
    found = [path for step in ("autograded", "feedback") for path in (work.root / step / "fay").rglob("*.*")]
    assert len(found) >= 2
    for path in found:
        text = path.read_text(encoding="utf-8")
        assert "END SOLUTION" not in text
        assert not any(build.canary(task) in text for task in lessons.lesson(home.name).exercises)


def _bundles(home):
    """Hand-ins that together hold every mistake and every alternative: exercise -> answer each."""
    for answers in (mistakes(home), alternatives(home)):
        of = collections.defaultdict(list)
        for answer in answers:
            of[answer.exercise].append(answer)
        for number in range(max(map(len, of.values()))):
            yield {name: own[number] for name, own in of.items() if number < len(own)}


def _cells(work, warden, answers):
    book = samples.handed_in(released(work.root, work.home), samples.Sample("one", "", 0.0, answers))
    samples.hand_in(work.root, work.home.name, "one", json.dumps(book))
    try:
        return assignment.grade(work.rebuilt("one").answers, work.master, warden)
    finally:
        shutil.rmtree(work.root / "submitted" / "one")


def test_every_mistake_and_alternative_gets_what_it_deserves_in_a_jail(home, work, warden):
    right = {name: answer.source for name, answer in references(home).items()}
    seen = 0
    for bundle in _bundles(home):
        cells = _cells(work, warden, {**right, **{name: answer.source for name, answer in bundle.items()}})
        for task in lessons.lesson(home.name).exercises:
            answer, cell = bundle.get(task.id), cells[task.id]
            if answer is None:
                assert cell.points == task.points, task.id
                continue
            seen += 1
            assert cell.points == answer.points, (task.id, answer.name, cell)
            assert cell.mistakes[:1] == ((answer.name,) if answer.lost else ()), (task.id, answer.name)
            told = " ".join(" ".join(cell.reasons).split())
            assert not answer.lost or task.messages[answer.name][:30] in told
    assert seen == len(mistakes(home)) + len(alternatives(home)) > 0


def test_what_is_right_on_the_public_draws_only_is_found_out(home, work, warden):
    of = Material(home)
    cells = _cells(work, warden, by_heart(of))
    for task in of.tasks:
        assert cells[task.id].points < task.points
    assert any("on the inputs of the notebook" in line for task in of.tasks for line in cells[task.id].reasons)


def test_a_drawn_class_gets_what_it_deserves_and_its_report_the_planted_mistakes(home, warden, tmp_path, monkeypatch):
    monkeypatch.setattr(sample_files, "fresh", fresh)
    root = tmp_path / "course"
    drawn = sample_class.draw(home, 25, 4)
    sample_files.write(drawn, root)
    secret.init(root)
    work = assignment.assignment(root, home)
    enter.write(work, assignment.run(work, warden, jobs=2))
    found = sample_report.compare(root)
    assert found.students == 25 and not found.wrong
    assert found.right, (found.mistakes[:5], found.planted)
    assert len(scores(root / "gradebook.db", home.name)) == 25


def test_answers_of_every_kind_are_varied_and_broken(home):
    for answer in (*references(home).values(), *alternatives(home)):
        assert vary(answer.source, random.Random(1)) != answer.source
        with pytest.raises(SyntaxError):
            compile(broken(answer.source), "answer", "exec")
