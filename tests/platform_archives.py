"""Archives, worksheets and gradebooks as Moodle and Canvas write them, by their documented names, of invented students."""

import csv
import io
import json
import re
import zipfile
from dataclasses import dataclass

LESSON = "03_badnets"
CELLS = {"l03_stamp": 4.0, "l03_poison": 5.0, "l03_essay": 11.0}
"""Graded cells of the small course and their points."""

FIRST = ("Ada", "Bela", "Carl", "Dora", "Emil", "Fay", "Gus", "Hana")
LAST = ("Ahorn", "Birke", "Ceder", "Dattel", "Eiche", "Fichte", "Ginkgo", "Hasel")
HEADS = (
    "Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed",
    "Last modified (submission)", "Online text", "Last modified (grade)", "Feedback comments",
)  # fmt: skip
"""Of Moodle's grading worksheet."""
SUBMITTED = "Friday, 2 January 2026, 3:04 PM"
DOWNLOADED = (2026, 1, 9, 8, 30, 0)


@dataclass(frozen=True)
class Person:
    """Somebody in the class, as the platforms know them."""

    student: str
    first: str
    last: str
    canvas: str
    participant: str

    @property
    def email(self):
        return f"{self.student}@example.org"

    @property
    def full(self):
        return f"{self.first} {self.last}"


def people(n=8):
    """n invented people with numbers of their own."""
    found = []
    for i in range(n):
        again = i // 8
        last = LAST[(i + again) % 8] + (f"-{again}" if again else "")
        found.append(
            Person(f"{FIRST[i % 8].lower()}{again or ''}", FIRST[i % 8], last, str(4711 + 13 * i), str(90210 + i))
        )
    return found


def roster(who):
    """A roster with all columns."""
    rows = [
        [one.student, one.first, one.last, one.email, one.canvas, f"u_{one.student}", f"s{one.canvas}"] for one in who
    ]
    return table(["student_id", "first_name", "last_name", "email", "canvas_id", "username", "id_number"], rows)


def table(heads, rows, separator=","):
    """CSV text."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows([heads, *rows])
    return out.getvalue()


def parsed(text, separator=","):
    """The rows of a CSV text as dicts."""
    return list(csv.DictReader(io.StringIO(text), delimiter=separator))


def archive(path, members, time=DOWNLOADED):
    """A zip of name -> bytes; all of one time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name, time), data, zipfile.ZIP_DEFLATED)
    return path


def moodle_name(one, file, layout="folders"):
    """Of a member, in the three ways that Moodle has had."""
    full = re.sub(r"[\x00-\x1f&<>\"`|':\\/]", "", one.full.replace("_", " "))
    start = f"{full}_{one.participant}_assignsubmission_file"
    return start + {"folders": "/", "older": "_/", "flat": "_"}[layout] + file


def canvas_name(one, file, attachment, late=False):
    """Of a member, as Canvas has it."""
    who = re.sub(r"\W", "", f"{one.last}, {one.first}").lower()
    return "_".join([who, *(["LATE"] if late else []), one.canvas, str(attachment), file])


def worksheet(who, times=None, maximum="20"):
    """Moodle's grading worksheet.  times: student -> as Moodle writes it."""
    rows = [
        [f"Participant {one.participant}", one.full, one.email, "Submitted for grading", "", maximum, "Yes",
         (times or {}).get(one.student, SUBMITTED), "", "-", ""]
        for one in who
    ]  # fmt: skip
    return table(HEADS, rows)


def gradebook(who, title="Lesson 3 (881)", maximum="20"):
    """Canvas's export of the gradebook: our column between another and the totals."""
    heads = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Essay (880)", title, "Current Score"]
    top = ["    Points Possible", "", "", "", "", "10", maximum, "(read only)"]
    rows = [
        [f"{one.last}, {one.first}", one.canvas, f"s{one.canvas}", one.email, "A, B", "7.5", "", "75"] for one in who
    ]
    return table(heads, [top, *rows])


