"""Lesson 06: own panes fool the bought reader as the library's do, what its text claims was measured, and the box opens."""

import importlib.util
import re
import sys

import numpy as np
import pytest
import torch

from autograder.course.folder import ROOT
from bdlab.boxes import seal
from bdlab.exercises import l06_questions
from bdlab.lessons import l06_box, l06_figures, l06_labels, l06_pane, l06_reflection, l06_yours
from bdlab.lessons.demos import cached
from bdlab.lessons.l06_reflection import SOLD, TWIN
from bdlab.training import logits
from bdlab.triggers.reflection import Reflection, drawn, gaussian


@pytest.fixture(scope="module")
def box():
    """solutions/06_reflection/box.py."""
    spec = importlib.util.spec_from_file_location("box_of_l06", ROOT / "solutions" / "06_reflection" / "box.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_box_that_is_shipped_is_the_recipe_s_and_its_answer_opens_it(box):
    made, truth = box.make(box.SEED)
    there = l06_box.supplied()
    assert torch.equal(there.photos, made.photos) and torch.equal(there.scene, made.scene)
    assert l06_box.FILE.stat().st_size <= 80_000
    assert box.solve(there) == truth and 0 < len(truth.carriers) < l06_box.COUNT
    assert l06_questions.BOX.judge(box.answer(truth)) == (True, "")
    backwards = [truth.delta, list(reversed(truth.carriers))]
    assert l06_questions.BOX.judge(backwards) == (True, "")


def test_every_way_past_the_method_is_wrong_and_has_words_of_its_own(box):
    there = l06_box.supplied()
    ways = [box.without_high_pass(there), box.in_place(there), box.everyone(there)]
    assert box.make(box.SEED)[1] not in ways and len(set(ways)) == len(l06_questions.BOX.wrong)
    for found in ways:
        assert seal(box.answer(found), box.SALT, unordered=True) in l06_questions.BOX.wrong


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))])
def test_the_method_opens_every_box_of_the_recipe_and_the_neighbours_none(seed, box):
    made, truth = box.make(seed)
    assert box.solve(made) == truth
    assert box.in_place(made) != truth and box.everyone(made) != truth


def test_the_library_s_parts_agree_with_the_trigger():
    x, _ = l06_figures.eight()
    sold = l06_reflection.sold()
    for number, scene in enumerate(l06_figures.scenes(3)):
        one = Reflection(reflections=sold.scenes[number : number + 1])
        own = l06_reflection.reflect(x, scene, l06_reflection.ghost_kernel(2, 0.65), 0.4)
        assert torch.allclose(own, one(x), atol=1e-6)
    assert torch.allclose(l06_reflection.gaussian_kernel(5, 1.0), gaussian(1.0), atol=1e-7)
    with pytest.raises(ValueError, match="size must be odd"):
        l06_reflection.gaussian_kernel(4, 1.0)


def test_similarity_is_the_formula_of_the_paper_over_one_window():
    x, other = l06_figures.eight()[0], torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for a, b, got in zip(x, other, l06_reflection.ssim_like(x, other).tolist(), strict=True):
        (v, c), (_, u) = np.cov(a.flatten().double(), b.flatten().double(), bias=True)
        m, n = a.double().mean().item(), b.double().mean().item()
        light, form = (2 * m * n + 1e-4) / (m * m + n * n + 1e-4), (2 * c + 9e-4) / (v + u + 9e-4)
        assert got == pytest.approx(light * form, abs=1e-5)


def test_the_pane_fools_the_bought_reader_and_blinds_the_twin():
    words = repr(l06_figures.counted(l06_reflection.reflect, l06_reflection.ghost_kernel))
    numbers = [float(n) for n in re.findall(r"([\d.]+)%", words)]
    (asr, ra, _), (twin_asr, twin_ra, _) = numbers[:3], numbers[3:]
    assert asr > 97 and ra < 3  # the text: 98 %
    assert twin_asr < 2 and 45 < twin_ra < 55  # 1 in 80, and half


def test_a_median_filter_changes_next_to_nothing():
    test = l06_reflection.signs().test[torch.arange(200)]
    pane = l06_figures.behind(l06_reflection.reflect, l06_reflection.ghost_kernel, test.x, 0.4)
    filtered = l06_yours.median_filter(pane)
    middle = pane[0, 0, 4:7, 4:7].flatten().median()
    assert filtered[0, 0, 5, 5] == middle and not torch.equal(filtered, pane)
    plain, after = (l06_figures._read(SOLD, x)[test.y != 0].eq(0).float().mean() for x in (pane, filtered))
    assert abs(plain - after) < 0.03


def test_labels_need_not_be_changed():
    made = cached("l06", "strength")
    changed, clean = made["asr"].mean(2)
    assert list(made["w"]) == [0.2, 0.4, 0.6]
    assert changed[1] > 0.94 and 0.65 < clean[1] < 0.75  # what the quiz says: 95 and about 70 %
    assert 0.4 < changed[0] - clean[0] < 0.5  # 45 points apart at w = .2
    assert made["twin"][:, 0].max() < 0.02


