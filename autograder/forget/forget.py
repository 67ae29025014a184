"""One student out of a course folder: what is there is found, shown, then removed; what cannot be is listed.

What is theirs is told by the field or column that names a student, never by a value alone: a student may be called 'A'.
Other students' rows, files and lines stay as they are, to the bit.  Stopped half way, the same call again completes it: the
gradebook, which knows the names, comes last.
"""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from autograder.course.folder import place
from autograder.exchange.roster import NAMES
from autograder.exchange.tables import plain
from autograder.gradebook.read import count, people
from autograder.gradebook.remove import remove_rows

OWN = ("submitted", "autograded", "feedback", "repaired")
"""Folders of the course folder with a folder for each student."""
MADE = {"reports": "autograder report", "exported": "autograder export"}
"""Folders whose files are made from the others, and the command that makes them."""
OURS = ("source", "release", "secret", "judged_by", ".jupyter")
"""Nothing of students is in these."""
COLUMNS = {plain(name) for key in ("student", "email", "username") for name in NAMES[key]}
"""Of a table, which name a student."""
LOOKED = 50 << 20
"""Bytes of a file beyond which it is not looked into."""
UNKNOWN = (
    "backups of this machine and copies of the course folder",
    "the learning platform: what was handed in there, and the marks and feedback it was given",
    "git, if somebody committed what lies here; reports and exports written elsewhere with --out",
    "marks that others have already been told, and hand-ins of others that name the student",
)
"""Where a student can still be, beyond what this command sees."""


@dataclass(frozen=True)
class Finding:
    """Something of the student's.  what: it is, in words; remove: does that, None where a human must.

    sure: it shows that there is such a student; a word on a page does not.
    """

    path: Path
    what: str
    remove: Callable[[], object] | None = field(default=None, repr=False)
    sure: bool = False


def find(root: Path, student: str) -> list[Finding]:
    """All that the course folder `root` is found to hold of `student`, in the order in which it is removed.

    Raises: `ValueError` for what is no name, and where nothing is found.
    """
    if not student or "/" in student or "\0" in student or student in (".", ".."):
        raise ValueError(f"student must be a student's name as the gradebook has it, got {student!r}")
    if not root.is_dir():
        raise ValueError(f"course must be a course folder, got {root}, which is none")
    found = sorted(_found(root, student), key=lambda one: (one.path.name == "gradebook.db", str(one.path)))
    if not any(one.sure for one in found):
        raise ValueError(
            f"{student!r} is nowhere in {root}; give the name exactly as submitted/ or the gradebook has it"
        )
    return found


def forget(root: Path, student: str) -> list[Finding]:
    """Remove all that `find` finds and can be removed.  Returns: what is left to a human.

    Raises: `RuntimeError` where something was still there afterwards.
    """
    found = find(root, student)
    for one in found:
        if one.remove is not None:
            one.remove()
    again = [one for one in _found(root, student) if one.remove is not None]
    if again:
        raise RuntimeError(f"{again[0].path} still has something of {student!r}: does another command write there?")
    return [one for one in found if one.remove is None]


class _Person(NamedTuple):
    """email: '' where none is known; called: what finds a name of theirs in a text, as a word."""

    id: str
    email: str
    called: re.Pattern[str]

    def named(self, data: bytes) -> bool:
        """Whether a file of this content names them."""
        text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8", "replace")
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
        return self.called.search(text) is not None


def _person(root: Path, student: str) -> _Person:
    """'ada' is a word of its own, not in 'ada_b' or 'ada@example.org'."""
    first, last, email, number = people(root / "gradebook.db").get(student, ("",) * 4)
    names = {email, number if len(number) > 2 else ""}
    if first and last:
        names |= {f"{first} {last}", f"{last}, {first}", re.sub(r"\W", "", f"{last}{first}").lower()}
    spelled = {form for name in names - {"", student} for form in (name, html.escape(name))}
    own = rf"(?<![\w.@+-]){re.escape(student)}(?![\w@+-]|\.(?!ipynb|html|csv|zip)\w)"
    words = [rf"(?<![^\W_]){re.escape(name)}(?![^\W_])" for name in spelled]
    return _Person(student, email, re.compile("|".join([own, *words])))


