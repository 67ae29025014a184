"""A quiz and a scrub bar in JupyterLab by keyboard alone, light and dark, wide and narrow, and after a restart."""

import nbformat
import pytest
from test_browser import CHROMIUM, TRACEBACK, VISIBLE, _shot, _wait, opened, serve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
QUIZ = """
import torch, bdlab
bdlab.widgets.quiz(
    "10 % marked copies are added, all labelled 0. What happens to the two numbers?",
    ["Clean accuracy falls, ASR is high", "Clean accuracy hardly changes, ASR is high", "Both are " + 12 * "very " + "low"],
    1,
    ["Clean images still carry true labels.", "The square is an easy sign for 0.", "It would have to ignore the square."],
    order=[0, 1, 2],
)
"""
BAR = """
def show(index):
    x = torch.full((1, 1, 8, 8), index / 4)
    return bdlab.plots.images([("grey", x)], alt=f"a square of grey {index / 4}")

bdlab.widgets.scrub([f"step {5 * n}: ASR {20 * n} %" for n in range(5)], show, "training step", play=0.2)
"""
TROPHY = 'bdlab.trophy("l03", torch.rand(3, 8, 8), {"ASR": "99.8 %"}, 13)'
BARS = "from bdlab.bars import track\nwith bdlab.progress():\n    list(track(range(3), 'steps'))"
CONTRAST = """element => {
  const numbers = text => text.match(/[0-9.]+/g).map(Number);
  let ground = null;
  for (let up = element; up && !ground; up = up.parentElement) {
    const found = numbers(getComputedStyle(up).backgroundColor);
    if (found.length === 3 || found[3] === 1) ground = found;
  }
  const light = rgb => rgb.slice(0, 3).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  const [low, high] = [light(ground), light(numbers(getComputedStyle(element).color))].sort((a, b) => a - b);
  return (high + .05) / (low + .05);
}"""
"""Contrast of an element's text to its ground, as WCAG defines it."""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The notebook, open, all cells run."""
    home = tmp_path_factory.mktemp("lab")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(source) for source in (QUIZ, BAR, TROPHY, BARS)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), home / "play.ipynb")
    with serve(home) as base, opened(base, "play.ipynb", tmp_path_factory.mktemp("profile")) as page:
        _command(page, "application:toggle-left-area")
        yield page


def _command(page, name, arguments="{}"):
    page.evaluate(f"() => {{ window.jupyterapp.commands.execute('{name}', {arguments}); return 0 }}")


@pytest.fixture(params=["Light", "Dark"])
def theme(request, page):
    """JupyterLab in one of its two themes."""
    _command(page, "apputils:change-theme", f"{{theme: 'JupyterLab {request.param}'}}")
    light = "true" if request.param == "Light" else "false"
    page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")
    page.wait_for_timeout(1000)  # its style sheet comes after
    return request.param


@pytest.fixture(params=[1280, 800])
def width(request, page):
    """A wide and a narrow window, in pixels."""
    page.set_viewport_size({"width": request.param, "height": 900})
    page.wait_for_timeout(500)
    return request.param


def _cell(page, number):
    return page.locator(f"{VISIBLE} .jp-CodeCell").nth(number)


def _words(cell):
    return " ".join(cell.get_by_role("status").inner_text().split())


def _focused(page):
    return page.evaluate("() => document.activeElement.textContent")


def _tab_to(page, cell, name):
    """Press Tab, from the cell's own stop on, until the button `name` has the focus; the names of the stops between."""
    cell.evaluate("cell => cell.focus()")
    stops = []
    while not stops or name not in stops[-1]:
        page.keyboard.press("Tab")
        stops.append(_focused(page))
        assert len(stops) < 12, stops
    return stops


def _press(page, cell, key, expected):
    """Press a key; the words that follow it, while the focus stays where it was."""
    button = page.evaluate_handle("() => document.activeElement")
    page.keyboard.press(key)
    _wait(lambda: _words(cell) == expected)
    assert page.evaluate("button => button === document.activeElement", button)


