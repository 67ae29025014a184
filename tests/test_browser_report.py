"""The report in a real browser: opened from disk, narrow and printed; nothing runs and nothing is fetched."""

import os
from pathlib import Path

import pytest
from test_browser import ARGUMENTS, CHROMIUM
from test_report import OWN, SECOND, _hostile, _made
from test_report import large as large  # the fixture

from autograder.reports import report_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
SCREENSHOTS = os.environ.get("BDLAB_SCREENSHOTS")
"""Folder that gets the pictures; unset: none are kept."""
SCRIPT = (
    "<script>window.ran = 1</script><img src='http://127.0.0.1:9/x' onerror='window.ran = 1'><b style='color: red'></b>"
)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


def _open(browser, folder, text, width=1200):
    """The page from disk; what it asked for, and what the browser complained of."""
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    page.wait_for_timeout(300)
    return page, [url for url in asked if url != path.as_uri()], said


def _shot(page, name):
    if SCREENSHOTS:
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"), full_page=True)


def test_a_hostile_class_runs_nothing(browser, tmp_path):
    known = _hostile(tmp_path / "course")
    text = report_page.page(_made(tmp_path / "course", False, known))
    page, asked, said = _open(browser, tmp_path, text)
    assert (page.evaluate("document.scripts.length"), asked, said) == (0, [], [])
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.chart text')).fontSize") == "14px"
    )  # the style holds
    injected = text.replace("</main>", f"{SCRIPT}</main>")
    page, _, said = _open(browser, tmp_path, injected)
    assert page.evaluate("window.ran") is None  # the policy holds by itself: script, picture and style are refused
    assert sum("Content Security Policy" in line for line in said) >= 3
    policy = text[text.index("<meta http-equiv") : text.index('<meta name="referrer"')]
    page, _, _ = _open(browser, tmp_path, injected.replace(policy, ""))
    assert page.evaluate("window.ran") == 1  # so that the line above means something


@pytest.mark.parametrize("width", [400, 1200])
def test_it_fits(browser, width, large, tmp_path):
    page, _, _ = _open(browser, tmp_path, large.page, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for number, box in enumerate(page.evaluate(BOXES)):
        assert box["left"] >= -1 and box["right"] <= box["width"] + 1, (number, box)
    _shot(page, f"report-{width}")


BOXES = """[...document.querySelectorAll('svg.chart text')].map(text => {
    const all = text.ownerSVGElement.getBoundingClientRect(), own = text.getBoundingClientRect()
    return {left: own.left - all.left, right: own.right - all.left, width: all.width, said: text.textContent}
})"""
"""Where each word of a chart stands in it."""


def test_what_is_folded_is_printed(browser, large, tmp_path):
    page, _, _ = _open(browser, tmp_path, large.page, 718)  # A4 with margins of a centimetre
    first = OWN[SECOND].splitlines()[1].strip()
    shown = "[...document.querySelectorAll('details pre')].filter(pre => pre.checkVisibility()).length"
    assert page.evaluate(shown) == 0 and first not in page.inner_text("main")
    page.emulate_media(media="print")
    assert page.evaluate(shown) == page.locator("details pre").count() > 10
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    _shot(page, "report-print")
