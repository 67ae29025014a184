"""Our grading in place of nbgrader's execution: `nbgrader autograde` and formgrader's button come through here.

nbgrader_config.py names the three classes.  nbgrader keeps its own part: students, times, points, late penalties, comments.
"""

from __future__ import annotations

import atexit
import copy
import glob
from contextlib import ExitStack
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Unicode

from autograder.authoring.folders import folder
from autograder.course.folder import alone
from autograder.course.secret import NAME
from autograder.gradebook import settled
from autograder.gradebook.feedback import flagged, marked, put_beside
from autograder.handin import sanitize
from autograder.handin.timestamp import handed_in_at
from autograder.verdict.assignment import Assignment, assignment, grade_one
from autograder.verdict.journal import Journal
from autograder.warden.pool import Warden

Resources = dict[str, Any]


class Course(CourseDirectory):
    """The course folder as `Release` shows it to nbgrader: files of students are not copied, odd times are no times."""

    def get_existing_timestamp(self, dest_path: str) -> datetime | None:
        """See `handed_in_at`."""
        return handed_in_at(Path(dest_path))


class Release(NotebookExporter):
    """Gives nbgrader our own release to work on, never the file of a student: `SafeExecute` reads that without trust.

    nbgrader makes one of these in each run: after it has listed the hand-ins, before it touches the first.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.parent is not None:
            course = self.parent.coursedir
            settings = {name: getattr(course, name) for name in course.traits(config=True)}
            self.parent.coursedir = Course(**{**settings, "ignore": ["*", ".*"]})
            self.parent.assignments = _hand_ins(self.parent)
            if not hasattr(self.parent, "stood"):
                self.parent.stood = _stood(self.parent)

    def from_filename(self, filename: str, resources: Resources | None = None, **options: Any) -> tuple[Any, Resources]:
        """The release in place of what was handed in; files in autograded/ are ours, and read as they are."""
        converter: Any = self.parent
        where, about = converter.coursedir, (resources or {})["nbgrader"]
        theirs = Path(where.format_path(where.submitted_directory, about["student"], about["assignment"]))
        if Path(filename).parent != theirs:
            return super().from_filename(filename, resources, **options)
        source = Path(where.format_path(where.source_directory, ".", about["assignment"]))
        target = Path(where.format_path(where.autograded_directory, about["student"], about["assignment"]))
        put_beside(source, target, handed_in_at(theirs))
        release = copy.deepcopy(_work(Path(where.root), about).release)
        return self.from_notebook_node(release, resources)


class SafeExecute(NbGraderPreprocessor):
    """Takes the verdict on a hand-in from the journal, or grades it in a jail, and puts it into the notebook."""

    policy = Unicode("B", help="The least tier of walls to write grades behind: A or B.").tag(config=True)
    i_trust_these_submissions = Bool(False, help="Go on below the policy; every record says so.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """The graded notebook in place of `nb`; `FlagDoubts` is told which cells a human should look at."""
        about = resources["nbgrader"]
        work = _work(Path(self.parent.parent.coursedir.root), about)
        resources["alone"] = ExitStack()  # until `FlagDoubts` has ended, or all of it is given up
        resources["alone"].enter_context(alone(work.root))
        warden = _warden(self.policy, self.i_trust_these_submissions)
        rebuilt, record = grade_one(work, about["student"], warden, Journal.open(work.journal))
        book = marked(work, rebuilt, record)
        with Gradebook(about["db_url"]) as gradebook:
            resources["settled"] = settled.settled(_rows(gradebook, about))
        resources["flagged"] = flagged(book, record)
        resources["stood"], resources["subjects"] = self.parent.parent.stood[about["student"]], settled.subjects(book)
        return book, resources


class FlagDoubts(NbGraderPreprocessor):
    """Behind nbgrader's SaveAutoGrades: cells that a human should look at wait for one, with the number that they have.

    What a human has marked waits again only where it has changed.
    """

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Changes the gradebook alone."""
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as book:
            rows = _rows(book, about)
            for name in resources["flagged"]:
                rows[name].needs_manual_grade = True
            told = settled.keep(rows, resources["settled"], resources["stood"], resources["subjects"])
            book.db.commit()
        resources.pop("alone").close()
        for sentence in told:
            self.log.warning("%s: %s", about["student"], sentence)
        return nb, resources


def _rows(gradebook: Any, about: dict[str, str]) -> dict[str, Any]:
    """Graded cell -> its row."""
    notebook = gradebook.find_submission_notebook(about["notebook"], about["assignment"], about["student"])
    return {grade.cell.name: grade for grade in notebook.grades}


def _stood(converter: Any) -> dict[str, dict[str, str]]:
    """Student -> what autograded/ holds of the cells that are graded: nbgrader empties the folder before it grades."""
    where, found = converter.coursedir, dict[str, dict[str, str]]()
    for path, notebooks in converter.assignments.items():
        student = Path(path).parent.name
        folder = Path(where.format_path(where.autograded_directory, student, where.assignment_id))
        stems = [Path(name).stem for name in notebooks]
        found[student] = {cell: text for stem in stems for cell, text in settled.stood(folder, stem).items()}
    return found


def _hand_ins(converter: Any) -> dict[str, list[str]]:
    """Folder -> the notebooks that it should hold, also where it holds none; names that are no student's are left out."""
    where = converter.coursedir
    if where.notebook_id != "*":
        return {path: found for path, found in converter.assignments.items() if _allowed(converter, path)}
    release = Path(where.format_path(where.release_directory, ".", where.assignment_id))
    names = sorted(path.name for path in release.glob("*.ipynb"))
    folders = glob.glob(where.format_path(where.submitted_directory, where.student_id, where.assignment_id))
    return {path: [str(Path(path) / name) for name in names] for path in folders if _allowed(converter, path)}


def _allowed(converter: Any, path: str) -> bool:
    student = Path(path).parent.name
    if sanitize.is_student(student) and Path(path).is_dir():
        return True
    converter.log.error("%r is no name for a student: letters, digits and _ . @ + - are allowed; rename it", student)
    return False


def _work(root: Path, about: dict[str, str]) -> Assignment:
    """What the hand-ins are graded against; made anew when the release or the secret is another."""
    name, notebook = about["assignment"], about["notebook"]
    paths = (root / "release" / name / f"{notebook}.ipynb", root / NAME)
    return _made(root, notebook, name, tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths))


@lru_cache(8)
def _made(root: Path, notebook: str, name: str, _changed: tuple[int, ...]) -> Assignment:
    return assignment(root, folder(notebook), name)


@cache
def _warden(policy: str, trust: bool) -> Warden:
    """One fork server for the whole process."""
    from autograder.warden.policy import guarded

    standing = ExitStack()
    atexit.register(standing.close)
    return standing.enter_context(guarded(policy, trust))
