"""What goes out: each file is read back as its platform would, and the points are those of the gradebook."""

import csv
import io
import json
import re
import shutil
import stat
import sys
import zipfile

import platform_archives as pa
import pytest
from platform_archives import CELLS, LESSON
from typer.testing import CliRunner

from autograder.commands import exchange
from autograder.exchange import export, marks
from autograder.exchange.arrival import timezone
from autograder.exchange.collect import collect
from autograder.exchange.export import pack
from autograder.exchange.sorting import Plan
from autograder.gradebook.read import together

FILE = f"{LESSON}.ipynb"
POINTS = {one.student: (4.0, i / 3, 1.5 * i) for i, one in enumerate(pa.people())}
WAIT = ("bela", "gus")
PENALTY = {"carl": 2.25, "dora": 99.0}
GONE = "hana"
"""Who handed in nothing."""


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Eight students, seven hand-ins, marks, two who wait for a human, feedback pages."""
    root = pa.small_course(tmp_path_factory.mktemp("graded") / "course")
    _collected(root, "canvas", _canvas_members())
    pa.enter(root, {who: points for who, points in POINTS.items() if who != GONE}, WAIT, PENALTY)
    for one in pa.people():
        page = root / "feedback" / one.student / LESSON / f"{LESSON}.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<p>feedback for {one.student}</p>")
    return root


@pytest.fixture
def course(graded, tmp_path):
    return shutil.copytree(graded, tmp_path / "course")


def _canvas_members():
    return {_canvas(one): one.student.encode() for one in pa.people() if one.student != GONE}


def _canvas(one):
    return pa.canvas_name(one, FILE, 70000 + int(one.canvas), one.student == "emil")


def _collected(root, source, members, layout=None):
    archive = pa.archive(root.parent / f"{source}.zip", members)
    (root.parent / "roster.csv").write_text(pa.roster(pa.people()))
    (root.parent / "worksheet.csv").write_text(pa.worksheet(pa.people()))
    sheet = root.parent / "worksheet.csv" if source == "moodle" else None
    return collect(Plan(root, LESSON, LESSON, archive, source, root.parent / "roster.csv", sheet, zone=timezone("UTC")))


def _score(student):
    return max(0.0, sum(POINTS[student]) - PENALTY.get(student, 0.0))


def _ready(pending=False):
    """Student -> points that go out."""
    return {who: _score(who) for who in POINTS if who != GONE and (pending or who not in WAIT)}


def _numbers():
    return {one.canvas: one.student for one in pa.people()}


def test_marks_are_those_of_nbgraders_own_export(course):
    book = marks.book(course, LESSON, LESSON)
    assert book.maximum == sum(CELLS.values()) and list(book.marks[0].points) == list(CELLS)
    with pa.book(course) as open_book:
        theirs = {
            found.student_id: max(0.0, found.score - found.late_submission_penalty)
            for found in open_book.assignment_submissions(LESSON)
        }
    assert {one.student: one.score for one in book.marks} == pytest.approx(theirs) and len(theirs) == 7
    assert {one.student for one in book.marks if one.pending} == set(WAIT)


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_moodles_worksheet_gets_the_points_and_keeps_the_rest(course, separator, encoding):
    path = course.parent / "worksheet.csv"
    text = pa.worksheet(pa.people()).replace('"Friday, 2 January', '"=Friday, 2 January')
    rows = list(csv.reader(io.StringIO(text)))
    rows[2][4] = "3"  # bela has an older mark, and waits
    path.write_bytes(pa.table(rows[0], rows[1:], separator).encode(encoding))
    sent = export.to_moodle(marks.book(course, LESSON, LESSON), False, course, path)
    assert sent.text.startswith(b"\xef\xbb\xbf") is (encoding == "utf-8-sig")
    after = list(csv.reader(io.StringIO(sent.text.decode(encoding)), delimiter=separator))
    plain = pa.table(after[0], after[1:])
    participants = {one.participant: one.student for one in pa.people()}
    assert pa.worksheet_import(plain, participants) == pytest.approx({**_ready(), "bela": 3.0})
    assert [row[:4] + row[5:] for row in after] == [row[:4] + row[5:] for row in rows]


def test_the_worksheet_of_another_assignment_is_refused(course):
    """There a number is somebody else's."""
    _collected(course, "moodle", {pa.moodle_name(one, FILE): one.student.encode() for one in pa.people()})
    book, path = marks.book(course, LESSON, LESSON), course.parent / "worksheet.csv"
    assert export.to_moodle(book, False, course, path).marks == pytest.approx(_ready())
    path.write_text(pa.worksheet(pa.people()).replace("Participant 90210", "Participant 9").replace("90211", "90210"))
    with pytest.raises(
        ValueError, match="must be the worksheet of this assignment: its participant 90210 is 'Bela Birke'"
    ):
        export.to_moodle(book, False, course, path)


