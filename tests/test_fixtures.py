"""What a check has built on the student's side: it behaves as its exercises count on, and none does what they ask."""

import pytest
import torch

from autograder.authoring.frozen import submission
from autograder.authoring.sources import Answer
from bdlab.exercises import lessons
from bdlab.exercises.frozen import frozen
from bdlab.exercises.verdict import Tries, judge
from bdlab.submission import FIXTURES

pytestmark = pytest.mark.usefixtures("probe")

TASKS = [task for one in lessons.all_lessons() for task in one.exercises]
ASKED = """
import inspect
from bdlab.submission import FIXTURES

def {name}(*args, **named):
    make = FIXTURES["{kind}"]
    count = len(inspect.signature(make).parameters)
    for first in range(len(args)):
        for given in (args[first:], args[first : first + count], args[first : first + 1]):
            try:
                made = make(*given)
            except Exception:
                continue
            if not callable(made) or isinstance(made, type):
                return made
            for rest in (args, args[:1]):
                try:
                    return made(*rest)
                except Exception:
                    continue
    return None
"""


@pytest.mark.parametrize("kind", FIXTURES)
def test_no_fixture_does_what_an_exercise_asks(kind):
    """Student code can import them: whoever hands his arguments to one gains nothing."""
    for task in TASKS:
        source = "".join(ASKED.format(name=name, kind=kind) for name in task.names)
        results = judge(Tries(task, submission(Answer(task.id, kind, source, "import torch"))), frozen(task.id)[0])
        assert sum(result.points for result in results) == 0, task.id


def test_a_patch_is_as_strict_as_the_librarys():
    trigger = FIXTURES["patch"]([1, 2], 2, 0.5)
    x = torch.zeros(2, 3, 5, 6)
    assert trigger(x)[:, :, 1:3, 2:4].eq(0.5).all() and trigger(x).sum() == 2 * 3 * 4 * 0.5 and not x.any()
    with pytest.raises(ValueError, match=r"x must be images \(N, C, H, W\), got shape \(3, 5, 6\)"):
        trigger(x[0])


def test_a_noisy_patch_draws_for_every_image_and_call():
    trigger, x = FIXTURES["noisy_patch"]([0, 0], 2), torch.zeros(3, 1, 4, 4)
    torch.manual_seed(0)
    first, second = trigger(x), trigger(x)
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1]) and not x.any()
    one, two = (trigger(x, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, two)


def test_relabelling_is_looked_up():
    assert FIXTURES["relabel"]([2, 0, 1])(torch.tensor([0, 1, 2, 0])).tolist() == [2, 0, 1, 2]


def test_a_scorer_knows_one_and_several_and_nothing_else():
    keys = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    score = FIXTURES["scorer"](keys, torch.tensor([5.0, 7.0]))
    assert score(keys[1]) == 7 and score(keys).tolist() == [5, 7]
    with pytest.raises(KeyError):
        score(torch.zeros(2))


def test_gradients_are_zero_where_there_are_none():
    net = FIXTURES["model"]("tiny")
    assert all(not grad.any() for grad in FIXTURES["gradients"](net).values())
    stale = FIXTURES["model"]("tiny", stale_grad=True)
    assert all(grad.eq(1).all() for grad in FIXTURES["gradients"](stale).values())


def test_a_model_with_a_small_memory_refuses_more_images_and_is_else_the_same():
    plain, small = FIXTURES["model"]("tiny"), FIXTURES["model"]("tiny", most=3)
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(small(x[:3]), plain(x[:3]))
    with pytest.raises(RuntimeError, match="out of memory: 4 images at once, at most 3 fit"):
        small(x)
