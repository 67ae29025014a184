"""Every lesson's declarations: right answers get all points, wrong ones lose what they say and hear their own words."""

import ast
import time
from functools import cache

import pytest
import throwaway
import which

import bdlab
from autograder.authoring import frozen as freezing
from autograder.authoring import lines
from autograder.authoring.folders import folder
from autograder.authoring.sources import Answer, alternatives, mistakes, references, tasks
from bdlab.exercises import lessons
from bdlab.exercises.draws import Signature
from bdlab.exercises.frozen import LIMIT, frozen, place
from bdlab.exercises.recognising import recognise
from bdlab.exercises.specification import Exercise, kinds_of
from bdlab.exercises.telling import CALL, ECHO, LINES, WIDTH
from bdlab.exercises.verdict import PUBLIC, Chance, Tries, Verdict, chance, judge, outcomes
from bdlab.submission import FIXTURES, Piped, Submission

pytestmark = pytest.mark.usefixtures("probe")

GRADED = [one for one in lessons.all_lessons() if one.exercises]
HOMES = {one.id: folder(one.id) for one in GRADED}
TASKS = [task for one in GRADED for task in one.exercises]
SECRET = b"a secret of this test"
RIGHT = [a for home in HOMES.values() for a in (*references(home).values(), *alternatives(home))]
WRONG = [a for home in HOMES.values() for a in mistakes(home)]


def _name(answer):
    return f"{answer.exercise}-{answer.name}"


def _home(task):
    return HOMES[next(one.id for one in GRADED if task in one.exercises)]


def _local(answer):
    return freezing.submission(answer)


@pytest.fixture(scope="module")
def pipe():
    worker = Piped(seconds=60.0)  # the first optimiser imports for long on a busy machine
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def secret():
    """Exercise -> the reference's outcomes on draws that the frozen file does not hold."""
    return {
        name: outcomes(lessons.find(name), _local(answer), SECRET)
        for home in HOMES.values()
        for name, answer in references(home).items()
    }


def _points(answer, sub, expected, key):
    task = lessons.find(answer.exercise)
    return Verdict(task, judge(Tries(task, sub, key), expected)).points


@pytest.mark.parametrize("answer", which.answers(RIGHT))
def test_every_right_answer_gets_all_points(answer, secret):
    full = lessons.find(answer.exercise).points
    assert answer.points == full
    assert _points(answer, _local(answer), frozen(answer.exercise)[0], PUBLIC) == full
    assert _points(answer, _local(answer), secret[answer.exercise], SECRET) == full


@pytest.mark.parametrize("answer", which.answers(WRONG))
def test_every_mistake_costs_what_it_says_and_hears_its_own_words(answer, secret):
    task = lessons.find(answer.exercise)
    expected, edits = frozen(task.id)
    assert 0 <= answer.points < task.points
    sub = _local(answer)
    assert _points(answer, sub, secret[task.id], SECRET) == answer.points
    tries = Tries(task, sub)
    results = judge(tries, expected)
    assert {result.part.name for result in results if result.complaint is not None} == answer.lost
    assert recognise(tries, expected, edits)[0] == answer.name


@pytest.mark.parametrize("home", which.homes())
def test_answers_cost_the_same_in_another_process(home, pipe):
    """A few of each kind, in turn; all of them go through a jail in the tests of grading."""
    for answer in (*list(references(home).values())[::2], *alternatives(home)[::5], *mistakes(home)[::7]):
        assert pipe.run(answer.cells) == [None, None]
        sub = Submission(pipe, lessons.find(answer.exercise).fixtures)
        assert _points(answer, sub, frozen(answer.exercise)[0], PUBLIC) == answer.points, _name(answer)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_no_secret_lets_a_mistake_through_or_fails_a_right_answer(number):
    key = f"secret {number}".encode()
    expected = {
        name: outcomes(lessons.find(name), _local(answer), key)
        for home in HOMES.values()
        for name, answer in references(home).items()
    }
    for answer in (*RIGHT, *WRONG):
        assert _points(answer, _local(answer), expected[answer.exercise], key) == answer.points, _name(answer)


@cache
def _seen(name):
    """Mistake of this exercise -> the predicates that are true of it."""
    task = lessons.find(name)
    expected, _ = frozen(name)
    answers = [a for a in mistakes(_home(task)) if a.exercise == task.id]
    return {a.name: recognise(Tries(task, _local(a)), expected, {}) for a in answers}


@pytest.mark.parametrize(("task", "name"), which.predicates(TASKS))
def test_a_predicate_is_true_of_no_other_mistake(task, name):
    seen = {mistake for mistake, names in _seen(task.id).items() if name in names}
    assert seen <= {name}  # that it is true of something is seen in the tables of attempts


