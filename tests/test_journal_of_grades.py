"""The secret, the record of a verdict and the journal: nothing lost, nothing twice, nothing overwritten."""

import json
import os
import stat

import pytest

from autograder.course import secret
from autograder.verdict.journal import CellGrade, Journal, Record

REASONS = ("l03_stamp: 2.5 of 4 points", "  no   values: é \u2028")
CELL = CellGrade(2.5, 4.0, REASONS, ("needs a human: eval",), ("in_place",), "in part")


def _record(student, key="k", points=2.5):
    cells = {"l03_stamp": CellGrade(points, 4.0, CELL.reasons, CELL.doubts, CELL.mistakes, CELL.cause)}
    return Record(
        student, "03_badnets", key, "A", "f" * 12, cells, ("a remark",), "", 0.25, "2026-01-01T00:00:00+00:00"
    )


def test_a_secret_is_made_once_for_its_owner_only(tmp_path):
    path = secret.init(tmp_path / "private")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = secret.load(tmp_path / "private")
    assert len(first) == 32 and len(set(first)) > 8
    with pytest.raises(ValueError, match="exists and is kept"):
        secret.init(tmp_path / "private")
    assert secret.load(tmp_path / "private") == first
    other = secret.load(secret.init(tmp_path / "other").parent)
    assert other != first and secret.fingerprint(other) != secret.fingerprint(first)
    assert secret.fingerprint(first) not in path.read_text()


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [(None, 0, "run `autograder init`"), ("ab\n", 0o600, "must hold 64"), ("x" * 64, 0o600, "must hold 64"),
     ("ab" * 32, 0o644, "chmod 600")],
)  # fmt: skip
def test_a_secret_that_is_missing_damaged_or_open_is_refused(content, mode, message, tmp_path):
    if content is not None:
        (tmp_path / "secret").write_text(content)
        (tmp_path / "secret").chmod(mode)
    with pytest.raises(ValueError, match=message):
        secret.load(tmp_path)


def test_records_come_back_as_they_were_and_the_last_one_counts(tmp_path):
    path = tmp_path / "journal" / "a.jsonl"
    journal = Journal.open(path)
    for record in (_record("ada"), _record("bo"), _record("ada", "k2", 4.0)):
        journal.add(record)
    again = Journal.open(path)
    assert again.records == journal.records == {"ada": _record("ada", "k2", 4.0), "bo": _record("bo")}
    assert again.by_key["k"] == _record("bo") and again.damaged == 0
    assert again.records["bo"].points == 2.5 and again.records["bo"].doubts == ["l03_stamp: needs a human: eval"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_any_torn_last_line_is_cut_off_and_what_follows_is_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    Journal.open(path).add(_record("ada"))
    whole = path.read_bytes()
    Journal.open(path).add(_record("bo"))
    second = path.read_bytes()[len(whole) :]
    for cut in range(0, len(second), 37):
        path.write_bytes(whole + second[:cut])
        journal = Journal.open(path)
        assert set(journal.records) == {"ada"} and journal.damaged == 0
        journal.add(_record("cy"))
        assert set(Journal.open(path).records) == {"ada", "cy"}


def test_reading_touches_nothing_and_leaves_out_what_is_being_written(tmp_path):
    path = tmp_path / "a.jsonl"
    assert Journal.read(path).records == {} and not path.exists()
    Journal.open(path).add(_record("ada"))
    path.write_bytes(path.read_bytes() + b'{"sum": "half')
    before = path.read_bytes()
    assert set(Journal.read(path).records) == {"ada"} and path.read_bytes() == before


def test_a_changed_line_does_not_count(tmp_path):
    path = tmp_path / "a.jsonl"
    journal = Journal.open(path)
    for student in ("ada", "bo", "cy"):
        journal.add(_record(student))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"2.5", b"4.0", 1)
    path.write_bytes(b"".join([*lines, b"not json\n", json.dumps({"sum": 1, "record": 2}).encode() + b"\n"]))
    again = Journal.open(path)
    assert set(again.records) == {"ada", "cy"} and again.damaged == 3


def test_a_full_disk_loses_no_record_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    journal = Journal.open(path)
    journal.add(_record("ada"))

    def full(handle, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            journal.add(_record("bo"))
    assert set(journal.records) == {"ada"} == set(Journal.open(path).records)
