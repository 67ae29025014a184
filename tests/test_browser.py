"""A student in JupyterLab: opens the lesson, runs all of it, paints a trigger, makes a typical mistake and reads why."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from autograder.authoring.folders import folder
from autograder.authoring.sources import alternatives, mistakes
from autograder.course.folder import ROOT
from bdlab.exercises import lessons

HOME = folder("03")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
SCREENSHOTS = os.environ.get("BDLAB_SCREENSHOTS")
"""Folder that gets the pictures; unset: none are kept."""
QUIET = """{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false,
 "doNotDisturbMode": true}, "@jupyterlab/docmanager-extension:plugin": {"autosave": false},
 "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}"""
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
VISIBLE = ".jp-NotebookPanel:not(.lm-mod-hidden)"
IDLE = f'{VISIBLE} .jp-Notebook-ExecutionIndicator[data-status="idle"]'
CONNECTED = "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.connectionStatus === 'connected'"
"""Whether the notebook has its kernel: who runs cells before is asked which kernel shall run them."""
TRACEBACK = '[data-mime-type="application/vnd.jupyter.stderr"]'


@contextlib.contextmanager
def serve(home):
    """JupyterLab on the folder `home`, with settings of its own: its address."""
    (home / "labconfig").mkdir()
    (home / "labconfig" / "default_setting_overrides.json").write_text(QUIET)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {name: str(home / name) for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "HOME")}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    cache = {"BDLAB_CACHE": os.environ["BDLAB_CACHE"]} if "BDLAB_CACHE" in os.environ else {}
    environment = {**os.environ, **own, **cache, "JUPYTER_CONFIG_DIR": str(home), "PATH": path, "OMP_NUM_THREADS": "1"}
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
               "--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={home}",
               "--LabApp.news_url=None", "--LabApp.expose_app_in_browser=True",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log, cwd=home
        )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{base}/api/status")
                break
            except OSError:
                assert process.poll() is None, (home / "server.log").read_text()
                time.sleep(0.25)
        yield base
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """JupyterLab on a copy of the lesson."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copy(ROOT / "lessons" / HOME.name / f"{HOME.name}.ipynb", home / "lesson.ipynb")
    with serve(home) as base:
        yield base


@contextlib.contextmanager
def opened(base, notebook, profile):
    """A notebook of the server at `base` in Chromium, all cells run; `page.outside` holds what it asked of other hosts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, headless=True, args=ARGUMENTS, viewport={"width": 1280, "height": 1000}
        )
        page = context.pages[0]
        page.outside = []
        page.on("dialog", lambda dialog: dialog.accept())
        page.on("request", lambda request: page.outside.append(request.url) if _leaves(request.url) else None)
        page.goto(f"{base}/lab/workspaces/test/tree/{notebook}?reset")
        page.wait_for_selector(f"{VISIBLE} .jp-Cell", timeout=60_000)
        page.wait_for_function(CONNECTED, timeout=60_000)
        _run_all(page)
        yield page
        context.close()


@pytest.fixture(scope="module")
def page(server, tmp_path_factory):
    """The lesson, open, all cells run."""
    with opened(server, "lesson.ipynb", tmp_path_factory.mktemp("profile")) as page:
        yield page


def _run_all(page):
    """Run every cell; what stands still for a minute is told of with what it shows."""
    before, end, started = None, time.monotonic() + 60, 0.0
    while True:
        prompts = page.locator(f"{VISIBLE} .jp-CodeCell .jp-InputPrompt").all_text_contents()
        shown = [prompt for prompt in prompts if prompt]  # folded cells show none
        if shown and all(re.fullmatch(r"\[\d+\]:", prompt) for prompt in shown):
            break
        busy = any("*" in prompt for prompt in shown)
        if (
            not busy and time.monotonic() > started + 10
        ):  # just after loading the command may go nowhere, or half the way
            page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); return 0 }")
            started = time.monotonic()
        if prompts != before:
            before, end = prompts, time.monotonic() + 60
        assert time.monotonic() < end, f"stands still at {prompts}: {page.locator(TRACEBACK).all_text_contents()}"
        time.sleep(0.5)
    page.wait_for_selector(IDLE, timeout=60_000)


def _leaves(url):
    """Whether an address is another host's; pictures of a notebook are asked for as attachment: before they are found."""
    own = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:", "chrome", "attachment:")
    return not url.startswith(own)


def _cell(page, text):
    """The code cell whose source holds `text`."""
    return page.locator(f"{VISIBLE} .jp-CodeCell").filter(has=page.locator(".cm-content", has_text=text)).first


def _shot(page, cell, name):
    if SCREENSHOTS:
        cell.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        cell.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def _wait(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def test_the_lesson_runs_to_its_end_with_nothing_written(page):
    assert page.locator(f"{VISIBLE} {TRACEBACK}").count() == 0
    checks = page.locator(f"{VISIBLE} .jp-CodeCell").filter(has=page.locator(".cm-content", has_text='bdlab.check("'))
    assert checks.filter(has_text="is not written yet").count() == len(lessons.lesson(HOME.name).exercises)
    assert page.outside == []
    _shot(page, page.locator(VISIBLE).first, "lesson")


def test_the_painter_paints(page):
    cell = _cell(page, "l03_painter.trigger_painter()")
    _shot(page, cell, "painter")
    image = cell.locator(".jp-OutputArea-output img")
    _wait(lambda: image.count() == 1)
    for control in range(cell.locator("select").count()):
        before = image.first.get_attribute("src")
        chooser = cell.locator("select").nth(control)
        others_ = [o for o in chooser.locator("option").all_text_contents() if o != chooser.input_value()]
        chooser.select_option(label=others_[-1])
        _wait(lambda before=before: image.count() == 1 and image.first.get_attribute("src") != before)
    for button in cell.get_by_role("button", name="+ next").all():  # by keyboard
        before = image.first.get_attribute("src")
        button.press("Enter")
        _wait(lambda before=before: image.count() == 1 and image.first.get_attribute("src") != before)
    assert cell.locator(TRACEBACK).count() == 0 and "ASR" in cell.inner_text()
    _shot(page, cell, "painter-moved")


def test_a_quiz_explains_the_choice(page):
    cell = _cell(page, "bdlab.quiz(")
    before = cell.inner_text()
    cell.locator(".jp-OutputArea button.jupyter-button").first.click()
    _wait(lambda: cell.inner_text() != before)
    _shot(page, cell, "quiz")


def _write(page, cell, source):
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)
    page.keyboard.press("Shift+Enter")


@pytest.mark.parametrize("kind", ["mutant", "syntax", "right"])
def test_a_check_names_the_mistake(kind, page):
    task = lessons.lesson(HOME.name).exercises[0]
    wrong = next(answer for answer in mistakes(HOME) if answer.exercise == task.id)
    right = next(answer for answer in alternatives(HOME) if answer.exercise == task.id)
    source, expected = {
        "mutant": (wrong.source, task.messages[wrong.name]),
        "syntax": (f"# [{task.id}]\ndef {task.name}(x:\n    return x", None),
        "right": (right.source, f"{task.points:g} of {task.points:g} points"),
    }[kind]
    answer, check = _cell(page, f"def {task.name}("), _cell(page, f'bdlab.check("{task.id}")')
    _write(page, answer, source)
    _wait(lambda: page.locator(IDLE).count() == 1)
    if kind == "syntax":
        _wait(lambda: "SyntaxError" in answer.inner_text())
        _shot(page, answer, "syntax")
        return
    check.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    _wait(lambda: expected in " ".join(check.locator(".jp-OutputArea").inner_text().split()))
    _shot(page, check, f"check-{kind}")
