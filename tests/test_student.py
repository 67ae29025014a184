"""The student's own record: written whole, by one notebook at a time, and never over something that it cannot read."""

import json
import os
import subprocess
import sys
import time

import pytest

from bdlab import student

ENTRY = {"title": "t", "picture": "", "numbers": {}, "points": "", "date": "2026-01-02"}
EMPTY = {"name": "", "trophies": {}, "boxes": {}}


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A folder of this test's own."""
    monkeypatch.setenv("BDLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(student, "_kept", {})
    return tmp_path / "home"


def test_what_is_changed_is_there_the_next_time(own):
    assert student.load() == (EMPTY, []) and not own.exists()
    record, notes = student.change(lambda record: record.update(name="Ada"))
    assert notes == [] and record == {**EMPTY, "name": "Ada"} == student.load()[0]
    assert student.name() == "Ada"
    assert [path.name for path in own.iterdir()] == ["student.json"]  # neither lock nor parts


def test_deleting_the_file_forgets_all(own):
    student.change(lambda record: record.update(name="Ada"))
    (own / student.FILE).unlink()
    assert student.load() == (EMPTY, [])


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"name": 1, "trophies": {}, "boxes": {}}', '{"name": ""}', "\xff" * 9, "[" * 100_000,
     '{"name": "", "trophies": {"l03": 1}, "boxes": {}}', '{"name": "", "trophies": {}, "boxes": []}',
     '{"name": "", "trophies": {"l03": {"title": "t"}}, "boxes": {}}',
     json.dumps({**EMPTY, "trophies": {"l03": {**ENTRY, "date": "yesterday"}}}),
     '{"name": "", "trophies": {}, "boxes": {"l03": {"wrong": "many"}}}'],
)  # fmt: skip
def test_a_damaged_file_is_set_aside_and_told(content, own):
    own.mkdir()
    (own / student.FILE).write_text(content, encoding="latin-1")
    record, (note,) = student.change(lambda record: record.update(name="Ada"))
    assert record == {**EMPTY, "name": "Ada"} == student.load()[0]
    (aside,) = own.glob("student.damaged-*.json")
    assert aside.read_text(encoding="latin-1") == content and aside.name in note and "was damaged" in note
    assert student.load()[1] == []  # told once


def test_a_folder_that_cannot_be_written_keeps_it_in_memory_and_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BDLAB_HOME", str(tmp_path / "file" / "home"))  # for root too
    _, (note,) = student.change(lambda record: record["trophies"].update(l03=ENTRY))
    assert "cannot be used" in note and "BDLAB_HOME" in note and str(tmp_path) in note
    student.change(lambda record: record.update(name="Ada"))
    assert student.load()[0] == {"name": "Ada", "trophies": {"l03": ENTRY}, "boxes": {}}
    monkeypatch.setenv("BDLAB_HOME", str(tmp_path / "better"))
    student.change(lambda record: None)
    assert json.loads((tmp_path / "better" / student.FILE).read_text())["trophies"] == {"l03": ENTRY}
    assert student._kept == {}


def test_a_file_that_cannot_be_read_is_not_written_over(own):
    (own / student.FILE).mkdir(parents=True)  # reading it raises an OSError, for root too
    _, (note,) = student.change(lambda record: record.update(name="Ada"))
    assert "cannot be used" in note and (own / student.FILE).is_dir() and student.name() == "Ada"


def test_a_write_that_fails_leaves_the_old_file_whole(own, monkeypatch):
    student.change(lambda record: record.update(name="Ada"))
    before = (own / student.FILE).read_bytes()

    def full(record, part, **more):
        part.write("{")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    _, (note,) = student.change(lambda record: record.update(name="Bob"))
    assert "No space left" in note and (own / student.FILE).read_bytes() == before
    assert [path.name for path in own.iterdir()] == ["student.json"]


WRITER = """
import sys
from bdlab import student
for n in range(40):
    entry = {"title": "t", "picture": "x" * 20_000, "numbers": {}, "points": "", "date": "2026-01-02"}
    def edit(record):
        record["trophies"][f"{sys.argv[1]}-{n}"] = entry
        box = record["boxes"].setdefault("l03", {"wrong": 0, "solved": False})
        box["wrong"] += 1
    _, notes = student.change(edit)
    assert not notes, notes
"""


def test_two_notebooks_at_once_lose_nothing(own):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name], env=os.environ) for name in "ab"]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    record, notes = student.load()
    assert set(record["trophies"]) == {f"{name}-{n}" for name in "ab" for n in range(40)} and notes == []
    assert record["boxes"]["l03"]["wrong"] == 80


def test_the_lock_of_a_kernel_that_died_is_broken(own, monkeypatch):
    own.mkdir()
    lock = own / "student.lock"
    lock.touch()
    os.utime(lock, (time.time() - 60,) * 2)
    started = time.monotonic()
    assert student.change(lambda record: None)[1] == [] and time.monotonic() - started < 5 and not lock.exists()


@pytest.mark.parametrize("mode", ["autograde", "validate"])
def test_nobody_is_asked_for_while_nbgrader_runs(mode, monkeypatch):
    assert not student.silent()
    student.change(lambda record: record.update(name="Ada"))
    monkeypatch.setenv("NBGRADER_EXECUTION", mode)
    assert student.silent() and student.name() == ""


def test_the_folder_is_the_user_s_own(monkeypatch, tmp_path):
    monkeypatch.delenv("BDLAB_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert student.home().name == "bdlab"
