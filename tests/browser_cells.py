"""A lesson's opening and a few of its cells in JupyterLab, for the browser's tests of lessons."""

import contextlib

import nbformat
import pytest
from test_browser import CHROMIUM, TRACEBACK, VISIBLE, _shot, opened, serve
from test_browser_play import _command

from autograder.authoring.folders import folder
from autograder.course.folder import ROOT

MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
SCREENS = [(theme, width) for theme in ("Light", "Dark") for width in (1280, 800)]


@contextlib.contextmanager
def shown(lesson, cells, tmp_path_factory):
    """The lesson's first cell and code cells of these texts, all run: a page."""
    home, name = tmp_path_factory.mktemp("lab"), folder(lesson).name
    book = nbformat.read(ROOT / "lessons" / name / f"{name}.ipynb", as_version=4)
    cells = [book.cells[0], *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=book.metadata), home / "cells.ipynb")
    with serve(home) as base, opened(base, "cells.ipynb", tmp_path_factory.mktemp("profile")) as page:
        _command(page, "application:toggle-left-area")
        yield page


def cell(page, number):
    """The code cell with this number."""
    return page.locator(f"{VISIBLE} .jp-CodeCell").nth(number)


def words(cell):
    """What the live region of a widget says."""
    return " ".join(cell.get_by_role("status").inner_text().split())


def fits(page, theme, width, lesson, names):
    """Each named cell, and the opening, is no wider than its screen, and no cell raised; pictures of all are kept."""
    _command(page, "apputils:change-theme", f"{{theme: 'JupyterLab {theme}'}}")
    page.wait_for_selector(f'body[data-jp-theme-light="{str(theme == "Light").lower()}"]', state="attached")
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(1000)
    for number, name in enumerate(names):
        area = cell(page, number).locator(".jp-OutputArea").first
        assert area.evaluate("area => area.scrollWidth <= area.clientWidth + 1"), name
        _shot(page, cell(page, number), f"l{lesson}-{name}-{theme}-{width}")
    _shot(page, page.locator(f"{VISIBLE} .jp-MarkdownCell").first, f"l{lesson}-opening-{theme}-{width}")
    assert page.locator(f"{VISIBLE} {TRACEBACK}").count() == 0
