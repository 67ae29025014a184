"""Lesson 10 in JupyterLab: the bar fits wide and narrow, light and dark, and is moved by the keyboard alone."""

import pytest
from browser_cells import MARKS, SCREENS, cell, fits, shown, words
from test_browser import _wait
from test_browser_play import _tab_to

pytestmark = MARKS
FIGURES = "from bdlab.lessons import l10_figures, l10_measured, l10_pruning\n"
CELLS = {
    "bar": FIGURES + "l10_figures.fall('A')",
    "asleep": FIGURES + "l10_figures.asleep(l10_pruning.mean_activation)",
    "pruned": FIGURES + "l10_figures.pruned(l10_pruning.prune_order, l10_pruning.prune)",
    "stop": FIGURES + "l10_figures.stop(l10_pruning.prune_until)",
    "ways": FIGURES + "l10_measured.all_ways()",
    "paper": FIGURES + "l10_measured.published()",
    "real": FIGURES + "l10_measured.on_real_data()",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson, its bar and six of its figures, all cells run."""
    with shown("10", CELLS.values(), tmp_path_factory) as page:
        yield page


@pytest.mark.parametrize(("theme", "width"), SCREENS)
def test_it_fits_wide_and_narrow_light_and_dark(theme, width, page):
    fits(page, theme, width, "10", CELLS)


def test_the_keyboard_alone_moves_the_bar(page):
    there = cell(page, 0)
    assert "A, 0 of 64 fallen: clean" in words(there)
    assert _tab_to(page, there, "forward")
    for count in (4, 8):
        page.keyboard.press("Enter")
        _wait(lambda count=count: f"A, {count} of 64 fallen: clean" in words(there))
