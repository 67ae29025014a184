"""docs/quality.md tells of the lessons as they are, or says so in time."""

import shutil

import pytest

from autograder.authoring import digests
from autograder.authoring.folders import folder, homes
from autograder.course.folder import ROOT

pytestmark = pytest.mark.usefixtures("probe")


def test_the_page_is_of_a_machinery_that_still_stands_for_ours():
    changed = digests.changed()
    assert len(changed) <= digests.ALLOWED, f"run `make lessons` and commit docs/quality.md; changed: {', '.join(changed)}"


def test_the_page_knows_every_lesson_that_is_committed():
    assert set(digests.kept()[0]) == {home.name for home in homes() if home.parents[1] == ROOT}


def test_every_file_of_a_lesson_and_of_the_machinery_counts(tmp_path, monkeypatch):
    home = folder("99")
    names = {path.name for path in digests.files(home)}
    assert names == {"99_probe.py", "wrong.py", "right.py", "99_probe.ipynb", "l99_probe.py", "l99.npz"}
    parts = {"checks.py", "parts.py", "executor.py", "build.py", "setup_cell.txt", "repair.py", "grade.py", "demos.py"}
    assert parts <= {name.rpartition("/")[2] for name in digests.machinery()}
    assert not [name for name in digests.machinery() if "/l03" in name or "/l99" in name]
    copies = [shutil.copy(path, tmp_path) for path in digests.files(home)]
    before = digests.digest(map(type(home), copies))
    (tmp_path / "wrong.py").write_text((tmp_path / "wrong.py").read_text() + "\n")
    assert digests.digest(map(type(home), copies)) != before


def test_a_lesson_is_covered_until_it_or_the_machinery_changes(tmp_path, monkeypatch):
    home, page = folder("99"), tmp_path / "page.md"
    rows = f"| 99_probe | `{digests.digest(digests.files(home))}` | x |"
    lines = "\n".join(f"{name} {value}" for name, value in digests.machinery().items())
    page.write_text(f"text\n{digests.BEGIN}\n{rows}\n<!--\n{lines}\n-->\n{digests.END}\nmore")
    assert digests.covered(home, page) and digests.changed(page) == []
    page.write_text(page.read_text().replace("99_probe | `", "98_other | `"))
    assert not digests.covered(home, page)
    monkeypatch.setattr(digests, "machinery", lambda: {"bdlab/exercises/new.py": "0" * 12})
    assert "bdlab/exercises/new.py" in digests.changed(page) and len(digests.changed(page)) > digests.ALLOWED
