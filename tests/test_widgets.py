"""Widgets: every control through every value, what they show, and the same as plain calls."""

import html
import itertools
import re
import time

import pytest
import torch

import bdlab
from bdlab import student, widgets
from bdlab.lessons import l03_painter
from bdlab.lessons.demos import cached
from bdlab.lessons.l03_painter import PAINTER
from bdlab.plots import images, painted
from bdlab.widgets import layout
from bdlab.widgets.scrubbing import Picture

QUIZ = {
    "question": "Is 1 < 2?",
    "choices": ["Yes", "No", "It <b>depends</b>"],
    "right": 0,
    "why": ["one is less", "turn it round", "on what?"],
}


def test_every_setting_of_the_painter_shows_its_own_picture_and_numbers(monkeypatch):
    class Told:  # drawing is another test's
        def __init__(self, **setting):
            self.alt = repr(setting)

        def _repr_html_(self):
            return self.alt

    monkeypatch.setattr(l03_painter, "painted", Told)
    painter, grid = l03_painter.trigger_painter(), cached("l03", "painter")
    assert list(painter.controls) == list(PAINTER)
    texts = set()
    for cell in itertools.product(*(range(len(grid[name])) for name in PAINTER)):
        for control, place in zip(painter.controls.values(), cell, strict=True):
            control.index = place
        shown = {name: grid[name].tolist()[place] for name, place in zip(PAINTER, cell, strict=True)}
        assert painter.picture.value == repr(shown)
        said = words(painter.text)
        assert said.startswith(f"ASR {grid['asr'][cell]:.1%}, clean accuracy {grid['clean'][cell]:.1%}.")
        assert f"{grid['asr'][cell]:.1%} of 1341 triggered test images are called 0" in said
        assert f"accuracy {grid['clean'][cell]:.1%} of 1500 ({grid['baseline']:.1%} without" in said
        texts.add(said)
    assert len(texts) == grid["asr"].size


def test_each_control_of_the_painter_changes_its_picture():
    painter = l03_painter.trigger_painter()
    seen = {painter.picture.value}
    for control, other in zip(painter.controls.values(), (0, 1, 0, 0), strict=True):
        control.index = other
        assert painter.picture.value not in seen
        seen.add(painter.picture.value)
        assert words(painter.text).split(". ", 1)[1] in html.unescape(painter.picture.value)


def test_the_painter_is_worked_by_buttons_alone():
    painter = l03_painter.trigger_painter()
    pairs = [pair.children for pair in painter.children[1].children]
    assert [control for control, _ in pairs] == list(painter.controls.values())
    for control, button in pairs:
        seen = []
        for _ in control.options:
            button.click()
            seen.append(control.value)
        assert sorted(seen) == sorted(value for _, value in control.options)


def test_the_painter_s_labels_say_what_a_value_means():
    shown = [control.description for control in l03_painter.trigger_painter().controls.values()]
    assert shown == ["mark", "position", "brightness (0 = black)", "poisoning rate"]


def test_the_painted_picture_shows_the_trigger_and_its_numbers():
    plot, grid = l03_painter.painted("pixel", "corner", 0.5, 0.01), cached("l03", "painter")
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
        l03_painter.painted(**setting)


def words(region):
    """What stands in a live region."""
    live = re.search(r'<div role="status" aria-live="polite" aria-atomic="true">(.*?)</div>', region.value)[1]
    return html.unescape(re.sub("<[^>]*>", "", live))


def test_a_click_is_answered_at_once_with_the_choice_s_own_reason():
    quiz = widgets.quiz(**QUIZ)
    assert words(quiz.text).startswith("Choose ")
    for choice, sign, shown in zip(
        QUIZ["choices"],
        "✓✗✗",
        ["✓ Right. one is less", "✗ Not this one. turn it round", "✗ Not this one. on what?"],
        strict=True,
    ):
        assert quiz.controls[choice].description == f"○  {choice}"
        quiz.controls[choice].click()
        assert words(quiz.text) == shown
        assert quiz.controls[choice].description == f"{sign}  {choice}"  # told without colour


def everything(widget):
    """All text in the state of a widget and of what is in it, and what the saved notebook keeps of it."""
    state = [str(value) for value in widget.get_state(drop_defaults=True).values()]
    bundle = [str(value) for value in (widget._repr_mimebundle_() or {}).values()]
    return " ".join(state + bundle + [everything(child) for child in getattr(widget, "children", ())])


