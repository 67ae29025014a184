"""A class of eight invented hand-ins: what each deserves is known, so one look tells whether grading works."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.build import write_source
from autograder.course import PRIVATE, nbgrader
from autograder.handed_in import contents, read
from autograder.repair import repair
from autograder.sources import Answer, others, references
from bdlab.exercises import lessons

ESSAY = "The poisoned images could be found while the data are collected: their labels do not fit what they show."


@dataclass(frozen=True)
class Sample:
    """One hand-in.  answers: exercise -> source, an exercise that is absent stays as released; essay: what it says."""

    student: str
    about: str
    deserved: float
    answers: dict[str, str] = field(repr=False)
    essay: str = ESSAY


@dataclass(frozen=True)
class Graded:
    """What one hand-in was given.  essay: whether it waits for a human."""

    sample: Sample
    given: float | None
    essay: bool


def samples(home: Path) -> list[Sample]:
    """The eight hand-ins of a lesson, made from its reference, its alternatives and its mutants."""
    right = {name: answer.source for name, answer in references(home).items()}
    alternatives, mutants = others(home)
    styles = {answer.exercise: answer.source for answer in reversed(alternatives)}
    full = {task.id: task.points for task in lessons.lesson(home.name).exercises}
    everything = sum(full.values())
    first, second, *rest = full
    wrong = {name: next(answer for answer in mutants if answer.exercise == name) for name in full}
    half = {name: right[name] if name in (first, second) else wrong[name].source for name in full}
    missing = sum(full[name] - _points(wrong[name]) for name in rest)
    one, two = wrong[first], wrong[second]
    broken = right[second].replace("(", "((", 1)
    return [
        Sample("ada", "all right", everything, right),
        Sample("bela", "all right, in another style", everything, {**right, **styles}),
        Sample("carl", "half of it right", everything - missing, half),
        Sample("dora", f"{first}: {one.name}", everything - full[first] + _points(one), {**right, first: one.source}),
        Sample(
            "emil", f"{second}: {two.name}", everything - full[second] + _points(two), {**right, second: two.source}
        ),
        Sample("fay", "nothing written", 0.0, {}, ""),
        Sample("gus", f"{second} has a syntax error", everything - full[second], {**right, second: broken}),
        Sample("hana", "only the essay, for a human to read", 0.0, {}),
    ]


def _points(mutant: Answer) -> float:
    assert mutant.points is not None
    return mutant.points


def handed_in(release: NotebookNode, sample: Sample) -> NotebookNode:
    """The released notebook as this student hands it in."""
    book = copy.deepcopy(release)
    for cell in book.cells:
        about = cell.metadata.get("bdlab", {})
        if about.get("role") == "answer" and about["exercise"] in sample.answers:
            cell.source = sample.answers[about["exercise"]].rstrip("\n")
        if about.get("role") == "essay" and sample.essay:
            cell.source = sample.essay
    return book


def write(home: Path, root: Path) -> Path:
    """A fresh course folder with the released lesson and the eight hand-ins; what stood there is removed."""
    PRIVATE.mkdir(mode=0o700, exist_ok=True)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o700, parents=True)
    write_source(root, home)
    nbgrader(root, "generate_assignment", home.name)
    release = nbformat.read(root / "release" / home.name / f"{home.name}.ipynb", as_version=4)
    for sample in samples(home):
        hand_in(root, home.name, sample.student, json.dumps(handed_in(release, sample), indent=1))
    return root / "submitted"


def hand_in(root: Path, lesson: str, student: str, text: str) -> Path:
    """Put a notebook where nbgrader looks for it."""
    folder = root / "submitted" / student / lesson
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timestamp.txt").write_text("2026-01-01 10:00:00 UTC")
    path = folder / f"{lesson}.ipynb"
    path.write_text(text, encoding="utf-8")
    return path


def mend(root: Path, lesson: str) -> dict[str, list[str]]:
    """Repair every hand-in in place; student -> what was done or why it cannot be graded."""
    release = nbformat.read(root / "release" / lesson / f"{lesson}.ipynb", as_version=4)
    remarks: dict[str, list[str]] = {}
    for path in sorted((root / "submitted").glob(f"*/{lesson}/{lesson}.ipynb")):
        student = path.parents[1].name
        try:
            found = repair(read(contents(path), path.name), release)
        except ValueError as refused:
            remarks[student] = [f"not graded: {refused}"]
            continue
        if found.remarks:
            remarks[student] = found.remarks
            kept = path.with_suffix(".ipynb.as-submitted")
            shutil.copyfile(path, kept)
            path.write_text(json.dumps(found.notebook, indent=1), encoding="utf-8")
    return remarks


def grade(home: Path, root: Path) -> tuple[list[Graded], str]:
    """Grade the hand-ins below `root` in jails, enter the points, write the feedback; and the tier of the walls.

    They are our own, so that any tier will do.
    """
    from autograder import batch, into_nbgrader, probes, secret

    secret.init(root)
    work = batch.assignment(root, home)
    with probes.guarded(trusted=True) as warden:
        into_nbgrader.write(work, batch.run(work, warden, jobs=2))
    into_nbgrader.feedback(work)
    return _graded(home, root), warden.tier


def stock(home: Path, root: Path) -> list[Graded]:
    """Grade them by stock nbgrader, each in a kernel without walls."""
    mend(root, home.name)
    nbgrader(root, "autograde", home.name, stock=True)
    nbgrader(root, "generate_feedback", home.name, stock=True)
    return _graded(home, root)


def _graded(home: Path, root: Path) -> list[Graded]:
    given = points(root, home.name)
    return [Graded(sample, *given.get(sample.student, (None, False))) for sample in samples(home)]


def points(root: Path, lesson: str) -> dict[str, tuple[float | None, bool]]:
    """Student -> (automatic points, whether the essay waits for a human), from the gradebook below `root`."""
    from nbgrader.api import Gradebook

    found: dict[str, tuple[float | None, bool]] = {}
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        for submission in book.assignment_submissions(lesson):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            automatic = [grade.auto_score for grade in grades if not grade.cell.name.endswith("_essay")]
            essay = any(grade.needs_manual_grade for grade in grades if grade.cell.name.endswith("_essay"))
            silent = any(score is None for score in automatic)
            found[submission.student_id] = (None if silent else float(sum(automatic)), essay)
    return found
