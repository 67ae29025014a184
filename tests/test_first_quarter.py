"""A lecturer's first quarter of an hour: roster, grade, one student alone, phrases, who waits, zeros."""

import re

import grading_course
import platform_archives as pa
import pytest
from platform_archives import LESSON
from test_cases_grading import split_names
from typer.testing import CliRunner

from autograder import cli
from autograder.exchange import marks, phrases, roster
from autograder.gradebook import read

POINTS = {"ada": (4.0, 2.5, 0.0), "bela": (0.0, 2.0, 0.0), "carl": (2.0, 5.0, 11.0), "dora": (1.0, 1.0, 0.0)}
WAIT = ("ada", "bela", "dora")
PHRASES = 'key;points;text\ntrigger;2,5;Names the trigger.\n/rate;1;"Says how many, and why."\nshort;;Say more.\n'


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture
def course(tmp_path):
    """Four hand-ins of eight students; three essays wait."""
    root = pa.small_course(tmp_path / "course")
    with pa.book(root) as book:
        for one in pa.people():
            book.update_or_create_student(one.student, email=one.email, lms_user_id=one.canvas)
    pa.enter(root, POINTS, WAIT)
    return root


@pytest.mark.parametrize("by", ["", "ID number", "Email address"])
def test_moodles_list_becomes_the_roster_of_the_course(tmp_path, by):
    people = pa.people(3)
    rows = [[one.first, one.last, f"s{one.canvas}", one.email, ""] for one in people]
    listed = tmp_path / "participants.csv"
    listed.write_text(pa.table(["First name", "Last name", "ID number", "Email address", "Groups"], rows), "utf-8-sig")
    done = run("roster", listed, "--from", "moodle", "--course", tmp_path / "term", *(["--by", by] if by else []))
    assert done.exit_code == 0 and "3 students in" in done.output and "autograder release" in done.output
    made = roster.roster(tmp_path / "term" / "roster.csv")
    assert list(made) == [one.email if by == "Email address" else f"s{one.canvas}" for one in people]
    assert [(one.name, one.email, one.number) for one in made.values()] == [
        (one.full, one.email, f"s{one.canvas}") for one in people
    ]


@pytest.mark.parametrize("change", [str, split_names])
def test_canvas_export_becomes_the_roster_of_the_course(tmp_path, change):
    listed = tmp_path / "grades.csv"
    listed.write_text(change(pa.gradebook(pa.people(3))))
    assert run("roster", listed, "--from", "canvas", "--course", tmp_path / "term").exit_code == 0
    made = roster.roster(tmp_path / "term" / "roster.csv")
    assert [(one.name, one.canvas) for one in made.values()] == [(one.full, one.canvas) for one in pa.people(3)]
    wrong = run("roster", listed, "--from", "moodle", "--course", tmp_path / "term")
    assert "must have a column 'Email address'" in str(wrong.exception)


def test_collect_takes_the_roster_of_the_course(course, tmp_path):
    archive = pa.archive(tmp_path / "a.zip", {f"ada/{LESSON}.ipynb": b"{}"})
    refused = run("collect", archive, "03", "--course", course)
    assert "`autograder roster FILE --from moodle`" in str(refused.exception)
    (course / "roster.csv").write_text(pa.roster(pa.people()))
    (course / "release" / LESSON / f"{LESSON}.ipynb").write_bytes(b'{"cells": []}')
    assert "1 hand-ins: 1 new" in run("collect", archive, "03", "--course", course).output


@pytest.mark.parametrize("due", [False, True])
def test_who_is_late_by_the_platform_alone_is_told_why(course, tmp_path, due):
    (course / "release" / LESSON / f"{LESSON}.ipynb").write_bytes(b'{"cells": []}')
    (tmp_path / "grades.csv").write_text(pa.gradebook(pa.people()))
    one = pa.people()[0]
    archive = pa.archive(tmp_path / "a.zip", {pa.canvas_name(one, f"{LESSON}.ipynb", 70001, late=True): b"1"})
    common = ("--from", "canvas", "--roster", tmp_path / "grades.csv", "--time", "2026-01-04 12:00", "--timezone", "UTC")
    done = run("collect", archive, "03", *common, *(["--due", "2026-01-05 12:00"] if due else []), "--course", course)
    told = "it came before our due date" if due else "no due date is set here"
    assert f"{one.email}: the platform says so, but {told}\n" in done.output
    assert "nothing is taken from" not in done.output


def table_of(output):
    """First cell of a row -> the others."""
    rows = [[cell.strip() for cell in line.strip("│┃").split("│")] for line in output.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in rows}


def test_grade_ends_with_a_table_and_the_next_command(tmp_path):
    deserved = grading_course.course(tmp_path / "course")
    common = ("grade", "03", "--course", tmp_path / "course", "--policy", grading_course.strongest())
    some = run(*common, "--student", "dora", "--student", "ada")
    assert some.exit_code == 0, some.output
    assert set(table_of(some.output)) == {"ada", "dora", "mean", "range"} and "2 hand-ins graded" in some.output
    assert {path.parent.name for path in (tmp_path / "course").glob(f"feedback/*/{LESSON}")} == {"ada", "dora"}
    assert set(read.scores(tmp_path / "course" / "gradebook.db", LESSON)) == {"ada", "dora"}
    wrong = run(*common, "--student", "nobody")
    assert "must be one who handed in 03_badnets, got nobody" in str(wrong.exception)
    every = run(*common)
    shown = table_of(every.output)
    assert {who: float(row[-1]) for who, row in shown.items() if who in deserved} == deserved
    assert shown["ada"][:-1] == ["2", "4", "5", "4", "?"] and shown["fay"][-2:] == ["0", "0"]
    points = list(deserved.values())
    assert shown["mean"][-1] == f"{sum(points) / len(points):.1f}" and shown["range"][-1] == "0-15"
    assert shown["range"][-2] == "0-0"  # of essays that nobody waits for
    assert "7 essays and 0 other cells wait for a human.  Next: formgrader" in every.output
    assert every.output.rstrip().endswith("Then: `autograder export 03_badnets --to csv`, or moodle, canvas.")


