"""Lesson 06 in JupyterLab: the pane moves by keyboard, ten pictures are labelled, and both fit their screens."""

import nbformat
import pytest
from test_browser import CHROMIUM, VISIBLE, _shot, opened, serve
from test_browser_play import _command

from autograder.course.folder import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
PANE = "from bdlab.lessons import l06_labels, l06_pane\nl06_pane.moving_pane()"
TEN = "l06_labels.labelling()"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson and its two widgets, all cells run."""
    home = tmp_path_factory.mktemp("lab")
    lesson = nbformat.read(ROOT / "lessons" / "06_reflection" / "06_reflection.ipynb", as_version=4)
    cells = [lesson.cells[0], *map(nbformat.v4.new_code_cell, (PANE, TEN))]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=lesson.metadata), home / "pane.ipynb")
    with serve(home) as base, opened(base, "pane.ipynb", tmp_path_factory.mktemp("profile")) as page:
        _command(page, "application:toggle-left-area")
        yield page


def _cell(page, number):
    return page.locator(f"{VISIBLE} .jp-CodeCell").nth(number)


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_it_fits_wide_and_narrow_light_and_dark(theme, width, page):
    _command(page, "apputils:change-theme", f"{{theme: 'JupyterLab {theme}'}}")
    page.wait_for_selector(f'body[data-jp-theme-light="{str(theme == "Light").lower()}"]', state="attached")
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(1000)
    for number, name in enumerate(("pane", "ten")):
        area = _cell(page, number).locator(".jp-OutputArea").first
        assert area.evaluate("area => area.scrollWidth <= area.clientWidth + 1"), name
        _shot(page, _cell(page, number), f"l06-{name}-{theme}-{width}")


def test_the_pane_moves_by_enter(page):
    pane = _cell(page, 0)
    said = pane.get_by_role("status").inner_text()
    button = pane.get_by_title("brightness (w): less")
    for _ in range(7):
        button.press("Enter")
    page.wait_for_timeout(1500)
    assert pane.get_by_role("status").inner_text() != said


def test_a_picture_is_labelled_by_enter(page):
    ten = _cell(page, 1)
    ten.get_by_role("button", name="speed 30").press("Enter")
    page.wait_for_timeout(1000)
    assert "Picture 2 of 10" in ten.get_by_role("status").inner_text()
