"""Every lesson's answers: the reference, alternatives and mutants, in the notebook's way and through the pipe."""

import time

import pytest

import bdlab
from autograder.authoring.sources import Answer, others, references
from autograder.course.folder import ROOT
from bdlab.exercises import lessons
from bdlab.exercises.checks import WIDTH
from bdlab.exercises.frozen import HOME, LIMIT, frozen
from bdlab.exercises.verdict import PUBLIC, Chance, Tries, chance, judge, outcomes, recognise
from bdlab.submission import Local, Piped, Submission
from bdlab.submission.frames import encode

HOMES = {one.id: ROOT / "solutions" / one.id for one in lessons.all_lessons()}
TASKS = [task for one in lessons.all_lessons() for task in one.exercises]
SECRET = b"a secret of this test"
RIGHT = [a for home in HOMES.values() for a in (*references(home).values(), *others(home)[0])]
MUTANTS = [a for home in HOMES.values() for a in others(home)[1]]


def _name(answer):
    return f"{answer.exercise}-{answer.name}"


def _local(answer):
    sub = Submission(Local({}), lessons.find(answer.exercise).fixtures)
    assert sub.load(answer.cells) == [None, None]
    return sub


@pytest.fixture(scope="module")
def pipe():
    worker = Piped()
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def piped(pipe):
    def load(answer):
        assert pipe.run(answer.cells) == [None, None]
        return Submission(pipe, lessons.find(answer.exercise).fixtures)

    return load


@pytest.fixture(scope="module")
def secret():
    """Exercise -> the reference's outcomes on draws that the frozen file does not hold."""
    return {
        name: outcomes(lessons.find(name), _local(answer), SECRET)
        for home in HOMES.values()
        for name, answer in references(home).items()
    }


def _points(answer, sub, expected, key):
    return sum(result.points for result in judge(Tries(lessons.find(answer.exercise), sub, key), expected))


@pytest.mark.parametrize("answer", RIGHT, ids=_name)
def test_every_right_answer_gets_all_points(answer, piped, secret):
    expected, _ = frozen(answer.exercise)
    full = lessons.find(answer.exercise).points
    for sub in (_local(answer), piped(answer)):
        assert _points(answer, sub, expected, PUBLIC) == full
        assert _points(answer, sub, secret[answer.exercise], SECRET) == full


@pytest.mark.parametrize("answer", MUTANTS, ids=_name)
def test_every_mutant_gets_what_it_deserves_and_hears_its_own_message(answer, piped, secret):
    task = lessons.find(answer.exercise)
    expected, mutants = frozen(task.id)
    assert 0 <= answer.points < task.points
    for sub in (_local(answer), piped(answer)):
        assert _points(answer, sub, expected, PUBLIC) == answer.points
        assert _points(answer, sub, secret[task.id], SECRET) == answer.points
        assert recognise(Tries(task, sub), mutants) == answer.name


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_no_secret_lets_a_mistake_through_or_fails_a_right_answer(number):
    key = f"secret {number}".encode()
    expected = {
        name: outcomes(lessons.find(name), _local(answer), key)
        for home in HOMES.values()
        for name, answer in references(home).items()
    }
    for answer in (*RIGHT, *MUTANTS):
        deserved = lessons.find(answer.exercise).points if answer.points is None else answer.points
        assert _points(answer, _local(answer), expected[answer.exercise], key) == deserved, _name(answer)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_the_declaration_is_whole(task):
    home = HOMES[next(one.id for one in lessons.all_lessons() if task in one.exercises)]
    alternatives, mutants = others(home)
    assert len([a for a in alternatives if a.exercise == task.id]) >= 2
    names = [a.name for a in mutants if a.exercise == task.id]
    assert len(names) >= 4 and sorted(names) == sorted(task.messages) == sorted(frozen(task.id)[1])
    assert len(set(task.messages.values())) == len(names) and all(0 < len(m) <= 220 for m in task.messages.values())
    assert len(set(task.hints)) == 3 and all(task.hints) and task.onward
    assert sum(len(part.draws(_chance())) for part in task.parts) >= 20
    assert len({part.name for part in task.parts}) == len(task.parts) <= 4  # six lines have to do


def _chance():
    return Chance(0)


def test_the_public_draws_are_the_same_everywhere():
    """Frozen outcomes belong to these very draws: on another system another stream would fail right answers."""
    rng = chance(PUBLIC, TASKS[0].id, TASKS[0].parts[0])
    assert [rng.randint(100) for _ in range(5)] == [51, 75, 39, 31, 51] and rng.randint(3, 5, 4).dtype == "int64"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
@pytest.mark.parametrize(
    "body",
    [
        "raise NotImplementedError",
        "return None",
        "return args[0] if args else None",
        "return 0.0",
        "raise ValueError",
        "return Equal()",
        "return args[0].clone(), args[1].clone(), torch.zeros(0, dtype=torch.int64)",
    ],
)
def test_an_empty_answer_gains_nothing(task, body):
    source = f"class Equal:\n    def __eq__(self, other): return True\ndef {task.name}(*args, **named):\n    {body}\n"
    sub = _local(Answer(task.id, "empty", source))
    expected, _ = frozen(task.id)
    assert sum(result.points for result in judge(Tries(task, sub), expected)) == 0


@pytest.mark.parametrize("lesson", lessons.all_lessons(), ids=lambda one: one.id)
def test_points_size_and_time_of_a_lesson(lesson):
    assert lesson.points == 20
    assert (HOME / f"{lesson.short}.npz").stat().st_size <= LIMIT
    subs = {name: _local(answer) for name, answer in references(HOMES[lesson.id]).items()}
    start = time.process_time()
    for task in lesson.exercises:
        judge(Tries(task, subs[task.id]), frozen(task.id)[0])
    assert time.process_time() - start <= 1.0


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_draws_are_as_they_were_after_an_answer(task):
    """They are made once for a whole class."""
    home = HOMES[next(one.id for one in lessons.all_lessons() if task in one.exercises)]
    tries = Tries(task, _local(references(home)[task.id]))
    judge(tries, frozen(task.id)[0])
    for part in task.parts:
        assert encode(list(tries.draws(part))) == encode(list(part.draws(chance(PUBLIC, task.id, part))))


def test_a_check_prints_at_most_six_lines_and_returns_a_plain_float(capsys):
    for answer in (*RIGHT, *MUTANTS):
        namespace = {}
        for cell in answer.cells:
            exec(cell, namespace)
        points = bdlab.check(answer.exercise, namespace[lessons.find(answer.exercise).name])
        printed = capsys.readouterr()
        assert type(points) is float and not printed.err
        assert 2 <= len(printed.out.splitlines()) <= 6, printed.out
        assert all(len(line) <= WIDTH for line in printed.out.splitlines())
        if answer.points is not None:
            assert lessons.find(answer.exercise).messages[answer.name] in " ".join(printed.out.split())


def test_what_is_unknown_is_named():
    with pytest.raises(ValueError, match=r"exercise must be one of l03_stamp, .*; got 'l03_stam'"):
        bdlab.check("l03_stam")
    with pytest.raises(ValueError, match=r"lesson must be one of l03 or 03_badnets.*; got '99'"):
        bdlab.check_all("99")
    with pytest.raises(ValueError, match="number must be 1, 2 or 3, got 4"):
        bdlab.hint("l03_stamp", 4)


def test_hints_come_one_after_the_other(capsys):
    task = TASKS[0]
    for number in (1, 2, 3, 3):
        bdlab.hint(task.id)
        assert capsys.readouterr().out.startswith(f"Hint {number} of 3: ")
