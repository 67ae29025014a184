"""A hostile hand-in in a lecturer's browser: nothing that a student wrote runs, in feedback or in formgrader.

Each page is shown a second time with the student's own text in it: there it runs, so the tests can fail.
"""

import json
import os
import re

import nbformat
import pytest
from grading_course import HOME, TASKS, course, released, strongest
from test_browser import ARGUMENTS, CHROMIUM, serve

from autograder.course.folder import ROOT
from autograder.gradebook import enter
from autograder.trials.invented import samples
from autograder.verdict import assignment
from autograder.warden.pool import Warden

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
NAMED = '<img src=x onerror=ran.push("{}")>'
ESSAY = """Nothing to see.

<script>ran.push("script")</script>

<img src=x onerror='ran.push("handler")'>

<svg onload='ran.push("svg")'></svg>

<iframe srcdoc='<script>parent.ran.push("iframe")</script>'></iframe>

[a link](javascript:ran.push("link"))

[a page](data:text/html,<script>ran.push("data")</script>)

$\\href{javascript:ran.push("mathjax")}{x}$ and $\\require{action}$

```mermaid
<img src=x onerror='ran.push("mermaid")'>
```
"""
OUTPUT = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>ran.push('output')</script>"}}
RUNS = {"script", "handler", "svg", "iframe", "mermaid", "output"}
"""What runs as soon as the page is shown, where nothing prevents it."""


def _hostile(root):
    """Mallory's hand-in, with a markup in every place that takes text."""
    right = samples.samples(HOME)[0]
    book = samples.handed_in(released(root), samples.Sample("mallory", "", 0.0, right.answers, ESSAY))
    source = "x = \"<script>ran.push('cell')</script>\""
    own = {
        "cell_type": "code",
        "id": "own",
        "metadata": {"nbgrader": {"grade_id": NAMED.format("id")}},
        "source": source,
    }
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(OUTPUT)]
    book.cells.insert(5, nbformat.from_dict({**own, "outputs": [OUTPUT], "execution_count": 1}))
    book.cells.insert(6, nbformat.v4.new_markdown_cell(ESSAY, attachments={"a.svg": {"image/svg+xml": "<svg/>"}}))
    book.metadata["title"] = NAMED.format("title")
    path = samples.hand_in(root, HOME.name, "mallory", json.dumps(book))
    (path.parent / f"{NAMED.format('file').replace('/', '')}.html").write_text(ESSAY)
    named = samples.hand_in(root, HOME.name, "oscar", json.dumps(book))
    named.rename(named.with_name(f"{NAMED.format('notebook')}.ipynb"))
    samples.hand_in(root, HOME.name, NAMED.format("student"), json.dumps(book))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A course folder in a folder that JupyterLab serves, graded, with feedback."""
    home = tmp_path_factory.mktemp("formgrader")
    root = home / "course"
    course(root)
    _hostile(root)
    (home / "nbgrader_config.py").write_text(
        f"c = get_config()\nload_subconfig('nbgrader_config.py', path={str(ROOT)!r})\n"
        f"c.CourseDirectory.root = {str(root)!r}\n"
    )
    work = assignment.assignment(root, HOME)
    with Warden(strongest()) as warden:
        enter.write(work, assignment.run(work, warden))
    enter.feedback(work.root, work.name)
    return home, work


@pytest.fixture(scope="module")
def browser(graded):
    """A browser that tells what ran, and formgrader's address."""
    from playwright.sync_api import sync_playwright

    with serve(graded[0]) as base, sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        context = program.new_context()
        context.add_init_script("window.ran = window.ran || []")
        context.route(re.compile("^https://"), lambda route: route.abort())  # MathJax comes from outside
        yield context, base
        program.close()


def _ran(context, address):
    """What ran on a page, after every link of a student's was clicked that leads nowhere else; and its text and links."""
    page = context.new_page()
    try:
        page.goto(address, wait_until="load")
        page.wait_for_timeout(1500)
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        links = page.evaluate(
            "[...document.querySelectorAll('a[href], iframe, object, form')].map(a => a.getAttribute('href') ?? a.outerHTML)"
        )
        for link in page.get_by_text("a link", exact=True).all():
            link.click(timeout=3000)
        page.wait_for_timeout(300)
        return set(page.evaluate("window.ran")), page.content(), links
    finally:
        page.close()