def test_no_answer_is_anywhere_before_a_click():
    quiz = widgets.quiz(**QUIZ)
    before = everything(quiz)
    assert not any(told in before for told in ("✓", "✗", "Right", *QUIZ["why"]))
    quiz.controls["No"].click()
    assert "turn it round" in everything(quiz) and "one is less" not in everything(quiz)


def test_where_widgets_cannot_be_a_quiz_is_plain_text():
    lines = widgets.quiz(**QUIZ)._repr_mimebundle_()["text/plain"].split("\n")
    assert lines[0] == "Is 1 < 2?" and set(lines[1:-1]) == {f"  ○ {choice}" for choice in QUIZ["choices"]}


def test_texts_are_not_read_as_html():
    quiz = widgets.quiz(**{**QUIZ, "question": "<i>?</i>", "why": ["<u>", "b", "c"]})
    quiz.controls["Yes"].click()
    assert "&lt;i&gt;" in quiz.children[1].value and "&lt;u&gt;" in quiz.text.value


@pytest.fixture
def named(monkeypatch):
    """named('Ada'): from then on the student has this name."""
    return lambda name: monkeypatch.setattr(student, "name", lambda: name)


def test_the_order_of_the_choices_is_the_student_s_own(named):
    choices = [str(n) for n in range(5)]

    def order(name, salt=""):
        named(name)
        quiz = widgets.quiz("Which?", choices, 0, choices, salt=salt)
        quiz.controls["0"].click()
        assert words(quiz.text) == "✓ Right. 0"  # wherever it stands
        return list(quiz.controls)

    orders = {name: order(name) for name in map(str, range(60))}
    assert all(sorted(one) == choices for one in orders.values())
    assert all(order(name) == one for name, one in orders.items())
    first = [one[0] for one in orders.values()]
    assert all(first.count(choice) >= 4 for choice in choices)  # 12 each are expected; one in 10,000 runs has fewer
    assert order("", "autumn") == order("", "autumn") != order("", "spring")


def test_a_lessons_quiz_is_shuffled_by_the_term_that_its_setup_cell_names(monkeypatch):
    orders = set()
    for term in ("", "autumn", "spring", "summer", "winter"):
        monkeypatch.setenv("BDLAB_TERM", term)
        orders.add(tuple(bdlab.quiz("l03_place").controls))
    assert len(orders) > 1 and len({frozenset(order) for order in orders}) == 1


def test_an_order_that_must_be_is_kept(named):
    for name in ("", "Ada", "Bob"):
        named(name)
        assert list(widgets.quiz(**QUIZ, order=[2, 0, 1]).controls) == [QUIZ["choices"][i] for i in (2, 0, 1)]
    with pytest.raises(ValueError, match=r"order must hold each of 0..2 once, got \[0, 1\]"):
        widgets.quiz(**QUIZ, order=[0, 1])


def test_each_control_is_a_button_and_none_is_ever_out_of_reach():
    quiz, bar = widgets.quiz(**QUIZ), scrubbed()
    for control in (*quiz.controls.values(), *bar.controls.values()):
        if control is not bar.controls["slider"]:
            control.click()
            control.click()
        assert not control.disabled and control.tabbable is not False


def test_a_dead_widget_has_its_line_ready():
    for region in (widgets.quiz(**QUIZ).text, scrubbed().text):
        assert region.value.endswith(layout.DEAD) and "run this cell again" in layout.DEAD
    assert ".jupyter-widgets-disconnected .bdlab-dead { display: block" in layout.STYLE


FRAMES = [f"step {5 * n}: ASR {9 * n} %" for n in range(11)]
PNG = images([("x", torch.zeros(1, 1, 4, 4))], alt="black").png()


def scrubbed(show=lambda index: PNG, **more):
    return widgets.scrub(FRAMES, show, "training step", **more)


def test_the_buttons_move_one_step_and_stop_at_both_ends():
    bar, seen = scrubbed(start=9), []
    for press in ("forward", "forward", "back", "back"):
        bar.controls[press].click()
        seen.append(bar.controls["slider"].value)
        assert words(bar.text) == f"{FRAMES[seen[-1]]} ({seen[-1] + 1} of 11)"
        assert f'alt="training step: {FRAMES[seen[-1]]}"' in bar.picture.value
    assert seen == [10, 10, 9, 8]
    bar = scrubbed()
    bar.controls["back"].click()
    assert bar.controls["slider"].value == 0
    bar.controls["slider"].value = 7
    assert words(bar.text) == f"{FRAMES[7]} (8 of 11)"


