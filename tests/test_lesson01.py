"""Lesson 01: own functions train a reader, a wrong one is named and replaced, drawings are read, the box opens."""

import importlib.util
import re
import sys
import time

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import bdlab
from autograder.course.folder import ROOT
from bdlab import widgets
from bdlab.boxes import seal
from bdlab.data.digits import enlarge
from bdlab.exercises import l01_questions, using
from bdlab.lessons import l01_box, l01_figures, l01_measured, l01_networks, l01_reader
from bdlab.lessons.demos import Unusable, cached
from bdlab.widgets import live

PARTS = ("linear_relu", "accuracy", "softmax_xent", "train_epoch")


@pytest.fixture(scope="module")
def box():
    """solutions/01_networks/box.py."""
    spec = importlib.util.spec_from_file_location("box_of_l01", ROOT / "solutions" / "01_networks" / "box.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def short(monkeypatch):
    """Trainings see 300 images a pass."""
    monkeypatch.setattr(l01_networks, "ROWS", 300)


def _own(monkeypatch, **functions):
    """The notebook's namespace holds these functions."""
    monkeypatch.setattr(using, "notebook", lambda: (functions, []))


def _mine(monkeypatch, **other):
    """Four parts as the lesson takes them, the student's own where `other` does not replace them."""
    _own(monkeypatch, **{**{name: getattr(l01_networks, name) for name in PARTS}, **other})
    more = {"train_epoch": {"like": 0.0, "seconds": 60}}
    return [using.mine(f"l01_{name}", getattr(l01_networks, name), **more.get(name, {})) for name in PARTS]


# --- the reader ---


def test_own_functions_train_the_reader_and_each_is_asked(monkeypatch, short):
    trained = using.use(l01_reader.Training(epochs=2), *_mine(monkeypatch))
    fresh = l01_networks.Reader(l01_networks.linear_relu)
    assert trained.numbers["own functions"] == "4 of 4" and len(trained.course.passes) == 2
    assert not torch.equal(trained.model.W, fresh.W) and trained.course.passes[1][2] < trained.course.passes[0][2]
    assert trained.course.passes[0][0] == 6 and trained.course.steps == 12


def test_a_loop_that_trains_the_model_is_called_once_a_pass(monkeypatch, short):
    calls = []

    def train_epoch(model, loader, optimiser):
        calls.append(1)
        return l01_networks.train_epoch(model, loader, optimiser)

    own = using.use(l01_reader.Training(epochs=2), *_mine(monkeypatch, train_epoch=train_epoch))
    ours = l01_reader.Training(epochs=2)(*(getattr(l01_networks, name) for name in PARTS))
    assert len(calls) == 2
    assert all(torch.equal(a, b) for a, b in zip(own.model.parameters(), ours.model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "function", "said"),
    [
        ("linear_relu", lambda x, W, b: l01_networks.linear_relu(x, W, b).detach(), "without a gradient"),
        ("linear_relu", lambda x, W, b: torch.relu(x @ W + b), "stopped with RuntimeError"),
        ("train_epoch", lambda model, loader, optimiser: torch.tensor(1.0), "of shape (), float32; a number is wanted"),
        ("accuracy", lambda model, x, y, batch: 1 / 0, "stopped with ZeroDivisionError"),
        ("softmax_xent", lambda logits, y: 2.3, "gave 2.3; a torch tensor"),
    ],
)
def test_a_part_that_cannot_be_used_is_named_and_replaced(name, function, said, monkeypatch, short, capsys):
    trained = using.use(l01_reader.Training(epochs=1), *_mine(monkeypatch, **{name: function}))
    heard = capsys.readouterr()
    assert trained.numbers["own functions"] == "3 of 4"
    assert heard.out.startswith(f"Your {name} ") and said in heard.out and heard.out.count("Your ") == 1 and not heard.err


def test_a_layer_that_takes_too_long_is_refused():
    def slow(x, W, b):
        start = time.thread_time()
        while time.thread_time() - start < 0.3:
            pass
        return l01_networks.linear_relu(x, W, b)

    with pytest.raises(Unusable, match=r"takes 0\.3 s for one batch"):
        l01_networks.check_layer(slow)


def test_a_pass_shows_every_image_once_and_a_large_set_in_pieces(monkeypatch):
    train = bdlab.load("digits").train
    split = type(train)(train.x[:130], torch.arange(130), 130)
    y = torch.cat([labels for _, labels in l01_networks.Batches(split)])
    assert sorted(y.tolist()) == list(range(130)) and y.tolist() != list(range(130))
    monkeypatch.setattr(l01_networks, "ROWS", 100)
    loader = l01_networks.Batches(split)
    passes = [torch.cat([labels for _, labels in loader]) for _ in range(2)]
    assert [len(one) for one in passes] == [100, 30] and sorted(torch.cat(passes).tolist()) == list(range(130))


@pytest.mark.parametrize(("setting", "message"), [({"epochs": 0}, "epochs must be"), ({"rate": -1.0}, "rate must be")])
def test_a_setting_that_is_none_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        l01_reader.Training(**setting)


def test_nothing_is_trained_and_nothing_drawn_while_nbgrader_grades(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr(l01_networks, "train_epoch", lambda *_: pytest.fail("it trains"))
    training = l01_reader.Training()
    trained = training(None, None, None, None)
    assert training.live.updates == 0 and trained.numbers["own functions"] == "0 of 4"
    assert "95." in trained.numbers["test images right"]
    for shown in (l01_reader.ten_drawn(trained), l01_reader.no_digits(trained), l01_reader.sheet(trained)[1]):
        assert type(shown) is bdlab.plots.Plot
    figures = (l01_figures.turning_neuron, l01_figures.browser, l01_figures.learning_rates)
    assert all(type(show()) is bdlab.plots.Plot for show in figures)
    assert l01_reader.one_pass(None).returned == pytest.approx(cached("l01", "training")["loss"][0])
    assert "95.6%" in repr(l01_figures.how_right(None))


# --- what the text says was measured ---


def test_the_figures_that_the_text_names():
    made, rates = cached("l01", "training"), cached("l01", "rates")
    shares, names = made["nonsense_shares"], list(l01_networks.NONSENSE)
    house, blank = shares[names.index("a house")], shares[names.index("nothing")]
    assert house.argmax() == 0 and 0.94 < house.max() < 0.955 and blank.argmax() == 1 and blank.max() > 0.99
    assert made["ten_shares"][4].argmax() == 4 and 0.96 < made["ten_shares"][4].max() < 0.98
    assert (made["ten"] == np.arange(10)).sum() == 9 and 0.95 < made["accuracy"][-1] < 0.96
    assert rates["loss"][2].max() > 1e16 and abs(rates["loss"][2][-20:].mean() - np.log(10)) < 0.15
    assert rates["accuracy"][1] > 0.9 and rates["accuracy"][2] < 0.1 and 0.4 < rates["accuracy"][0] < 0.6
    losses = F.cross_entropy(torch.from_numpy(made["logits"]).float(), bdlab.load("digits").test.y, reduction="none")
    assert 9 < losses.max() < 9.6
    errors = l01_figures._errors()
    assert max(errors) == errors[135 // 15] > 0.965 and min(errors) == errors[315 // 15] < 0.035
    assert len(bdlab.load("digits").test.source.unique()) == 400
    assert all(one.low <= one.mean <= one.high and one.holds == (one.mean <= one.published) for one in l01_measured.CLAIMS)


def test_the_library_s_parts_agree_with_torch():
    x, W, b = torch.randn(3, 5), torch.randn(4, 5), torch.randn(4)
    assert torch.allclose(l01_networks.linear_relu(x, W, b), (x @ W.T + b).clamp_min(0))
    model, test = l01_networks.Reader(l01_networks.linear_relu).train(), bdlab.load("digits").test
    share = l01_networks.accuracy(model, test.x[:70], test.y[:70], 32)
    assert model.training
    assert share == pytest.approx((model.eval()(test.x[:70]).argmax(1) == test.y[:70]).float().mean().item())


# --- drawings ---


def test_a_drawing_is_enlarged_as_the_scans_are():
    scan = l01_networks.scan(l01_reader.FOUR)
    assert scan.shape == (1, 1, 8, 8) and sorted(scan.unique().tolist()) == [0.0, 0.5, 1.0]
    pose = F.affine_grid(torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), [1, 1, 28, 28], align_corners=False)
    assert torch.allclose(enlarge(scan), enlarge(scan, pose), atol=1e-4)
    assert enlarge(torch.zeros(1, 1, 8, 8)).max() == 0


@pytest.mark.parametrize("rows", [["."] * 8, ["........"] * 7, ["...x...."] * 8])
def test_a_drawing_that_is_none_is_refused(rows):
    with pytest.raises(ValueError, match="drawing must be eight rows"):
        l01_networks.scan(rows)


@pytest.fixture(scope="module")
def fresh():
    """A reader that knows nothing."""
    return l01_reader.Trained(l01_networks.Reader(l01_networks.linear_relu), l01_reader.Course(1), {})


def test_fewer_than_seven_read_gives_hints(fresh):
    assert "Fewer than seven" in l01_reader.ten_drawn(fresh).alt


@pytest.mark.parametrize("dark", [True, False])
def test_a_picture_in_a_file_is_read_as_the_drawing_is(dark, fresh, tmp_path):
    from PIL import Image

    scan = l01_networks.scan(l01_reader.FOUR)[0, 0]
    large = ((scan if dark else 1 - scan) * 255).byte().repeat_interleave(10, 0).repeat_interleave(10, 1)
    Image.fromarray(large.numpy()).save(tmp_path / "four.png")
    said = l01_reader.from_png(fresh, tmp_path / "four.png").alt.partition("Reads")[2]
    assert said == l01_reader.drawn(fresh).alt.partition("Reads")[2]
    with pytest.raises(FileNotFoundError, match="path must name a picture"):
        l01_reader.from_png(fresh, tmp_path / "five.png")


def test_the_sheet_answers_to_every_button(fresh, monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    sheet, box = l01_reader.sheet(fresh)
    assert all(not cell.tabbable for row in box.cells for cell in row) and len(box.cells) == 8
    assert all(control.tabbable is not False for control in box.controls.values())
    before = sheet.image.clone()
    box.cells[7][7].click()
    assert box.pad.rows[7][7] == "+" and "Row 8, column 8: grey." in box.text.value and not torch.equal(sheet.image, before)
    box.controls["row +"].click()
    box.controls["column −"].click()
    assert "Row 1, column 7:" in box.text.value
    for grey in ("grey", "ink", "paper"):
        box.controls["clear"].click() if grey == "grey" else None
        box.controls["paint"].click()
        assert f"Row 1, column 7: {grey}." in box.text.value
    assert set("".join(box.pad.rows)) == {"."} and "<img" in repr(box._repr_mimebundle_()["text/html"])


def test_a_curve_is_drawn_seldom_and_at_last(monkeypatch):
    shown, times = [], iter([0.0, 0.0, 0.3, 0.6, 1.2, 1.3, 1.4, 1.5])

    class Handle:
        update = staticmethod(shown.append)

    monkeypatch.setattr(live, "_notebook", lambda: True)
    monkeypatch.setattr(live.time, "monotonic", lambda: next(times))
    monkeypatch.setattr("IPython.display.display", lambda picture, display_id: shown.append(picture) or Handle)
    curve = widgets.Live()
    for number in range(4):
        curve.show(lambda number=number: number)
    curve.show(lambda: "last", last=True)
    assert shown == [0, 3, "last"] and curve.updates == 3


def test_outside_of_a_notebook_no_curve_is_drawn():
    curve = widgets.Live()
    curve.show(lambda: pytest.fail("it draws"), last=True)
    assert curve.updates == 0


# --- the box ---


def test_the_box_that_is_shipped_opens_by_the_method_and_not_by_the_logs(box):
    readers, answer = l01_box.supplied(), (0, 6, 3, 0, 5)
    assert box.solve(readers) == answer and l01_questions.BOX.judge(list(answer)) == (True, "")
    logs = box.by_the_log(readers)
    assert logs != answer and seal(list(logs), box.SALT) in l01_questions.BOX.wrong
    assert l01_box.FILE.stat().st_size <= 60_000 and answer.count(0) == 2
    assert l01_box.table(readers["A"].model).sum() == 1500


def test_the_answer_does_not_stand_in_the_declaration(box):
    text = (ROOT / "bdlab" / "exercises" / "l01_questions.py").read_text()
    assert not re.search(r"0\D{1,3}6\D{1,3}3\D{1,3}0\D{1,3}5", text)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_the_method_opens_every_box_of_the_recipe(seed, box):
    readers, answer = box.make(seed)
    assert box.solve(readers) == answer and answer.count(0) == 2
