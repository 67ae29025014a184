"""Lesson 09: own functions filter, what the text says was measured, the panel answers to its buttons, the box opens."""

import importlib.util
import sys

import pytest
import torch

import bdlab
from autograder.course.folder import ROOT
from bdlab import plots
from bdlab.boxes import seal
from bdlab.defenses.strip import Strip
from bdlab.exercises import l09_questions, using
from bdlab.lessons import l09_box, l09_figures, l09_filter, l09_measured, l09_panel, l09_strip
from bdlab.lessons.demos import cached

PARTS = ("entropy", "superimpose", "strip_scores", "frr_far")
ANSWER = (7, 9, 10, 27, 32, 33, 36, 47, 49, 50, 53, 54)


@pytest.fixture(scope="module")
def box():
    """solutions/09_strip/box.py."""
    spec = importlib.util.spec_from_file_location("box_of_l09", ROOT / "solutions" / "09_strip" / "box.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def _mine(monkeypatch, **other):
    """Four parts as the lesson takes them, the student's own where `other` does not replace them."""
    own = {**{name: getattr(l09_strip, name) for name in PARTS}, **other}
    monkeypatch.setattr(using, "notebook", lambda: (own, []))
    like = {"strip_scores": torch.zeros(1)}
    return [using.mine(f"l09_{name}", getattr(l09_strip, name), like=like.get(name)) for name in PARTS]


@pytest.fixture
def short(monkeypatch):
    """A filter that sees few images."""
    monkeypatch.setattr(l09_strip, "CALIBRATION", 20)
    monkeypatch.setattr(l09_strip, "OVERLAYS", 3)


# --- the library's parts ---


def test_the_library_s_parts_are_those_of_strip():
    data, net = bdlab.load("signs"), l09_strip.honest("signs")
    x, overlays = data.test.x[:7], l09_strip.overlays_of("signs", 5)
    fitted = Strip(overlays=5, mode="add").fit(net, data.held_out, data.calibration[torch.arange(3)])
    for mode in l09_strip.MODES:
        own = l09_strip.strip_scores(net, x, overlays, mode)
        theirs = type(fitted)(Strip(overlays=5, mode=mode), net, overlays, fitted.calibration).score(x)
        assert torch.allclose(own, -theirs, atol=1e-5)


def test_the_normal_line_is_scipy_s():
    from scipy import stats

    benign = torch.rand(50).double()
    found = l09_strip.frr_far(benign, benign / 2, 0.02, "normal")
    assert found["boundary"] == pytest.approx(stats.norm.ppf(0.02, *stats.norm.fit(benign.numpy())))


def test_benign_and_marked_images_of_a_setting_are_others():
    there = l09_strip.setting("signs-badnets", 100)
    corner = (slice(None), slice(None), slice(0, 20), slice(0, 20))  # where no sticker is
    first, second = there.benign[corner].flatten(1), there.marked[corner].flatten(1)
    assert torch.cdist(first, second).min() > 1e-3 and len(first) == len(second) == 100


# --- the filter ---


def test_own_functions_make_the_filter_and_each_is_asked(monkeypatch, short):
    filtered = using.use(l09_filter.Filter(), *_mine(monkeypatch))
    assert filtered.numbers["own functions"] == "4 of 4"
    assert filtered.numbers["any sign: caught"] == "10 of 10"


@pytest.mark.parametrize(
    ("name", "function", "said"),
    [
        ("strip_scores", lambda model, x, overlays, mode: x.flatten(1).mean(1) * torch.nan, "some that are not finite"),
        ("superimpose", lambda x, overlays, mode: x, "gave"),
        ("entropy", lambda probs: probs.bits, "stopped with AttributeError"),
        ("frr_far", lambda benign, trojan, frr, how: None, "gave"),
    ],
)
def test_a_part_that_cannot_be_used_is_named_and_replaced(name, function, said, monkeypatch, short, capsys):
    filtered = using.use(l09_filter.Filter(), *_mine(monkeypatch, **{name: function}))
    heard = capsys.readouterr().out
    assert filtered.numbers["own functions"] == "3 of 4"
    assert heard.startswith(f"Your {name} ") and said in heard and heard.count("Your ") == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"mode": "mean"}, "mode must be 'add_clip' or 'add'"), ({"frr": 0.0}, "frr must lie between 0 and 0.5")],
)
def test_a_setting_that_is_none_is_refused(setting, message):
    for made in (l09_filter.Filter, l09_figures.Figure8):
        with pytest.raises(ValueError, match=message):
            made(**setting)