def test_a_picture_is_drawn_once_and_moving_back_is_quick():
    calls = []
    bar = scrubbed(lambda index: calls.append(index) or plot(index))
    for index in (1, 2, 1, 0):
        bar.controls["slider"].value = index
    assert calls == [0, 1, 2]
    started = time.process_time()
    for index in (1, 2, 1, 0, 1):
        bar.controls["slider"].value = index
    assert time.process_time() - started < 5 * 0.05


def plot(index):
    return images([("x", torch.full((1, 1, 4, 4), index / 10))], alt=f"grey {index}")


def test_a_frame_that_fails_says_so_and_the_next_one_works():
    bar = scrubbed(lambda index: 1 / 0 if index == 1 else PNG)
    bar.controls["forward"].click()
    assert words(bar.text) == "✗ Frame 2 cannot be drawn: ZeroDivisionError: division by zero"
    bar.controls["forward"].click()
    assert words(bar.text).startswith(FRAMES[2])


def test_figures_of_pyplot_are_closed():
    from matplotlib import pyplot

    open_ = pyplot.get_fignums()
    bar = scrubbed(lambda index: pyplot.figure(figsize=(2, 2)))
    for index in range(11):
        bar.controls["slider"].value = index
    assert pyplot.get_fignums() == open_
    assert 'width="200" height="200"' in bar.picture.value


def test_playing_goes_to_the_end_and_stops(monkeypatch):
    import asyncio

    bar, real = scrubbed(start=6, play=0.1), asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: real(seconds / 50))
    button, slider = bar.controls["play"], bar.controls["slider"]

    async def press():
        button.click()
        assert button.description == "■ stop"
        await real(0.3)
        assert slider.value == 10 and button.description == "▶ play"
        button.click()  # from the beginning
        await real(0.005)
        button.click()
        at = slider.value
        await real(0.05)
        assert slider.value == at < 10 and button.description == "▶ play"

    asyncio.run(press())
    assert "play" not in scrubbed().controls


def test_the_saved_notebook_has_one_picture_of_a_bar():
    bar = scrubbed(plot, start=3)
    bundle = bar._repr_mimebundle_()
    assert bundle["text/html"].count("<img") == 1 and 'alt="grey 3"' in bundle["text/html"]
    assert bundle["text/plain"] == f"training step: {FRAMES[3]}"


def test_a_still_is_the_picture_with_its_description():
    told, own = (widgets.still(FRAMES, show, "training step", 4) for show in (lambda index: PNG, plot))
    assert told == Picture(PNG, f"training step: {FRAMES[4]}") and own == Picture(plot(4).png(), "grey 4")
    assert own._repr_html_().startswith('<img alt="grey 4" src="data:image/png;base64,')


@pytest.mark.parametrize("mode", ["autograde", "validate"])
def test_while_nbgrader_runs_widgets_do_nothing(mode, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", mode)
    assert widgets.quiz(**QUIZ) is None
    assert scrubbed(plot, start=2) == Picture(plot(2).png(), "grey 2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": []}, "frames must hold a text for every picture"),
        ({"frames": ["a", " "]}, "frames must hold a text for every picture"),
        ({"frames": "ab"}, "frames must hold a text for every picture"),
        ({"label": " "}, "label must say what the slider moves over"),
        ({"start": 2}, "start must be 0..1, got 2"),
        ({"play": 0.01}, "play must be at least 0.1 s per frame, got 0.01"),
        ({"show": lambda index: "no"}, "show must return a Plot, a matplotlib figure or PNG bytes, got str"),
    ],
)
def test_a_bar_that_makes_no_sense_is_refused(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        widgets.scrub(**{"frames": ["a", "b"], "show": lambda index: PNG, "label": "x", **change})


def test_controls_stand_beside_a_picture_and_above_a_wide_one():
    def beside(width):
        bar = widgets.scrub(FRAMES, lambda index: images([("", torch.zeros(width, 1, 4, 4))], alt="x"), "step")
        return bar.picture not in bar.children

    assert beside(1) and not beside(8)


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