def test_export_names_who_waits_for_what_and_how_to_go_on(course):
    done = run("export", "03", "--no-feedback", "--course", course)
    assert "  ada: waits for a human: l03_essay\n" in done.output and "  hana: handed in nothing\n" in done.output
    assert re.search(r"3 wait for a human\.  To go on: .*formgrader.* --with-pending", done.output)
    assert "To go on" not in run("export", "03", "--no-feedback", "--with-pending", "--course", course).output


@pytest.mark.parametrize("to", ["csv", "moodle", "canvas"])
def test_who_handed_in_nothing_gets_zero_only_on_request(course, tmp_path, to):
    sheet, column, who = tmp_path / "sheet.csv", {"csv": "score", "moodle": "Grade", "canvas": "Lesson 3 (881)"}[to], None
    sheet.write_text(pa.worksheet(pa.people()) if to == "moodle" else pa.gradebook(pa.people()))
    more = {"csv": (), "moodle": ("--template", sheet), "canvas": ("--template", sheet, "--assignment", "Lesson 3")}[to]
    common = ("export", "03", "--to", to, *more, "--no-feedback", "--course", course)
    for zeros in (False, True):
        done = run(*common, *(["--zeros"] if zeros else []))
        assert done.exit_code == 0, done.output
        rows = pa.parsed(next((course / "exported").glob("*.csv")).read_text("utf-8-sig"))
        who = {row.get("student_id") or row.get("Email address") or row.get("SIS Login ID"): row[column] for row in rows}
        given = {name.partition("@")[0]: points for name, points in who.items() if name and points}
        assert given == {"carl": "18", **dict.fromkeys(["emil", "fay", "gus", "hana"] if zeros else [], "0")}
        assert ("0 points for who handed in nothing: 4" in done.output) == zeros


def comment(course, student, text, cell="l03_essay", points=None):
    with pa.book(course) as book:
        found = book.find_comment(cell, LESSON, LESSON, student)
        found.manual_comment = text
        if points is not None:
            book.find_grade(cell, LESSON, LESSON, student).manual_score = points
        book.db.commit()


def standing(course, student):
    """(points of a human, whether it waits, comment) of the essay: a graded cell, and one with a field for a comment."""
    rows = [row for row in read.standing(course / "gradebook.db", LESSON, student) if row[0] == "l03_essay"]
    (grade,), (said,) = [row for row in rows if row[4] is not None], [row[6] for row in rows if row[6] is not None]
    return grade[2], bool(grade[4]), said


@pytest.fixture
def essays(course):
    """The same with a field for comments."""
    with pa.book(course) as book:
        book.add_solution_cell("l03_essay", LESSON, LESSON)
    with pa.book(course) as book:
        from nbgrader.api import Comment

        cell = book.find_solution_cell("l03_essay", LESSON, LESSON)
        for student in POINTS:
            notebook = book.find_submission_notebook(LESSON, LESSON, student)
            book.db.add(Comment(cell=cell, notebook=notebook))
        book.db.commit()
    (course / "phrases.csv").write_text(PHRASES)
    return course


def test_keys_in_a_comment_become_phrases_and_points(essays):
    comment(essays, "ada", "/trigger /rate\nWell written, and/or so.")
    comment(essays, "bela", "/short", points=3.0)
    comment(essays, "dora", "/trigger /nonsense")
    comment(essays, "carl", "nothing of the kind")
    done = run("phrases", "03", "--course", essays)
    assert done.exit_code == 0, done.output
    assert standing(essays, "ada") == (3.5, False, "Names the trigger. Says how many, and why.\nWell written, and/or so.")
    assert standing(essays, "bela") == (3.0, True, "Say more.")
    assert standing(essays, "dora") == (None, True, "/trigger /nonsense") and "l03_essay has /nonsense" in done.output
    assert standing(essays, "carl")[2] == "nothing of the kind"
    assert {one.student: one.points["l03_essay"] for one in marks.book(essays, LESSON, LESSON).marks}["ada"] == 3.5
    assert phrases.use(essays, LESSON, LESSON, essays / "phrases.csv")[0].student == "dora"  # the rest is done


def test_phrases_give_no_more_than_the_cell_has_and_keep_what_a_human_typed(essays):
    (essays / "phrases.csv").write_text("key,points,text\nall,99,All of it.\n")
    comment(essays, "ada", "/all")
    comment(essays, "bela", "/all", points=1.0)
    run("phrases", "03", "--course", essays)
    assert standing(essays, "ada")[0] == pa.CELLS["l03_essay"] and standing(essays, "bela")[0] == 1.0


@pytest.mark.parametrize("text", ["key,points\na,1\n", "key,points,text\na,one,x\n", "key,points,text\na,1,x\na,2,y\n"])
def test_a_file_of_phrases_that_is_none_is_refused_and_changes_nothing(essays, text):
    comment(essays, "ada", "/a")
    (essays / "phrases.csv").write_text(text)
    assert re.search(r"phrases\.csv must have", str(run("phrases", "03", "--course", essays).exception))
    assert standing(essays, "ada") == (None, True, "/a")