def test_points_above_moodles_maximum_are_refused(course):
    path = course.parent / "worksheet.csv"
    path.write_text(pa.worksheet(pa.people(), maximum="10.00"))
    with pytest.raises(ValueError, match=r"has the maximum grade 10\.00, emil has 11\.333"):
        export.to_moodle(marks.book(course, LESSON, LESSON), False, course, path)


@pytest.mark.parametrize("pending", [False, True])
def test_canvas_gets_the_points_and_only_our_column_changes(course, pending):
    path = course.parent / "gradebook.csv"
    before = list(csv.reader(io.StringIO(pa.gradebook(pa.people()))))
    before[3][6] = "3"  # bela has an older mark
    before[4][6] = "N/A"  # carl need not hand in
    before.insert(1, ["", "", "", "", "", "", "Manual Posting", ""])
    path.write_text(pa.table(before[0], before[1:]))
    sent = export.to_canvas(marks.book(course, LESSON, LESSON), pending, path, "Lesson 3")
    points, possible = pa.canvas_import(sent.text.decode())
    expected = {who: score for who, score in _ready(pending).items() if who != "carl"}
    assert {_numbers()[who]: given for who, given in points.items()} == pytest.approx(
        expected if pending else {**expected, "bela": 3.0}
    )
    after = list(csv.reader(io.StringIO(sent.text.decode())))
    assert [row[:6] + row[7:] for row in after] == [row[:6] + row[7:] for row in before] and possible == 20
    assert after[1:3] == before[1:3] and "carl is 'N/A' in Canvas: excused or not assigned; that stays" in sent.told


def test_an_assignment_that_canvas_does_not_have_is_refused(course):
    path = course.parent / "gradebook.csv"
    path.write_text(pa.gradebook(pa.people()))
    book = marks.book(course, LESSON, LESSON)
    for wrong in (None, "Lesson 4", "lesson"):
        with pytest.raises(ValueError, match=r"--assignment must name one .* 'Essay \(880\)', 'Lesson 3 \(881\)'"):
            export.to_canvas(book, False, path, wrong)
    assert (
        export.to_canvas(book, False, path, "881").marks
        == export.to_canvas(book, False, path, "Lesson 3 (881)").marks
    )
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="must have a column 'Student'"):
        export.to_canvas(book, False, path, "Lesson 3")


