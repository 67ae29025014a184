"""Lesson 09 in JupyterLab: the panel fits wide and narrow, light and dark, and is moved by the keyboard alone."""

import pytest
from browser_cells import MARKS, SCREENS, cell, fits, shown, words
from test_browser import _wait
from test_browser_play import _tab_to

pytestmark = MARKS
CELLS = {
    "panel": "from bdlab.lessons import l09_panel\nl09_panel.panel()",
    "map": "import bdlab\nbdlab.plots.families('input filtering')",
    "line": "from bdlab.lessons import l09_figures\nl09_figures.drawn_line(0.3)",
    "modes": "from bdlab.lessons import l09_measured\nl09_measured.both_modes(frr=0.01)",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson and four of its figures, all cells run."""
    with shown("09", CELLS.values(), tmp_path_factory) as page:
        yield page


@pytest.mark.parametrize(("theme", "width"), SCREENS)
def test_it_fits_wide_and_narrow_light_and_dark(theme, width, page):
    fits(page, theme, width, "09", CELLS)


def test_the_keyboard_alone_moves_the_panel(page):
    there = cell(page, 0)
    before = there.locator(".jp-OutputArea img").get_attribute("src")
    for _ in range(8):  # to the last button, overlays and FRR among them
        stops = _tab_to(page, there, "+")
    assert stops
    page.keyboard.press("Enter")
    _wait(lambda: there.locator(".jp-OutputArea img").get_attribute("src") != before)
    assert "FAR" in words(there)
