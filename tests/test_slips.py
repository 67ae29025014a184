"""What a check says of slips that are no mutants: wrong order, no return, a loop that never ends."""

import signal

import pytest
import torch

import bdlab
from bdlab.exercises import checks


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
        (STAMP + BOUNDS + WRITE.replace("return out", "out"), "the result is None (is a return missing?)"),
        ("def stamp(pattern, x, mask, pos):\n    h, w = mask.shape\n    r, c = pos\n" + BOUNDS + WRITE,
         "The arguments come in this order: x, pattern, mask, pos. Yours are pattern, x, mask, pos."),
        (STAMP + BOUNDS.replace("raise ", "return ") + WRITE, "an error must be raised, not returned"),
        (STAMP + BOUNDS.replace("r < 0 or c < 0 or ", "") + WRITE, "args = bdlab.failing('l03_stamp'); stamp(*args)"),
        (STAMP + BOUNDS + WRITE.replace("return", "mask[:] = True; return"), "your function changed its input mask"),
        (STAMP + BOUNDS + "    out = x.clone()\n    part = out[:, :, r:r + h, c:c + w]\n    p = pattern * mask\n"
         "    part[:] = torch.where(p > 0, p, part)\n    return out\n", "no   values"),
        ("class Out(ValueError): pass\n" + STAMP + BOUNDS.replace("ValueError", "Out") + WRITE, "4 of 4 points"),
        ("stamp = 5", "stamp is of type int; it must be a function"),
    ],
)  # fmt: skip
def test_what_a_check_says_of_slips(source, said, capsys):
    assert said in _printed(capsys, source)


SCORES = """def scores(model, x, y, trigger, relabel):
    was = model.training
    model.eval()
    with torch.no_grad():
        clean, marked = model(x).argmax(1), model(trigger(x)).argmax(1)
        again = model(trigger(x)).argmax(1)
    model.train(was)
    hit = relabel(y) != y
    return {"clean": (clean == y).float().mean().item(), "asr": ASR, "ra": (marked[hit] == y[hit]).float().mean().item()}
"""


def test_a_draw_that_tells_a_random_trigger_drawn_twice(capsys):
    right = SCORES.replace("ASR", "(marked[hit] == relabel(y)[hit]).float().mean().item()")
    assert "4 of 4 points" in _printed(capsys, right, "l03_scores")
    twice = SCORES.replace("ASR", "(again[hit] == relabel(y)[hit]).float().mean().item()")
    said = _printed(capsys, twice, "l03_scores")
    assert "4 of 4 points" not in said and "no   one draw" in said


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
