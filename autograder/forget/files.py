"""A student's lines out of files that hold a whole class: journals, tables, notes.  All other bytes stay.

What is theirs is told by the field or column that names a student, never by a value alone: a student may be called 'A'.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.course.folder import place
from autograder.exchange.roster import NAMES
from autograder.exchange.tables import plain
from autograder.forget.person import Person

Cut = Callable[[bytes, Person], tuple[bytes, int]]
"""The bytes without the student's, and how many lines or entries were theirs."""
FIELDS = ("student", "student_id", "copy", "of")
"""Fields of our own files that hold a student's name."""


def lines(data: bytes, one: Person) -> tuple[bytes, int]:
    """JSON lines whose field `student` it is: a journal's verdicts, also damaged ones, which count for nobody."""
    found = re.findall(rb"[^\n]*\n|[^\n]+", data)
    kept = [line for line in found if not _theirs(line, one)]
    return b"".join(kept), len(found) - len(kept)


def _theirs(line: bytes, one: Person) -> bool:
    try:
        value = json.loads(line)
        if isinstance(value, dict) and isinstance(value.get("record"), str):
            value = json.loads(value["record"])
    except (ValueError, RecursionError):
        said = rf'student\\*"\s*:\s*\\*"{re.escape(one.id)}\\*"'
        return re.search(said.encode(), line) is not None
    return _is(value, one)


def _is(value: Any, one: Person) -> bool:
    return isinstance(value, dict) and any(value.get(name) == one.id for name in FIELDS)


def rows(data: bytes, one: Person) -> tuple[bytes, int]:
    """A table: rows with their id or address in a column that is named after one, as in a roster.  UTF-16 is left alone."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data, 0
    text = data.decode("latin-1").removeprefix("\xef\xbb\xbf")  # every byte is a character, the same afterwards
    exact = {name.encode().decode("latin-1") for name in one.exact}
    found = re.findall(r"[^\n]*\n|[^\n]+", text)
    separator = max(",;\t", key=lambda mark: found[0].count(mark)) if found else ","
    reader, kept, last, gone = csv.reader(iter(found), delimiter=separator), list[str](), 0, 0
    wanted = {plain(name) for key in ("student", "email", "username") for name in NAMES[key]}
    try:
        columns = {at for at, head in enumerate(next(reader, [])) if plain(head) in wanted}
        kept, last = found[: reader.line_num], reader.line_num
        for row in reader:
            if exact & {cell.strip() for at, cell in enumerate(row) if at in columns}:
                gone += 1
            else:
                kept += found[last : reader.line_num]
            last = reader.line_num
    except csv.Error:
        return data, 0
    return data[: len(data) - len(text)] + "".join(kept).encode("latin-1"), gone


def notes(data: bytes, one: Person) -> tuple[bytes, int]:
    """What `collect` noted: student -> note."""
    return _rewritten(data, lambda found: int(found.pop(one.id, None) is not None))


def key(data: bytes, one: Person) -> tuple[bytes, int]:
    """The key of a sample class."""

    def cut(found: dict[str, Any]) -> int:
        copies = found.get("copies", [])
        found["copies"] = [pair for pair in copies if not _is(pair, one)]
        return int(found.get("students", {}).pop(one.id, None) is not None) + len(copies) - len(found["copies"])

    return _rewritten(data, cut)


def _rewritten(data: bytes, cut: Callable[[dict[str, Any]], int]) -> tuple[bytes, int]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return data, 0
    count = cut(found) if isinstance(found, dict) else 0
    return (json.dumps(found, indent=1, ensure_ascii=False).encode() if count else data), count


def cut_for(path: Path) -> tuple[Cut, str] | None:
    """How a student is cut out of this file, and what the parts are called; None where it cannot be known."""
    if path.suffix == ".json":
        known = {"collected": notes, "deserved.json": key}
        found = known.get(path.parent.name) or known.get(path.name)
        return (found, "entries") if found else None
    return {".jsonl": (lines, "lines"), ".csv": (rows, "rows")}.get(path.suffix.lower())


def rewrite(path: Path, cut: Cut, one: Person) -> None:
    """The file without the student's lines, at one stroke and on the disk, with the rights that it had."""
    kept, _ = cut(path.read_bytes(), one)
    place(path, kept, path.stat().st_mode & 0o777)
