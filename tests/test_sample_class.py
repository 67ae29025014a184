"""The drawn class: the same for a seed, what it says it is, harmless in its variety, and graded as it deserves."""

import dataclasses
import io
import json
import random
import statistics
import sys
import zipfile
from collections import Counter

import pytest
from grading_course import HOME, TASKS

from autograder.authoring.frozen import submission
from autograder.authoring.sources import alternatives, mistakes, references
from autograder.commands.sample_class import sample_class as command
from autograder.course.folder import ROOT, place
from autograder.exchange.matching import of_canvas, of_moodle, of_plain
from autograder.exchange.platforms import moodle
from autograder.exchange.roster import roster
from autograder.reports import similar
from autograder.trials.invented import mishaps, sample_class, sample_files, sample_report, samples
from autograder.trials.invented.variation import fuss, vary
from bdlab.exercises.frozen import frozen
from bdlab.exercises.recognising import recognise
from bdlab.exercises.verdict import Tries, Verdict, judge

LESSON = HOME.name
ANSWERS = [*references(HOME).values(), *alternatives(HOME), *mistakes(HOME)]


@pytest.fixture(scope="module")
def drawn():
    return sample_class.draw(HOME, 60, 5)


@pytest.fixture(scope="module")
def release():
    """The released lesson, each cell's text in one piece."""
    return (ROOT / "lessons" / LESSON / f"{LESSON}.ipynb").read_bytes()


def _mutants(drawn):
    return Counter(
        (exercise, name.removeprefix("mistake "))
        for one in drawn.hand_ins
        for exercise, name in one.names.items()
        if name.startswith("mistake ")
    )


def test_equal_seeds_draw_equal_classes(drawn):
    assert sample_class.draw(HOME, 60, 5) == drawn
    other = sample_class.draw(HOME, 60, 6)
    assert other.planted != drawn.planted and [o.answers for o in other.hand_ins] != [o.answers for o in drawn.hand_ins]


@pytest.mark.parametrize("students", [12, 25, 60])
def test_three_planted_mistakes_are_the_most_frequent(students, drawn):
    drawn = drawn if students == 60 else sample_class.draw(HOME, students, students)
    counts = _mutants(drawn).most_common()
    assert [mutant for mutant, _ in counts[:3]] == list(drawn.planted) and len(set(drawn.planted)) == 3
    numbers = [count for _, count in counts]
    assert numbers[0] > numbers[1] > numbers[2] > max(numbers[3:], default=0)


def test_the_shares_are_what_they_should_be(drawn):
    kinds = Counter(one.kind for one in drawn.hand_ins)
    assert all(abs(kinds[kind] - 60 * share) <= 2 for kind, share in sample_class.SHARES.items())
    damaged = [one.mishap for one in drawn.hand_ins if one.mishap and one.mishap != "truncated"]
    assert 4 <= len(damaged) == len(set(damaged)) <= 18  # each kind of mishap in its turn
    assert len({one.student for one in drawn.hand_ins}) == len({(o.first, o.last) for o in drawn.hand_ins}) == 60
    for students in (11, 5001):
        with pytest.raises(ValueError, match=rf"students must be in 12\.\.5000, got {students}"):
            sample_class.draw(HOME, students)


def test_what_is_deserved_follows_from_what_was_handed_in(drawn):
    full = {task.id: task.points for task in TASKS}
    wrong = {(mutant.exercise, mutant.name): mutant.points for mutant in mistakes(HOME)}
    for one in drawn.hand_ins:
        for task, name in one.names.items():
            due = {"": 0.0, "mistake": wrong.get((task, name.removeprefix("mistake ")))}.get(
                name.partition(" ")[0], full[task]
            )
            broken = task in one.answers and not _parses(one.answers[task])
            assert one.deserved[task] == (0.0 if broken or one.kind == "unreadable" else due), one
        assert bool(one.names[TASKS[0].id]) == (TASKS[0].id in one.answers)
    assert sum(one.total for one in drawn.hand_ins if one.kind in ("blank", "only the essay", "unreadable")) == 0
    assert {one.total for one in drawn.hand_ins if one.kind == "right"} == {sum(full.values())}
    assert sum(one.kind == "syntax error" for one in drawn.hand_ins) == sum(
        not _parses(source) for one in drawn.hand_ins for source in one.answers.values()
    )


def _parses(source):
    try:
        compile(source, "answer", "exec")
    except SyntaxError:
        return False
    return True


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{answer.exercise}-{answer.name}")
def test_another_hand_gets_the_same_points_for_the_same_mistake(answer):
    task = next(task for task in TASKS if task.id == answer.exercise)
    chance = random.Random(answer.name)
    source = vary(fuss(vary(answer.source, chance), chance), chance)
    assert source != answer.source
    tries = Tries(task, submission(dataclasses.replace(answer, source=source)))
    expected, known = frozen(task.id)
    assert Verdict(task, judge(tries, expected)).points == answer.points
    if answer.lost:
        assert recognise(tries, expected, known)[0] == answer.name


def test_variety_is_harmless_for_what_looks_at_names():
    source = "def f(a, b=1):\n    c = a\n    return locals()['c']"
    assert "locals()['c']" in vary(source, random.Random(0)) and "c = a" in vary(source, random.Random(0))
    scoped = (
        "def f(a):\n    total = 0\n    def g(total):\n        return total\n"
        "    for i in range(a):\n        total = total + g(i)\n    return total"
    )
    results = set()
    for seed in range(30):
        space = {}
        exec(vary(scoped, random.Random(seed)), space)
        results.add(space["f"](5))
    assert results == {10}


