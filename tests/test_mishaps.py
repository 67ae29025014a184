"""Damaged hand-ins keep every point of a right answer; what was done is told; a repair needs no repair."""

import json
import re
import shutil
import sys

import nbformat
import pytest
from grading_course import HOME, TASKS, strongest
from typer.testing import CliRunner

from autograder.authoring.build import student_folder
from autograder.commands import hand_ins, sample_class
from autograder.course import secret
from autograder.course.folder import ROOT
from autograder.gradebook.feedback import marked
from autograder.handin import repaired as files
from autograder.handin.read import contents, find, read
from autograder.handin.repair import repair
from autograder.handin.runnable import answers
from autograder.trials.invented import mishaps, samples
from autograder.verdict import assignment
from bdlab.exercises import lessons

RELEASE = ROOT / "lessons" / HOME.name / f"{HOME.name}.ipynb"
NAME, NAMES = RELEASE.name, lessons.lesson(HOME.name).names
FULL = sum(task.points for task in TASKS)
FIRST, ESSAY = TASKS[0], f"{lessons.lesson(HOME.name).short}_essay"
ANSWER = samples.samples(HOME)[0].answers[FIRST.id].partition("\n")[2].strip()
"""The right answer of the first exercise."""
TOLD = {
    "lost_all": rf"marks were missing or changed on: .*{FIRST.id}.* put back",
    "lost_some": rf"marks were missing or changed on: .*{FIRST.id}.* put back",
    "lost_lines": rf"{FIRST.id}_answer: the answer stood in another cell",
    "duplicated": rf"{FIRST.id}_answer: 2 cells claim to be it, the last one",
    "deleted": rf"marks were missing or changed on: .*{FIRST.id}",
    "split": rf"{FIRST.id}_answer: it was split over 2 cells",
    "split_unmarked": rf"{FIRST.id}_answer: it was split over 2 cells",
    "merged": rf"{TASKS[-1].id}_answer: the answer stood in another cell",
    "below": rf"{FIRST.id}_answer: the answer stood in another cell",
    "in_check": rf"{FIRST.id}_answer: the answer stood in another cell",
    "markdown": rf"{FIRST.id}_answer: it had been turned into a cell of another kind",
    "raw": rf"{FIRST.id}_answer: it had been turned into a cell of another kind",
    "reordered": r"another order; they were put back",
    "essay_lost": rf"{ESSAY}: its mark was lost, the text below its question counts",
    "essay_split": rf"{ESSAY}: 2 texts stood in its place",
    "attachments": r"pictures were pasted into 1 cells",
    "renamed": r"had another name",
    "numbered": r"had another name",
    "name_grew": r"had another name",
    "second": r"1 other notebooks lay beside",
}
"""What the student and the lecturer read; the other mishaps change nothing that counts."""
FORM = {
    "colab": "it came from Colab", "crlf": "as on Windows", "mark": "byte order mark", "format_3": "format 3.0",
    "format_4": "format 4.0", "lost_all": "format 4.4",
}  # fmt: skip


@pytest.fixture(scope="module")
def release():
    return nbformat.read(RELEASE, as_version=4)


@pytest.fixture(scope="module")
def right(release):
    """The JSON of a hand-in with everything right, and of the essay."""
    return json.dumps(samples.handed_in(release, samples.samples(HOME)[0]))


def _handed_in(mishap, right, folder):
    """Put the files of a damaged hand-in into a folder; returns what is read from it."""
    for name, data in mishaps.handed_in(mishap, json.loads(right), NAME).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    path, told = find(folder, NAME)
    submitted = read(contents(path), path.name)
    return submitted, told


def _texts(book):
    return [(cell.cell_type, cell.source, cell.metadata.get("bdlab")) for cell in book.cells]


def test_at_least_ten_kinds():
    assert len(mishaps.NAMES) >= 25 and set(TOLD) | set(FORM) < set(mishaps.NAMES)
    with pytest.raises(ValueError, match=r"mishap must be one of colab, .*; got 'flood'"):
        mishaps.handed_in("flood", {}, NAME)