def _address(work, student):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{work.root / 'gradebook.db'}") as book:
        return book.find_submission_notebook(HOME.name, HOME.name, student).id


def _pages(work, base, student):
    feedback = (work.root / "feedback" / student / HOME.name / f"{HOME.name}.html").as_uri()
    return {"feedback": feedback, "formgrader": f"{base}/formgrader/submissions/{_address(work, student)}/"}


@pytest.fixture
def unsanitised(graded):
    """The same notebook with Mallory's own text and output in it, and its feedback."""
    _, work = graded
    path = work.root / "autograded" / "mallory" / HOME.name / f"{HOME.name}.ipynb"
    clean = path.read_text(encoding="utf-8")
    book = nbformat.reads(clean, as_version=4)
    essay = next(cell for cell in book.cells if cell.get("id") == f"{TASKS[0].id.split('_')[0]}_essay")
    assert essay.source != ESSAY and "Nothing to see." in essay.source
    essay.source = ESSAY
    next(cell for cell in book.cells if cell.get("id") == "own-1").outputs = [nbformat.from_dict(OUTPUT)]
    os.chmod(path, 0o644)
    path.write_text(nbformat.writes(book), encoding="utf-8")
    enter.feedback(work.root, work.name, ["mallory"])
    yield
    path.write_text(clean, encoding="utf-8")
    enter.feedback(work.root, work.name, ["mallory"])


@pytest.mark.parametrize("where", ["feedback", "formgrader"])
@pytest.mark.parametrize("student", ["mallory", "oscar"])
def test_nothing_of_a_students_runs(student, where, graded, browser):
    context, base = browser
    ran, content, links = _ran(context, _pages(graded[1], base, student)[where])
    assert "Nothing to see." in content and ran == set()
    assert [link for link in links if "ran.push" in link or link.startswith(("javascript:", "data:", "<"))] == []
    assert "\\href{" not in content and "\\require{" not in content and 'class="mermaid"' not in content


@pytest.mark.parametrize("where", ["feedback", "formgrader"])
def test_without_the_care_it_would_run(where, graded, browser, unsanitised):
    context, base = browser
    ran, content, links = _ran(context, _pages(graded[1], base, "mallory")[where])
    assert ran >= RUNS | {"link"}
    assert "\\href{" in content and any(link.startswith("data:") for link in links)


@pytest.mark.parametrize(
    "page",
    ["manage_assignments", f"manage_submissions/{HOME.name}", "gradebook", f"gradebook/{HOME.name}", "manage_students",
     f"gradebook/{HOME.name}/{HOME.name}", "manage_students/mallory", f"manage_students/mallory/{HOME.name}"],
)  # fmt: skip
def test_no_table_of_formgrader_runs_a_name(page, graded, browser):
    context, base = browser
    ran, content, _ = _ran(context, f"{base}/formgrader/{page}")
    assert ran == set() and "formgrader" in content
    if page == "manage_students":
        assert "mallory" in content and "student" not in {word for word in content.split('"') if "onerror" in word}


def test_the_button_of_formgrader_grades_in_a_jail(graded, browser):
    """What the button calls: one student again, through `SafeExecute`, in the server's own process."""
    _, work = graded
    context, base = browser
    path = work.root / "autograded" / "mallory" / HOME.name / f"{HOME.name}.ipynb"
    before = path.read_text(encoding="utf-8")
    page = context.new_page()
    page.goto(f"{base}/formgrader/manage_submissions/{HOME.name}")
    stamp = path.stat().st_mtime_ns
    answer = page.evaluate(
        """async address => {
            const key = document.cookie.match(/_xsrf=([^;]*)/)[1];
            const reply = await fetch(address, {method: "POST", headers: {"X-XSRFToken": key}});
            return await reply.json();
        }""",
        f"{base}/formgrader/api/submission/{HOME.name}/mallory/autograde",
    )
    assert answer["success"], answer
    assert path.stat().st_mtime_ns != stamp and path.read_text(encoding="utf-8") == before
