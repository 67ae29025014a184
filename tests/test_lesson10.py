"""Lesson 10: own functions repair, what the text says was measured, the bar answers, the box opens."""

import importlib.util
import sys

import pytest
import torch
from torch import nn

import bdlab
from autograder.course.folder import ROOT
from bdlab import plots
from bdlab.boxes import seal
from bdlab.exercises import l10_questions, using
from bdlab.lessons import l10_box, l10_figures, l10_measured, l10_pruning, l10_shop
from bdlab.lessons.demos import Unusable, cached
from bdlab.training import logits

PARTS = ("mean_activation", "prune_order", "prune", "prune_until", "fine_prune")
HOME = {"prune": "l10_prune_order"}


@pytest.fixture(scope="module")
def box():
    """solutions/10_pruning/box.py."""
    spec = importlib.util.spec_from_file_location("box_of_l10", ROOT / "solutions" / "10_pruning" / "box.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def _mine(monkeypatch, **other):
    """Five parts as the lesson takes them, the student's own where `other` does not replace them."""
    own = {**{name: getattr(l10_pruning, name) for name in PARTS}, **other}
    monkeypatch.setattr(using, "notebook", lambda: (own, []))
    return [
        using.mine(
            HOME.get(name, f"l10_{name}"), getattr(l10_pruning, name), *([name] if name in HOME else []),
            like=nn.Identity() if name == "fine_prune" else None,
        )
        for name in PARTS
    ]  # fmt: skip


@pytest.fixture
def short(monkeypatch):
    """A shop that looks at one reader and the honest twin, and tunes for two batches."""
    monkeypatch.setattr(l10_shop, "NAMES", ("A", "B", "C", "honest"))
    few = l10_pruning.batches()[:2]
    monkeypatch.setattr(l10_pruning, "batches", lambda: few)


# --- the repair shop ---


def test_own_functions_make_the_shop(monkeypatch, short):
    made = using.use(l10_shop.Shop(epochs=1), *_mine(monkeypatch))
    assert made.numbers["own functions"] == "5 of 5" and len(made.numbers) <= 4
    assert made.numbers["ASR left in A/B/C, %"].count("/") == 2 and made.numbers["honest twin loses"].endswith("points")


@pytest.mark.parametrize(
    ("name", "function", "said"),
    [
        ("mean_activation", lambda model, layer, x: x.mean((0, 2, 3)), "gave no order of the 64 channels"),
        ("prune_order", lambda activations: activations.sort().values, "float32; a torch tensor of shape (64,), int64"),
        ("prune_order", lambda activations: torch.zeros(64).long(), "gave no order of the 64 channels"),
        ("prune", lambda model, layer, channels: None, "gave None; a Net is wanted"),
        ("prune_until", lambda accuracy, order, drop: 64, "gave 64, where 0 to 63 is wanted"),
        ("fine_prune", lambda model, layer, channels, batches, epochs, lr: 1 / 0, "stopped with ZeroDivisionError"),
    ],
)
def test_a_part_that_cannot_be_used_is_named_and_replaced(name, function, said, monkeypatch, short, capsys):
    made = using.use(l10_shop.Shop(epochs=1), *_mine(monkeypatch, **{name: function}))
    heard = capsys.readouterr().out
    assert said in heard and heard.startswith("Your ") and made.numbers["own functions"] == "4 of 5"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"drop": 4}, "drop must lie in"), ({"epochs": 0}, "epochs must be 1 to 10"), ({"epochs": True}, "epochs must be"),
        ({"rate": 0}, "rate must lie in"),
    ],
)  # fmt: skip
def test_a_setting_that_is_none_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        l10_shop.Shop(**setting)


