"""Moodle: the zip of "Download all submissions", the grading worksheet, the grade import, and feedback files.

Read in Moodle's source (mod/assign/classes/downloader.php, gradingtable.php, feedback/file/importziplib.php,
feedback/offline, grade/import/csv, files/classes/local/archive_writer) and in its documentation; nothing was tried on a
running Moodle.

- A member is `Full name_NUMBER_assignsubmission_file/PATH/FILE`, or without folders
  `Full name_NUMBER_assignsubmission_file_FILE`.  Before Moodle 4.1 the folder ended with one more `_`.  In the full name `_`
  became a blank and ``&<>"`|':\\/`` are gone, so that the number is always the second part.  With group submissions name and
  number are the group's, with anonymous ones the name is 'Participant'.
- NUMBER is the participant's number in this assignment, not the user's: only the grading worksheet of the assignment
  ("Identifier", 'Participant NUMBER') tells whose it is.
- The zip holds the last attempt only, and the time of each member is that of the download.
- The worksheet tells when it was handed in, in the language and the time zone of who downloaded it.
- Feedback goes back in a zip whose folders begin with `Full name_NUMBER_assignsubmission_file`.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autograder.exchange.platforms.claim import Claim
from autograder.exchange.tables import read

MEMBER = re.compile(r"([^_/]+)_(\d+)_(assignsubmission_[a-z]+)(?:_?/(?:.*/)?|_)([^/]+)")
DROPPED = re.compile(r"[\x00-\x1f\x7f&<>\"`|':\\/]")
IDENTIFIER = re.compile(r"\D*(\d+)")
COLUMNS = {
    "number": ("Identifier", "ID"),
    "name": ("Full name", "Vollständiger Name"),
    "email": ("Email address", "Email", "E-Mail-Adresse"),
    "username": ("Username", "Anmeldename"),
    "id_number": ("ID number", "ID-Nummer"),
    "time": ("Last modified (submission)", "Zuletzt geändert (Abgabe)"),
    "group": ("Group", "Gruppe"),
}
"""Of the worksheet, in English and German."""
GRADE = ("Grade", "Bewertung"), ("Last modified (grade)", "Zuletzt geändert (Bewertung)"), ("Maximum Grade", "Bestwertung")
LANGUAGE = "set Moodle to English or German and download the worksheet again"
DAYS, HOURS = ("%d %B %Y", "%B %d %Y", "%d %b %Y", "%b %d %Y", "%Y-%m-%d"), ("%I:%M %p", "%H:%M", "%H:%M:%S")
"""'Friday, 9 January 2026, 3:04 PM', as Moodle writes it in Britain, and what it writes elsewhere, without commas."""
MONTHS = {
    "Januar": "January", "Jänner": "January", "Februar": "February", "März": "March", "Mai": "May", "Juni": "June",
    "Juli": "July", "Oktober": "October", "Dezember": "December",
}  # fmt: skip
TELLS_TIME = False
"""Whether the time of a member is that of the hand-in."""
NUMBERED = False
"""Whether the platform puts a number behind the name of a file that is handed in again."""


@dataclass(frozen=True)
class Participant:
    """A line of the worksheet.  time: when it was handed in, as Moodle writes it, or ''."""

    number: str
    name: str
    email: str
    username: str
    id_number: str
    time: str
    group: str = ""


def claims(name: str) -> list[Claim]:
    """How a member's name reads; at most one way."""
    for start in [0, *(match.end() for match in re.finditer("/", name))]:
        found = MEMBER.fullmatch(name, start)
        if found and "/" not in found[1]:
            full, number, plugin, file = found.groups()
            rest = name[found.end(3) :]
            return [Claim(number, full, file, f"{full}_{number}_{plugin}" + ("/" if "/" in rest[:2] else "_"))]
    return []


def feedback(claim: Claim, lesson: str) -> str:
    """Where the feedback of one student stands in the zip that Moodle takes back."""
    return f"{claim.prefix}{lesson}.html"


def cleaned(name: str) -> str:
    """A full name as Moodle writes it into a file's name; the Unicode form is left to the system that unpacks."""
    return " ".join(DROPPED.sub("", unicodedata.normalize("NFC", name).replace("_", " ")).split())


def worksheet(path: Path) -> dict[str, Participant]:
    """Number -> participant, from the grading worksheet.

    Raises: `ValueError` for another file, and for a number that stands there twice.
    """
    table = read(path)
    columns = {key: table.column(*names) for key, names in COLUMNS.items()}
    if (identifier := columns.pop("number")) is None:
        heads = ", ".join(map(repr, table.heads[:9]))
        raise ValueError(f"{path.name} must have a column 'Identifier', it has {heads[:90]}; {LANGUAGE}")
    found: dict[str, Participant] = {}
    for row in table.rows:
        match = IDENTIFIER.fullmatch(row[identifier].strip())
        if not match:
            raise ValueError(f"Identifier in {path.name} must be like 'Participant 123', got {row[identifier]!r}")
        if match[1] in found:
            raise ValueError(f"{path.name} must have each participant once; {match[1]} is there twice")
        said = {key: unicodedata.normalize("NFC", row[at]).strip() for key, at in columns.items() if at is not None}
        said = dict.fromkeys(("name", "email", "username", "id_number", "time"), "") | said
        found[match[1]] = Participant(match[1], **said)
    return found


def time(text: str) -> datetime | None:
    """The time of a line of the worksheet, without its zone; None where it has none.

    Raises: `ValueError` for another language than English and German.
    """
    text = " ".join(text.replace("\u202f", " ").split())
    if text in ("", "-"):
        return None
    plain = re.sub(r"^[^\W\d]+day,? |^[^\W\d]+(?:tag|woch),? |[,.]|\b(?:at|um|Uhr)\b", "", text)
    plain = " ".join(MONTHS.get(word, word) for word in plain.split())
    for form in (f"{day} {hour}" for day in DAYS for hour in HOURS):
        with suppress(ValueError):
            return datetime.strptime(plain, form)
    raise ValueError(f"'Last modified' must be like 'Friday, 9 January 2026, 3:04 PM', got {text!r}; {LANGUAGE}")
