"""CSV files as people hand them over, of the usual encodings and separators; and written so that nothing in them acts."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT = 20 << 20
"""Bytes of a table."""
ACTIVE = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet takes a cell that begins so for a formula, or breaks at it."""
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Table:
    """The rows below `heads`, each as long as these.  separator, encoding, newline: as the file had them."""

    path: Path
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    separator: str = ","
    encoding: str = "utf-8"
    newline: str = "\n"

    def column(self, *names: str) -> int | None:
        """The place of the first column with one of these names; case, blanks and `_` do not count.

        Raises: `ValueError` where two columns have that name.
        """
        own = [plain(head) for head in self.heads]
        found = next((plain(name) for name in names if plain(name) in own), None)
        if found is not None and own.count(found) > 1:
            raise ValueError(f"{self.path.name} must have each column once; it has {found!r} more than once")
        return None if found is None else own.index(found)

    def needs(self, *names: str) -> int:
        """The same.  Raises: `ValueError` where there is none."""
        found = self.column(*names)
        if found is None:
            told = ", ".join(repr(head) for head in self.heads[:12])
            raise ValueError(f"{self.path.name} must have a column {names[0]!r}; its columns are {told}")
        return found


def plain(head: str) -> str:
    """A column's name, for comparing."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", head)).strip().lower()


def read(path: Path) -> Table:
    """The table in a CSV file: UTF-8 with or without a mark, UTF-16 with one, else cp1252; `,`, `;` or tabs.

    Excel's line `sep=;` is left out, cells that it left out at a line's end are put back.
    Raises: `ValueError` for what is none: empty, too long, a row that is too long.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); give a CSV file") from None
    if len(data) > LIMIT or (b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff"))):
        raise ValueError(f"{path.name} must be a CSV file of at most {LIMIT >> 20} MB; save the table as CSV")
    text, encoding = _decoded(data)
    said = re.match(r"\s*\"?sep=([,;\t])\"?[ ,;]*\r?\n", text, re.I)
    text = text[said.end() :] if said else text
    first = text.lstrip("\r\n").splitlines()[:1] or [""]
    separator = said[1] if said else max(",;\t", key=lambda mark: first[0].count(mark))
    try:
        found = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise ValueError(f"{path.name} must be a CSV file, but {error}; save the table again as CSV") from None
    lines = [(number, row) for number, row in enumerate(found, 1) if any(cell.strip() for cell in row)]
    if not lines:
        raise ValueError(f"{path.name} must have a line with the names of its columns; it is empty")
    heads = tuple(cell.strip() for cell in lines[0][1])
    newline = "\r\n" if "\r\n" in text else "\n"
    rows = tuple(_filled_up(path, number, row, len(heads)) for number, row in lines[1:])
    return Table(path, heads, rows, separator, encoding, newline)


def _decoded(data: bytes) -> tuple[str, str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), "utf-16"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), "cp1252"
    return text, "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"


def _filled_up(path: Path, number: int, row: list[str], length: int) -> tuple[str, ...]:
    if any(row[length:]):
        told = f"line {number} of {path.name} has {len(row)} cells"
        raise ValueError(f"{told}, its first line has {length} columns; save the table again as CSV")
    return (*row[:length], *[""] * (length - len(row)))


def written(heads: Sequence[str], rows: Sequence[Sequence[str]], separator: str = ",", newline: str = "\n") -> str:
    """The text of a CSV file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=newline)
    writer.writerow(heads)
    writer.writerows(rows)
    return out.getvalue()


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe is put before one that it would."""
    return f"'{cell}" if cell.startswith(ACTIVE) and not NUMBER.fullmatch(cell) else cell
