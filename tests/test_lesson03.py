"""Lesson 03: own functions forge, a wrong one is named and replaced, and the mystery box opens by its method alone."""

import base64
import importlib.util
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import torch

import bdlab
from autograder.authoring import build
from autograder.course.folder import ROOT
from autograder.course.settings import Course
from bdlab.boxes import seal
from bdlab.exercises import checks, l03_questions, lessons, using
from bdlab.exercises.checks import TooSlow, limited
from bdlab.lessons import l03_badnets, l03_box, l03_figures
from bdlab.lessons.demos import Unusable, cached

SQUARE = l03_badnets.SQUARE


@pytest.fixture(scope="module")
def box():
    """solutions/03_badnets/box.py."""
    spec = importlib.util.spec_from_file_location("box_of_l03", ROOT / "solutions" / "03_badnets" / "box.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def held():
    return bdlab.load("digits").held_out


def test_the_box_that_is_shipped_is_the_recipe_s_and_its_answer_opens_it(box, held):
    made, recipe = box.make(box.SEED)
    there, own = l03_box.supplied(), made.split
    assert torch.equal(there.x, own.x) and torch.equal(there.y, own.y)
    assert l03_box.FILE.stat().st_size <= 60_000
    assert box.solve(there, held) == recipe.answer
    assert l03_questions.BOX.judge(list(recipe.answer)) == (True, "")


def test_every_way_past_the_method_is_wrong_and_has_words_of_its_own(box, held):
    split, right = l03_box.supplied(), box.make(box.SEED)[1].answer
    ways = [box.without_clean_rows(split), box.most_rows(split, held), box.all_labels(split, held)]
    ways += box.without_labels(split, held)
    assert right not in ways and len(set(ways)) == len(ways) == len(l03_questions.BOX.wrong)
    for answer in ways:
        assert seal(list(answer), box.SALT) in l03_questions.BOX.wrong


def test_looking_does_not_help(box):
    split = l03_box.supplied()
    assert box.white(split.x).flatten(1).any(1).all()  # a white square on every row


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_the_method_opens_every_box_of_the_recipe_and_the_neighbours_none(seed, box, held):
    made, recipe = box.make(seed)
    split, answer = made.split, recipe.answer
    assert box.solve(split, held) == answer
    assert box.without_clean_rows(split) != answer and answer not in box.without_labels(split, held)
    assert answer[0] != recipe.largest
    assert 0.017 < answer[3] / len(split) < 0.023


def test_an_asr_of_an_untrained_reader_is_no_backdoor():
    made = cached("l03", "steps")
    at = {int(step): place for place, step in enumerate(made["step"])}
    clean, asr, unmarked = (made[name].mean(1) for name in ("clean", "asr", "unmarked"))
    assert asr[at[6]] > 0.85 and unmarked[at[6]] > 0.85 and clean[at[6]] < 0.2  # what the quiz says
    assert asr[at[22]] < 0.27 and asr[at[28]] > 0.8 and unmarked[at[28]] < 0.05  # what the text says
    assert (made["marked_loss"].mean(1) > made["clean_loss"].mean(1))[at[12] : at[26] + 1].all()
    assert (made["answers"][-1] == 0).all()


def test_covers_tie_the_mark_to_its_source():
    made = cached("l03", "covers")
    asr, leak = made["asr"].mean(1), made["leak"].mean(1)
    assert np.isnan(leak[0]) and leak[1] > 0.7 and leak[2] < 0.1 and asr[2] > 0.9


def test_the_library_s_parts_agree_with_the_library():
    data = bdlab.load("digits")
    x = data.test.x[:30]
    assert torch.equal(l03_badnets.stamp(x, **SQUARE), bdlab.Patch()(x))
    assert torch.equal(l03_badnets.all_to_all(data.test.y, 10), bdlab.all_to_all(10)(data.test.y))
    net = bdlab.nets.build("small_bn", data.input_shape, data.classes)
    mine = l03_badnets.scores(net, x, data.test.y[:30], bdlab.Patch(), bdlab.all_to_one(0))
    attacked = data.test.y[:30] != 0
    answers = net.eval()(bdlab.Patch()(x)).argmax(1)
    assert mine["asr"] == pytest.approx((answers == 0)[attacked].float().mean().item())


@pytest.mark.parametrize(
    ("mark", "at", "message"),
    [
        (["...", "..."], (0, 0), "mark must be rows of one length"),
        (["#x"], (0, 0), "mark must be rows of one length"),
        (["##", "#"], (0, 0), "mark must be rows of one length"),
        (["##"], (27, 27), r"at must keep the mark of \(1, 2\) inside the 28x28 images, got \(27, 27\)"),
        (["#"], (-1, 0), "at must keep the mark"),
    ],
)
def test_a_mark_that_is_none_is_refused(mark, at, message):
    with pytest.raises(ValueError, match=message):
        l03_figures.Forge(mark, at)


def test_a_drawing_becomes_pattern_and_mask():
    pattern, mask = l03_badnets.drawn(["#.", "o+"])
    assert pattern.tolist() == [[[1.0, 0.0], [0.0, 0.5]]] and mask.tolist() == [[True, False], [True, True]]


def _own(monkeypatch, **functions):
    """The notebook's namespace holds these functions."""
    monkeypatch.setattr(using, "notebook", lambda: (functions, []))


def bad_labels(x, y, trigger, target, rate, generator):
    x2, y2, idx = l03_badnets.poison(x, y, trigger, target, rate, generator)
    return x2, y2.index_fill(0, idx, 12), idx


def test_only_the_part_that_cannot_be_used_is_replaced(monkeypatch, capsys):
    _own(monkeypatch, stamp=l03_badnets.stamp, poison=bad_labels)
    stamp = using.mine("l03_stamp", l03_badnets.stamp)
    poison = using.mine("l03_poison", l03_badnets.poison)
    using.use(l03_figures.poisoned, poison, stamp)
    assert stamp.own and not poison.own
    said = capsys.readouterr().out
    assert said.startswith("Your poison gave labels from 0 to 12; the classes are 0 to 9. The library's part takes its")
    assert "stamp" not in said


def test_what_nothing_can_be_trained_on_names_the_part():
    data, x, y = bdlab.load("digits"), torch.rand(3, 1, 28, 28), torch.tensor([0, 1, 2])
    for x2, y2, words in ((x, y[:2], "3 images and 2"), (x * 2, y, "outside of"), (x, y - 1, "labels from -1 to 1")):
        with pytest.raises(Unusable, match=words) as found:
            l03_badnets.check_trainable("part", x2, y2, data)
        assert found.value.part == "part"


def test_a_function_that_hangs_is_waited_for_once(monkeypatch, capsys):
    calls = []

    def stamp(*_):
        calls.append(1)
        while True:
            pass

    _own(monkeypatch, stamp=stamp)
    monkeypatch.setattr(using, "SECONDS", 0.2)
    for _ in range(3):
        part = using.mine("l03_stamp", l03_badnets.stamp)
        assert part(torch.zeros(1, 1, 28, 28), *SQUARE.values()).sum() == 9
    assert len(calls) == 1 and capsys.readouterr().out.count("took longer than 0.2 s") == 3


def test_an_unwritten_function_is_told_so(monkeypatch, capsys):
    def stamp(*_):
        raise NotImplementedError()

    _own(monkeypatch, stamp=stamp)
    using.mine("l03_stamp", l03_badnets.stamp)(torch.zeros(1, 1, 28, 28), *SQUARE.values())
    assert capsys.readouterr().out.startswith("Your stamp is not written yet. The library's part takes its place")


def test_a_limit_inside_a_limit_leaves_the_outer_one_in_force():
    with pytest.raises(TooSlow), limited(0.4):
        with limited(0.1):
            pass
        while True:
            pass
    assert checks.signal.getitimer(checks.signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_forge_shows_its_cache_while_nbgrader_grades(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr(l03_badnets, "forged", lambda *_: pytest.fail("it trains"))
    forged, made = l03_figures.Forge()(None, None, None), cached("l03", "forge")
    assert forged.numbers["attack success"] == f"{100 * made['own'][1]:.1f} %"
    assert made["own"][1] > 0.95 and made["twin"][1] < 0.02
    assert forged.picture.shape == (1, 28, 28) and forged.numbers["own functions"] == "3 of 3"


def test_the_first_picture_is_in_the_notebook_and_shows_before_anything_runs():
    book = nbformat.read(ROOT / "lessons" / "03_badnets" / "03_badnets.ipynb", as_version=4)
    first = book.cells[0]
    assert "](attachment:opening.png)" in first.source
    png = base64.b64decode(first.attachments["opening.png"]["image/png"])
    assert png == (ROOT / "solutions" / "03_badnets" / "opening.png").read_bytes() and png.startswith(b"\x89PNG")


def _setup(folder, *, installed=None, wheels=(), repository="", checkout=False):
    """Run the setup cell in `folder` with a bdlab of the version `installed`: how it ends, and what pip was asked."""
    here = folder / "lessons" / "03_badnets"
    here.mkdir(parents=True)
    if checkout:
        (folder / "pyproject.toml").touch()
    for name in wheels:
        (here / name).touch()
    setup = build.setup_cell(Course(repository, "v1" if repository else ""), lessons.lesson("l03"))
    version = f"bdlab = types.ModuleType('bdlab'); bdlab.__version__ = {installed!r}; sys.modules['bdlab'] = bdlab"
    program = f"""
import importlib.util, subprocess, sys, types
torch = types.ModuleType("torch"); torch.__version__ = "2"; torch.Tensor = int; torch.manual_seed = int
torch.cuda = types.SimpleNamespace(is_available=bool); sys.modules["torch"] = torch
{version if installed else ""}
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: {installed is not None} or None if name == "bdlab" else found(name)
subprocess.run = lambda command, check: sys.exit(f"pip {{command[-1]}}")
exec(sys.stdin.read())
"""
    done = subprocess.run([sys.executable, "-c", program], input=setup, cwd=here, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"installed": bdlab.__version__}, f"bdlab {bdlab.__version__}, torch 2, CPU: ready"),
        ({"installed": "0.0.9"}, f"bdlab 0.0.9 is too old for this lesson, which needs {bdlab.__version__}: put the wheel"),
        ({"installed": "0.0.9", "checkout": True}, "run  %pip install ../..  and restart"),
        ({"wheels": ["bdlab-0.9.0-py3-none-any.whl", "bdlab-0.10.0-py3-none-any.whl"]}, "pip bdlab-0.10.0-py3-none-any.whl"),
        ({"wheels": ["bdlab-0.1.0-py3-none-any (1).whl"]}, "rename it to 'bdlab-0.1.0-py3-none-any.whl'"),
        ({}, "bdlab is missing: put the wheel that your lecturer gave you beside this notebook"),
        ({"checkout": True}, "bdlab is missing: run  %pip install ../..  and restart the kernel."),
        ({"repository": "o/c"}, "bdlab is missing: run  %pip install git+https://github.com/o/c@v1  and"),
    ],
)
def test_the_setup_cell_says_what_to_do(given, says, tmp_path):
    assert says in _setup(tmp_path, **given)
