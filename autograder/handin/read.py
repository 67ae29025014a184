"""What a student handed in, read without trust: a regular file of bounded size, cells with their text, and nothing else."""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIMIT = 20 << 20
"""Bytes of a notebook."""
SOURCE, CELLS, TEXT, COPIES = 200_000, 1_000, 2_000_000, 20
"""Characters of one cell, how many cells there may be, characters of all of them, and cells of one grade_id."""
NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.I)
"""How the name of a notebook ends; some browsers add to it."""
COLAB = {"colab", "colab_type", "executionInfo", "outputId"}
"""What Colab puts into metadata; executionInfo can hold a name and a picture."""


class Unreadable(ValueError):
    """No notebook can be had from it; the text tells the student why and what to do."""


@dataclass(frozen=True)
class Cell:
    """One cell.  kind: 'code', 'markdown' or another word; grade_id: nbgrader's name for it, '' where it has none.

    pictures: whether some are attached to it.
    """

    kind: str
    source: str
    grade_id: str = ""
    pictures: bool = False


@dataclass(frozen=True)
class HandedIn:
    """A notebook that was handed in.  remarks: what had to be mended to read it, one sentence each.

    form: how its file differs from one that JupyterLab saves here, which costs nobody anything, in the same way.
    """

    cells: tuple[Cell, ...]
    remarks: list[str] = field(default_factory=list)
    form: list[str] = field(default_factory=list)


def find(folder: Path, name: str) -> tuple[Path, list[str]]:
    """The notebook `name` in a student's folder, else the only other one, with a remark.

    Raises: `Unreadable` where there is none, or several and none of that name.
    """
    if folder.is_symlink():
        raise Unreadable("the folder handed in is a link; hand in the notebook itself")
    found = folder.iterdir() if folder.is_dir() else ()
    others = sorted(path for path in found if NOTEBOOK.search(path.name) and path.name != name and _is_file(path))
    if _is_file(folder / name):
        told = f"{len(others)} other notebooks lay beside {name}, which alone counts"
        return folder / name, [told] if others else []
    if len(others) == 1:
        return others[0], ["the notebook had another name"]
    told = f"{len(others)} notebooks of other names" if others else "no notebook"
    raise Unreadable(f"{told} handed in, expected {name}")


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode) if os.path.lexists(path) else False


def contents(path: Path) -> bytes:
    """The bytes of a regular file; a link, a pipe, or a file that is too long is refused."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        raise Unreadable(f"{plain(path.name)} must be a file, not a link or a folder; hand in the notebook") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Unreadable(f"{plain(path.name)} must be a file, not a link or a folder; hand in the notebook")
    with os.fdopen(handle, "rb") as file:
        data = file.read(LIMIT + 1)
    if len(data) > LIMIT:
        told = f"{plain(path.name)} must have at most {LIMIT >> 20} MB; clear its outputs and hand it in again"
        raise Unreadable(told)
    return data


def read(data: bytes, name: str = "the notebook") -> HandedIn:
    """The cells of a notebook of any format.  Raises: `Unreadable` for what is none."""
    remarks, name = [], plain(name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", "replace")
        remarks.append("some characters were damaged; they read as \N{REPLACEMENT CHARACTER}")
    try:
        book = json.loads(text)
        parts = book.get("worksheets", [book])  # format 3 had worksheets
        found = [cell for part in parts for cell in part["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unreadable(f"{name} must be a notebook (.ipynb); save it again in JupyterLab or Colab") from None
    if len(found) > CELLS:
        raise Unreadable(f"{name} must have at most {CELLS} cells, it has {len(found)}")
    cells = tuple(cell for cell in map(_cell, found) if cell is not None)
    return HandedIn(_bounded(cells, remarks), remarks, _form(data, book, found))


def _bounded(cells: tuple[Cell, ...], remarks: list[str]) -> tuple[Cell, ...]:
    """Those that are read.  Of one grade_id the last ones stay, and where there is too much text, too."""
    short = [cell for cell in cells if not _long(cell)]
    kept, room, copies = list[Cell](), TEXT, Counter[str]()
    for cell in reversed(short):
        copies[cell.grade_id] += bool(cell.grade_id)
        if copies[cell.grade_id] <= COPIES and len(cell.source) <= room:
            room -= len(cell.source)
            kept.append(cell)
    if len(short) < len(cells):
        remarks.append(f"{len(cells) - len(short)} cells with more than {SOURCE} characters were left out")
    if len(kept) < len(short):
        told = f"{COPIES} copies of a cell or {TEXT} characters were left out"
        remarks.append(f"{len(short) - len(kept)} cells beyond {told}")
    return tuple(reversed(kept))


def _form(data: bytes, book: dict[str, Any], cells: list[Any]) -> list[str]:
    """How a file differs from one that JupyterLab saves; see `HandedIn`."""
    form = [book.get("nbformat"), book.get("nbformat_minor")]
    old = all(isinstance(number, int) for number in form) and form < [4, 5]
    metadata = [one.get("metadata") for one in (book, *cells) if isinstance(one, dict)]
    colab = any(isinstance(one, dict) and not COLAB.isdisjoint(one) for one in metadata)
    told = {
        "it began with a byte order mark": data.startswith(b"\xef\xbb\xbf"),
        "its lines ended as on Windows": b"\r\n" in data or b"\\r\\n" in data,
        f"it had the old notebook format {'.'.join(map(str, form)) if old else ''}": old,
        "it came from Colab; what Colab adds, a person's name among it, is left out": colab,
    }
    return [sentence for sentence, holds in told.items() if holds]


def plain(name: str) -> str:
    """The name of a file as people may be told it: a student can put markup into one."""
    return re.sub(r"[^\w .()-]", "?", name)[:80]


def _long(cell: Cell) -> bool:
    """Also where it would grow too long on its way into a jail, which writes other alphabets as escapes."""
    return len(cell.source) > SOURCE or (not cell.source.isascii() and len(json.dumps(cell.source)) > 4 * SOURCE)


def _cell(found: Any) -> Cell | None:
    if not isinstance(found, dict):
        return None
    source = found.get("source", found.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        return None
    metadata = found.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = marks.get("grade_id", "") if isinstance(marks, dict) else ""
    clean = re.sub(r"\r\n?", "\n", source)
    kind = found.get("cell_type", "")
    names = [word if isinstance(word, str) else "" for word in (kind, grade_id)]
    return Cell(names[0], clean, names[1], pictures=bool(found.get("attachments")))
