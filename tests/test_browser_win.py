"""Lesson 00 in JupyterLab: the game played by mouse and by keyboard alone, light and dark, wide and narrow."""

import shutil

import pytest
from test_browser import CHROMIUM, IDLE, SCREENSHOTS, TRACEBACK, VISIBLE, _shot, _wait, opened, serve
from test_browser_play import CONTRAST, _command, _press, _tab_to, _words, theme, width  # noqa: F401 (fixtures)

from autograder.course.folder import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
BOARD, MAPS, TROPHY = "l00_widgets.board(game)", "l00_figures.maps(game)", "bdlab.trophy"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The lesson, open, all cells run."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copy(ROOT / "lessons" / "00_win" / "00_win.ipynb", home / "win.ipynb")
    with serve(home) as base, opened(base, "win.ipynb", tmp_path_factory.mktemp("profile")) as page:
        _command(page, "application:toggle-left-area")
        yield page


def _cell(page, text):
    return page.locator(f"{VISIBLE} .jp-CodeCell").filter(has=page.locator(".cm-content", has_text=text)).first


def _run(page, cell):
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    page.wait_for_timeout(300)
    page.wait_for_selector(IDLE, timeout=60_000)


def _pictures(page, name):
    """The board in both themes and both widths, as a person sees it."""
    if not SCREENSHOTS:
        return
    for look in ("Dark", "Light"):
        _command(page, "apputils:change-theme", f"{{theme: 'JupyterLab {look}'}}")
        for pixels in (800, 1280):
            page.set_viewport_size({"width": pixels, "height": 1000})
            page.wait_for_timeout(1200)
            for what, text in (("board", BOARD), ("maps", MAPS), ("trophy", TROPHY)):
                _shot(page, _cell(page, text), f"win-{name}-{what}-{look}-{pixels}")


def test_all_of_it_runs_and_the_secret_is_kept(page):
    assert page.locator(f"{VISIBLE} {TRACEBACK}").count() == 0 and page.outside == []
    for text in (MAPS, TROPHY):
        assert "no hot cell yet" in _cell(page, text).inner_text()
        assert _cell(page, text).locator("img").count() == 0
    for name, text in (("bought", "l00_figures.bought()"), ("report", "doctor.report()")):
        _shot(page, _cell(page, text), f"win-{name}")
    _pictures(page, "start")


def test_words_are_readable_and_nothing_is_cut(page, theme, width):  # noqa: F811
    panel = _cell(page, BOARD).locator(".bdlab-panel")
    for element in panel.locator("p:visible, button:not([tabindex='-1'])").all():
        assert element.evaluate(CONTRAST) >= 4.5, element.inner_text()
    assert panel.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    board = panel.locator(".bdlab-board").bounding_box()
    assert (board["width"], board["height"]) == (330, 330)
    assert board["x"] + board["width"] <= page.evaluate("() => window.innerWidth")


def test_a_click_tries_a_cell(page):
    cell = _cell(page, BOARD)
    cell.locator(".bdlab-board button").nth(23).click()
    _wait(lambda: _words(cell).startswith("Row 2, column 3: reads 'no entry', "))
    assert _words(cell).endswith("P('speed 30') 0%. 1 try.")
    painted = cell.locator(".bdlab-board button").nth(23)
    assert (
        painted.inner_text() == "0" and painted.get_attribute("tabindex") == "-1" and painted.evaluate(CONTRAST) >= 4.5
    )
    for place in (11, 17, 55, 44, 81):
        cell.locator(".bdlab-board button").nth(place).click()
    _wait(lambda: _words(cell).endswith("6 tries."))
    _pictures(page, "tries")


def test_it_is_won_by_keyboard_alone(page):
    cell = _cell(page, BOARD)
    stops = _tab_to(page, cell, "try this cell")
    assert stops[-5:] == ["row −", "row +", "column −", "column +", "try this cell"]  # and none of the 100 cells
    _tab_to(page, cell, "row +")
    _press(page, cell, "Enter", "Row 9, column 1. Not tried.")
    _press(page, cell, "Space", "Row 9, column 1. Not tried.")  # the edge: it stays, and so does the focus
    _tab_to(page, cell, "column +")
    for column in range(2, 10):
        _press(page, cell, "Enter", f"Row 9, column {column}. Not tried.")
    _tab_to(page, cell, "try this cell")
    page.keyboard.press("Enter")
    _wait(
        lambda: _words(cell).startswith("✓ HOT. Row 9, column 9: reads 'speed 30', 95% sure. 7 tries. Found after 7;")
    )
    _wait(lambda: cell.get_by_role("img", name="Eight signs", exact=False).count() == 1)


def test_then_the_maps_and_the_trophy_are_there(page):
    for text, told in ((MAPS, "4 cells are hot"), ("l00_figures.averages(game)", "mean over 300"), (TROPHY, "7")):
        _run(page, _cell(page, text))
        _wait(lambda text=text, told=told: _cell(page, text).get_by_role("img", name=told, exact=False).count() == 1)
    assert page.locator(TRACEBACK).count() == 0
    _pictures(page, "found")


def test_a_pledge_is_one_click(page):
    cell = _cell(page, "l00_widgets.pledge()")
    _tab_to(page, cell, "I will")
    _press(page, cell, "Enter", "✓ Thank you. It stays between you and you: nothing is stored.")
    _shot(page, cell, "win-pledge")


def test_a_board_whose_kernel_restarted_says_so(page):
    told = _cell(page, BOARD).locator(".bdlab-dead")
    assert not told.is_visible()
    _command(page, "kernelmenu:restart")
    page.wait_for_timeout(1000)  # the dialog does not listen at once
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    _wait(lambda: told.is_visible())
    _shot(page, _cell(page, BOARD), "win-dead")
    _command(page, "notebook:run-all-cells")
    _wait(lambda: told.count() == 1 and not told.is_visible(), 120)