@pytest.mark.parametrize("mishap", ["", *mishaps.NAMES])
def test_a_damaged_hand_in_is_put_together_again_and_told(mishap, right, release, tmp_path):
    submitted, told = _handed_in(mishap, right, tmp_path)
    found = repair(submitted, release, NAMES)
    written = answers(found.notebook, release).written
    for task in TASKS:  # the whole answer, whatever stands around it
        mine, wanted = written[task.id], samples.samples(HOME)[0].answers[task.id].partition("\n")[2].strip()
        assert wanted in mine, task.id
    essay = next(cell.source for cell in found.notebook.cells if cell.get("id") == ESSAY)
    assert " ".join(essay.split()).startswith(samples.ESSAY)
    remarks = " | ".join([*told, *found.remarks])
    assert re.search(TOLD[mishap], remarks) if mishap in TOLD else remarks == ""
    assert [line for line in submitted.form if FORM.get(mishap, "\0") in line] or mishap not in FORM
    assert mishap in FORM or submitted.form == []
    again = repair(read(json.dumps(found.notebook).encode()), release, NAMES)  # a repair is sound
    assert again.remarks == [] and _texts(again.notebook) == _texts(found.notebook)


@pytest.mark.parametrize("mishap", [name for name in mishaps.IN_FILE if name != "colab"])
def test_a_colab_round_trip_costs_nothing_on_top(mishap, right, release):
    """Nor does the name that Colab writes into metadata reach what we make of it."""
    book = mishaps.colab(json.loads(right))
    found = mishaps.IN_FILE[mishap](book)
    data = found.decode() if isinstance(found, bytes) else json.dumps(found)
    assert "A Name" in data or mishap == "lost_all"
    repaired = repair(read(data.encode()), release, NAMES).notebook
    assert "A Name" not in json.dumps(repaired)
    for task in TASKS:
        wanted = samples.samples(HOME)[0].answers[task.id].partition("\n")[2].strip()
        assert wanted in answers(repaired, release).written[task.id]


@pytest.mark.parametrize("mishap", ["lost_all", "split", "duplicated", "deleted", "in_check", "reordered"])
def test_cells_of_their_own_stay_once(mishap, right, release):
    book = mishaps.IN_FILE[mishap](json.loads(right))
    own = {"cell_type": "code", "source": "import math  # my own", "metadata": {}, "outputs": []}
    book["cells"].insert(3, own)
    found = repair(read(json.dumps(book).encode()), release, NAMES)
    assert [cell.source for cell in found.notebook.cells].count("import math  # my own") == 1


def test_what_stands_twice_and_differs_is_chosen_once_and_for_all(right, release):
    """Both are kept, the last that makes what is asked for counts, and a second repair chooses the same."""
    book = json.loads(right)
    at = next(n for n, cell in enumerate(book["cells"]) if cell.get("id") == f"{FIRST.id}_answer")
    old = {**book["cells"][at], "source": f"# [{FIRST.id}]\ndef {FIRST.name}(*_):\n    return None"}
    book["cells"][at:at] = [old]
    found = repair(read(json.dumps(book).encode()), release, NAMES)
    assert ANSWER in answers(found.notebook, release).written[FIRST.id]
    assert any(f"# a copy\ndef {FIRST.name}(*_)" in cell.source for cell in found.notebook.cells)
    again = repair(read(json.dumps(found.notebook).encode()), release, NAMES)
    assert again.remarks == [] and _texts(again.notebook) == _texts(found.notebook)


@pytest.mark.parametrize(
    "tag", ["# [setup]\nx = 1", f"# [{ESSAY}]\nx = 1", "# [nothing]\nx = 1", f"# [{FIRST.id}]\nx = 1"]
)
def test_a_line_that_names_no_answer_stops_nothing(tag, right, release):
    book = json.loads(right)
    book["cells"].append({"cell_type": "code", "source": tag, "metadata": {}, "outputs": []})
    found = repair(read(json.dumps(book).encode()), release, NAMES)
    assert ANSWER in answers(found.notebook, release).written[FIRST.id]


