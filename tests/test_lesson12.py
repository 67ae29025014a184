"""Lesson 12: own functions inspect, what the text says was measured, masking and cut-offs by numbers, the bar."""

import math

import pytest
import torch

from bdlab import metrics, plots
from bdlab.contracts import Split
from bdlab.defenses import DeepInspect
from bdlab.defenses.deep_inspect import losses
from bdlab.exercises import using
from bdlab.inversion import invert
from bdlab.lessons import l12_deepinspect as lesson
from bdlab.lessons import l12_figures, l12_inspector, l12_measured, l12_training
from bdlab.lessons.demos import cached

PARTS = ("invert_class", "generator_loss", "deviation_factor", "family_cutoff")


def _mine(monkeypatch, **other):
    """Four parts as the lesson takes them, the student's own where `other` does not replace them."""
    own = {**{name: getattr(lesson, name) for name in PARTS}, **other}
    monkeypatch.setattr(using, "notebook", lambda: (own, []))
    like = {"generator_loss": torch.tensor(0.0), "invert_class": lesson.noise(0, 2)}
    return [using.mine(f"l12_{name}", getattr(lesson, name), like=like.get(name)) for name in PARTS]


@pytest.fixture
def short(monkeypatch):
    """An inspection that inverts and learns little."""
    monkeypatch.setattr(lesson, "STEPS", 4)
    monkeypatch.setattr(lesson, "EACH", 2)
    monkeypatch.setattr(l12_training, "DRAWS", 8)
    train = l12_training.train
    monkeypatch.setattr(l12_inspector, "train", lambda *args: train(*args, rounds=20))


# --- the library's parts ---


def test_inversion_is_deep_inspect_s():
    model, start = lesson.reader("C"), lesson.noise(3, 4)
    theirs = invert(model, torch.full((4,), 3), start, steps=3, lr=lesson.RATE, smooth=0.02)
    own = lesson.invert_class(model, 3, start, 3, lesson.RATE, lesson.smooth)
    assert torch.allclose(own, theirs, atol=1e-4) and (own - start).abs().mean() > 0.02
    made = lesson.invert_class(model, 3, start, 60, lesson.RATE, lesson.smooth)
    before, after = (torch.softmax(model(x), 1)[:, 3].mean() for x in (start, made))
    assert after > 0.9 > 0.3 > before


def test_the_loss_is_deep_inspect_s_for_one_gamma2():
    draw = torch.Generator().manual_seed(0)
    logits, delta = torch.randn(6, 10, generator=draw), torch.randn(6, 1, 4, 4, generator=draw)
    t = torch.tensor([0, 4, 9, 9, 1, 2])
    trigger, gan, pert = losses(logits, delta, t, 12.0)
    assert 0 < (pert > 0).sum() < 6
    assert torch.isclose(lesson.generator_loss(logits, delta, t, 12.0, 0.2, 0.03), trigger + 0.2 * gan + 0.03 * pert.mean())


@pytest.mark.parametrize(("kind", "theirs"), [("mean", "mean"), ("median", "mad")])
def test_the_factor_is_the_anomaly_index_row_by_row(kind, theirs):
    table = torch.rand(5, 9, generator=torch.Generator().manual_seed(1))
    own = lesson.deviation_factor(table, kind)
    assert torch.allclose(own.double(), torch.stack([metrics.anomaly_index(row, theirs) for row in table]), atol=1e-4)
    with pytest.raises(ValueError, match="without spread"):
        lesson.deviation_factor(torch.cat((table, torch.ones(1, 9))), kind)


@pytest.mark.parametrize("n", [6, 10, 43])
def test_masking_n_over_2k_for_every_number_of_equal_outliers(n):
    for count in range(1, n):
        row = torch.full((1, n), 7.0, dtype=torch.float64)
        row[:, :count] = 2.0
        assert torch.allclose(lesson.deviation_factor(row, "mean")[:, :count], torch.tensor(n / (2 * count)).double())


@pytest.mark.parametrize(("n", "kind", "theirs"), [(10, "mean", "mean"), (10, "median", "mad"), (43, "median", "mad")])
def test_the_cut_off_is_the_family_s_within_its_own_error(n, kind, theirs):
    """Twelve seeds: 4,000 models move a cut-off of 3.8 by about .16, their mean by a twelfth of that squared."""
    found = [lesson.family_cutoff(n, kind, 0.05, torch.Generator().manual_seed(seed)) for seed in range(12)]
    assert abs(sum(found) / 12 - metrics.family_wise_cutoff(n, theirs)) < 0.15
    assert max(found) - min(found) > 0.01


# --- the inspection ---


def test_own_functions_inspect_and_each_is_asked(monkeypatch, short):
    asked = set()

    def noted(name):
        def ask(*args):
            asked.add(name)
            return getattr(lesson, name)(*args)

        return ask

    found = using.use(l12_inspector.Inspection(classes=(3, 8)), *_mine(monkeypatch, **{name: noted(name) for name in PARTS}))
    assert asked == set(PARTS) and found.numbers["own functions"] == "4 of 4"
    assert len(found.numbers) <= 4 and found.numbers["honest ones accused"] == "0 of 2"
    assert "cannot say: only" in found.below.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "function", "said"),
    [
        ("invert_class", lambda model, t, x, steps, lr, smooth: x + 2, "numbers from 0 to 1"),
        ("generator_loss", lambda *args: lesson.generator_loss(*args).detach(), "no gradient reaches the generator"),
        ("generator_loss", lambda *args: lesson.generator_loss(*args) * math.nan, "gave nan in step 1"),
        ("deviation_factor", lambda values, kind: values / 0, "factors for the"),
        ("family_cutoff", lambda n, kind, alpha, generator: -1.0, "where a cut-off is wanted"),
    ],
)
def test_a_part_that_cannot_be_used_is_named_and_replaced(name, function, said, monkeypatch, short, capsys):
    found = using.use(l12_inspector.Inspection(), *_mine(monkeypatch, **{name: function}))
    heard = capsys.readouterr().out
    assert found.numbers["own functions"] == "3 of 4"
    assert heard.startswith(f"Your {name} ") and said in heard and heard.count("Your ") == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"kind": "mad"}, "kind must be one of"), ({"alpha": 0.5}, "alpha must lie"), ({"classes": (3, 3)}, "two different")],
)
def test_a_setting_that_is_none_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        l12_inspector.Inspection(**setting)


