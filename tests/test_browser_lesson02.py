"""Lesson 02 in JupyterLab: the bar through a reader's life, by keyboard alone, and two figures."""

import pytest
from browser_cells import MARKS, SCREENS, cell, fits, shown, words
from test_browser import _wait
from test_browser_play import _tab_to

pytestmark = MARKS
CELLS = {
    "moments": "import bdlab\nfrom bdlab.lessons import l02_moments\nl02_moments.in_time()",
    "planes": "l02_moments.three_planes()",
    "table": "from bdlab.lessons import l02_figures, l02_threats\nl02_figures.table(l02_threats.threat_table)",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson, its bar, and two figures, all cells run."""
    with shown("02", CELLS.values(), tmp_path_factory) as page:
        yield page


@pytest.mark.parametrize(("theme", "width"), SCREENS)
def test_it_fits_wide_and_narrow_light_and_dark(theme, width, page):
    fits(page, theme, width, "02", CELLS)


def test_the_keyboard_alone_moves_through_a_reader_s_life(page):
    there = cell(page, 0)
    assert "somebody at the data" in words(there)
    _tab_to(page, there, "forward")
    for said in ("trainer's machine", "change the file", "somebody at the road. Lit: evasion and backdoor"):
        page.keyboard.press("Enter")
        _wait(lambda said=said: said in words(there))
