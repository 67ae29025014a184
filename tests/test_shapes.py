"""The contract on harder shapes: training loops, hooks, copies, gradients and classes, in both transports."""

import pytest
from rewriting import rewrite
from shapes import ANSWERS, EXERCISES

from bdlab.exercises.comparing import difference
from bdlab.exercises.frozen import content
from bdlab.exercises.recognising import recognise
from bdlab.exercises.verdict import PUBLIC, Tries, judge, outcomes
from bdlab.submission import Local, Piped, Submission
from bdlab.submission.frames import decode, encode

pytestmark = pytest.mark.slow  # 99_probe holds one of each kind for the fast tests
TASKS = {task.id: task for task in EXERCISES}
BY_NAME = {(answer.exercise, answer.name): answer for answer in ANSWERS}
RIGHT = [answer for answer in ANSWERS if answer.points is None]
MUTANTS = [answer for answer in ANSWERS if answer.points is not None]
SECRET = b"a secret of this test"


def _name(answer):
    return f"{answer.exercise}-{answer.name}"


def _local(answer, source=None):
    sub = Submission(Local({}), TASKS[answer.exercise].fixtures)
    assert sub.load([answer.cells[0], source or answer.source]) == [None, None]
    return sub


@pytest.fixture(scope="module")
def pipe():
    worker = Piped(seconds=60.0)  # the first optimiser imports for long on a busy machine
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def both(pipe):
    """Answer -> its submission through either transport; the worker is one and gets other code each time."""

    def load(answer):
        assert pipe.run(answer.cells) == [None, None]
        return _local(answer), Submission(pipe, TASKS[answer.exercise].fixtures)

    return load


@pytest.fixture(scope="module")
def stored():
    """Exercise -> what its lesson's file would hold."""
    return {
        name: content(task, lambda task, mistake: _local(BY_NAME[task.id, mistake or "reference"]))
        for name, task in TASKS.items()
    }


@pytest.fixture(scope="module")
def frozen(stored):
    """The same after it was written and read."""
    return {name: decode(encode(value)) for name, value in stored.items()}


@pytest.fixture(scope="module")
def expected(frozen):
    """Secret -> exercise -> the reference's outcomes."""
    found = {PUBLIC: {name: outcomes for name, (outcomes, _) in frozen.items()}}
    found[SECRET] = {name: outcomes(task, _local(BY_NAME[name, "reference"]), SECRET) for name, task in TASKS.items()}
    return found


def _points(answer, sub, expected, secret=PUBLIC):
    results = judge(Tries(TASKS[answer.exercise], sub, secret), expected[secret][answer.exercise])
    return sum(result.points for result in results), [result.complaint for result in results]


@pytest.mark.parametrize("answer", RIGHT, ids=_name)
def test_every_right_answer_gets_all_points(answer, both, expected):
    for sub in both(answer):
        for secret in (PUBLIC, SECRET):
            points, complaints = _points(answer, sub, expected, secret)
            assert points == TASKS[answer.exercise].points, complaints


@pytest.mark.parametrize("answer", MUTANTS, ids=_name)
def test_every_mutant_gets_what_it_deserves_and_is_recognised(answer, both, frozen, expected):
    for sub in both(answer):
        for secret in (PUBLIC, SECRET):
            points, complaints = _points(answer, sub, expected, secret)
            assert points == answer.points < TASKS[answer.exercise].points, complaints
        assert recognise(Tries(TASKS[answer.exercise], sub), *frozen[answer.exercise])[0] == answer.name


@pytest.mark.parametrize("answer", ANSWERS, ids=_name)
def test_other_names_and_another_order_change_nothing(answer, frozen, expected):
    task, source = TASKS[answer.exercise], rewrite(answer.source)
    assert "other_0" in source and "unused_line" in source
    sub = _local(answer, source)
    points, complaints = _points(answer, sub, expected)
    assert points == (task.points if answer.points is None else answer.points), complaints
    assert recognise(Tries(task, sub), *frozen[task.id])[:1] == (() if answer.points is None else (answer.name,))


def test_rewriting_renames_reorders_and_keeps_what_is_passed_by_name():
    source = "def f(a, b, c=1):\n    x = a\n    y = b + g\n    z = y\n    h(c=z)\n    return [i for i in (x, z, c)]"
    assert rewrite(source).splitlines() == [
        "def f(other_0, other_1, c=1):",
        "    unused_line = [0, 1, 2]",
        "    other_4 = other_1 + g",
        "    other_5 = other_4",
        "    other_3 = other_0",
        "    h(c=other_5)",
        "    assert True",
        "    return [other_2 for other_2 in (other_3, other_5, c)]",
    ]
    assert rewrite("def f(a):\n    return a", keep=frozenset("a")).splitlines()[-1] == "    return a"


@pytest.mark.parametrize("task", EXERCISES, ids=lambda task: task.id)
def test_what_is_stored_comes_back_as_it_was(task, stored, frozen):
    assert difference(frozen[task.id], stored[task.id]) is None
    assert encode(frozen[task.id]) == encode(stored[task.id])
    _, mutants = frozen[task.id]
    assert sorted(mutants) == sorted(task.mistakes) and len(mutants) >= 4
    for one in mutants:
        assert [other for other in mutants if difference(mutants[one], mutants[other]) is None] == [one]