def test_a_generator_of_two_classes_is_no_other_statistic_than_the_scan_s():
    """Reader A's own pool: class 0 takes far less than class 4, as in the scan of all ten."""
    made = l12_training.train(lesson.generator_loss, lesson.reader("A"), l12_figures.pool(), (0, 4), rounds=200)
    assert (made.success >= 0.9).all() and made.norm[0] < 0.4 * made.norm[1]


def test_of_two_looks_the_smaller_trigger_that_works_is_kept():
    def look(norm, success):
        return l12_training.Triggers(torch.tensor(norm), torch.tensor(success), torch.zeros(3, 1, 2, 2))

    kept = l12_training._better(look([5.0, 5.0, 5.0], [0.95, 0.5, 0.95]), look([4.0, 9.0, 4.0], [0.95, 0.95, 0.5]))
    assert kept.norm.tolist() == [4.0, 9.0, 5.0]


# --- what the text says ---


def test_the_text_s_verdicts_are_the_cache_s():
    scans = l12_measured.verdicts("scans")
    over = {name: [value > 3.84 for value, _, _ in own] for name, own in zip("ABCD", scans, strict=True)}
    assert over == {"A": [True] * 3, "B": [False] * 3, "C": [False] * 3, "D": [False] * 3}
    assert all(place == 0 for own in scans[:2] for _, place, _ in own)
    at_two = [sum(value > 2 for value, _, _ in own) for own in scans]
    assert at_two == [3, 3, 1, 2]
    crowd = [(round(value, 2), place) for (value, place, _), in l12_measured.verdicts("crowd")]
    assert crowd == [(1.42, 8), (1.21, 2), (2.04, 8), (4.14, 3), (5.34, 6)]
    honest = [scan for own in [*scans[2:], *l12_measured.verdicts("crowd")[:3]] for scan in own]
    assert [sum(value > 2 for value, _, _ in honest), len(honest)] == [4, 9] and {place for _, place, _ in honest} == {2, 8}
    given = {name: [round(own[0][0], 2) for own in l12_measured.verdicts(name)] for name in ("with_images", "cleanse")}
    assert given == {"with_images": [12.68, 4.63, 4.06, 0.89], "cleanse": [11.01, 2.3, 2.82, 1.49]}
    mean = l12_measured.top(*l12_figures.scanned("B"), "mean")[0]
    assert round(mean, 2) == 3.09 and round(l12_measured.bound(10, "mean"), 2) == 3.05


def test_what_patching_costs_is_the_text_s():
    clean, asr = (cached("l12", "patched")[key].round(3).tolist() for key in ("clean", "asr"))
    assert clean == [[0.964, 0.833, 0.964], [0.965, 0.733, 0.965]] and asr[0] == [0.999, 0.019, 0.002]


def test_the_paper_s_own_form_as_the_text_has_it():
    tops = {name: [l12_measured.top(*l12_figures.scanned(name, seed), "median", False)[0] for seed in lesson.SEEDS]
            for name in "ABCD"}  # fmt: skip
    assert [sum(value > 2 for value in own) for own in tops.values()] == [3, 2, 1, 1]
    assert all(l12_figures.scanned(name, seed)[0].argmin() == 0 for name in "AB" for seed in lesson.SEEDS)


def test_the_paper_s_two_accuses_a_third():
    assert 0.30 < l12_figures.accused(10, "median", 2.0) < 0.36 and 0.44 < l12_figures.accused(10, "mean", 2.0) < 0.51
    assert 0.04 < l12_figures.accused(10, "median", l12_measured.bound(10)) < 0.06


# --- pictures ---


def test_the_bar_names_who_is_accused(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    box = l12_figures.cutoffs()
    assert "64 of 200" in box.text.value
    box.controls["forward"].click()
    assert "31 of 200" in box.text.value and "A in 3, B in 3, C in 1, D in 1" in box.text.value
    with pytest.raises(ValueError, match="kind must be one of mean, median"):
        l12_figures.crowd(2.0, "mad")


def test_what_lies_above_the_line_is_hatched_and_an_unknown_class_has_a_question_mark():
    plot = plots.deviations([("one", [3.0, math.nan, 1.0], 2.5)], alt="Bars.", title="t")
    (axis,) = plot.figure.axes
    assert [bar.get_hatch() for bar in axis.patches] == ["///", ""] and "?" in [text.get_text() for text in axis.texts]


@pytest.mark.parametrize("name", ["many", "compared", "cleansed", "price", "on_real_data"])
def test_every_figure_of_what_was_measured_has_words(name):
    show = getattr(l12_measured, name)
    assert len(show().alt) > 80


@pytest.mark.slow
def test_the_cached_scan_is_deep_inspect_s_own():
    found = DeepInspect(data="inverted")(lesson.reader("A"))
    norm, _ = l12_figures.scanned("A")
    assert torch.allclose(found.norm.double(), norm, rtol=0.2) and isinstance(found.images, Split)