@pytest.mark.parametrize(
    ("first", "second", "task", "whole"),
    [
        ("def prune_order(a):\n    return a", "def prune(w, c):\n    return w", "l99_prune_order", True),
        ("threat_table = {}", "threat_table['evasion'] = ['use']", "l99_threat_table", True),
        ("threat_table = {}", "threat_table.update(evasion=1)", "l99_threat_table", True),
        ("threat_table = ...  # below", "threat_table = {}", "l99_threat_table", True),
        ("threat_table = {}", "other = {}\nother['evasion'] = ['use']", "l99_threat_table", False),
        ("def entropy(p):\n    return p", "def entropy(p):\n    return -p", "l99_entropy", False),
        ("def entropy(p):\n    return p", "entropy.calls = 1", "l99_entropy", False),
    ],
)
def test_an_answer_goes_on_in_the_next_cell_where_it_lacks_a_name_or_fills_a_value(first, second, task, whole, probe):
    release = nbformat.read(student_folder(probe) / f"{probe.name}.ipynb", as_version=4)
    book = json.loads(json.dumps(release))
    at = next(n for n, cell in enumerate(book["cells"]) if cell["id"] == f"{task}_answer")
    book["cells"][at]["source"] = f"# [{task}]\n{first}"
    book["cells"].insert(at + 1, {"cell_type": "code", "source": second, "metadata": {}, "outputs": []})
    found = repair(read(json.dumps(book).encode()), release, lessons.lesson(probe.name).names)
    assert (second in answers(found.notebook, release).written[task]) == whole
    assert bool(found.remarks) == whole and second in "".join(cell.source for cell in found.notebook.cells)