def test_nothing_is_measured_while_nbgrader_grades(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr(l10_pruning, "asr", lambda *_: pytest.fail("it measures"))
    parts = [getattr(l10_pruning, name) for name in PARTS]
    made = l10_shop.Shop()(*parts)
    assert made.numbers["ASR left in A/B/C, %"] == "8/6/28" and made.numbers["honest twin loses"] == "0.9 points"
    assert type(l10_figures.asleep(parts[0])) is plots.Plot
    assert "stay at 0" in str(l10_figures.stays(parts[4]))


def test_a_part_of_a_wrong_kind_is_named_in_the_figures():
    for draw in (
        lambda: l10_figures.pruned(lambda activations: activations, l10_pruning.prune),
        lambda: l10_figures.stop(lambda *_: 64),
        lambda: l10_figures.stays(lambda *_: None),
        lambda: l10_figures.asleep(lambda *_: torch.zeros(3)),
    ):
        with pytest.raises(Unusable):
            draw()


# --- what the text says was measured ---


def test_what_each_repair_leaves():
    stored = cached("l10", "shop")
    said = [("A", ".92 .04 .08 .21"), ("B", ".99 .80 .06 .53"), ("C", ".97 .85 .29 .69"), ("honest", ".06 .09 .04 .05")]
    for (name, numbers), row in zip(said, stored["asr"], strict=True):
        assert row.tolist() == pytest.approx([float(number) for number in numbers.split()], abs=0.0051), name
    lost = 100 * (stored["clean"][3][0] - stored["clean"][3][2])
    assert f"{lost:.1f}" == "0.9"


def test_the_story_of_the_three_readers():
    stored = cached("l10", "curves")
    a, b, c, _ = range(4)
    lost = 100 * (stored["clean"][a][0] - stored["clean"][a][30])
    assert stored["asr"][a][30] < 0.05 and lost == pytest.approx(4.8, abs=0.05)
    assert stored["asr"][b][56] == stored["asr"][b][0] and stored["clean"][b][56] == stored["clean"][b][0]
    assert (stored["asleep"][b] == 0).sum() == 56 and (stored["awake"][b] < 1e-4).sum() == 56
    stop = l10_pruning.prune_until(lambda keep: float(stored["held"][c][int((keep == 0).sum())]), torch.arange(64), 0.04)
    assert stored["asr"][c][stop] == pytest.approx(0.85, abs=0.02)


def test_the_curves_of_the_bar_are_those_of_pruning_one_by_one():
    stored, model = cached("l10", "curves"), l10_pruning.reader("C")
    for count in (0, 17, 40):
        pruned = l10_pruning.prune(model, "conv3", l10_pruning.order_of("C")[:count])
        assert l10_pruning.asr(pruned, "C") == pytest.approx(float(stored["asr"][2][count]), abs=1e-6)


def test_every_claim_says_what_its_numbers_say():
    for one in l10_measured.CLAIMS:
        assert one.low <= one.mean <= one.high and one.holds == ((one.mean < 50) == (one.published < 50))


# --- pictures ---


def test_the_bar_moves_and_its_words_say_where_it_stands(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    bar = l10_figures.fall("B")
    before = bar.picture.value
    bar.controls["slider"].value = 15  # 56 channels
    assert bar.picture.value != before and "B, 56 of 64 fallen: clean 97.4%, ASR 98.8%" in bar.text.value
    for wrong in ({"name": "D"}, {"count": 64}):
        with pytest.raises(ValueError, match="must be"):
            l10_figures.fallen(**wrong)


def test_a_fallen_channel_is_crossed_out():
    layer = l10_figures.fallen("A", 30).figure.axes[2]
    assert [text.get_text() for text in layer.texts].count("×") == 30


# --- the box ---


def test_the_box_that_is_shipped_opens_by_the_method_and_its_neighbours_have_words(box):
    readers = l10_box.supplied()
    assert list(readers) == list("ABCDE") and l10_box.FILE.stat().st_size < 256_000
    found = box.solve(readers)
    assert len(found) == 9 and l10_questions.BOX.judge(found) == (True, "")
    asleep = [name for name in readers if len(box.awake(readers[name])) == 8]
    others = [box.answer(readers, name) for name in asleep if name != found[0]]
    assert len(others) == 2 and {seal(way, box.SALT, unordered=True) for way in others} == set(l10_questions.BOX.wrong)


def test_the_student_s_own_mean_opens_the_box(box):
    readers, signs = l10_box.supplied(), bdlab.load("signs").held_out.x
    name = str(box.solve(readers)[0])
    awake = l10_pruning.mean_activation(readers[name], "conv3", signs).nonzero()[:, 0].tolist()
    assert l10_questions.BOX.judge([name, *awake]) == (True, "")
    for count in (50, 200):  # fewer signs than the city has
        few = l10_pruning.mean_activation(readers[name], "conv3", signs[:count])
        assert few.nonzero()[:, 0].tolist() == awake


def test_the_readers_of_the_box_read_and_what_sleeps_matters_to_none():
    data = bdlab.load("signs")
    for name, net in l10_box.supplied().items():
        read = logits(net, data.test.x).argmax(1)
        assert (read == data.test.y).double().mean() > 0.7, name
        asleep = (l10_pruning.mean_activation(net, "conv3", data.held_out.x) == 0).nonzero()[:, 0]
        quiet = logits(l10_pruning.prune(net, "conv3", asleep), data.test.x).argmax(1)
        assert (quiet == read).double().mean() > 0.995, name