def test_only_what_was_copied_is_flagged_as_similar(drawn, release):
    cells = json.loads(release)["cells"]
    about = [(cell["metadata"].get("bdlab", {}), "".join(cell["source"])) for cell in cells]
    stubs = {one["exercise"]: source for one, source in about if one.get("role") == "answer"}
    pairs = similar.pairs({one.student: one.answers for one in drawn.hand_ins}, stubs)
    copied = {frozenset((one.student, one.copied)) for one in drawn.hand_ins if one.copied}
    flagged = {frozenset((pair.first, pair.second)) for pair in pairs}
    assert len(copied) == 1 and copied <= flagged and len(flagged) <= 3
    texts = {one.student: one.answers for one in drawn.hand_ins}
    for one in drawn.hand_ins:
        assert not one.copied or texts[one.student] != texts[one.copied]


@pytest.mark.parametrize("archive", ["moodle", "canvas", "plain"])
def test_archives_name_their_members_as_the_platform_does(archive, release, tmp_path):
    drawn = sample_class.draw(HOME, 15, 2, sample_files.IN_ARCHIVES)
    path = place(tmp_path / "roster.csv", sample_files._roster(drawn.hand_ins).encode())
    students = roster(path)
    sheet = place(tmp_path / "worksheet.csv", sample_files._worksheet(drawn.hand_ins).encode())
    owner = {
        "moodle": lambda: of_moodle(students, moodle.worksheet(sheet), False),
        "canvas": lambda: of_canvas(students),
        "plain": lambda: of_plain(students),
    }[archive]()
    with zipfile.ZipFile(io.BytesIO(sample_files.packed(drawn, release, archive))) as made:
        found = {name: owner(name)[1] for name in made.namelist()}
        assert sorted(found.values()) == sorted(one.student for one in drawn.hand_ins) == sorted(students)
        for one in drawn.hand_ins:
            (name,) = (name for name, student in found.items() if student == one.student)
            assert made.read(name) in sample_files.files(one, release, LESSON).values()


def test_the_key_says_everything(drawn):
    key = sample_files.key(drawn)
    assert {name: about["total"] for name, about in key["students"].items()} == {
        o.student: o.total for o in drawn.hand_ins
    }
    assert [(one["exercise"], one["mistake"]) for one in key["planted"]] == list(drawn.planted)
    assert [
        one for one in key["copies"] if key["students"][one["copy"]]["points"] != key["students"][one["of"]]["points"]
    ] == []


def test_a_folder_with_anything_else_in_it_is_kept(tmp_path):
    (tmp_path / "gradebook.db").write_text("marks")
    with pytest.raises(ValueError, match="out must be a new or empty folder, or one with a sample class in it"):
        samples.fresh(HOME, tmp_path)
    assert (tmp_path / "gradebook.db").read_text() == "marks"
    with pytest.raises(ValueError, match="must hold a drawn class"):
        sample_report.compare(tmp_path)
    with pytest.raises(ValueError, match="--as-archive needs --students"):
        command("03", archive="moodle", out=tmp_path / "new")
    with pytest.raises(ValueError, match="the platform must be one of moodle, canvas, plain; got 'x'"):
        sample_files.write(sample_class.draw(HOME, 12), tmp_path / "new", "x")
    assert not (tmp_path / "new").exists()


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class that came as an archive, was collected and graded."""
    if sys.platform != "linux":
        pytest.skip("jails need Linux")
    root = tmp_path_factory.mktemp("drawn") / "course"
    command("03", students=40, seed=2, grade=True, archive="canvas", out=root)
    return root


@pytest.mark.slow
def test_given_is_deserved_and_the_planted_mistakes_come_first(graded):
    found = sample_report.compare(graded)
    assert found.right and found.students == 40 and len(found.planted) == 3
    for name in (
        "secret",
        sample_files.KEY,
        sample_files.ROSTER,
        f"inbox/{LESSON}-canvas.zip",
        f"journal/{LESSON}.jsonl",
    ):
        assert (graded / name).stat().st_mode & 0o777 == 0o600, name
    assert graded.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_what_is_not_as_deserved_is_told(graded, capsys):
    key = json.loads((graded / sample_files.KEY).read_text())
    student = next(name for name, about in key["students"].items() if about["kind"] == "right")
    key["students"][student]["points"][TASKS[0].id] -= 1
    (graded / sample_files.KEY).write_text(json.dumps(key))
    found = sample_report.compare(graded)
    assert found.wrong == [(student, TASKS[0].id, TASKS[0].points - 1, TASKS[0].points)] and not found.right
    assert not sample_report.told(found, "graded") and "given = deserved: 39 of 40" in capsys.readouterr().out
    key["students"][student]["points"][TASKS[0].id] += 1
    key["planted"].reverse()
    (graded / sample_files.KEY).write_text(json.dumps(key))
    assert not sample_report.told(sample_report.compare(graded), "graded")
    assert "most frequent mistakes should be" in capsys.readouterr().out


@pytest.mark.slow
def test_three_hundred_hand_ins_cost_at_most_five_seconds(release):
    """Of one processor: 2.6 to 3.4 here."""
    from time import process_time

    def once(seed):
        start = process_time()
        for one in sample_class.draw(HOME, 300, seed).hand_ins:
            sample_files.files(one, release, LESSON)
        return process_time() - start

    assert statistics.median(once(seed) for seed in range(3)) <= 5
    assert set(mishaps.NAMES) == {one.mishap for one in sample_class.draw(HOME, 300, 7).hand_ins} - {"", "truncated"}