def test_a_broken_answer_does_not_swallow_what_follows(right, release):
    book = json.loads(right)
    at = next(n for n, cell in enumerate(book["cells"]) if cell.get("id") == f"{FIRST.id}_answer")
    book["cells"][at]["source"] = f"# [{FIRST.id}]\ndef {FIRST.name}(x:\n    return"
    book["cells"].insert(at + 1, {"cell_type": "code", "source": "OWN = 1", "metadata": {}, "outputs": []})
    found = repair(read(json.dumps(book).encode()), release, NAMES)
    assert "OWN = 1" in [cell.source for cell in found.notebook.cells] and found.remarks == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": 3}', "[" * 100_000])
def test_what_is_no_notebook_is_refused(content, tmp_path):
    (tmp_path / "x.ipynb").write_text(content)
    with pytest.raises(ValueError, match=r"x.ipynb must be a notebook"):
        read(contents(tmp_path / "x.ipynb"), "x.ipynb")


@pytest.fixture(scope="module")
def root(right, tmp_path_factory):
    """A course folder with one hand-in for each mishap, and one that broke off."""
    root = tmp_path_factory.mktemp("mishaps") / "course"
    secret.init(root)
    (root / "release" / HOME.name).mkdir(parents=True)
    shutil.copy(RELEASE, root / "release" / HOME.name / NAME)
    for mishap in (*mishaps.NAMES, "truncated"):
        folder = root / "submitted" / (mishap or "sound") / HOME.name
        for name, data in mishaps.handed_in(mishap, json.loads(right), NAME).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return root


@pytest.mark.skipif(sys.platform != "linux", reason="jails need Linux")
def test_no_right_answer_loses_a_point_and_the_student_reads_what_was_done(root, warden_of):
    work = assignment.assignment(root, HOME)
    records = {record.student: record for record in assignment.run(work, warden_of(strongest()))}
    assert {name: record.points for name, record in records.items()} == {
        **dict.fromkeys(mishaps.NAMES, FULL), "truncated": 0.0
    }  # fmt: skip
    assert "must be a notebook" in records["truncated"].refused
    for name, record in records.items():
        book = marked(work, work.rebuilt(name), record)
        shown = "".join(out.get("text", "") for cell in book.cells for out in cell.get("outputs", []))
        told = re.findall(r"About your file: (.+)", shown)
        assert len(told) == len(record.remarks) and (
            name not in TOLD or re.search(TOLD[name], " ".join(record.remarks))
        )
        essay = next(cell.source for cell in book.cells if cell.get("id") == ESSAY)
        assert name == "truncated" or samples.ESSAY[:40] in essay


def _files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_repairs_a_class_a_student_and_a_notebook(root, tmp_path, capsys):
    before = _files(root / "submitted")
    hand_ins.repair("03", course=root)
    said = capsys.readouterr().out
    touched = (set(TOLD) | set(FORM)) & set(mishaps.NAMES)
    assert {line.partition(":")[0] for line in said.splitlines()[:-1]} == {*touched, "truncated"}
    assert f"truncated: refused: {NAME} must be a notebook" in said and "attachments: pictures were pasted" in said
    assert {path.parents[1].name for path in _files(root / "repaired")} == touched
    assert _files(root / "submitted") == before
    repaired = _files(root / "repaired")
    hand_ins.repair("03", course=root)  # again: nothing is done, and nothing but the sum is said
    again = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in again[:-1]] == ["truncated"]
    assert f"{len(touched)} repaired (0 of them now), 1 refused" in again[-1] and _files(root / "repaired") == repaired
    hand_ins.repair("03", "split", course=root)
    assert "1 hand-ins: 0 sound, 1 repaired" in capsys.readouterr().out
    path = root / "submitted" / "split" / HOME.name / NAME
    copy = shutil.copy(path, tmp_path / "mine.ipynb")
    hand_ins.repair("03", str(copy))
    assert "split over 2 cells" in capsys.readouterr().out
    made = tmp_path / "mine.repaired.ipynb"
    assert made.read_bytes() == repaired[root / "repaired" / "split" / HOME.name / NAME]
    hand_ins.repair("03", str(made))
    assert capsys.readouterr().out.strip() == "sound, nothing to repair"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.ipynb", "mine.repaired.ipynb"]


def test_a_repair_goes_when_a_sound_hand_in_comes(root, right):
    target = root / "repaired" / "crlf" / HOME.name / NAME
    files.several(root, HOME, HOME.name, "crlf")
    assert target.exists()
    path = root / "submitted" / "crlf" / HOME.name / NAME
    damaged = path.read_bytes()
    path.write_text(right)
    assert files.several(root, HOME, HOME.name, "crlf")[0].word == "sound" and not target.exists()
    path.write_bytes(damaged)


def test_what_cannot_be_repaired_is_said(root, tmp_path):
    with pytest.raises(ValueError, match=r"nothing was handed in: .* has no nobody/03_badnets"):
        files.several(root, HOME, HOME.name, "nobody")
    with pytest.raises(ValueError, match="03_other is not released"):
        files.several(root, HOME, "03_other")
    with pytest.raises(ValueError, match="the notebook must be a file, there is no"):
        hand_ins.repair("03", str(tmp_path / "x.ipynb"))
    path = root / "submitted" / "split" / HOME.name / NAME
    with pytest.raises(ValueError, match="out must be another file than the notebook, which is kept"):
        hand_ins.repair("03", str(path), out=path)
    with pytest.raises(ValueError, match="out must be given with a notebook only"):
        hand_ins.repair("03", "split", course=root, out=tmp_path / "x.ipynb")


@pytest.mark.parametrize(("name", "home"), [("repair", hand_ins), ("forget", hand_ins), ("sample_class", sample_class)])
def test_every_command_has_an_example(name, home):
    import typer

    app = typer.Typer()
    app.command()(getattr(home, name))
    shown = CliRunner().invoke(app, ["--help"], terminal_width=200)
    assert shown.exit_code == 0 and f"Example: `autograder {name.replace('_', '-')} " in shown.output
