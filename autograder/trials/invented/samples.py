"""A class of eight invented hand-ins: what each deserves is known, so one look tells whether grading works."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.authoring.build import write_source
from autograder.authoring.sources import alternatives, mistakes, references
from autograder.course.folder import PRIVATE
from autograder.course.nbgrader import nbgrader
from autograder.gradebook.read import scores
from autograder.handin.read import contents, read
from autograder.handin.repair import repair
from autograder.trials import STOCK
from autograder.trials.invented.variation import broken
from bdlab.exercises import lessons

MARK = ".sample-class"
"""A file in a course folder that may be removed with all that is in it."""
ESSAY = "What I measured above does not show it, and what would show it costs more than it is worth: here is why."


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
    styles = {answer.exercise: answer.source for answer in reversed(alternatives(home))}
    full = {task.id: task.points for task in lessons.lesson(home.name).exercises}
    everything = sum(full.values())
    first, second, *rest = full
    wrong = {name: next(answer for answer in mistakes(home) if answer.exercise == name) for name in full}
    half = {name: right[name] if name in (first, second) else wrong[name].source for name in full}
    missing = sum(full[name] - wrong[name].points for name in rest)
    one, two = wrong[first], wrong[second]
    return [
        Sample("ada", "all right", everything, right),
        Sample("bela", "all right, in another style", everything, {**right, **styles}),
        Sample("carl", "half of it right", everything - missing, half),
        Sample("dora", f"{first}: {one.name}", everything - full[first] + one.points, {**right, first: one.source}),
        Sample(
            "emil", f"{second}: {two.name}", everything - full[second] + two.points, {**right, second: two.source}
        ),
        Sample("fay", "nothing written", 0.0, {}, ""),
        Sample("gus", f"{second} has a syntax error", everything - full[second], {**right, second: broken(right[second])}),
        Sample("hana", "only the essay, for a human to read", 0.0, {}),
    ]


def handed_in(release: NotebookNode, sample: Sample) -> NotebookNode:
    """The released notebook as this student hands it in."""
    book = copy.deepcopy(release)
    fill(book, sample.answers, sample.essay)
    return book


def fill(book: dict[str, Any], answers: Mapping[str, str], essay: str) -> None:
    """Write answers, by exercise, and the essay into a released notebook."""
    for cell in book["cells"]:
        about = cell["metadata"].get("bdlab", {})
        if about.get("role") == "answer" and about["exercise"] in answers:
            cell["source"] = answers[about["exercise"]].rstrip("\n")
        if about.get("role") == "essay" and essay:
            cell["source"] = essay


def write(home: Path, root: Path) -> Path:
    """A fresh course folder with the released lesson and the eight hand-ins; a sample class that stood there is removed."""
    release = nbformat.read(fresh(home, root), as_version=4)
    for sample in samples(home):
        hand_in(root, home.name, sample.student, json.dumps(handed_in(release, sample), indent=1))
    return root / "submitted"


def fresh(home: Path, root: Path) -> Path:
    """A course folder with the released lesson and nobody in it; a sample class that stood there is removed.

    Returns: the released notebook.  Raises: `ValueError` for a folder with something else in it.
    """
    ours = (root / MARK).exists() or root.is_relative_to(PRIVATE / "sample-class")
    if root.exists() and not ours and (not root.is_dir() or any(root.iterdir())):
        raise ValueError(f"out must be a new or empty folder, or one with a sample class in it; got {root}")
    PRIVATE.mkdir(mode=0o700, exist_ok=True)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o700, parents=True)
    (root / MARK).touch()
    write_source(root, home)
    nbgrader(root, "generate_assignment", home.name)
    return root / "release" / home.name / f"{home.name}.ipynb"


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
            found = repair(read(contents(path), path.name), release, lessons.lesson(lesson).names)
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
    """Grade the eight; see `grade_all`."""
    tier = grade_all(home, root)
    return _graded(home, root), tier


def grade_all(home: Path, root: Path, jobs: int = 2) -> str:
    """Grade the hand-ins below `root` in jails, enter the points, write the feedback.  Returns: the tier of the walls.

    They are our own, so that any tier will do.
    """
    from autograder.course import secret
    from autograder.warden.policy import guarded

    if not (root / secret.NAME).exists():
        secret.init(root)
    with guarded(trusted=True, meanwhile=_imports) as warden:
        from autograder.gradebook import enter
        from autograder.verdict.assignment import assignment, run

        work = assignment(root, home)
        enter.write(work, run(work, warden, jobs=jobs))
    enter.feedback(work.root, work.name)
    return warden.tier


def _imports() -> None:
    """What grading needs, while the fork server starts."""
    from autograder.gradebook import enter  # noqa: F401


def stock(home: Path, root: Path) -> list[Graded]:
    """Grade them by stock nbgrader, each in a kernel without walls."""
    mend(root, home.name)
    nbgrader(root, "autograde", home.name, settings=STOCK)
    nbgrader(root, "generate_feedback", home.name, settings=STOCK)
    return _graded(home, root)


def _graded(home: Path, root: Path) -> list[Graded]:
    given = points(root, home.name)
    return [Graded(sample, *given.get(sample.student, (None, False))) for sample in samples(home)]


def points(root: Path, lesson: str) -> dict[str, tuple[float | None, bool]]:
    """Student -> (automatic points, whether the essay waits for a human), from the gradebook below `root`."""
    found: dict[str, tuple[float | None, bool]] = {}
    for student, cells in scores(root / "gradebook.db", lesson).items():
        automatic = [score for name, (score, _) in cells.items() if not name.endswith("_essay")]
        essay = any(waits for name, (_, waits) in cells.items() if name.endswith("_essay"))
        given = [score for score in automatic if score is not None]
        found[student] = (float(sum(given)) if len(given) == len(automatic) else None, essay)
    return found
