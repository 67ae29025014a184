"""Who is in the class: a CSV file with a line for each student, and the same in nbgrader's gradebook."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from autograder.exchange.tables import Table, harmless, plain, read, written
from autograder.gradebook.read import students as students_of
from autograder.handin.sanitize import is_student

LONGEST = 128
"""Characters that a name may have in nbgrader's gradebook."""
NAMES: dict[str, tuple[str, ...]] = {
    "student": ("student_id", "id"),
    "first": ("first_name", "FirstName", "given name", "Vorname"),
    "last": ("last_name", "LastName", "surname", "family name", "Nachname"),
    "email": ("email", "email address", "e-mail", "E-Mail-Adresse"),
    "canvas": ("canvas_id", "lms_user_id"),
    "username": ("username", "login", "SIS Login ID", "Anmeldename"),
    "number": ("id_number", "idnumber", "SIS User ID", "ID-Nummer", "Matrikelnummer"),
}
"""What a roster may say of a student, and what its column may be called."""
ROUNDED = re.compile(r"\d+(?:[.,]\d+)?E\+?\d+", re.I)
UNITS = {"w": 7 * 24 * 60, "d": 24 * 60, "h": 60, "m": 1}
"""Minutes."""
SPAN = re.compile(r"(?:\d+(?:\.\d+)?\s*[wdhm]\s*)+")


@dataclass(frozen=True)
class Student:
    """One line.  canvas: the number that Canvas knows them by; username, number: Moodle's username and ID number."""

    student: str
    first: str = ""
    last: str = ""
    email: str = ""
    canvas: str = ""
    username: str = ""
    number: str = ""

    @property
    def name(self) -> str:
        """'Ada Byron', or what is known of it."""
        return f"{self.first} {self.last}".strip()


def roster(path: Path, by: str = "") -> dict[str, Student]:
    """Student -> what the roster says.  by: the column of a platform's list that becomes student_id.

    Raises: `ValueError` for a file without `student_id`, a name that is none, and what two students share.
    """
    table = read(path)
    where, rows, full = _columns(table, by)
    found: dict[str, Student] = {}
    for row in rows:
        one = Student(**{key: _clean(row[at]) for key, at in where.items()})
        if full is not None:  # 'Byron, Ada'
            last, _, first = _clean(row[full]).partition(", ")
            one = replace(one, first=first, last=last)
        _check(path, one)
        if one.student in found:
            raise ValueError(f"{path.name} must have each student once; {one.student!r} is there twice")
        found[one.student] = one
    if not found:
        raise ValueError(f"{path.name} must have a line for each student; it has none below its columns' names")
    _unique(path, found.values())
    return found


def text(students: Iterable[Student]) -> str:
    """The same as a roster of our own."""
    rows = [[harmless(getattr(one, part.name)) for part in fields(one)] for one in students]
    return written([NAMES[part.name][0] for part in fields(Student)], rows)


def _columns(table: Table, by: str) -> tuple[dict[str, int], list[tuple[str, ...]], int | None]:
    """Where things stand, the rows that are students, and where a whole name stands.

    A platform's own list has no student_id: the login, else the ID number, else the address that everybody has is taken.
    """
    where = {key: at for key, names in NAMES.items() if (at := table.column(*names)) is not None}
    rows, full = list(table.rows), None
    if _is_canvas(table):
        where["canvas"], full = table.needs("ID"), table.column("Student")
        where.pop("student", None)
        rows = [row for row in rows if row[where["canvas"]].strip() and not ", ".join(row).startswith("Student, Test,")]
    keys = [key for key in ("username", "number", "email") if key in where and all(row[where[key]].strip() for row in rows)]
    moodles = table.column("Email address", "E-Mail-Adresse") is not None
    if by:
        where["student"] = table.needs(by)
    elif "student" not in where and keys and (moodles or full is not None or "canvas" in where):
        where["student"] = where[keys[0]]
    return where | ({} if "student" in where else {"student": table.needs(*NAMES["student"])}), rows, full


def unused(path: Path) -> list[str]:
    """Columns of a roster, not of Canvas's gradebook, that nothing is taken from."""
    table, known = read(path), {plain(name) for names in NAMES.values() for name in names}
    return [] if _is_canvas(table) else [head for head in table.heads if plain(head) not in known]


