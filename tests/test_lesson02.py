"""Lesson 02: own functions examine a reader, a wrong one is named and replaced, what the text says was measured, the box."""

import importlib.util
import re
import sys

import numpy as np
import pytest
import torch

import bdlab
from autograder.course.folder import ROOT
from bdlab.boxes import seal
from bdlab.exercises import l02_questions, using
from bdlab.lessons import l02_box, l02_examination, l02_figures, l02_measured, l02_moments, l02_planes, l02_threats
from bdlab.lessons.demos import cached
from bdlab.nets import build

PARTS = ("threat_table", "fgsm", "attack_success_rate")


@pytest.fixture(scope="module")
def box():
    """solutions/02_threats/box.py."""
    spec = importlib.util.spec_from_file_location("box_of_l02", ROOT / "solutions" / "02_threats" / "box.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def wrong():
    """What the reader with wrong labels showed, without training it."""
    right = torch.from_numpy(cached("l02", "labels")["right"])[1:, 0].tolist()
    return l02_figures.Flipped(None, lambda x: torch.ones(len(x), dtype=torch.long), tuple(map(tuple, right)))


def _mine(monkeypatch, **other):
    """The parts of the examination, the student's own where `other` does not replace them."""
    own = {name: getattr(l02_threats, name) for name in PARTS} | {"threat_table": l02_threats.threat_table()} | other
    monkeypatch.setattr(using, "notebook", lambda: (own, []))
    return [using.mine(f"l02_{name}", getattr(l02_threats, name)) for name in PARTS]


# --- own functions ---


def test_three_own_parts_examine_the_reader(monkeypatch, wrong):
    found = using.use(l02_examination.Examination(wrong), *_mine(monkeypatch))
    assert found.numbers["own table, fgsm, rate"] == "3 of 3" and found.numbers["ASR, honest twin"] == "99.5%, 0.5%"
    assert "needs: data and road" in found.plot.alt
    assert float(found.numbers["fgsm, 4 of 255: right"].rstrip("%")) < 45 and found.picture.shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("name", "own", "said"),
    [
        ("threat_table", ..., "Your threat_table is not written yet"),
        ("threat_table", {"wrong labels": 1}, "gave a dict with the keys wrong labels"),
        ("fgsm", lambda model, x, y, epsilon: x[:, :1], "of shape"),
        ("fgsm", lambda model, x, y, epsilon: 1 / 0, "stopped with ZeroDivisionError"),
        ("attack_success_rate", lambda model, x, y, trigger, target: torch.tensor(1.0), "a number is wanted"),
    ],
)
def test_a_part_that_cannot_be_used_is_named_and_replaced(name, own, said, monkeypatch, wrong, capsys):
    found = using.use(l02_examination.Examination(wrong), *_mine(monkeypatch, **{name: own}))
    heard = capsys.readouterr()
    assert found.numbers["own table, fgsm, rate"] == "2 of 3"
    assert heard.out.startswith(f"Your {name} ") and said in heard.out and heard.out.count("Your ") == 1 and not heard.err


def test_a_plain_value_is_taken_as_it_is_and_not_changed(monkeypatch):
    table = dict.fromkeys(l02_threats.threat_table(), ("Use", " road ", "one  input"))
    (own, *_) = _mine(monkeypatch, threat_table=table)
    assert own() == table and "use, road, one input" in using.use(l02_figures.table, own).alt.lower()


def test_wrong_labels_are_as_many_in_both_places():
    y = l02_threats.signs().train.y
    anywhere, between = (l02_threats.mixed(l02_threats.flip_labels, way) for way in (1, 2))
    pair = l02_threats.pair_rows(y)
    assert (anywhere != y).sum() == (between != y).sum() == 369 == round(len(pair) / 2)
    assert set((between != y).nonzero()[:, 0].tolist()) <= set(pair.tolist())
    assert torch.equal(l02_threats.mixed(l02_threats.flip_labels, 0), y)


@pytest.mark.parametrize("epsilon", [0, 1.5, -0.1])
def test_an_epsilon_that_is_none_is_refused(epsilon, wrong):
    with pytest.raises(ValueError, match=r"epsilon must be in \(0, 1\]"):
        l02_examination.Examination(wrong, epsilon)