def test_nothing_is_measured_while_nbgrader_grades(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr(l09_figures, "asked", lambda *_: pytest.fail("it measures"))
    monkeypatch.setattr(l09_filter, "asked", lambda *_: pytest.fail("it measures"))
    parts = [getattr(l09_strip, name) for name in PARTS]
    filtered = l09_filter.Filter()(*parts)
    assert list(filtered.numbers.values()) == ["10 of 10", "2 of 10", "4 of 90", "4 of 4"]
    shown = (l09_figures.Figure8()(*parts[2:]), l09_figures.both_readers(parts[2]), l09_panel.panel())
    assert all(type(one) is plots.Plot for one in shown)


# --- what the text says was measured ---


def test_neither_mode_is_right():
    far = cached("l09", "modes")["far"][:, :, 0]  # (net, mode, draw) at FRR 1 %
    square, digits_blend, sticker, signs_blend, source = far
    assert square[0].max() < square[1].min() and digits_blend[0].max() < digits_blend[1].min()
    assert sticker[1].max() < 0.02 < 0.2 < sticker[0].min()
    assert signs_blend[0].min() > 0.5 and signs_blend[1].min() < signs_blend[0].min() < signs_blend[1].max()
    assert (source == 1).all()


def test_what_a_filter_costs_an_honest_reader():
    refused = 10_000 * cached("l09", "cost")["refused"][0]
    assert round(refused.min()) == 93 and round(refused.max()) == 180


def test_chance_put_two_of_three_refused_stop_signs_among_the_ten():
    calibration, _, marked = torch.from_numpy(l09_figures.measured("signs-source", "add")).float()
    refused = marked[~marked.isnan()] < torch.quantile(calibration[: l09_strip.CALIBRATION], 0.02)
    assert len(refused) == 102 and refused.sum() == 3 and refused[: l09_strip.MARKED].sum() == 2


def test_scores_that_carry_gradients_are_used(monkeypatch, short, capsys):
    def graded(model, x, overlays, mode):
        return l09_strip.strip_scores(model, x, overlays, mode).requires_grad_()

    filtered = using.use(l09_filter.Filter(), *_mine(monkeypatch, strip_scores=graded))
    assert filtered.numbers["own functions"] == "4 of 4" and capsys.readouterr().out == ""


def test_the_answers_for_the_panel():
    def shares(**setting):
        return l09_panel.guarded(**setting).alt.rpartition("FAR ")[2]

    blend = {"case": "digits, blend", "mode": "add_clip", "overlays": 20}
    assert [shares(**blend, frr=frr) for frr in (0.01, 0.05)] == ["56.5%.", "10.2%."]


def test_the_normal_fit_asks_for_less_than_zero_entropy():
    lines = l09_figures.bounds(l09_strip.frr_far).lines[2:]
    assert [line.split()[2] for line in lines if "normal" in line and float(line.split()[2]) < 0] == ["-0.009", "-0.112"]


def test_every_claim_says_what_its_numbers_say():
    assert all(one.low <= one.mean <= one.high for one in l09_measured.CLAIMS)
    assert all(one.holds == (one.mean <= one.published + 0.69) for one in l09_measured.CLAIMS)


# --- pictures ---


def test_the_map_lights_up_one_family():
    assert "Lit up: input filtering." in plots.families("input filtering").alt and "Lit" not in plots.families().alt
    texts = [text.get_text() for text in plots.families("model inspection").figure.axes[0].texts]
    assert [text for text in texts if text.startswith("►")] == ["► model inspection"]
    with pytest.raises(ValueError, match="lit must be None or one of training data, model sanitization"):
        plots.families("filters")


def test_the_picture_of_a_line_paints_both_errors():
    benign, marked = torch.tensor([0.1, 1.0, 1.0, 1.0]), torch.tensor([0.0, 0.0, 0.6, 0.7])
    plot = plots.tails(benign, marked, 0.5, label="bits", alt="A line.", title="t")
    (axis,) = plot.figure.axes
    painted = {bars.get_label(): sum(bar.get_height() * bar.get_width() for bar in bars) for bars in axis.containers}
    assert painted["honest, refused: FALSE REJECTION"] == pytest.approx(0.25)
    assert painted["marked, let through: FALSE ACCEPTANCE"] == pytest.approx(0.5)


def test_the_panel_answers_to_every_button(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    box = l09_panel.panel()
    before = box.picture.value
    box.buttons["overlays +"].click()
    assert box.controls["overlays"].value == 50 and box.picture.value != before and "50 overlays" in box.text.value
    box.buttons["overlays +"].click()
    assert box.controls["overlays"].value == 1  # past the last comes the first
    box.buttons["frr −"].click()
    box.buttons["mode +"].click()
    box.buttons["case −"].click()
    assert [box.controls[name].value for name in ("frr", "mode", "case")] == [0.01, "add", "digits, blend"]
    assert all(button.tooltip for button in box.buttons.values())


def test_a_value_that_was_not_measured_is_refused():
    with pytest.raises(ValueError, match="overlays must be one of 1, 2, 5, 10, 20, 50, got 3"):
        l09_panel.guarded(overlays=3)


# --- the box ---


def test_the_box_that_is_shipped_opens_by_the_method_and_its_neighbours_have_words(box):
    there = l09_box.supplied()
    assert len(there.x) == 60 and l09_box.FILE.stat().st_size < 200_000
    assert box.solve(there) == ANSWER and l09_questions.BOX.judge(list(ANSWER)) == (True, "")
    ways = {box.by_reading(there), box.by_confidence(there), box.upside_down(there)}
    assert ANSWER not in ways and {seal(list(way), box.SALT, unordered=True) for way in ways} == set(l09_questions.BOX.wrong)


def test_the_notebook_s_own_overlays_open_it():
    there, overlays = l09_box.supplied(), bdlab.load("signs").held_out.x[:50]
    found = l09_strip.strip_scores(there.model, there.x, overlays, "add")
    assert tuple(sorted(found.argsort()[:12].tolist())) == ANSWER


def test_honest_misreadings_stand_beside_the_marked_signs(box):
    there = l09_box.supplied()
    with torch.inference_mode():
        read = there.model(there.x).argmax(1)
    others = torch.ones(60, dtype=torch.bool)
    others[list(ANSWER)] = False
    assert (read[others] == box.TARGET).sum() >= 12 and (read[~others] == box.TARGET).all()


@pytest.mark.parametrize("seed", range(20))
def test_any_overlays_open_it(seed, box):
    assert box.solve(l09_box.supplied(), seed) == ANSWER


def test_the_answer_does_not_stand_in_the_declaration():
    text = (ROOT / "bdlab" / "exercises" / "l09_questions.py").read_text()
    assert "32, 33, 36" not in text