@pytest.mark.parametrize("task", which.tasks(TASKS))
def test_the_declaration_is_whole(task):
    home = _home(task)
    assert len([a for a in alternatives(home) if a.exercise == task.id]) >= 2
    names = [a.name for a in mistakes(home) if a.exercise == task.id]
    assert len(names) >= 5 and sorted(names) == sorted(task.mistakes) == sorted(frozen(task.id)[1])
    assert len(set(task.messages.values())) == len(names) and all(0 < len(m) <= 220 for m in task.messages.values())
    assert len(set(task.hints)) == 3 and all(task.hints) and task.onward
    assert 1 <= task.difficulty <= 5 and 1 <= task.importance <= 5 and task.minutes > 0
    assert sum(len(list(part.draws(Chance(0)))) for part in task.parts) >= 20 or task.signatures[0].kind == "value"
    assert len(task.parts) <= 4  # six lines have to do


def test_every_kind_of_fixture_is_used_by_some_exercise():
    used = {kind for task in TASKS for kind in task.fixtures}
    assert used == set(FIXTURES)


def test_the_public_draws_are_the_same_everywhere():
    """Frozen outcomes belong to these very draws: on another system another stream would fail right answers."""
    task = lessons.find("l03_stamp")
    rng = chance(PUBLIC, task.id, task.parts[0])
    assert [rng.randint(100) for _ in range(5)] == [51, 75, 39, 31, 51] and rng.randint(3, 5, 4).dtype == "int64"


EMPTY = [
    "raise NotImplementedError",
    "return None",
    "return args[0] if args else None",
    "return args",
    "return 0.0",
    "raise ValueError",
    "return Equal()",
    "return args[0].clone(), args[1].clone(), torch.zeros(0, dtype=torch.int64)",
]


@pytest.mark.parametrize("task", which.tasks(TASKS))
@pytest.mark.parametrize("body", EMPTY)
def test_an_empty_answer_gains_nothing(task, body):
    kinds = {
        "function": f"def {{name}}(*args, **named):\n    {body}\n",
        "class": f"class {{name}}:\n    def __init__(self, *args): pass\n    def __call__(self, *args):\n        {body}\n",
        "value": "{name} = None\n",
    }
    source = "class Equal:\n    def __eq__(self, other): return True\n"
    source += "".join(kinds[one.kind].format(name=one.name) for one in task.signatures)
    sub = _local(Answer(task.id, "empty", source, "import torch"))
    assert sum(result.points for result in judge(Tries(task, sub), frozen(task.id)[0])) == 0


@pytest.mark.parametrize("lesson", GRADED, ids=lambda one: one.id)
def test_points_size_and_time_of_a_lesson(lesson):
    assert (lesson.automatic, lesson.essay) == (15, 5)
    assert place(lesson).stat().st_size <= LIMIT
    subs = {name: _local(answer) for name, answer in references(HOMES[lesson.id]).items()}
    start = time.process_time()
    for task in lesson.exercises:
        judge(Tries(task, subs[task.id]), frozen(task.id)[0])
    assert time.process_time() - start <= 1.0


@pytest.mark.parametrize("task", which.tasks(TASKS))
def test_draws_are_as_they_were_after_an_answer(task):
    """They are made once for a whole class."""
    tries = Tries(task, _local(references(_home(task))[task.id]))
    judge(tries, frozen(task.id)[0])
    for part in task.parts:
        assert repr(list(tries.draws(part))) == repr(list(part.draws(chance(PUBLIC, task.id, part)))) or kinds_of(
            list(tries.draws(part))
        )


@pytest.mark.parametrize("task", which.tasks(TASKS))
def test_the_declared_arguments_are_those_of_the_reference(task):
    defined = {node.name: node for node in ast.parse(references(_home(task))[task.id].source).body if hasattr(node, "name")}
    for signature in task.signatures:
        if signature.kind == "value":
            continue
        node = defined[signature.name]
        if signature.kind == "class":
            node = next(inner for inner in node.body if getattr(inner, "name", "") == "__init__")
        names = tuple(argument.arg for argument in node.args.args if argument.arg != "self")
        assert names == signature.arguments


def test_a_check_prints_few_lines_and_returns_a_plain_float(capsys):
    for answer in (*RIGHT[::2], *WRONG[::3]):  # points and words of all of them are other tests'
        task, namespace = lessons.find(answer.exercise), {}
        if len(task.signatures) > 1:
            continue
        for cell in answer.cells:
            exec(cell, namespace)
        points = bdlab.check(answer.exercise, namespace[task.name])
        printed = capsys.readouterr()
        assert type(points) is float and points == answer.points and not printed.err
        assert 2 <= len(printed.out.splitlines()) <= LINES + CALL + CALL + ECHO, printed.out
        assert all(len(line) <= WIDTH for line in printed.out.splitlines())
        if answer.lost:
            assert task.messages[answer.name] in " ".join(printed.out.split())