def test_csv_has_everything_and_runs_nothing(course):
    with pa.book(course) as open_book:
        open_book.update_or_create_student("ada", first_name='=HYPERLINK("http://x","y")', last_name="@SUM(1)")
    sent = export.to_csv(marks.book(course, LESSON, LESSON), False)
    assert sent.text.startswith(b"\xef\xbb\xbf")  # without it a spreadsheet reads umlauts as cp1252
    rows = {row["student_id"]: row for row in pa.parsed(sent.text.decode("utf-8-sig"))}
    assert dict(sent.without) == {GONE: "handed in nothing", **dict.fromkeys(WAIT, "waits for a human: l03_essay")}
    assert list(rows) == [who for who in POINTS if who != GONE]
    for who, row in rows.items():
        assert [float(row[cell]) for cell in CELLS] == pytest.approx(POINTS[who])
        assert row["needs_human"] == ("yes" if who in WAIT else "no")
        assert (row["score"] == "") is (who in WAIT) and (
            row["score"] == "" or float(row["score"]) == pytest.approx(_score(who))
        )
        assert float(row["late_penalty"]) == PENALTY.get(who, 0)
    assert rows["ada"]["first_name"].startswith("'=") and rows["ada"]["last_name"].startswith("'@")
    cells = [cell for row in csv.reader(io.StringIO(sent.text.decode())) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


def test_what_was_not_graded_gets_no_mark(course):
    with pa.book(course) as open_book, together(open_book):
        open_book.add_submission(LESSON, GONE)  # as an extension leaves it
    for pending in (False, True):
        sent = export.to_csv(marks.book(course, LESSON, LESSON), pending)
        assert GONE not in sent.marks
        assert (GONE, f"is not graded yet; run `autograder grade {LESSON}`") in sent.without


# Feedback


@pytest.mark.parametrize("layout", ["folders", "older", "flat"])
def test_moodle_takes_each_page_for_its_owners(course, layout):
    _collected(course, "moodle", {pa.moodle_name(one, FILE, layout): one.student.encode() for one in pa.people()})
    data, without = pack(course, LESSON, LESSON, "moodle", POINTS)
    participants = {one.participant: one.student for one in pa.people()}
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        owners = {pa.feedback_owner_moodle(name, participants): made.read(name).decode() for name in made.namelist()}
    assert owners == {(who, f"{LESSON}.html"): f"<p>feedback for {who}</p>" for who in POINTS} and not without


def test_canvas_takes_each_page_for_its_owners(course):
    data, without = pack(course, LESSON, LESSON, "canvas", POINTS)
    attachments = {str(70000 + int(one.canvas)): one.canvas for one in pa.people()}
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        assert sorted(made.namelist()) == sorted(
            _canvas(one).replace(".ipynb", ".html") for one in pa.people() if one.student != GONE
        )
        owners = {
            _numbers()[pa.feedback_owner_canvas(name, attachments)]: made.read(name).decode()
            for name in made.namelist()
        }
    assert owners == {who: f"<p>feedback for {who}</p>" for who in POINTS if who != GONE}
    assert without == [(GONE, "was not collected from canvas, so its name there is not known")]


def test_plain_pages_lie_in_folders_of_their_own(course):
    (course / "feedback" / "ada" / LESSON / f"{LESSON}.html").unlink()
    (course / "feedback" / "ada" / LESSON / f"{LESSON}.html").symlink_to(course / "gradebook.db")
    data, without = pack(course, LESSON, LESSON, "plain", ("ada", "bela", "zora"))
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        assert made.namelist() == [f"bela/{LESSON}.html"]
    assert [student for student, _ in without] == ["ada", "zora"]
    assert data == pack(course, LESSON, LESSON, "plain", ("ada", "bela", "zora"))[0]


@pytest.mark.parametrize("to", ["moodle", "canvas", "plain"])
def test_no_member_names_another_student(course, to):
    if to == "moodle":
        _collected(course, "moodle", {pa.moodle_name(one, FILE): b"1" for one in pa.people()})
    data, _ = pack(course, LESSON, LESSON, to, POINTS)
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        for name in made.namelist():
            text = f"{name} {made.read(name).decode()}".lower()
            named = [one for one in pa.people() if any(part.lower() in text for part in _signs(one))]
            assert len(named) == 1, name


def _signs(one):
    return (one.student, one.first, one.last, one.email, one.canvas, one.participant)


# The commands


def _run(*arguments):
    import typer

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(exchange.collect)
    app.command()(exchange.export)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_commands_say_what_they_did(course, tmp_path):
    (tmp_path / "roster.csv").write_text(pa.roster(pa.people()))
    archive = pa.archive(tmp_path / "c.zip", {**_canvas_members(), "x.ipynb": b"1"})
    common = ("--course", course)
    done = _run("collect", archive, "03", "--from", "canvas", "--roster", tmp_path / "roster.csv",
                "--due", "2026-01-05 12:00", "--timezone", "UTC", *common)  # fmt: skip
    assert done.exit_code == 0, done.output
    for line in (
        "03_badnets: 7 hand-ins: 0 new, 0 replaced, 7 unchanged; 0 students new in the gradebook.",
        "nobody's, not taken: 1", "  x.ipynb: it is not named as Canvas names files", "handed in nothing: 1", "  hana",
    ):  # fmt: skip
        assert line in done.output.splitlines()
    sheet = tmp_path / "gradebook.csv"
    sheet.write_text(pa.gradebook(pa.people()))
    done = _run("export", "03", "--to", "canvas", "--template", sheet, "--assignment", "Lesson 3 (881)", *common)
    assert done.exit_code == 0, done.output
    assert (
        "5 marks in" in done.output
        and "5 feedback pages in" in done.output
        and "bela: waits for a human" in done.output
    )
    for path in (course / "exported").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((course / "exported").stat().st_mode) == 0o700
    assert len(list((course / "exported").iterdir())) == 2
    assert "7 marks in" in _run("export", "03", "--to", "csv", "--with-pending", "--no-feedback", *common).output
    for to in ("canvas", "moodle"):
        wrong = _run("export", "03", "--to", to, *common)
        assert isinstance(wrong.exception, ValueError) and f"--template must be given for {to}" in str(wrong.exception)
    wrong = _run("export", "03", "--to", "blackboard", *common)
    assert "--to must be moodle, canvas or csv; got 'blackboard'" in str(wrong.exception)
    wrong = _run("collect", archive, "03", "--from", "blackboard", "--roster", tmp_path / "roster.csv", *common)
    assert "must be one of moodle, canvas, plain" in str(wrong.exception)


def test_an_unreleased_lesson_is_refused(course, tmp_path):
    with pytest.raises(ValueError, match=r"gradebook\.db has no 04_other; run `autograder release 04_other`"):
        marks.book(course, "04_other", "04_other")
    with pytest.raises(ValueError, match=r"gradebook\.db has no 03_badnets; run `autograder release"):
        marks.book(tmp_path, LESSON, LESSON)
    assert "is not released" in str(
        _run("collect", tmp_path, "03", "--roster", tmp_path, "--course", tmp_path).exception
    )


def test_help_has_an_example():
    for command in ("collect", "export"):
        text = _run(command, "--help").output
        assert re.search(r"Example:\s+`?autograder " + command, text), text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="jails need Linux")
