"""Lesson 02 in JupyterLab: the bar through a reader's life, by keyboard alone, and two figures."""

import nbformat
import pytest
from test_browser import CHROMIUM, TRACEBACK, VISIBLE, _shot, _wait, opened, serve
from test_browser_play import _command, _tab_to

from autograder.course.folder import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
MOMENTS = "import bdlab\nfrom bdlab.lessons import l02_moments\nl02_moments.in_time()"
PLANES = "l02_moments.three_planes()"
TABLE = "from bdlab.lessons import l02_figures, l02_threats\nl02_figures.table(l02_threats.threat_table)"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The opening of the lesson, its bar, and two figures, all cells run."""
    home = tmp_path_factory.mktemp("lab")
    lesson = nbformat.read(ROOT / "lessons" / "02_threats" / "02_threats.ipynb", as_version=4)
    cells = [lesson.cells[0], *(nbformat.v4.new_code_cell(source) for source in (MOMENTS, PLANES, TABLE))]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=lesson.metadata), home / "threats.ipynb")
    with serve(home) as base, opened(base, "threats.ipynb", tmp_path_factory.mktemp("profile")) as page:
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
    for number, name in enumerate(("moments", "planes", "table")):
        cell = _cell(page, number)
        area = cell.locator(".jp-OutputArea").first
        assert area.evaluate("area => area.scrollWidth <= area.clientWidth + 1"), name
        _shot(page, cell, f"l02-{name}-{theme}-{width}")
    _shot(page, page.locator(f"{VISIBLE} .jp-MarkdownCell").first, f"l02-opening-{theme}-{width}")
    assert page.locator(f"{VISIBLE} {TRACEBACK}").count() == 0


def test_the_keyboard_alone_moves_through_a_reader_s_life(page):
    cell = _cell(page, 0)
    assert "somebody at the data" in _words(cell)
    _tab_to(page, cell, "forward")
    for said in ("trainer's machine", "change the file", "somebody at the road. Lit: evasion and backdoor"):
        page.keyboard.press("Enter")
        _wait(lambda said=said: said in _words(cell))