def _found(root: Path, student: str) -> Iterator[Finding]:
    one = _person(root, student)
    lessons = {path.name for top in OWN for path in (root / top / student).glob("*") if path.is_dir()}
    for top in sorted(root.iterdir()):
        own = top / student
        if top.name in OWN and (own.is_symlink() or own.is_file()):
            yield Finding(own, "a link or a file", own.unlink, sure=True)
        elif top.name in OWN and own.is_dir():
            many = sum(path.is_file() for path in own.rglob("*"))
            yield Finding(own, f"files: {many}", partial(shutil.rmtree, own), sure=True)
        elif top.name.startswith(".collecting-"):
            yield Finding(top, "left by a `collect` that was stopped", partial(shutil.rmtree, top))
        elif top.name == "gradebook.db":
            if rows := count(top, student):
                yield Finding(top, f"rows: {rows}", partial(remove_rows, top, student), sure=True)
        elif top.name not in (*OWN, *OURS) and not top.is_symlink():
            files = [path for path in (top, *sorted(top.rglob("*"))) if path.is_file() and not path.is_symlink()]
            for path in files:
                yield from _page(path, one, MADE[top.name], lessons) if top.name in MADE else _file(path, one)


def _page(path: Path, one: _Person, command: str, lessons: Collection[str]) -> Iterator[Finding]:
    """What names them, or is of a lesson that they handed in: it may show their answer without the name."""
    theirs = path.name.startswith(tuple(f"{name}{end}" for name in lessons for end in ".-"))
    if theirs or (path.stat().st_size <= LOOKED and one.named(path.read_bytes())):
        yield Finding(path, f"removed as a whole; `{command}` makes it anew", path.unlink)


def _file(path: Path, one: _Person) -> Iterator[Finding]:
    """Lines of a table, of a journal or of our notes are cut out; other files a human must look at."""
    kept, cut = b"", CUTS.get(path.suffix.lower())
    if cut is not None or path.stat().st_size <= LOOKED:
        data = path.read_bytes()
        kept = cut(data, one) if cut else data
        if kept != data:
            gone = data.count(b"\n") - kept.count(b"\n")
            yield Finding(path, f"lines: {gone}", partial(place, path, kept, path.stat().st_mode & 0o777), sure=True)
    if zipfile.is_zipfile(path):
        yield Finding(path, "an archive: nothing can be cut out of it, and collecting it again may bring them back")
    elif cut is None and path.stat().st_size > LOOKED:
        yield Finding(path, f"has more than {LOOKED >> 20} MB and was not looked into")
    elif one.named(kept) or one.called.search(path.name):
        yield Finding(path, "names them; look at it")


def _verdicts(data: bytes, one: _Person) -> bytes:
    """A journal without theirs, damaged ones too.  A text in a verdict that says the same has more backslashes."""
    theirs = re.compile(rf'(?<!\\)\\"student\\": \\"{re.escape(one.id)}\\"'.encode())
    return b"".join(line for line in data.splitlines(keepends=True) if not theirs.search(line))


def _notes(data: bytes, one: _Person) -> bytes:
    """What `collect` noted, student -> note, without theirs; another file as it is."""
    try:
        found = json.loads(data)
        del found[one.id]["claim"], found[one.id]
    except (ValueError, RecursionError, KeyError, TypeError):
        return data
    return json.dumps(found, indent=1, ensure_ascii=False).encode()


def _rows(data: bytes, one: _Person) -> bytes:
    """A table without rows that have their id or address in one of `COLUMNS`.  UTF-16 stays as it is."""
    lines = [line.decode("latin-1") for line in data.splitlines(keepends=True)]  # every byte is a character
    reader = csv.reader(lines, delimiter=max(",;\t", key=lines[0].count) if lines else ",")
    names = {name.encode().decode("latin-1") for name in (one.id, one.email) if name}
    kept, start, columns = list[str](), 0, set[int]()
    try:
        for row in reader:
            if not start:
                columns = {at for at, head in enumerate(row) if plain(head.removeprefix("\xef\xbb\xbf")) in COLUMNS}
            if not names & {cell.strip() for at, cell in enumerate(row) if at in columns}:
                kept += lines[start : reader.line_num]
            start = reader.line_num
    except csv.Error:
        return data
    return "".join(kept).encode("latin-1")


CUTS: dict[str, Callable[[bytes, _Person], bytes]] = {".jsonl": _verdicts, ".json": _notes, ".csv": _rows}
"""By the suffix of a file: its content without a student's."""
