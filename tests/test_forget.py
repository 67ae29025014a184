"""A student goes, wherever they are in a course folder; everyone else stays, bit for bit."""

import json
import os
import shutil
import sqlite3
import stat
import zipfile
from pathlib import Path

import pytest

from autograder.commands.hand_ins import forget as command
from autograder.course import secret
from autograder.course.folder import closed
from autograder.forget import forget
from autograder.gradebook import remove
from autograder.verdict.journal import CellGrade, Journal, Record

POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has other rights, and links for few")
LESSON = "03_badnets"
STUDENTS = ("ada", "ada_b", "bela", "ada.c")
"""Names that begin like the one who goes."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A course folder as grading, collecting, reporting and exporting leave it."""
    root = tmp_path_factory.mktemp("forget") / "course"
    secret.init(root)
    with pytest.MonkeyPatch.context() as patch:
        _gradebook(root, patch)
    journal = Journal.open(root / "journal" / f"{LESSON}.jsonl")
    for number, student in enumerate((*STUDENTS, "ada")):
        cells = {"l03_stamp": CellGrade(float(number), 4.0, (f"line {number}",))}
        journal.add(Record(student, LESSON, f"key{number}", "A", "0123456789ab", cells))
    journal.path.write_bytes(journal.path.read_bytes() + journal.path.read_bytes().splitlines()[0][:-9] + b"\n")
    for student in STUDENTS:
        for top in forget.OWN:
            folder = root / top / student / LESSON
            folder.mkdir(parents=True)
            (folder / f"{LESSON}.ipynb").write_text(f"of {student}, friend of ada")
    for name, text in {
        f"reports/{LESSON}.html": "<td>ada</td><td>bela</td>",
        f"reports/{LESSON}-anonymous.html": "<td>student 001</td>",
        "reports/04_blend.html": "<td>bela</td>",
        f"exported/{LESSON}.csv": "student_id,score\nbela,4\n",
        "exported/04_blend.csv": "student_id,score\nbela,4\n",
        "exported/05_more.csv": "email,score\nada@example.org,4\n",
        "roster.csv": 'student_id,last_name,email\nada,"Ahorn,\nA",ada@example.org\n'
        "ada_b,Birke,b@example.org\r\nbela,ada,\n",
        f"collected/{LESSON}.json": json.dumps(
            {s: {"claim": {"prefix": f"{s}_4711_"}, "files": {"x": "1"}} for s in STUDENTS}, indent=1
        ),
        "inbox/notes.txt": "ada asked for more time",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(text.encode())
    _zip(root / "exported" / f"{LESSON}-canvas-feedback.zip", "ahornada_4711_1_03_badnets.html")
    _zip(root / "inbox" / "submissions.zip", "ahornada_4711_1_03_badnets.ipynb")
    _zip(root / "inbox" / "others.zip", "ceder_4800_2_03_badnets.ipynb")
    (root / ".collecting-x" / "new" / "ada").mkdir(parents=True)
    return root


def _zip(path, member):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "text")


def _gradebook(root, monkeypatch):
    from nbgrader.api import Gradebook

    monkeypatch.setattr("nbgrader.api.get_alembic_version", lambda: "0")  # it would start a process
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        book.add_assignment(LESSON)
        book.add_notebook(LESSON, LESSON)
        book.add_grade_cell("l03_stamp", LESSON, LESSON, max_score=4, cell_type="code")
        book.add_solution_cell("l03_stamp_answer", LESSON, LESSON)
        for student, last in zip(STUDENTS, ("Ahorn", "Birke", "Ceder", "Dattel"), strict=True):
            email, number = f"{student}@example.org", str(4711 + len(last))
            book.add_student(student, first_name="Ada", last_name=last, email=email, lms_user_id=number)
            with book.db.no_autoflush:
                submission = book.add_submission(LESSON, student)
            (grade,) = submission.notebooks[0].grades
            (comment,) = submission.notebooks[0].comments
            grade.manual_score, comment.manual_comment = 2.5, f"well done, {student}!"
        book.db.commit()