def test_a_quiz_is_answered_by_keyboard_alone(page, theme):
    cell = _cell(page, 0)
    stops = _tab_to(page, cell, "Both are")
    assert [stop[3:17] for stop in stops[-3:]] == ["Clean accuracy", "Clean accuracy", "Both are very "]
    _press(page, cell, "Enter", "✗ Not this one. It would have to ignore the square.")
    page.keyboard.press("Shift+Tab")
    _press(page, cell, "Space", "✓ Right. The square is an easy sign for 0.")
    assert [text[0] for text in cell.locator(".bdlab-panel button").all_inner_texts()] == ["○", "✓", "✗"]
    assert page.locator(f"{VISIBLE} .jp-Cell").count() == 4 and page.locator(TRACEBACK).count() == 0
    _shot(page, cell, f"quiz-{theme}")


def test_a_bar_is_moved_by_keyboard_alone(page, theme):
    cell = _cell(page, 1)
    assert _tab_to(page, cell, "forward")[-3:] == ["▶ play", "− back", "+ forward"]
    first = int(_words(cell).partition("(")[2][0])
    for number in range(first, 5):
        _press(page, cell, "Enter" if number % 2 else "Space", f"step {5 * number}: ASR {20 * number} % ({number + 1} of 5)")
        assert cell.get_by_role("img", name=f"a square of grey {number / 4}", exact=False).count() == 1
    _press(page, cell, "Enter", "step 20: ASR 80 % (5 of 5)")  # the end: it stays, and so does the focus
    _tab_to(page, cell, "back")
    _press(page, cell, "Space", "step 15: ASR 60 % (4 of 5)")
    _tab_to(page, cell, "play")
    _press(page, cell, "Enter", "step 20: ASR 80 % (5 of 5)")
    _wait(lambda: _focused(page) == "▶ play")
    _tab_to(page, cell, "back")
    for number in (3, 2, 1, 0):
        _press(page, cell, "Enter", f"step {5 * number}: ASR {20 * number} % ({number + 1} of 5)")
    _shot(page, cell, f"bar-{theme}")


def test_words_are_readable_and_nothing_is_cut(page, theme, width):
    for number in (0, 1):
        for element in _cell(page, number).locator(".bdlab-panel button, .bdlab-panel p:visible").all():
            assert element.evaluate(CONTRAST) >= 4.5, element.inner_text()
            assert element.evaluate("e => e.scrollWidth <= e.clientWidth + 1 && e.scrollHeight <= e.clientHeight + 1")
        panel = _cell(page, number).locator(".bdlab-panel")
        assert panel.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    left, picture = (_cell(page, 1).locator(f".bdlab-panel {what}").first.bounding_box() for what in ("button", "img"))
    assert picture["x"] > left["x"] + 200 and picture["y"] < left["y"] + 40  # the controls stand beside it


def test_a_trophy_and_a_bar_of_progress_are_shown(page, theme):
    assert _cell(page, 2).get_by_role("img", name="13 of 15 points").count() == 1
    assert "steps: 100%|" in _cell(page, 3).inner_text()
    _shot(page, _cell(page, 2), f"trophy-{theme}")


def test_a_widget_whose_kernel_restarted_says_so(page):
    told = page.locator(f"{VISIBLE} .bdlab-dead")
    assert told.count() == 2 and not any(line.is_visible() for line in told.all())
    _command(page, "kernelmenu:restart")
    page.wait_for_timeout(1000)  # the dialog does not listen at once
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    _wait(lambda: all(line.is_visible() for line in told.all()))
    assert all("run this cell again" in line.inner_text() for line in told.all())
    assert not page.get_by_text("No reaction?").is_visible()
    _shot(page, _cell(page, 0), "quiz-dead")
    _command(page, "notebook:run-all-cells")
    _wait(lambda: told.count() == 2 and not any(line.is_visible() for line in told.all()), 60)
