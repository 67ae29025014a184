"""Widgets: every control through every value, what they show, and the same as plain calls."""

import html
import itertools

import pytest
import torch
from bdlab.demos import cached

from bdlab import widgets
from bdlab.plots import Plot, painted

QUIZ = {
    "question": "Is 1 < 2?",
    "choices": ["Yes", "No", "It <b>depends</b>"],
    "right": 0,
    "why": ["one is less", "turn it round", "on what?"],
}


@pytest.fixture
def shown(monkeypatch):
    """What the painter displays: a list of plots, emptied where it clears its output."""
    plots: list[Plot] = []
    monkeypatch.setattr("IPython.display.display", plots.append)
    monkeypatch.setattr("IPython.display.clear_output", lambda wait: plots.clear() if wait else pytest.fail("flicker"))
    return plots


def test_every_setting_of_the_painter_shows_its_own_picture_and_numbers(shown, monkeypatch):
    monkeypatch.setattr(widgets, "painted", lambda **setting: setting)  # drawing is another test's
    painter, grid = widgets.trigger_painter(), cached("l03", "painter")
    assert list(painter.controls) == list(widgets.PAINTER) and painter.text in painter.children
    texts = set()
    for cell in itertools.product(*(range(len(grid[name])) for name in widgets.PAINTER)):
        for control, place in zip(painter.controls.values(), cell, strict=True):
            control.index = place
        assert shown == [{name: grid[name][place] for name, place in zip(widgets.PAINTER, cell, strict=True)}]
        assert f"{grid['asr'][cell]:.1%} of 1341 triggered test images are called 0" in painter.text.value
        assert f"accuracy {grid['clean'][cell]:.1%} of 1500 ({grid['baseline']:.1%} without" in painter.text.value
        texts.add(painter.text.value)
    assert len(texts) == grid["asr"].size


def test_each_control_of_the_painter_changes_its_picture(shown):
    painter = widgets.trigger_painter()
    (first,) = shown
    seen = {first.png()}
    for control, other in zip(painter.controls.values(), (0, 1, 0, 0), strict=True):
        control.index = other
        (plot,) = shown
        assert plot.png() not in seen
        seen.add(plot.png())
        assert html.unescape(painter.text.value.removeprefix("<p>").removesuffix("</p>")) in plot.alt


def test_the_painted_picture_shows_the_trigger_and_its_numbers():
    plot, grid = widgets.painted("pixel", "corner", 0.5, 0.01), cached("l03", "painter")
    asr, clean = grid["asr"][0, 0, 0], grid["clean"][0, 0, 0]
    *pictures, bars, lines = plot.figure.axes
    above, below = (
        torch.stack([torch.tensor(a.images[0].get_array()) for a in row]) for row in (pictures[:3], pictures[3:])
    )
    assert (above != below).nonzero().tolist() == [[i, 26, 26] for i in range(3)] and (below[:, 26, 26] == 0.5).all()
    assert [bar.get_width() for bar in bars.patches] == [asr[2], clean[2]]
    assert [text.get_text() for text in bars.texts] == [f"{asr[2]:.1%}", f"{clean[2]:.1%}"]
    assert lines.lines[0].get_ydata().tolist() == asr.tolist()
    assert lines.lines[-1].get_xdata() == [0.01, 0.01]
    assert all(f"{share:.1%}" in plot.alt for share in asr)


@pytest.mark.parametrize(("marked", "rates"), [(1, 3), (2, 2)])
def test_a_painted_picture_of_things_that_do_not_fit_is_refused(marked, rates):
    x, curves = torch.rand(2, 1, 4, 4), [("a", [0.1, 0.2, 0.3]), ("b", [0.1, 0.2, 0.3])]
    with pytest.raises(
        ValueError, match=rf"must hold 2 images and every curve {rates} shares.* {marked} images .*'b': 3"
    ):
        painted(x, x[:marked], range(1, rates + 1), curves, 0, alt="x", title="t")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"shape": "circle"}, "shape must be one of pixel, pattern, square, got 'circle'; .* train BadNets yourself"),
        ({"at": "edge"}, "at must be one of corner, centre, got 'edge'"),
        ({"colour": 0.7}, "colour must be one of 0.5, 1.0, got 0.7"),
        ({"rate": 0.3}, r"rate must be one of 0.001, .*, 0.1, got 0.3"),
    ],
)
def test_settings_that_were_not_measured_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        widgets.painted(**setting)


def test_a_click_is_answered_at_once_with_the_choice_s_own_reason():
    quiz = widgets.quiz(**QUIZ)
    buttons, text = quiz.controls["choices"], quiz.text
    assert buttons.value is None and text.value == ""
    for choice, shown in zip(
        QUIZ["choices"], ["Right: one is less", "Wrong: turn it round", "Wrong: on what?"], strict=True
    ):
        buttons.value = choice
        assert text.value == f"<p>{shown}</p>"
    buttons.value = None
    assert text.value == ""


def test_a_quiz_is_also_plain_text():
    question, *_, everything = widgets.quiz(**QUIZ).children
    assert question.value == "<b>Is 1 &lt; 2?</b>"
    assert everything.value.startswith("<details><summary>")
    for item in (
        "Yes - Right: one is less",
        "No - Wrong: turn it round",
        "It &lt;b&gt;depends&lt;/b&gt; - Wrong: on what?",
    ):
        assert f"<li>{item}</li>" in everything.value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": " "}, "question must be text that is not empty"),
        ({"choices": "Yes"}, "choices must be text that is not empty, got 'Yes'"),
        ({"choices": ["Yes"], "why": ["so"]}, r"choices must be two or more different texts, got \['Yes'\]"),
        ({"choices": ["Yes", "No", "No"]}, "choices must be two or more different texts"),
        ({"right": 3}, "right must be 0..2, the place of the right choice, got 3"),
        ({"right": "Yes"}, "right must be 0..2, the place of the right choice, got 'Yes'"),
        ({"right": True}, "right must be 0..2"),
        ({"why": ["one is less", "turn it round"]}, "why must explain each of the 3 choices, got 2 texts"),
        ({"why": ["one is less", "", "on what?"]}, "why must be text that is not empty"),
    ],
)
def test_a_quiz_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        widgets.quiz(**{**QUIZ, **change})