@pytest.fixture
def root(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "course"))


def _files(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _rows(root):
    with sqlite3.connect(root / "gradebook.db") as book:
        return {line for line in book.iterdump() if line.startswith("INSERT")}


def test_everything_is_found_and_nothing_is_done(root):
    before, told = _files(root), forget.find(root, "ada")
    names = [(str(one.path.relative_to(root)), one) for one in told]
    assert {name for name, one in names if one.remove} == {
        *(f"{top}/ada" for top in forget.OWN), "gradebook.db", f"journal/{LESSON}.jsonl", f"reports/{LESSON}.html",
        f"reports/{LESSON}-anonymous.html", f"exported/{LESSON}.csv", "exported/05_more.csv",
        f"exported/{LESSON}-canvas-feedback.zip", "roster.csv", f"collected/{LESSON}.json", ".collecting-x",
    }  # fmt: skip
    assert {name for name, one in names if not one.remove} == {
        "inbox/notes.txt", "inbox/submissions.zip", "inbox/others.zip", "roster.csv"
    }  # fmt: skip
    what = {name: one.what for name, one in names if one.remove}
    assert what["gradebook.db"] == "rows: 5" and what[f"journal/{LESSON}.jsonl"] == "lines: 3"
    assert told[-1].path.name == "gradebook.db" and _files(root) == before


def test_the_student_goes_and_everyone_else_stays_bit_for_bit(root):
    before, rows = _files(root), _rows(root)
    left = forget.forget(root, "ada")
    assert {one.path.name for one in left} == {"notes.txt", "submissions.zip", "others.zip", "roster.csv"}
    after = _files(root)
    for path, data in before.items():
        top, *rest = path.parts
        if top in forget.OWN:
            assert after.get(path) == (None if rest[0] == "ada" else data), path
        elif top in ("reports", "exported"):
            assert after.get(path) == (data if "04_blend" in path.name else None), path
    lines = before[Path(f"journal/{LESSON}.jsonl")].splitlines(keepends=True)
    assert after[Path(f"journal/{LESSON}.jsonl")] == b"".join(lines[1:4])
    assert after[Path("roster.csv")] == b"student_id,last_name,email\nada_b,Birke,b@example.org\r\nbela,ada,\n"
    notes, kept = (json.loads(files[Path(f"collected/{LESSON}.json")]) for files in (before, after))
    assert kept == {student: notes[student] for student in STUDENTS[1:]}
    gone = rows - _rows(root)
    assert _rows(root) < rows and len(gone) == 5
    assert set(Journal.open(root / "journal" / f"{LESSON}.jsonl").records) == set(STUDENTS[1:])
    assert not (root / ".collecting-x").exists() and after[Path("secret")] == before[Path("secret")]


def test_a_verdict_that_quotes_another_students_line_stays(root):
    path, quoted = root / "journal" / f"{LESSON}.jsonl", '"student": "ada" and \\"student\\": \\"ada\\"'
    Journal.open(path).add(Record("bela", LESSON, "key", "A", "0", {"l03_stamp": CellGrade(1.0, 4.0, (quoted,))}))
    left = forget.forget(root, "ada")
    kept = Journal.open(path).records
    assert set(kept) == set(STUDENTS[1:]) and kept["bela"].cells["l03_stamp"].reasons == (quoted,)
    assert path in [one.path for one in left]


def test_no_byte_of_the_name_is_left_in_the_gradebook(root):
    """Also of a comment, and of what was deleted earlier without being overwritten."""
    path = root / "gradebook.db"
    with sqlite3.connect(path) as book:
        book.execute("PRAGMA secure_delete = OFF")
        book.execute("INSERT INTO comment VALUES ('x', NULL, NULL, NULL, ?)", ("bela said of zzada " * 200,))
        book.commit()
        book.execute("DELETE FROM comment WHERE id = 'x'")
    book.close()
    assert b"zzada" in path.read_bytes() and b"well done, bela!" in path.read_bytes()
    remove.remove_rows(path, "bela")
    data = path.read_bytes()
    assert b"bela" not in data and b"zzada" not in data and b"well done, ada_b!" in data
    assert not list(root.glob("gradebook.db-*"))


@pytest.mark.parametrize("stopped", [1, 5, 9, 12])
def test_what_was_stopped_half_way_is_completed_by_the_same_call(stopped, root):
    for finding in [one for one in forget.find(root, "ada") if one.remove][:stopped]:
        finding.remove()
    forget.forget(root, "ada")
    with pytest.raises(ValueError, match="'ada' is nowhere in"):
        forget.find(root, "ada")
    assert b"well done, ada!" not in (root / "gradebook.db").read_bytes()
    assert {path.name for path in (root / "submitted").iterdir()} == set(STUDENTS[1:])


@pytest.mark.parametrize("student", ["A", LESSON, "line", "l03_stamp", "students", "of", "4711", "x"])
def test_a_word_that_stands_in_every_file_is_no_student(student, root):
    before = _files(root)
    with pytest.raises(ValueError, match="is nowhere in"):
        forget.forget(root, student)
    assert _files(root) == before


def test_what_is_too_long_to_look_into_is_told(root, monkeypatch):
    monkeypatch.setattr(forget, "LOOKED", 10)
    found = {one.path.name: one for one in forget.find(root, "ada")}
    assert "was not looked into" in found["notes.txt"].what and found[f"{LESSON}.jsonl"].what == "lines: 3"


def test_a_name_must_be_exact_and_there(root):
    before = _files(root)
    for name, told in {
        "Ada": r"'Ada' is nowhere in .*; give the name exactly as submitted/ or the gradebook has it$",
        "../ada": "student must be a student's name",
        "": "student must be a student's name",
        "submitted": "is nowhere",
        LESSON: "is nowhere",
    }.items():
        with pytest.raises(ValueError, match=told):
            forget.forget(root, name)
    with pytest.raises(ValueError, match="course must be a course folder"):
        forget.find(root / "missing", "ada")
    assert _files(root) == before


@POSIX
def test_a_link_in_place_of_a_folder_is_removed_and_not_followed(root, tmp_path):
    shutil.rmtree(root / "submitted" / "ada")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("stays")
    (root / "submitted" / "ada").symlink_to(outside)
    (root / "autograded" / "ada" / "link").symlink_to(outside)
    forget.forget(root, "ada")
    assert (outside / "file").read_text() == "stays" and not os.path.lexists(root / "submitted" / "ada")


def test_a_gradebook_in_use_is_told(root, monkeypatch):
    monkeypatch.setattr(remove, "_compact", lambda path: (_ for _ in ()).throw(sqlite3.OperationalError("locked")))
    with pytest.raises(RuntimeError, match=r"cannot be written \(locked\); close formgrader"):
        forget.forget(root, "ada")
    monkeypatch.undo()
    forget.forget(root, "ada")
    assert "ada" not in {path.name for path in (root / "submitted").iterdir()}


def test_the_command_shows_first_and_removes_with_yes(root, capsys):
    before = _files(root)
    command("ada", course=root)
    said = capsys.readouterr().out
    assert "Nothing was removed" in said and "backups" in said and "submissions.zip" in said and _files(root) == before
    command("ada", course=root, yes=True)
    said = capsys.readouterr().out
    assert "ada is out of" in said and f"reports/{LESSON}.html" in said and "git" in said
    assert not (root / "submitted" / "ada").exists() and (root / "submitted" / "ada_b").exists()


@POSIX
def test_the_course_folder_is_shut_to_others(root, tmp_path, capsys):
    """And what is rewritten stays as closed as it was; a folder that is none of ours stays open."""
    root.chmod(0o755)
    command("ada", course=root, yes=True)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700 and "could be read by others" in capsys.readouterr().out
    for name in ("secret", f"journal/{LESSON}.jsonl"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o600, name
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    assert closed(other) == other and stat.S_IMODE(other.stat().st_mode) == 0o755
