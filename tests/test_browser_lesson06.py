"""Lesson 06 in JupyterLab: the pane moves by keyboard, ten pictures are labelled, and both fit their screens."""

import pytest
from browser_cells import MARKS, SCREENS, cell, fits, shown

pytestmark = MARKS
CELLS = {
    "pane": "from bdlab.lessons import l06_labels, l06_pane\nl06_pane.moving_pane()",
    "ten": "l06_labels.labelling()",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson and its two widgets, all cells run."""
    with shown("06", CELLS.values(), tmp_path_factory) as page:
        yield page


@pytest.mark.parametrize(("theme", "width"), SCREENS)
def test_it_fits_wide_and_narrow_light_and_dark(theme, width, page):
    fits(page, theme, width, "06", CELLS)


def test_the_pane_moves_by_enter(page):
    pane = cell(page, 0)
    said = pane.get_by_role("status").inner_text()
    button = pane.get_by_title("brightness (w): less")
    for _ in range(7):
        button.press("Enter")
    page.wait_for_timeout(1500)
    assert pane.get_by_role("status").inner_text() != said


def test_a_picture_is_labelled_by_enter(page):
    ten = cell(page, 1)
    ten.get_by_role("button", name="speed 30").press("Enter")
    page.wait_for_timeout(1000)
    assert "Picture 2 of 10" in ten.get_by_role("status").inner_text()