@pytest.mark.parametrize("source", ["moodle", "canvas"])
def test_a_graded_class_from_zip_to_marks(tmp_path, source):
    """The sample class by way of a platform: its points, and no page with anything of another student."""
    from grading_course import HOME

    from autograder.trials.invented import samples

    root = tmp_path / "course"
    samples.write(HOME, root)
    given = {path.parents[1].name: path.read_bytes() for path in (root / "submitted").glob(f"*/{LESSON}/{FILE}")}
    shutil.rmtree(root / "submitted")
    who = pa.people()
    name = {"moodle": lambda one: pa.moodle_name(one, FILE), "canvas": _canvas}[source]
    found = _collected(root, source, {name(one): given[one.student] for one in who})
    assert len(found.new) == 8
    samples.grade(HOME, root)
    book = marks.book(root, LESSON, LESSON)
    path = tmp_path / "template.csv"
    if source == "moodle":
        path.write_text(pa.worksheet(who))
        sent = export.to_moodle(book, True, root, path)
        points = pa.worksheet_import(sent.text.decode(), {one.participant: one.student for one in who})
    else:
        path.write_text(pa.gradebook(who))
        points, _ = pa.canvas_import(export.to_canvas(book, True, path, "Lesson 3").text.decode())
        points = {_numbers()[number]: given for number, given in points.items()}
    assert points == {sample.student: sample.deserved for sample in samples.samples(HOME)}
    data, without = pack(root, LESSON, LESSON, source, given)
    assert not without
    words = {one.student: [one.full, one.email, one.last, f'"{one.student}"', f">{one.student}<"] for one in who}
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        pages = {
            next(one for one in who if name(one).split("/")[0].removesuffix(".ipynb") in member): made.read(
                member
            ).decode()
            for member in made.namelist()
        }
    assert len(pages) == 8
    for owner, page in pages.items():
        for other, signs in words.items():
            assert other == owner.student or not any(sign in page for sign in signs), (owner, other)
    assert json.loads((root / "collected" / f"{LESSON}.json").read_text()).keys() == given.keys()