def _is_canvas(table: Table) -> bool:
    """Whether it is an export of Canvas's gradebook."""
    return table.column("Section") is not None and table.column("SIS Login ID") is not None


def _clean(cell: str) -> str:
    return " ".join(unicodedata.normalize("NFC", cell).split())


def _check(path: Path, one: Student) -> None:
    rounded = [value for value in (one.student, one.canvas, one.username, one.number) if ROUNDED.fullmatch(value)]
    if rounded:
        raise ValueError(
            f"{path.name} has {rounded[0]!r}, a number that a spreadsheet has rounded; format its column as text before the "
            "numbers go in, and export the table again"
        )
    if not is_student(one.student):
        raise ValueError(
            f"student_id in {path.name} must be letters, digits and _ . @ + -, at most {LONGEST}, got {one.student!r}"
        )
    for part in fields(one):
        value = getattr(one, part.name)
        if len(value) > LONGEST or not value.isprintable():
            raise ValueError(f"{part.name} of {one.student!r} in {path.name} must be at most {LONGEST} plain characters")
    if one.canvas and not re.fullmatch(r"[1-9]\d*", one.canvas):
        raise ValueError(f"canvas_id of {one.student!r} in {path.name} must be a number, got {one.canvas!r}")


def _unique(path: Path, students: Iterable[Student]) -> None:
    """What names a person names one: folders differ in more than case, and so do addresses."""
    seen: dict[tuple[str, str], str] = {}
    for one in students:
        for key in ("student", "email", "canvas", "username", "number"):
            value = getattr(one, key).casefold()
            other = seen.setdefault((key, value), one.student) if value else one.student
            if other != one.student:
                raise ValueError(
                    f"{NAMES[key][0]} must be another for each student in {path.name}; "
                    f"{other!r} and {one.student!r} have {value!r}"
                )


def span(text: str) -> timedelta | None:
    """'2d', '36h', '1d 12h', '0': how much longer somebody has.  None for nothing said."""
    if not text:
        return None
    if text == "0":
        return timedelta(0)
    if not SPAN.fullmatch(text):
        raise ValueError(f"extension must be like 2d, 36h, 90m or 0, got {text!r}")
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([wdhm])", text)
    minutes = sum(float(number) * UNITS[unit] for number, unit in parts)
    if minutes > 366 * UNITS["d"]:
        raise ValueError(f"extension must be at most a year, got {text!r}")
    return timedelta(minutes=minutes)


def exceptions(path: Path, known: Mapping[str, Student]) -> dict[str, tuple[timedelta | None, str]]:
    """Student -> (how much longer they have, when they handed in), from a CSV file with `student_id` and one of both.

    Its columns are `extension` and `handed_in`; what is empty says nothing: None, ''.
    """
    table: Table = read(path)
    who, longer, when = table.needs(*NAMES["student"]), table.column("extension"), table.column("handed_in")
    if longer is None and when is None:
        table.needs("extension")
    found: dict[str, tuple[timedelta | None, str]] = {}
    for row in table.rows:
        student = _clean(row[who])
        if student not in known:
            raise ValueError(f"student_id in {path.name} must be a student of the roster, got {student!r}")
        if student in found:
            raise ValueError(f"{path.name} must have each student once; {student!r} is there twice")
        given = span(_clean(row[longer])) if longer is not None else None
        found[student] = (given, _clean(row[when]) if when is not None else "")
    return found


def enter(book: Any, students: Iterable[Student]) -> int:
    """Put the students into an open gradebook; a name or address that the roster leaves empty stays.

    Returns: how many are new.
    """
    from nbgrader.api import Student as Row

    rows, new = students_of(book), 0
    for one in students:
        if one.student not in rows:
            rows[one.student] = Row(id=one.student)
            book.db.add(rows[one.student])
            new += 1
        said = {"first_name": one.first, "last_name": one.last, "email": one.email}
        said["lms_user_id"] = one.canvas or one.username or one.number
        for name, value in said.items():
            if value and getattr(rows[one.student], name) != value:
                setattr(rows[one.student], name, value)
    return new