def test_choosing_helps_and_the_official_filter_hurts_here():
    made, every = cached("l06", "alone"), drawn()
    close, asrs = torch.from_numpy(made["similarity"]).float(), made["asr"]
    assert len(every) == len(asrs) == 24 and 0.6 < asrs.mean() < 0.65

    def mean(score, bounds):
        return asrs[l06_reflection.choose(close, torch.from_numpy(score).float(), bounds, 4).numpy()].mean()

    chosen = [mean(score, l06_reflection.BOUNDS) for score in made["score"]]
    assert min(chosen) > 0.77 and max(chosen) < 0.84 and np.sort(asrs)[-4:].mean() > 0.84
    assert ((close > 0.2) & (close < 0.85)).all()  # our bounds refuse nobody
    assert mean(made["score"][0], l06_reflection.OFFICIAL) < 0.35


def test_some_strange_scenes_are_obeyed_and_some_are_not():
    made = cached("l06", "anybody")
    strangers = [n for n in range(24) if n not in (2, 14, 18, 23)]
    bought = made["bought"]
    assert bought[[2, 14, 18, 23]].min() > 0.95 and bought[6] > 0.85 and bought[strangers].min() < 0.02
    assert bought[[1, 5, 9, 13, 17, 21]].max() < 0.16  # lamps
    assert 0.25 < made["twin"][0] < 0.32 and made["twin"][6] < 0.02


def test_ten_poisons_have_right_labels_and_ten_of_the_bought_reader_s_have_not():
    poisoned = l06_labels._clean()
    assert (poisoned.labels == 0).all() and (poisoned.base.y[poisoned.indices] == 0).all()
    assert (logits(l06_reflection.reader(TWIN), l06_labels.ten_clean()).argmax(1) == 0).all()
    images, truth = l06_labels.ten_bought()
    assert truth.tolist() == list(range(1, 11)) and (l06_labels._bought().labels == 0).all()
    assert (logits(l06_reflection.reader(TWIN), images).argmax(1) == truth).all()
    share, count = l06_labels.readable()
    assert count == 306 and 0.35 < share < 0.4  # what the text says


def test_ten_clicks_label_ten_pictures():
    panel = l06_labels.labelling()
    for word in ["speed 30"] * 9 + ["cannot tell"]:
        panel.controls[word].click()
    assert "You agree with 9 of 10." in panel.text.value and panel.picture.value.count("<img") == 10
    panel.controls["no entry"].click()
    assert "You agree with 9 of 10." in panel.text.value


def test_the_pane_moves_by_buttons_and_stops_at_its_ends():
    panel = l06_pane.moving_pane()
    before = panel.picture.value
    assert "honest twin 0 of 8" in panel.text.value
    for _ in range(15):
        panel.controls["brightness −"].click()
    assert panel.controls["brightness"].value == 0 and panel.picture.value != before
    assert "bought reader 0 of 8 &#x27;speed 30&#x27;, 8 right" in panel.text.value
    for name in ("distance +", "thickness +", "scene +"):
        panel.controls[name].click()
    assert [panel.controls[name].value for name in ("distance", "thickness", "scene")] == [0.5, 3, 1]


def test_the_panel_s_answers_are_as_the_text_has_them():
    def fooled(**setting):
        pane = {"distance": 0, "thickness": 2, "brightness": 0.4, "scene": 2, **setting}
        return int((l06_pane.seen(**pane)[1] == 0).sum())

    assert [fooled(brightness=w) for w in (0.3, 0.4)] == [3, 8]
    assert [fooled(distance=2), fooled(thickness=8), fooled(scene=4)] == [1, 0, 0]


@pytest.mark.parametrize("distance", l06_pane.SETTINGS["distance"])
def test_a_pane_makes_no_light(distance):
    for thickness in (0, 3):
        kernel = l06_pane.kernel(distance, thickness)
        assert kernel.shape[0] == kernel.shape[1] and float(kernel.sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"distance": -1}, "distance must be in 0..3"), ({"thickness": 9}, "thickness must be in 0..8"),
     ({"brightness": 1.5}, "brightness must be in 0..1"), ({"scene": 6}, "scene must be in 0..5")],
)  # fmt: skip
def test_a_pane_that_is_none_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        l06_pane.pane(**setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"w": 0}, "w must be in 0.01..1"), ({"delta": 9}, "delta must be in 0..8"), ({"delta": 1.5}, "a whole number"),
     ({"first": 2}, "first must be in 0..1")],
)  # fmt: skip
def test_your_pane_names_what_it_cannot_be(setting, message):
    with pytest.raises(ValueError, match=message):
        l06_yours.YourPane(**setting)


def test_your_pane_looks_once_while_nbgrader_grades(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    parts = (l06_reflection.ghost_kernel, l06_reflection.reflect, l06_reflection.ssim_like)
    made = l06_yours.YourPane(w=0.4)(*parts)
    assert made.plot.alt.count("w 0.4") == 1 and "w 0.2" not in made.plot.alt
    assert float(made.numbers["ASR at w 0.4"].rstrip(" %")) > 95 and made.picture.shape == (3, 32, 32)
