"""Files that public bug reports describe: each comes in with what it holds, or is refused with its own reason."""

import csv
import errno
import io
import shutil
import sqlite3
import sys
import unicodedata
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import cases_grading as cases
import grading_course
import platform_archives as pa
import pytest
from test_collect import Place, released  # noqa: F401  the fixture
from typer.testing import CliRunner

from autograder import cli
from autograder.course.nbgrader import nbgrader
from autograder.exchange import arrival, export, marks, roster
from autograder.exchange.platforms import moodle
from autograder.handin import timestamp
from autograder.handin.read import Unreadable, find, read

FILE = f"{cases.LESSON}.ipynb"


@pytest.fixture
def place(released, tmp_path):  # noqa: F811
    root = shutil.copytree(released, tmp_path / "course")
    (root / "release" / cases.LESSON / FILE).write_bytes(cases.RELEASED)
    return Place(root, tmp_path)


@pytest.mark.parametrize("kind", cases.READABLE)
def test_what_can_be_read_keeps_the_students_text(kind):
    found = read(cases.READABLE[kind], FILE)
    (answer,) = [cell.source for cell in found.cells if cell.source.startswith("def stamp(images)")]
    assert answer.replace(" \N{REPLACEMENT CHARACTER}", "") == cases.WRITTEN
    assert len(found.cells) == len(read(cases.RELEASED).cells)
    assert "".join(cell.source for cell in found.cells).encode()  # no half character is left
    told = " ".join([*found.remarks, *found.form])
    assert {"utf-16": "UTF-16", "older,": "another file"}.get(kind.split()[0], "") in told


@pytest.mark.parametrize("kind", cases.REFUSED)
def test_what_is_no_notebook_is_refused_with_its_own_reason(kind):
    data, reason = cases.REFUSED[kind]
    with pytest.raises(Unreadable, match=reason):
        read(data, FILE)


@pytest.mark.parametrize("name", ["x.ipynb.txt", "x.ipynb.json", "x.IPYNB", "x.ipynb-1.txt", "x.ipynb (1).txt"])
@pytest.mark.parametrize("source", ["moodle", "canvas", "plain"])
def test_a_name_that_a_browser_added_to_is_taken(place, source, name):
    one = place.people[0]
    members = {
        "moodle": pa.moodle_name(one, name), "canvas": pa.canvas_name(one, name, 70001), "plain": f"{one.student}/{name}"
    }  # fmt: skip
    found = place.run(
        source, {members[source]: cases.solved()}, worksheet=place.worksheet if source == "moodle" else None
    )
    assert found.new == [one.student] and not found.none
    assert (place.handed_in(one.student) / FILE).read_bytes() == cases.solved()


