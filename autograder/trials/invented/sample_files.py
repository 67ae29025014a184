"""A drawn class as files: a course folder or a learning platform's archive, the roster, and the key to all of it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from autograder.course.folder import place
from autograder.exchange.platforms import canvas, moodle, platform
from autograder.exchange.tables import written
from autograder.trials.invented import mishaps
from autograder.trials.invented.sample_class import Drawn, HandIn
from autograder.trials.invented.samples import fill, fresh

KEY = "deserved.json"
ROSTER = "roster.csv"
WORKSHEET = "worksheet.csv"
IN_ARCHIVES = (*mishaps.IN_FILE, "renamed", "numbered")
"""Mishaps that survive an upload: platforms take files, not folders, and `collect` takes notebooks only."""
SUBMITTED = "Friday, 2 January 2026, 3:04 PM"
TIMESTAMP = "2026-01-02 15:04:00 UTC"
WHEN = (2026, 1, 2, 15, 4, 0)
WORKSHEET_HEADS = (
    "Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed",
    "Last modified (submission)", "Online text", "Last modified (grade)", "Feedback comments",
)  # fmt: skip
"""Of Moodle's grading worksheet, as the platform's module has read it in Moodle's source."""


def write(drawn: Drawn, root: Path, archive: str | None = None) -> Path:
    """A fresh course folder with roster, key and hand-ins: below submitted/, or in inbox/ as one archive.

    archive: 'moodle', 'canvas' or 'plain'.  Returns: where the hand-ins are.
    """
    if archive is not None:
        platform(archive)
    release = _plain(fresh(drawn.home, root))
    place(root / ROSTER, _roster(drawn.hand_ins).encode())
    place(root / KEY, json.dumps(key(drawn), indent=1, ensure_ascii=False).encode())
    if archive is None:
        for one in drawn.hand_ins:
            _submit(root / "submitted" / one.student / drawn.home.name, files(one, release, drawn.home.name))
        return root / "submitted"
    if archive == "moodle":
        place(root / WORKSHEET, _worksheet(drawn.hand_ins).encode())
    return place(root / "inbox" / f"{drawn.home.name}-{archive}.zip", packed(drawn, release, archive))


def packed(drawn: Drawn, release: bytes, archive: str) -> bytes:
    """The zip that a platform would give.  release: the released notebook, each cell's text in one piece."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for number, one in enumerate(drawn.hand_ins):
            for name, data in files(one, release, drawn.home.name).items():
                member = zipfile.ZipInfo(_member(archive, number, one, name), WHEN)
                made.writestr(member, data, zipfile.ZIP_DEFLATED, 1)
    return out.getvalue()


def files(one: HandIn, release: bytes, lesson: str) -> dict[str, bytes]:
    """Name -> contents of what this student hands in."""
    book = json.loads(release)
    fill(book, one.answers, one.essay)
    return mishaps.handed_in(one.mishap, book, f"{lesson}.ipynb")


def _plain(path: Path) -> bytes:
    """The released notebook with each cell's text in one piece."""
    book = json.loads(path.read_bytes())
    for cell in book["cells"]:
        cell["source"] = "".join(cell["source"])
    return json.dumps(book).encode()


def _submit(folder: Path, found: dict[str, bytes]) -> None:
    for name, data in {**found, "timestamp.txt": TIMESTAMP.encode()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def key(drawn: Drawn) -> dict[str, object]:
    """What everybody deserves, and what was planted, as JSON."""
    people = {
        one.student: {
            "kind": one.kind, "mishap": one.mishap, "points": dict(one.deserved), "total": one.total,
            "essay": bool(one.essay) and one.kind != "unreadable", "answers": dict(one.names),
        }
        for one in drawn.hand_ins
    }  # fmt: skip
    copies = [{"copy": one.student, "of": one.copied} for one in drawn.hand_ins if one.copied]
    planted = [{"exercise": exercise, "mistake": mutant} for exercise, mutant in drawn.planted]
    return {"lesson": drawn.home.name, "seed": drawn.seed, "planted": planted, "copies": copies, "students": people}


def _numbers(number: int) -> tuple[int, int]:
    """Canvas's number of a user, and Moodle's of a participant."""
    return 4711 + 13 * number, 90210 + number


def _email(one: HandIn) -> str:
    return f"{one.student}@example.org"


def _roster(hand_ins: Iterable[HandIn]) -> str:
    heads = ["student_id", "first_name", "last_name", "email", "canvas_id", "username", "id_number"]
    rows = [
        [one.student, one.first, one.last, _email(one), str(_numbers(n)[0]), f"u_{one.student}", f"s{_numbers(n)[0]}"]
        for n, one in enumerate(hand_ins)
    ]
    return written(heads, rows)


def _worksheet(hand_ins: Iterable[HandIn]) -> str:
    rows = [
        [f"Participant {_numbers(n)[1]}", f"{one.first} {one.last}", _email(one), "Submitted for grading", "", "20", "Yes",
         SUBMITTED, "", "-", ""]
        for n, one in enumerate(hand_ins)
    ]  # fmt: skip
    return written(WORKSHEET_HEADS, rows)


def _member(archive: str, number: int, one: HandIn, name: str) -> str:
    """What the platform calls a file of theirs."""
    user, participant = _numbers(number)
    if archive == "canvas":
        return f"{canvas.sortable(one.first, one.last)}_{user}_{70_000 + number}_{name}"
    if archive == "moodle":
        return f"{moodle.cleaned(f'{one.first} {one.last}')}_{participant}_assignsubmission_file/{name}"
    return f"{one.student}/{name}"
