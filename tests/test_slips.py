"""What a check says of slips that are no mutants: wrong order, no return, a loop that never ends."""

import inspect
import signal

import pytest
import torch

import bdlab
from autograder.authoring.sources import references
from autograder.course.folder import ROOT
from bdlab.exercises import checks, lessons


def _printed(capsys, source, exercise="l03_stamp"):
    """What the check says of an answer, run as a notebook's cell would be."""
    namespace = {"torch": torch, "Tensor": torch.Tensor, "__name__": "__main__"}
    exec(source, namespace)
    name = exercise.partition("_")[2]
    if name in namespace:
        bdlab.check(exercise, namespace[name])
    return capsys.readouterr().out


STAMP = "def stamp(x, pattern, mask, pos):\n    h, w = mask.shape\n    r, c = pos\n"
BOUNDS = "    if r < 0 or c < 0 or r + h > x.shape[2] or c + w > x.shape[3]:\n        raise ValueError('out')\n"
WRITE = "    out = x.clone()\n    out[:, :, r:r + h, c:c + w][:, :, mask] = pattern[:, mask]\n    return out\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def stamp(x, pattern, mask, pos):\n    raise NotImplementedError()", "stamp is not written yet"),
        (STAMP + "    return pattern & mask", "NotImplementedError: "),  # torch's own has a text
        (STAMP + BOUNDS + WRITE.replace("return out", "out"), "the result is None, expected a torch tensor; is a return"),
        ("def stamp(pattern, x, mask, pos):\n    h, w = mask.shape\n    r, c = pos\n" + BOUNDS + WRITE,
         "The arguments come in this order: x, pattern, mask, pos. Yours are pattern, x, mask, pos."),
        (STAMP + BOUNDS.replace("raise ", "return ") + WRITE, "an error must be raised, not returned"),
        (STAMP + BOUNDS.replace("r < 0 or c < 0 or ", "") + WRITE, "pos (-1, 0)"),
        (STAMP + BOUNDS + WRITE.replace("return", "mask[:] = True; return"), "mask after the call has"),
        (STAMP + BOUNDS + "    out = x.clone()\n    part = out[:, :, r:r + h, c:c + w]\n    p = pattern * mask\n"
         "    part[:] = torch.where(p > 0, p, part)\n    return out\n", "no   values"),
        ("class Out(ValueError): pass\n" + STAMP + BOUNDS.replace("ValueError", "Out") + WRITE, "4 of 4 points"),
        ("stamp = 5", "stamp is of type int; it must be a function"),
    ],
)  # fmt: skip
def test_what_a_check_says_of_slips(source, said, capsys):
    assert said in _printed(capsys, source)


CURVE = """def rate_curve(rates, run, enough=0.9):
    got = [run(r) for r in rates]
    clean, asr = (torch.tensor([getattr(g, n) for g in got], dtype=torch.float64) for n in ("clean_accuracy", "asr"))
    good = [r for r in rates if all(a >= enough for q, a in zip(rates, asr) if q >= r)]
    return clean, asr, SMALLEST
"""


@pytest.mark.parametrize("smallest", ["min(good)", "min(good, default=0.0)", "min(good, default=float('nan'))"])
def test_no_remark_of_another_mistake_where_no_rate_is_enough(smallest, capsys):
    said = _printed(capsys, CURVE.replace("SMALLEST", smallest), "l03_rate_curve")
    assert ("2 of 4 points" in said) == ("default" in smallest)
    assert "You compare with 0.9" not in said and "no   smallest rate" in said


def test_a_rate_is_asked_for_once(capsys):
    twice = CURVE.replace("got = [", "[run(r) for r in rates]\n    got = [").replace(
        "SMALLEST", "min(good, default=None)"
    )
    said = _printed(capsys, twice, "l03_rate_curve")
    assert "0 of 4 points" in said and "called twice" in said
    assert "4 of 4" in _printed(capsys, CURVE.replace("SMALLEST", "min(good, default=None)"), "l03_rate_curve")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer here")
@pytest.mark.parametrize(
    "loop",
    [
        "while True:\n        pass",
        "while True:\n        try:\n            1 / 0\n        except Exception:\n            pass",
    ],
)
def test_a_loop_that_never_ends_is_stopped_and_told(loop, capsys, monkeypatch):
    monkeypatch.setattr(checks, "SECONDS", 0.3)
    before = signal.getsignal(signal.SIGALRM)
    said = _printed(capsys, f"def stamp(x, pattern, mask, pos):\n    {loop}")
    assert "0 of 4" in said and "or has a loop that never ends" in said
    assert signal.getsignal(signal.SIGALRM) == before and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_misspelt_name_is_guessed(capsys, monkeypatch):
    import __main__

    monkeypatch.setattr(__main__, "stmap", eval("lambda x: x", {"__name__": "__main__"}), raising=False)
    bdlab.check("l03_stamp")
    assert (
        "stamp is not defined: run the cell that holds your answer first; you defined stmap" in capsys.readouterr().out
    )


def test_the_declared_arguments_are_those_of_the_reference():
    for lesson in lessons.all_lessons():
        for exercise, answer in references(ROOT / "solutions" / lesson.id).items():
            namespace, task = {}, lessons.find(exercise)
            for cell in answer.cells:
                exec(cell, namespace)
            assert tuple(inspect.signature(namespace[task.name]).parameters) == task.arguments
