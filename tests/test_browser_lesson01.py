"""Lesson 01 in JupyterLab: the curve is drawn while it trains, and a digit is drawn by mouse and by keyboard alone."""

import nbformat
import pytest
from test_browser import CHROMIUM, TRACEBACK, VISIBLE, _shot, _wait, opened, serve
from test_browser_play import _command, _tab_to

from autograder.course.folder import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
TRAIN = """
import bdlab
from bdlab.lessons import l01_figures, l01_networks, l01_reader
own = l01_networks
reader = l01_reader.Training(epochs=4)(own.linear_relu, own.accuracy, own.softmax_xent, own.train_epoch)
"""
SHEET = "sheet, shown = l01_reader.sheet(reader)\nshown"
LOOK = "l01_figures.browser()"
TEN = "l01_reader.ten_drawn(reader)"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson and its reader, all cells run."""
    home = tmp_path_factory.mktemp("lab")
    lesson = nbformat.read(ROOT / "lessons" / "01_networks" / "01_networks.ipynb", as_version=4)
    cells = [lesson.cells[0], *(nbformat.v4.new_code_cell(source) for source in (TRAIN, SHEET, LOOK, TEN))]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=lesson.metadata), home / "reader.ipynb")
    with serve(home) as base, opened(base, "reader.ipynb", tmp_path_factory.mktemp("profile")) as page:
        _command(page, "application:toggle-left-area")
        yield page


def _cell(page, number):
    return page.locator(f"{VISIBLE} .jp-CodeCell").nth(number)


def _words(cell):
    return " ".join(cell.get_by_role("status").inner_text().split())


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_it_fits_wide_and_narrow_light_and_dark(theme, width, page):
    _command(page, "apputils:change-theme", f"{{theme: 'JupyterLab {theme}'}}")
    page.wait_for_selector(f'body[data-jp-theme-light="{str(theme == "Light").lower()}"]', state="attached")
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(1000)
    for number, name in enumerate(("curve", "sheet", "browser", "ten")):
        cell = _cell(page, number)
        area = cell.locator(".jp-OutputArea").first
        assert area.evaluate("area => area.scrollWidth <= area.clientWidth + 1"), name
        _shot(page, cell, f"l01-{name}-{theme}-{width}")
    _shot(page, page.locator(f"{VISIBLE} .jp-MarkdownCell").first, f"l01-opening-{theme}-{width}")


def test_one_curve_stands_below_the_training_and_nothing_went_wrong(page):
    assert _cell(page, 0).locator(".jp-OutputArea-output img").count() == 1
    assert "all test images" in _cell(page, 0).locator("img").get_attribute("alt") or "480" in _cell(page, 0).locator(
        "img"
    ).get_attribute("alt")
    assert page.locator(f"{VISIBLE} {TRACEBACK}").count() == 0


def test_a_click_paints_a_cell_and_the_reader_answers(page):
    cell = _cell(page, 1)
    before = cell.locator(".jp-OutputArea img").get_attribute("src")
    assert cell.locator("button.bdlab-cell").count() == 64
    cell.locator("button.bdlab-cell").nth(63).click()
    _wait(lambda: "Row 8, column 8: grey." in _words(cell))
    assert cell.locator(".jp-OutputArea img").get_attribute("src") != before and "Reads" in _words(cell)


def test_the_keyboard_alone_draws(page):
    cell = _cell(page, 1)
    stops = _tab_to(page, cell, "row +")
    assert all("row" in stop or "column" in stop or not stop.strip() for stop in stops[-2:]), stops
    page.keyboard.press("Enter")
    _wait(lambda: "Row 1, column 8: paper." in _words(cell))
    _tab_to(page, cell, "paint")
    page.keyboard.press("Space")
    _wait(lambda: "Row 1, column 8: grey." in _words(cell))
    _tab_to(page, cell, "clear")
    page.keyboard.press("Enter")
    _wait(lambda: "Row 1, column 8: paper." in _words(cell) and "Reads 1" in _words(cell))