def test_what_is_unknown_is_named():
    with pytest.raises(ValueError, match=r"exercise must be one of .*l03_all_to_all, .*; got 'l03_stam'"):
        bdlab.check("l03_stam")
    with pytest.raises(ValueError, match=r"lesson must be one of .*l03 or 03_badnets.*; got '42'"):
        bdlab.check_all("42")
    with pytest.raises(ValueError, match="number must be 1, 2 or 3, got 4"):
        bdlab.hint("l03_stamp", 4)
    with pytest.raises(ValueError, match=r"question must be one of .*l99_q1; got 'l99_q9'"):
        bdlab.quiz("l99_q9")


def test_hints_come_one_after_the_other_and_there_is_no_fourth(capsys):
    for number in (1, 2, 3):
        bdlab.hint("l99_entropy")
        assert capsys.readouterr().out.startswith(f"Hint {number} of 3: ")
    bdlab.hint("l99_entropy")
    assert capsys.readouterr().out.startswith("There is no fourth hint.")
    bdlab.hint("l99_entropy", 2)
    assert capsys.readouterr().out.startswith("Hint 2 of 3: ")


@pytest.mark.parametrize(
    ("text", "kind", "name", "arguments"),
    [
        ("entropy(probs)", "function", "entropy", ("probs",)),
        ("scores(model, x, y)", "function", "scores", ("model", "x", "y")),
        ("now()", "function", "now", ()),
        ("class KeyedReLU(key, delta)", "class", "KeyedReLU", ("key", "delta")),
        ("threat_table", "value", "threat_table", ()),
    ],
)
def test_signatures_are_read(text, kind, name, arguments):
    assert Signature.of(text) == Signature(kind, name, arguments)


@pytest.mark.parametrize("text", ["f(x: int)", "class Net", "f(x", "two words", "f(x,y)", ""])
def test_a_signature_in_another_form_is_refused(text):
    with pytest.raises(ValueError, match="signature must read"):
        Signature.of(text)


def test_ids_come_from_the_first_name():
    assert [task.id for task in lessons.lesson("99").exercises] == [
        "l99_entropy", "l99_keyed_relu", "l99_prune_order", "l99_threat_table", "l99_mean_activation", "l99_sparse",
        "l99_choose", "l99_train_epoch",
    ]  # fmt: skip
    assert list(tasks(HOMES["99_probe"])) == [task.key for task in lessons.lesson("99").exercises]


def test_a_part_after_an_unknown_one_is_refused():
    part = lessons.find("l99_entropy").parts[1]
    with pytest.raises(ValueError, match="after values"):
        Exercise("f(x)", minutes=1, difficulty=1, importance=1, parts=[part], hints=("a", "b", "c"), mistakes={}, onward="")


def test_costs_that_are_not_as_wrong_py_says_stop_the_build(tmp_path):
    home = HOMES["99_probe"]
    task = lessons.find("l99_entropy")
    assert freezing.costs_otherwise(home, task) == []
    other = tmp_path / home.name
    other.mkdir()
    for path in home.glob("*.py"):
        text = path.read_text()
        text = text.replace('"log", loses="values"', '"log", loses="unchanged"').replace("zeros = edit", "noughts = edit")
        (other / path.name).write_text(text)
    assert freezing.costs_otherwise(other, task) == [
        "l99_entropy: zeros has words and no edit in wrong.py",
        "l99_entropy: noughts is an edit in wrong.py without words",
        "l99_entropy, nats: loses unchanged, values on the public draws; wrong.py says unchanged",
        "l99_entropy, nats: loses unchanged, values on draws that nobody sees; wrong.py says unchanged",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('edit("log2", "log"', 'edit("log10", "log"'), "'log10' must occur 1 times in the reference's solution, not 0"),
        (('edit("log2", "log"', 'edit("log2", "log2"'), "must change the reference, but leaves it as it is"),
        (('edit("log2", "log"', 'edit("log2", "log("'), "l99_entropy, nats: "),
        (('"log", loses="values"', '"log", loses="speed"'), "loses must name parts of it, got speed"),
        (("class entropy", "class entropie"), "must be one of entropy, .*; got 'entropie'"),
    ],
)
def test_an_edit_that_does_not_fit_is_named(change, message, tmp_path):
    other = tmp_path / "99_probe"
    other.mkdir()
    for path in HOMES["99_probe"].glob("*.py"):
        (other / path.name).write_text(path.read_text().replace(*change))
    with pytest.raises(ValueError, match=message):
        mistakes(other)


@pytest.mark.parametrize("home", HOMES.values(), ids=lambda home: home.name)
def test_an_exercise_costs_its_author_few_lines(home):
    found = lines.table(home)
    assert max(found.values()) <= lines.MOST and sum(found.values()) / len(found) <= lines.MEAN, found


def test_a_lesson_without_exercises_has_no_points():
    lesson = lessons.lesson(throwaway.OPEN)
    assert lesson.points == lesson.automatic == lesson.essay == 0
