"""Files that public bug reports describe: each comes in with what it holds, or is refused with its own reason."""

import cases_grading as cases
import platform_archives as pa
import pytest
from test_collect import Place, released  # noqa: F401  the fixture

from autograder.handin.read import Unreadable, find, read

FILE = f"{cases.LESSON}.ipynb"


@pytest.fixture
def place(released, tmp_path):  # noqa: F811
    import shutil

    root = shutil.copytree(released, tmp_path / "course")
    (root / "release" / cases.LESSON / FILE).write_bytes(cases.RELEASED)
    return Place(root, tmp_path)


@pytest.mark.parametrize("kind", cases.READABLE)
def test_what_can_be_read_keeps_the_students_text(kind):
    found = read(cases.READABLE[kind], FILE)
    (answer,) = [cell.source for cell in found.cells if cell.source.startswith("def stamp(images)")]
    assert answer.replace(" \N{REPLACEMENT CHARACTER}", "") == cases.WRITTEN
    assert len(found.cells) == len(read(cases.RELEASED).cells)
    assert "".join(cell.source for cell in found.cells).encode()  # no half character is left
    told = " ".join([*found.remarks, *found.form])
    assert {"utf-16": "UTF-16", "older,": "another file"}.get(kind.split()[0], "") in told


@pytest.mark.parametrize("kind", cases.REFUSED)
def test_what_is_no_notebook_is_refused_with_its_own_reason(kind):
    data, reason = cases.REFUSED[kind]
    with pytest.raises(Unreadable, match=reason):
        read(data, FILE)


@pytest.mark.parametrize("name", ["x.ipynb.txt", "x.ipynb.json", "x.IPYNB", "x.ipynb-1.txt", "x.ipynb (1).txt"])
@pytest.mark.parametrize("source", ["moodle", "canvas", "plain"])
def test_a_name_that_a_browser_added_to_is_taken(place, source, name):
    one = place.people[0]
    members = {
        "moodle": pa.moodle_name(one, name), "canvas": pa.canvas_name(one, name, 70001), "plain": f"{one.student}/{name}"
    }  # fmt: skip
    found = place.run(
        source, {members[source]: cases.solved()}, worksheet=place.worksheet if source == "moodle" else None
    )
    assert found.new == [one.student] and not found.none
    assert (place.handed_in(one.student) / FILE).read_bytes() == cases.solved()


@pytest.mark.parametrize("forms", [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
@pytest.mark.parametrize("source", ["moodle", "canvas"])
def test_a_name_is_the_same_in_both_unicode_forms(place, source, forms):
    import unicodedata
    from dataclasses import replace

    in_zip, in_tables = forms
    jorg = replace(place.people[0], first="J\N{LATIN SMALL LETTER O WITH DIAERESIS}rg", last="M\xfcller")
    place.roster.write_text(unicodedata.normalize(in_tables, pa.roster([jorg])))
    place.worksheet.write_text(unicodedata.normalize(in_tables, pa.worksheet([jorg])))
    name = pa.moodle_name(jorg, FILE) if source == "moodle" else pa.canvas_name(jorg, FILE, 70001)
    members = {unicodedata.normalize(in_zip, name): cases.solved()}
    found = place.run(source, members, worksheet=place.worksheet if source == "moodle" else None)
    assert found.new == [jorg.student] and not [line for line in found.told if "calls them" in line[1]]


@pytest.mark.parametrize("first", [FILE, f"{cases.LESSON} (1).ipynb"])
def test_a_human_is_asked_where_the_lesson_as_released_lies_beside_another(place, first):
    second = {FILE: f"{cases.LESSON} (1).ipynb"}.get(first, FILE)
    found = place.run("plain", {f"ada/{first}": cases.RELEASED, f"ada/{second}": cases.solved()})
    folder = place.handed_in("ada")
    if second == FILE:  # the one with the right name is the student's: it counts
        assert find(folder, FILE)[0].read_bytes() == cases.solved()
        return
    assert any(who == "ada" and "leaves it to a human" in line for who, line in found.told)
    assert {path.read_bytes() for path in folder.glob("*.ipynb")} == {cases.RELEASED, cases.solved()}
    with pytest.raises(Unreadable, match="2 notebooks of other names"):
        find(folder, FILE)


def test_two_untouched_notebooks_ask_nobody(place):
    place.run("plain", {f"ada/{FILE}": cases.RELEASED, "ada/copy.ipynb": cases.RELEASED})
    assert find(place.handed_in("ada"), FILE)[0].read_bytes() == cases.RELEASED
