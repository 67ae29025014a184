"""Lesson 09 in JupyterLab: the panel fits wide and narrow, light and dark, and is moved by the keyboard alone."""

import nbformat
import pytest
from test_browser import CHROMIUM, TRACEBACK, VISIBLE, _shot, _wait, opened, serve
from test_browser_play import _command, _tab_to

from autograder.course.folder import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
SHOWN = {
    "panel": "from bdlab.lessons import l09_panel\nl09_panel.panel()",
    "map": "import bdlab\nbdlab.plots.families('input filtering')",
    "line": "from bdlab.lessons import l09_figures\nl09_figures.drawn_line(0.3)",
    "modes": "from bdlab.lessons import l09_measured\nl09_measured.both_modes(frr=0.01)",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson and four of its figures, all cells run."""
    home = tmp_path_factory.mktemp("lab")
    lesson = nbformat.read(ROOT / "lessons" / "09_strip" / "09_strip.ipynb", as_version=4)
    cells = [lesson.cells[0], *(nbformat.v4.new_code_cell(source) for source in SHOWN.values())]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=lesson.metadata), home / "filter.ipynb")
    with serve(home) as base, opened(base, "filter.ipynb", tmp_path_factory.mktemp("profile")) as page:
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
    for number, name in enumerate(SHOWN):
        cell = _cell(page, number)
        area = cell.locator(".jp-OutputArea").first
        assert area.evaluate("area => area.scrollWidth <= area.clientWidth + 1"), name
        _shot(page, cell, f"l09-{name}-{theme}-{width}")
    _shot(page, page.locator(f"{VISIBLE} .jp-MarkdownCell").first, f"l09-opening-{theme}-{width}")
    assert page.locator(f"{VISIBLE} {TRACEBACK}").count() == 0


def test_the_keyboard_alone_moves_the_panel(page):
    cell = _cell(page, 0)
    before = cell.locator(".jp-OutputArea img").get_attribute("src")
    for _ in range(8):  # to the last button, overlays and FRR among them
        stops = _tab_to(page, cell, "+")
    assert stops
    page.keyboard.press("Enter")
    _wait(lambda: cell.locator(".jp-OutputArea img").get_attribute("src") != before)
    assert "FAR" in " ".join(cell.get_by_role("status").inner_text().split())
