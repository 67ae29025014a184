"""Lesson 01 in JupyterLab: the curve is drawn while it trains, and a digit is drawn by mouse and by keyboard alone."""

import pytest
from browser_cells import MARKS, SCREENS, cell, fits, shown, words
from test_browser import _wait
from test_browser_play import _tab_to

pytestmark = MARKS
CELLS = {
    "curve": """
import bdlab
from bdlab.lessons import l01_figures, l01_networks, l01_reader
own = l01_networks
reader = l01_reader.Training(epochs=4)(own.linear_relu, own.accuracy, own.softmax_xent, own.train_epoch)
""",
    "sheet": "sheet, shown = l01_reader.sheet(reader)\nshown",
    "browser": "l01_figures.browser()",
    "ten": "l01_reader.ten_drawn(reader)",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson and its reader, all cells run."""
    with shown("01", CELLS.values(), tmp_path_factory) as page:
        yield page


@pytest.mark.parametrize(("theme", "width"), SCREENS)
def test_it_fits_wide_and_narrow_light_and_dark(theme, width, page):
    fits(page, theme, width, "01", CELLS)


def test_one_curve_stands_below_the_training(page):
    assert cell(page, 0).locator(".jp-OutputArea-output img").count() == 1
    alt = cell(page, 0).locator("img").get_attribute("alt")
    assert "all test images" in alt or "480" in alt


def test_a_click_paints_a_cell_and_the_reader_answers(page):
    there = cell(page, 1)
    before = there.locator(".jp-OutputArea img").get_attribute("src")
    assert there.locator("button.bdlab-cell").count() == 64
    there.locator("button.bdlab-cell").nth(63).click()
    _wait(lambda: "Row 8, column 8: grey." in words(there))
    assert there.locator(".jp-OutputArea img").get_attribute("src") != before and "Reads" in words(there)


def test_the_keyboard_alone_draws(page):
    there = cell(page, 1)
    stops = _tab_to(page, there, "row +")
    assert all("row" in stop or "column" in stop or not stop.strip() for stop in stops[-2:]), stops
    page.keyboard.press("Enter")
    _wait(lambda: "Row 1, column 8: paper." in words(there))
    _tab_to(page, there, "paint")
    page.keyboard.press("Space")
    _wait(lambda: "Row 1, column 8: grey." in words(there))
    _tab_to(page, there, "clear")
    page.keyboard.press("Enter")
    _wait(lambda: "Row 1, column 8: paper." in words(there) and "Reads 1" in words(there))