@pytest.mark.parametrize("forms", [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
@pytest.mark.parametrize("source", ["moodle", "canvas"])
def test_a_name_is_the_same_in_both_unicode_forms(place, source, forms):
    in_zip, in_tables = forms
    jorg = replace(place.people[0], first="J\N{LATIN SMALL LETTER O WITH DIAERESIS}rg", last="M\xfcller")
    place.roster.write_text(unicodedata.normalize(in_tables, pa.roster([jorg])))
    place.worksheet.write_text(unicodedata.normalize(in_tables, pa.worksheet([jorg])))
    name = pa.moodle_name(jorg, FILE) if source == "moodle" else pa.canvas_name(jorg, FILE, 70001)
    members = {unicodedata.normalize(in_zip, name): cases.solved()}
    found = place.run(source, members, worksheet=place.worksheet if source == "moodle" else None)
    assert found.new == [jorg.student] and not [line for line in found.told if "calls them" in line[1]]


@pytest.mark.parametrize("first", [FILE, f"{cases.LESSON} (1).ipynb"])
def test_a_human_is_asked_where_the_lesson_as_released_lies_beside_another(place, first):
    second = {FILE: f"{cases.LESSON} (1).ipynb"}.get(first, FILE)
    found = place.run("plain", {f"ada/{first}": cases.RELEASED, f"ada/{second}": cases.solved()})
    folder = place.handed_in("ada")
    if second == FILE:  # the one with the right name is the student's: it counts
        assert find(folder, FILE)[0].read_bytes() == cases.solved()
        return
    assert any(who == "ada" and "leaves it to a human" in line for who, line in found.told)
    assert {path.read_bytes() for path in folder.glob("*.ipynb")} == {cases.RELEASED, cases.solved()}
    with pytest.raises(Unreadable, match="2 notebooks of other names"):
        find(folder, FILE)


def test_two_untouched_notebooks_ask_nobody(place):
    place.run("plain", {f"ada/{FILE}": cases.RELEASED, "ada/copy.ipynb": cases.RELEASED})
    assert find(place.handed_in("ada"), FILE)[0].read_bytes() == cases.RELEASED


# Platforms

TIMES = (
    "Friday, 9 January 2026, 3:04 PM", "Friday, January 9, 2026, 3:04 PM", "Friday, 9 January 2026, 3:04 pm",
    "Friday, 9 January 2026, 15:04", "9 Jan 2026, 3:04\N{NARROW NO-BREAK SPACE}p.m.", "Friday, 9 January 2026 at 3:04 PM",
    "Freitag, 9. Januar 2026, 15:04", "Freitag, 9. J\xe4nner 2026, 15:04", "2026-01-09 15:04",
)  # fmt: skip
"""What Moodle writes for one moment, in every English and in German."""
GERMAN = {
    "Identifier": "ID", "Full name": "Vollst\xe4ndiger Name", "Email address": "E-Mail-Adresse", "Grade": "Bewertung",
    "Maximum Grade": "Bestwertung", "Last modified (submission)": "Zuletzt ge\xe4ndert (Abgabe)",
    "Last modified (grade)": "Zuletzt ge\xe4ndert (Bewertung)",
}  # fmt: skip


def german(who, when=TIMES[-3], maximum="20,00"):
    """A grading worksheet as Moodle writes it in German."""
    (heads, *rows) = csv.reader(io.StringIO(pa.worksheet(who, {one.student: when for one in who}, maximum)))
    rows = [[row[0].replace("Participant ", "Teilnehmer/in"), *row[1:]] for row in rows]
    return pa.table([GERMAN.get(head, head) for head in heads], rows)


def moodle_zip(place, file=FILE):
    return {pa.moodle_name(one, file): cases.solved() for one in place.people}


@pytest.mark.parametrize("text", TIMES)
def test_moodle_tells_the_time_in_every_english_and_in_german(text):
    assert moodle.time(text) == datetime(2026, 1, 9, 15, 4)


@pytest.mark.parametrize("text", ["vendredi 9 janvier 2026, 15:04", "09/01/2026 15:04", "January 2026"])
def test_another_language_names_the_setting(text):
    with pytest.raises(ValueError, match="set Moodle to English or German and download the worksheet again"):
        moodle.time(text)


def test_a_german_worksheet_brings_in_a_class_and_takes_its_marks_with_decimal_commas(place):
    place.worksheet.write_text(german(place.people))
    found = place.run("moodle", moodle_zip(place), worksheet=place.worksheet)
    assert len(found.new) == len(place.people) and found.times == {"the worksheet": len(place.people)}
    pa.enter(place.root, {"ada": (4.0, 2.5, 1.0), "bela": (0.0, 2.0, 0.0)})
    sent = export.to_moodle(marks.book(place.root, pa.LESSON, pa.LESSON), True, place.root, place.worksheet)
    given = {row["ID"]: row["Bewertung"] for row in pa.parsed(sent.text.decode()) if row["Bewertung"]}
    assert given == {"Teilnehmer/in90210": "7,5", "Teilnehmer/in90211": "2"}
    place.worksheet.write_text(german(place.people, maximum="20.00"))
    sent = export.to_moodle(marks.book(place.root, pa.LESSON, pa.LESSON), True, place.root, place.worksheet)
    assert [row["Bewertung"] for row in pa.parsed(sent.text.decode())][:2] == ["7.5", "2"]


def test_a_worksheet_in_another_language_names_the_setting(place):
    place.worksheet.write_text(pa.worksheet(place.people).replace("Identifier", "Identifiant"))
    with pytest.raises(ValueError, match=r"must have a column 'Identifier'.*; set Moodle to English or German"):
        place.run("moodle", moodle_zip(place), worksheet=place.worksheet)


def test_blind_marking_is_one_clear_line(place):
    heads, *rows = csv.reader(io.StringIO(pa.worksheet(place.people)))
    place.worksheet.write_text(pa.table(heads[:1] + heads[3:], [row[:1] + row[3:] for row in rows]))
    with pytest.raises(ValueError, match=r"marking is anonymous\. In Moodle: Reveal student identities"):
        place.run("moodle", {f"Participant_90210_assignsubmission_file/{FILE}": b"1"}, worksheet=place.worksheet)


@pytest.mark.parametrize("name", ["Team Rot_8801", "Default group_0"])
def test_a_hand_in_of_a_group_is_one_clear_line(place, name):
    heads, *rows = csv.reader(io.StringIO(pa.worksheet(place.people)))
    place.worksheet.write_text(pa.table([*heads, "Group"], [[*row, "Team Rot"] for row in rows]))
    before = place.snapshot()
    with pytest.raises(ValueError, match=r"is a group, .* for each member, and give that with --from plain"):
        place.run("moodle", {f"{name}_assignsubmission_file/{FILE}": b"1"}, worksheet=place.worksheet)
    assert place.snapshot() == before


def split_names(text):
    """Canvas's export with 'Show student first and last names'."""
    (heads, *rows) = csv.reader(io.StringIO(text))
    return pa.table(["LastName", "FirstName", *heads[1:]], [[*[*row[0].split(", "), ""][:2], *row[1:]] for row in rows])


@pytest.mark.parametrize("change", [str, split_names, lambda text: text.replace("Essay (880)", "Current Score")])
def test_canvas_keeps_who_is_excused_and_takes_doubled_columns_and_split_names(place, change):
    place.run("canvas", {pa.canvas_name(one, FILE, 70001 + i): b"1" for i, one in enumerate(place.people)})
    pa.enter(place.root, {one.student: (4.0, 5.0, 1.0) for one in place.people})
    heads, *rows = csv.reader(io.StringIO(pa.gradebook(place.people)))
    rows[1][6], rows[2][6] = "EX", "N/A"
    template = place.folder / "gradebook.csv"
    template.write_text(change(pa.table(heads, rows)))
    sent = export.to_canvas(marks.book(place.root, pa.LESSON, pa.LESSON), True, template, "Lesson 3")
    at = next(csv.reader(io.StringIO(sent.text.decode()))).index("Lesson 3 (881)")
    column = [row[at] for row in csv.reader(io.StringIO(sent.text.decode()))]
    assert column[2:] == ["EX", "N/A", *["10"] * 6] and not {"ada", "bela"} & set(sent.marks)
    assert not {"ada", "bela"} & {student for student, _ in sent.without}
    assert any("ada is 'EX'" in line for line in sent.told) and any("bela is 'N/A'" in line for line in sent.told)


def test_who_left_the_course_is_listed_by_collect_and_left_out_by_export(place, monkeypatch):
    place.run("plain", {f"{one.student}/{FILE}": cases.solved() for one in place.people})
    pa.enter(place.root, {one.student: (4.0, 5.0, 1.0) for one in place.people})
    place.roster.write_text(pa.roster(place.people[:6]))
    found = place.run("plain", {f"ada/{FILE}": cases.solved()})
    assert found.left == ["gus", "hana"]
    run = CliRunner().invoke(cli.app, ["export", "03", "--no-feedback", "--with-pending", "--course", str(place.root),
                                       "--roster", str(place.roster)])  # fmt: skip
    assert run.exit_code == 0 and "left the course, left out: 2\n  gus\n  hana\n" in run.output
    rows = pa.parsed((place.root / "exported" / f"{pa.LESSON}.csv").read_text("utf-8-sig"))
    assert [row["student_id"] for row in rows] == [one.student for one in place.people[:6]]


# Spreadsheets and rosters of platforms


def rostered(tmp_path, text):
    path = tmp_path / "roster.csv"
    path.write_text(text, encoding="utf-8-sig")
    return roster.roster(path)


def test_rosters_as_spreadsheets_leave_them(tmp_path):
    for first in ("sep=;\n", '"sep=;"\r\n', ""):
        assert list(rostered(tmp_path, f"{first}student_id;last_name\nada;Ahorn, Dr.\nbela;Birke\n")) == ["ada", "bela"]
    short = rostered(tmp_path, "student_id,last_name,notes,group\nada,Ahorn,x,y\nbela,Birke\n")
    assert short["bela"] == roster.Student("bela", last="Birke")
    assert list(rostered(tmp_path, "student_id,group,group,,\nada,A,B,,,,\n")) == ["ada"]


@pytest.mark.parametrize("value", ["2.02612E+11", "2,02612E+11", "2E11"])
@pytest.mark.parametrize("column", ["student_id", "canvas_id", "id_number"])
def test_a_number_that_a_spreadsheet_rounded_is_refused_with_the_reason(tmp_path, column, value):
    row = {"student_id": "ada", "last_name": "Ahorn", column: value}
    with pytest.raises(ValueError, match="a number that a spreadsheet has rounded; format its column as text"):
        rostered(tmp_path, ";".join(row) + "\n" + ";".join(row.values()) + "\n")


def test_the_platforms_own_lists_are_rosters(tmp_path):
    moodles = "First name,Last name,ID number,Email address,Groups\nAda,Ahorn,d01,ada@example.org,\nBo,Ek,{},b@x.org,\n"
    assert list(rostered(tmp_path, moodles.format("d02"))) == ["d01", "d02"]
    assert list(rostered(tmp_path, moodles.format(""))) == ["ada@example.org", "b@x.org"]  # not everybody has a number
    text = pa.gradebook(pa.people(2)) + '"Student, Test",999,,,S,,,\n'
    for form in (str, split_names):
        found = rostered(tmp_path, form(text))
        assert found["ada@example.org"].canvas == "4711" and len(found) == 2
        assert (found["ada@example.org"].first, found["ada@example.org"].last) == ("Ada", "Ahorn")


# Faults of the machine


def said(monkeypatch, capsys, *arguments):
    """Exit status and last words of `autograder ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["autograder", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


def test_a_locked_or_damaged_gradebook_is_one_line(place, monkeypatch, capsys):
    archive = pa.archive(place.folder / "a.zip", {f"ada/{FILE}": cases.solved()})
    collect = ("collect", archive, "03", "--roster", place.roster, "--course", place.root)
    path = place.root / "gradebook.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        status, told = said(monkeypatch, capsys, *collect)
    assert status == 1 and "locked" in told and "close what has it open" in told and told.count("\n") == 1
    with closing(sqlite3.connect(path)) as other:  # reading goes on, writing does not
        other.execute("BEGIN IMMEDIATE")
        status, told = said(monkeypatch, capsys, *collect)
    assert status == 1 and "locked" in told and told.count("\n") == 1
    path.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 8)
    status, told = said(monkeypatch, capsys, *collect)
    assert status == 1 and "gradebook" in told and told.count("\n") == 1
    assert not (place.root / "submitted").exists()


def test_a_full_disk_tells_what_was_entered(place, monkeypatch, capsys):
    from autograder.gradebook import enter

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write(*arguments):
        work = SimpleNamespace(root=place.root, home=Path(cases.LESSON), name=cases.LESSON)
        return enter.write(work, [SimpleNamespace(student="ada"), SimpleNamespace(student="bela")])

    monkeypatch.setattr(enter, "_Verdict", lambda work, record: record)
    monkeypatch.setattr(enter._Rows, "enter", lambda rows, found: [])
    monkeypatch.setattr(enter, "_file", full)
    monkeypatch.setattr(cli, "app", write)
    status, told = said(monkeypatch, capsys)
    assert status == 1 and told.count("\n") == 1 and "No space left on device" in told
    assert "2 of 2 verdicts were entered before; the same command goes on" in told


@pytest.mark.parametrize("name", ["course [x]", "a*b", "[ab]"])
def test_a_course_below_brackets_is_released_and_gets_its_feedback(tmp_path, name):
    from autograder.gradebook import enter
    from autograder.verdict.assignment import assignment
    from autograder.verdict.journal import CellGrade, Record

    root = tmp_path / name / "course"
    root.parent.mkdir()
    grading_course.course(root)
    work = assignment(root, grading_course.HOME)
    cells = {task.id: CellGrade(0.0, task.points, ("no",), ()) for task in grading_course.TASKS}
    who = work.students()[0]
    assert enter.write(work, [Record(who, work.name, "", "A", "", cells, (), "", 0.0, "")]) == []
    enter.feedback(root, work.name)
    assert (root / "feedback" / who / work.name / f"{work.name}.html").stat().st_size > 10_000
    shutil.rmtree(root / "release")
    nbgrader(root, "generate_assignment", work.name, "--force")
    assert (root / "release" / work.name / FILE).is_file()


@pytest.mark.parametrize(
    ("text", "readings"),
    [("2026-10-25 02:30", ("00:30", "01:30")), ("2026-03-29 02:30", ("01:30", "00:30"))],
)
def test_the_hour_that_daylight_saving_skips_or_doubles_is_refused_with_both_readings(text, readings):
    berlin = arrival.timezone("Europe/Berlin")
    with pytest.raises(ValueError, match="in the hour that daylight saving skips or doubles") as refused:
        arrival.moment(text, berlin)
    for reading in readings:
        assert f"'{text[:10]} {reading} UTC'" in str(refused.value)
        assert arrival.moment(f"{text[:10]} {reading} UTC", berlin)
    assert arrival.moment(f"{text[:10]} 04:30", berlin).hour in (2, 3)


@pytest.mark.parametrize(("seconds", "told"), [(1.5, "1 min"), (61, "2 min"), (3599, "60 min"), (5400, "1.5 hours")])
def test_who_is_late_is_never_late_by_nothing(seconds, told):
    assert timestamp.span(seconds) == told
