"""Lesson 13 in JupyterLab: its figures fit wide and narrow, light and dark; the scrub bar is moved by the keyboard alone."""

import pytest
from browser_cells import MARKS, SCREENS, cell, fits, shown
from test_browser import _wait
from test_browser_play import _tab_to

pytestmark = MARKS
CELLS = {
    "steps": "from bdlab.lessons import l13_measured\nl13_measured.forgetting()",
    "planted": "from bdlab.lessons import l13_measured\nl13_measured.planted()",
    "controls": "from bdlab.lessons import l13_measured\nl13_measured.controlled()",
    "maps": "from bdlab.lessons import l13_figures, l13_parts\nl13_figures.maps(l13_parts.shadow_step)",
    "scores": "from bdlab.lessons import l13_figures, l13_parts\nl13_figures.compared(l13_parts.rbd_score)",
    "guard": "l13_figures.Guarded(0.05)(\n    l13_parts.shadow_step, l13_parts.guard\n)",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson and six of its figures, all cells run."""
    with shown("13", CELLS.values(), tmp_path_factory) as page:
        yield page


@pytest.mark.parametrize(("theme", "width"), SCREENS)
def test_it_fits_wide_and_narrow_light_and_dark(theme, width, page):
    fits(page, theme, width, "13", CELLS)


def test_the_keyboard_alone_moves_the_bar(page):
    there = cell(page, 0)
    before = there.locator(".jp-OutputArea img").get_attribute("src")
    assert _tab_to(page, there, "forward")
    page.keyboard.press("Enter")
    _wait(lambda: there.locator(".jp-OutputArea img").get_attribute("src") != before)
