"""Files that public bug reports describe, collected, graded, marked by a human, graded again and exported."""

import json
from dataclasses import replace

import grading_course
import nbformat
import platform_archives as pa
import pytest
from cases_grading import LESSON, REFUSED, RELEASED
from grading_course import HOME, TASKS
from typer.testing import CliRunner

from autograder import cli
from autograder.course import secret
from autograder.gradebook import read
from autograder.trials.invented import samples

FILE, FIRST, ESSAY = f"{LESSON}.ipynb", TASKS[1], "l03_essay"
ADA = samples.samples(HOME)[0]
FULL = ADA.deserved


def hand_in(**changed):
    """The right answers, some of them changed, as bytes."""
    release = nbformat.reads(RELEASED, as_version=4)
    return json.dumps(samples.handed_in(release, replace(ADA, answers=ADA.answers | changed))).encode()


def before_def(line):
    source = ADA.answers[FIRST.id]
    return hand_in(**{FIRST.id: source.replace("def ", f"{line}\ndef ", 1)})


RIGHT = hand_in()
CUDA = ADA.answers[FIRST.id].replace("return ", "return 0 * images.cuda() + ", 1)
MEMBERS = {
    f"f01/{FILE}": RIGHT,
    f"f02/{FILE}": RIGHT,
    f"f03/{FILE}": REFUSED["web page"][0],
    f"f04/{FILE}": RELEASED,
    f"f04/{LESSON} (1).ipynb": RIGHT,
    f"f05/{FILE}": before_def("from google.colab import files"),
    f"f06/{FILE}": before_def("import a_library_of_theirs as one\none.begin()"),
    f"f07/{FILE}": hand_in(**{FIRST.id: CUDA}),
    f"f08/{FILE}": RIGHT.decode().encode("utf-16"),
    f"f09/{FILE}.txt": RIGHT + b'"metadata": {}}\n',
    f"f10/{FILE}": b"",
}
WHO = sorted({name[:3] for name in MEMBERS})


def run(*arguments):
    done = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def term(tmp_path_factory):
    """The course folder, and what each command said."""
    place = tmp_path_factory.mktemp("term")
    root = place / "course"
    grading_course.fresh(HOME, root)
    secret.init(root)
    (place / "roster.csv").write_text("student_id\n" + "\n".join(WHO) + "\n")
    archive = pa.archive(place / "all.zip", MEMBERS)
    common = ("03", "--course", root)
    said = {"collect": run("collect", archive, *common, "--roster", place / "roster.csv")}
    grade = ("grade", *common, "--policy", grading_course.strongest())
    said["grade"] = run(*grade)
    first = {who: cells.copy() for who, cells in read.scores(root / "gradebook.db", LESSON).items()}
    for who, points in (("f01", 4.0), ("f02", 3.0)):  # as formgrader does it
        with pa.book(root) as book:
            row = book.find_grade(ESSAY, LESSON, LESSON, who)
            row.manual_score, row.needs_manual_grade = points, False
            book.db.commit()
    said["again"] = run(*grade)
    said["export"] = run("export", *common)
    said["explain"] = run("explain", "f07", FIRST.id, "--course", root, "--policy", grading_course.strongest())
    return root, said, first


def test_marks_of_a_human_outlive_another_grading_and_go_out(term):
    root, said, _ = term
    rows = {row["student_id"]: row for row in pa.parsed((root / "exported" / f"{LESSON}.csv").read_text("utf-8-sig"))}
    assert {who: row["score"] for who, row in rows.items() if row["score"]} == {"f01": "19", "f02": "18"}
    for who, points in (("f01", 19), ("f02", 18)):
        page = (root / "feedback" / who / LESSON / f"{LESSON}.html").read_text(encoding="utf-8")
        assert f"<h1>{LESSON}: {points} of 20 points</h1>" in page
    assert "f03: waits for a human" in said["export"] and "2 feedback pages in" in said["export"]


def test_each_kind_gets_what_it_deserves(term):
    _, _, first = term
    less = FULL - FIRST.points
    deserved = dict.fromkeys(WHO, FULL) | {"f03": 0, "f04": 0, "f06": less, "f07": less, "f10": 0}
    points = {task.id for task in TASKS}
    given = {who: sum(score for cell, (score, _) in cells.items() if cell in points) for who, cells in first.items()}
    assert given == deserved
    waits = {who for who, cells in first.items() if any(waits for cell, (_, waits) in cells.items() if cell in points)}
    assert waits == {"f03", "f04", "f06", "f10"}  # unreadable, nobody knows which one counts, a module that is not here


def test_each_reason_is_told_in_the_terminal_and_on_top_of_the_students_page(term):
    root, said, _ = term
    assert "f04: 03_badnets.ipynb is the lesson as released, beside others: grading leaves it to a human" in said["collect"]
    reasons = {
        "f03": "is a web page; download the notebook itself", "f10": "is empty; save the notebook",
        "f04": "2 notebooks of other names handed in", "f06": "imports a_library_of_theirs, which is not there",
        "f07": "Your answer asks for CUDA: there is none where it is graded",
    }  # fmt: skip
    for who, reason in reasons.items():
        page = (root / "feedback" / who / LESSON / f"{LESSON}.html").read_text(encoding="utf-8")
        assert reason in page.partition("</table>")[0], who
        assert who in ("f06", "f07") or f"  {who}: " in said["grade"].partition("refused, 0 points")[2]
        assert who in ("f06", "f07") or reason in said["grade"]
    assert "CUDA" in said["explain"] or "cuda" in said["explain"]