def worksheet_import(text, participants):
    """What the upload of a worksheet makes of one: number -> points, without empty ones and those above the maximum."""
    found = {}
    for row in parsed(text):
        assert {"Identifier", "Grade", "Last modified (grade)"} <= set(row)
        who = row["Identifier"][len("Participant ") :]
        if who in participants and row["Grade"] != "" and 0 <= float(row["Grade"]) <= float(row["Maximum Grade"]):
            found[participants[who]] = float(row["Grade"])
    return found


def feedback_owner_moodle(name, participants):
    """Whose feedback a member is, as Moodle's upload of feedback files reads its name; None: nobody's."""
    if name.rpartition("/")[2].startswith((".", "~")):
        return None
    parts = name.split("/")
    for at, part in enumerate(parts):
        info = part.split("_", 4)
        if (
            len(info) >= 4
            and info[1].isdigit()
            and info[1] in participants
            and info[2:4] == ["assignsubmission", "file"]
        ):
            file = "/".join([info[4] if len(info) == 5 else "", *parts[at + 1 :]])
            return participants[info[1]], file.strip("/")
    return None


def feedback_owner_canvas(name, attachments):
    """Whose feedback a member is, as Canvas reads it: the first two numbers.  attachments: number -> number of the user."""
    numbers = [part for part in name.split("_") if part.isdigit()][:2]
    if len(numbers) < 2 or attachments.get(numbers[1]) != numbers[0]:
        return None
    return numbers[0]


def canvas_import(text, title="Lesson 3 (881)"):
    """What Canvas's gradebook import reads: number of the user -> points, and the points possible."""
    separator = ";" if text.split("\n")[0].count(";") > text.split("\n")[0].count(",") else ","
    heads, *rows = csv.reader(io.StringIO(text), delimiter=separator)
    assert "Student" in heads[0] and "ID" in heads[1]
    columns = 5 if heads[2] == "SIS User ID" and heads[3] == "SIS Login ID" else 4
    assert "Section" in heads[columns - 1]
    at, points, possible = heads.index(title), {}, None
    assert re.fullmatch(r".*\s\(\d+\)", heads[at])
    for row in rows:
        if all(re.fullmatch(r"\s*(Muted|Manual Posting.*)?\s*", cell) for cell in row):
            continue
        if "Points Possible" in row[0]:
            possible = float(row[at])
        elif row[at] not in ("", "N/A"):
            points[row[1]] = float(row[at])
    return points, possible


def notebook(*sources):
    """The bytes of a notebook with these cells."""
    cells = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in sources]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def small_course(root):
    """A course folder with a released lesson and a gradebook, without what grading needs."""
    from nbgrader.api import Base
    from sqlalchemy import create_engine

    path = root / "release" / LESSON / f"{LESSON}.ipynb"
    path.parent.mkdir(parents=True)
    root.chmod(0o700)
    marks = [{"grade": True, "grade_id": name, "points": points} for name, points in CELLS.items()]
    cells = [{"cell_type": "code", "source": "", "metadata": {"nbgrader": mark}, "outputs": []} for mark in marks]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    Base.metadata.create_all(
        create_engine(f"sqlite:///{root / 'gradebook.db'}")
    )  # nbgrader runs a program for a new one
    with book(root) as made:
        made.add_assignment(LESSON)
        made.add_notebook(LESSON, LESSON)
        for name, points in CELLS.items():
            made.add_grade_cell(name, LESSON, LESSON, max_score=points, cell_type="code")
    return root


def book(root):
    """The gradebook, open."""
    from nbgrader.api import Gradebook

    return Gradebook(f"sqlite:///{root / 'gradebook.db'}")


def enter(root, points, pending=(), penalty=None):
    """Marks into the gradebook.  points: student -> points of each cell; pending: whose essay waits for a human."""
    from autograder.gradebook.read import together

    with book(root) as open_book, together(open_book):
        for student, given in points.items():
            open_book.update_or_create_student(student)
            submission = open_book.update_or_create_submission(LESSON, student)
            (own,) = submission.notebooks
            own.late_submission_penalty = (penalty or {}).get(student)
            for grade in own.grades:
                grade.auto_score = given[list(CELLS).index(grade.cell.name)]
                grade.needs_manual_grade = student in pending and grade.cell.name == "l03_essay"


def files(root):
    """Every file below a folder: name -> (bytes, time of change)."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*")) if path.is_file()
    }  # fmt: skip
