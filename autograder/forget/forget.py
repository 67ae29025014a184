"""One student out of a course folder: what is there is found, shown, then removed; what cannot be is listed.

Other students' rows, files and lines stay as they are, to the bit.  Stopped half way, the same call again completes it: the
gradebook, which knows the names, comes last.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from autograder.forget import files
from autograder.forget.person import Person, difficulty, person
from autograder.gradebook.read import count
from autograder.gradebook.remove import remove_rows

OWN = ("submitted", "autograded", "feedback", "repaired")
"""Folders of the course folder with a folder for each student."""
MADE = {"reports": "autograder report", "exported": "autograder export"}
"""Folders whose files are made from the others, and the command that makes them."""
OURS = ("source", "release", "secret", ".jupyter")
"""Nothing of students is in these."""
LOOKED = 50 << 20
"""Bytes of a file beyond which it is not looked into."""
UNKNOWN = (
    "backups of this machine and copies of the course folder",
    "the learning platform: what was handed in there, and the marks and feedback it was given",
    "git, if somebody committed what lies here; reports and exports written elsewhere with --out",
    "marks that others have already been told, and hand-ins of others that name the student",
)
"""Where a student can still be, beyond what this command sees."""
Remove = Callable[[], object]


@dataclass(frozen=True)
class Finding:
    """Something of the student's.  what: it is, in words; remove: does that, None where a human must.

    sure: it shows that there is such a student; a word on a page does not.
    """

    path: Path
    what: str
    remove: Remove | None = field(default=None, repr=False)
    sure: bool = False


def find(root: Path, student: str) -> list[Finding]:
    """All that the course folder `root` is found to hold of `student`, in the order in which it is removed.

    Raises: `ValueError` for what is no name, and where nothing is found.
    """
    if not student or "/" in student or "\0" in student or student in (".", ".."):
        raise ValueError(f"student must be a student's name as the gradebook has it, got {student!r}")
    if not root.is_dir():
        raise ValueError(f"course must be a course folder, got {root}, which is none")
    one = person(root, student)
    found = list(_found(root, one))
    if not any(finding.sure for finding in found):
        told = difficulty(root, student, OWN)
        raise ValueError(f"{student!r} is nowhere in {root}; a name must be exact{told}")
    return sorted(found, key=lambda finding: (finding.path.name == "gradebook.db", str(finding.path)))


def forget(root: Path, student: str) -> list[Finding]:
    """Remove all that `find` finds and can be removed.  Returns: what is left to a human.

    Raises: `RuntimeError` where something was still there afterwards.
    """
    found = find(root, student)
    for finding in found:
        if finding.remove is not None:
            finding.remove()
    left = [finding for finding in found if finding.remove is None]
    again = [finding for finding in _found(root, person(root, student)) if finding.remove is not None]
    if again:
        raise RuntimeError(f"{again[0].path} still has something of {student!r}: does another command write there?")
    return left


def _found(root: Path, one: Person) -> Iterator[Finding]:
    lessons = _lessons(root, one)
    for top in sorted(root.iterdir()):
        if top.name in OURS:
            continue
        if top.name in OWN:
            yield from _own(top / one.id)
        elif top.name.startswith(".collecting-"):
            yield Finding(top, "left by a `collect` that was stopped", partial(shutil.rmtree, top))
        elif top.is_dir() and not top.is_symlink():
            for path in _files(top):
                yield from (_made(path, one, top.name, lessons) if top.name in MADE else _file(path, one, root))
        elif top.name == "gradebook.db":
            rows = count(top, one.id)
            if rows:
                yield Finding(top, f"rows: {rows}", partial(remove_rows, top, one.id), sure=True)
        else:
            yield from _file(top, one, root)


def _own(folder: Path) -> Iterator[Finding]:
    if folder.is_symlink() or folder.is_file():
        yield Finding(folder, "a link or a file", folder.unlink, sure=True)
    elif folder.is_dir():
        inside = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        size = sum(path.stat().st_size for path in inside)
        yield Finding(folder, f"files: {len(inside)}, {size / 1024:.0f} KB", partial(shutil.rmtree, folder), sure=True)


def _lessons(root: Path, one: Person) -> set[str]:
    """The assignments that they handed something in for."""
    return {path.name for top in OWN for path in (root / top / one.id).glob("*") if path.is_dir()}


def _files(folder: Path) -> Iterator[Path]:
    for here, _, names in os.walk(folder):
        yield from (Path(here, name) for name in sorted(names))


def _made(path: Path, one: Person, top: str, lessons: Iterable[str]) -> Iterator[Finding]:
    """A page that names them, or shows their answer without the name."""
    theirs = top == "reports" and any(path.name in (f"{name}.html", f"{name}-anonymous.html") for name in lessons)
    if theirs or _mentions(path, one):
        how = "removed as a whole" if path.suffix != ".png" else "removed"
        yield Finding(path, f"{how}; `{MADE[top]}` makes it anew", path.unlink)


def _file(path: Path, one: Person, root: Path) -> Iterator[Finding]:
    """Lines of a table, of a journal or of our notes are cut out; other files a human must look at."""
    if path.is_symlink() or not path.is_file():
        return
    known = files.cut_for(path)
    if known is not None:
        cut, unit = known
        kept, count = cut(path.read_bytes(), one)
        if count:
            yield Finding(path, f"{unit}: {count}", partial(files.rewrite, path, cut, one), sure=True)
        if _named(kept, one):
            yield Finding(path, "names them in other places; look at it")
    elif zipfile.is_zipfile(path):
        if _mentions(path, one):
            yield Finding(path, "an archive: nothing can be cut out of it, and collecting it again brings them back")
    elif path.stat().st_size > LOOKED:
        yield Finding(path, f"has more than {LOOKED >> 20} MB and was not looked into")
    elif _mentions(path, one) or one.names_in(str(path.relative_to(root))):
        yield Finding(path, "names them; look at it")


def _mentions(path: Path, one: Person) -> bool:
    """Whether a file names them: in its bytes, or in an archive's list of members."""
    if path.is_symlink() or not path.is_file():
        return False
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                return any(one.names_in(name) for name in archive.namelist())
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
            return True
    return path.stat().st_size <= LOOKED and _named(path.read_bytes(), one)


def _named(data: bytes, one: Person) -> bool:
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = data.decode("utf-16" if marked else "utf-8", "replace")
    return one.names_in(re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text))