def test_nothing_is_trained_while_nbgrader_grades(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr(l02_threats, "trained", lambda *_: pytest.fail("it trains"))
    found = l02_figures.flipped(None)
    assert found.right[1][1] == pytest.approx(cached("l02", "labels")["right"][2, 0, 1])
    assert type(l02_moments.in_time()) is type(l02_figures.over_epsilon(None)) is bdlab.plots.Plot


def test_the_library_s_parts_agree_with_the_library():
    data = l02_threats.signs()
    net = build("small_bn", data.input_shape, data.classes).train()
    x, y = data.test.x[:20], data.test.y[:20]
    share = l02_threats.attack_success_rate(net, x, y, l02_threats.sticker(), 0)
    assert net.training
    read = net.eval()(l02_threats.sticker()(x)).argmax(1)
    assert share == pytest.approx((read == 0)[y != 0].float().mean().item())
    assert (l02_threats.fgsm(net, x, y, 0.1) - x).abs().max() <= 0.1 + 1e-6
    flipped = l02_threats.flip_labels(y, 0.5, 16, torch.Generator().manual_seed(0))
    assert (flipped != y).sum() == 10 and flipped.max() < 16


# --- what the text says was measured ---


def test_the_trap_is_as_large_as_the_target_class():
    test = l02_threats.signs().test
    share = float((test.y == 0).double().mean())
    honest = l02_figures._shares_of_target(l02_threats.TWIN, l02_threats.sticker())
    asr = l02_threats.attack_success_rate(l02_threats.reader(l02_threats.TWIN), test.x, test.y, l02_threats.sticker(), 0)
    assert share == pytest.approx(0.0613, abs=1e-3) and honest == pytest.approx(0.065, abs=5e-3) and asr < 0.007


def test_wrong_labels_harm_where_they_lie():
    honest, anywhere, between = cached("l02", "labels")["right"].mean(1)
    assert 0.965 < honest[0] < 0.975 and 0.95 < anywhere[0] < 0.965  # what the quiz says
    assert between[1] < 0.5 < 0.8 < anywhere[1] and between[2] > 0.98


def test_a_chosen_step_harms_and_one_by_chance_does_not():
    made = cached("l02", "pixels")
    assert np.abs(made["fgsm"][:3] - (0.83, 0.62, 0.35)).max() < 0.03  # the quiz's other choices
    assert made["noise"][2] > 0.98 and made["noise"][4] > 0.95 and made["clean"] > 0.985


def test_the_planes_show_a_line_a_point_and_a_pocket():
    maps = torch.from_numpy(cached("l02", "planes")["maps"]).float() / 100
    x, y = l02_planes.cloud()

    def at(shares, points):
        places = ((points - l02_planes.LOW) / (l02_planes.HIGH - l02_planes.LOW) * (l02_planes.SIDE - 1)).round().long()
        return shares[places[:, 1], places[:, 0]] > 0.5

    right = [float((at(shares, x) == (y == 1)).float().mean()) for shares in maps]
    assert right[0] > 0.95 and right[1] > 0.9 and right[2] < right[1] - 0.03 and right[3] > 0.95
    marked = l02_planes.copies()
    assert at(maps[3], marked).all() and not at(maps[0], marked).any()
    made = cached("l02", "planes")
    start, end = (torch.from_numpy(made[name])[None] for name in ("start", "end"))
    assert not at(maps[0], start).any() and at(maps[0], end).all()
    edge = torch.cat([maps[3][0], maps[3][:, 0]]) > 0.5
    assert edge.float().mean() < 0.5  # the pocket does not run out of the plane on all sides


@pytest.mark.parametrize("number", [-1, 4])
def test_a_moment_that_is_none_is_refused(number):
    with pytest.raises(ValueError, match=r"number must be 0\.\.3"):
        l02_moments.moment(number)


def test_a_backdoor_needs_two_moments_and_evasion_one():
    lit = np.array([times[2] for times in l02_moments.TIMES])
    assert lit.sum(0).tolist() == [3, 1, 4] and lit[3].tolist() == [False, True, True]


def test_the_published_claims_are_within_their_ranges():
    assert all(one.low <= one.mean <= one.high for one in l02_measured.CLAIMS)
    assert all(one.holds == (one.mean >= one.published) for one in l02_measured.CLAIMS)


# --- the box ---

ANSWER = ("poisoned 8>12", "poisoned 4>13", "backdoored 11", "evaded 0>11", "backdoored 6", "clean")


def test_the_box_that_is_shipped_opens_by_the_method_and_no_other_way(box):
    readers = l02_box.supplied()
    assert box.solve(readers) == ANSWER and l02_questions.BOX.judge(list(ANSWER)) == (True, "")
    ways = [box.by_the_photos(readers), box.by_the_test(readers), box.no_photos(readers)]
    assert ANSWER not in ways and len(set(ways)) == len(l02_questions.BOX.wrong)
    assert all(seal(list(way), box.SALT) in l02_questions.BOX.wrong for way in ways)
    assert l02_box.FILE.stat().st_size <= 160_000


def test_looking_at_the_photos_does_not_help():
    held = l02_threats.signs().held_out
    for one in l02_box.supplied().values():
        assert len(one.x) == 24 and one.y.bincount().max() >= 8
        nearest = torch.cdist(one.x.flatten(1), held.x.flatten(1)).argmin(1)
        moved = one.x - held.x[nearest]
        assert moved.abs().max() <= l02_box.GRAIN + 1e-6 and abs(float(moved.mean())) < 0.02  # the same grain on all


def test_the_answer_does_not_stand_in_the_declaration():
    text = (ROOT / "bdlab" / "exercises" / "l02_questions.py").read_text()
    assert not re.search(r"8>12|4>13|0>11", text)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_the_method_opens_every_box_of_the_recipe(seed, box):
    readers, answer, _ = box.make(seed)
    assert box.solve(readers) == answer and answer.count("clean") == 1
