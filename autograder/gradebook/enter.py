"""Many verdicts at once into nbgrader's gradebook and folders: what `nbgrader autograde` would leave, in fewer steps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from autograder.course.nbgrader import CONFIG, plain
from autograder.gradebook import read, settled
from autograder.gradebook.feedback import flagged, marked, put_beside, text, written_by
from autograder.handin.sanitize import is_student
from autograder.handin.timestamp import handed_in_at
from autograder.verdict.assignment import Assignment
from autograder.verdict.journal import Record

TOGETHER = 50
"""Students in one transaction."""


def settings(root: Path) -> Any:
    """nbgrader's settings for the course folder `root`: nbgrader_config.py, then the folder's own."""
    from traitlets.config.loader import Config, PyFileConfigLoader

    found = Config()
    for folder in (CONFIG.parent, root / ".jupyter"):
        if (folder / CONFIG.name).is_file():
            found.merge(PyFileConfigLoader(CONFIG.name, path=str(folder)).load_config())
    found.CourseDirectory.root = str(root)
    return found


def write(work: Assignment, records: Sequence[Record]) -> list[str]:
    """Enter the verdicts into the gradebook and write autograded/.  Killed half way, the same call again completes it.

    Manual grades, extra credit, extensions and comments stay.  Returns: a line for each name that is no student's, and for
    each mark of a human whose subject has changed since.
    Raises: `ValueError` where the assignment is not in the gradebook.
    """
    from nbgrader.api import Gradebook
    from nbgrader.coursedir import CourseDirectory

    course = CourseDirectory(config=settings(work.root))
    read.required(work.root, work.home.name, work.name)
    lines = [f"{record.student!r} is no name for a student" for record in records if not is_student(record.student)]
    todo, done = (record for record in records if is_student(record.student)), 0
    with Gradebook(course.db_url, course.course_id) as book:
        rows = _Rows(book, work, course.config)
        try:
            while some := list(islice(todo, TOGETHER)):
                found = [_Verdict(work, record) for record in some]
                with read.together(book):
                    lines += rows.enter(found)
                done += len(found)
                for verdict in found:  # after the rows: a folder without rows would be passed over by nbgrader
                    _file(work, verdict)
        except Exception as fault:
            fault.add_note(f"{done} of {len(records)} verdicts were entered before; the same command goes on")
            raise
    return lines


def feedback(root: Path, name: str, students: Iterable[str] = ()) -> None:
    """Write feedback/ from autograded/, of `students` or of all, as `nbgrader generate_feedback --force` does."""
    from nbgrader.converters import GenerateFeedback
    from nbgrader.coursedir import CourseDirectory

    config = settings(root)
    config.HTMLExporter.template_name = "feedback"
    with plain(root) as folder:
        config.CourseDirectory.root = str(folder)
        for student in tuple(students) or ("*",):
            course = CourseDirectory(config=config, assignment_id=name, student_id=student)
            GenerateFeedback(coursedir=course, config=config, force=True).start()


def old_pages(root: Path, lesson: str, name: str, students: Iterable[str]) -> list[str]:
    """Whose page in feedback/ was not written by the marks that stand in the gradebook, though it could be."""
    found = []
    for student in students:
        page = root / "feedback" / student / name / f"{lesson}.html"
        graded = root / "autograded" / student / name / f"{lesson}.ipynb"
        wanted = written_by(read.standing(root / "gradebook.db", name, student))
        try:
            fits = page.read_text(encoding="utf-8").endswith(wanted)
        except OSError:
            fits = False
        if not fits and graded.is_file():
            found.append(student)
    return found


class _Verdict:
    """What is entered for one student."""

    def __init__(self, work: Assignment, record: Record) -> None:
        self.student, self.folder = record.student, work.root / "autograded" / record.student / work.name
        self.book = marked(work, work.rebuilt(record.student), record)
        self.flagged = flagged(self.book, record)
        self.at: datetime | None = handed_in_at(work.root / "submitted" / record.student / work.name)


class _Rows:
    """nbgrader's own steps on one open gradebook."""

    def __init__(self, gradebook: Any, work: Assignment, config: Any) -> None:
        from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades

        self.gradebook, self.work = gradebook, work
        self.save, self.late = SaveAutoGrades(config=config), AssignLatePenalties(config=config)
        self.save.notebook_id, self.save.assignment_id = work.home.name, work.name
        self.late.init_plugin()

    def enter(self, verdicts: Sequence[_Verdict]) -> list[str]:
        """All rows of some students.  Returns: lines on the marks that wait for a human again."""
        submissions, lines = self._submissions(verdicts), list[str]()
        for verdict in verdicts:
            submission = submissions[verdict.student]
            if verdict.at is not None:
                submission.timestamp = verdict.at
            (notebook,) = [found for found in submission.notebooks if found.name == self.work.home.name]
            loaded = _Loaded(notebook)
            marked_by_hand = settled.settled(loaded.grades)
            self.save.gradebook, self.save.student_id = loaded, verdict.student
            for cell in verdict.book.cells:
                self.save.preprocess_cell(cell, {}, 0)
            for name in verdict.flagged:
                loaded.grades[name].needs_manual_grade = True
            if marked_by_hand:
                before, now = settled.stood(verdict.folder, notebook.name), settled.subjects(verdict.book)
                told = settled.keep(loaded.grades, marked_by_hand, before, now)
                lines += [f"{verdict.student}: {sentence}" for sentence in told]
            self._penalty(submission, notebook)
        return lines

    def _submissions(self, verdicts: Sequence[_Verdict]) -> dict[str, Any]:
        """Student -> the row that their hand-in has, or a new one; new students too."""
        from nbgrader.api import Student

        session, names = self.gradebook.db, [verdict.student for verdict in verdicts]
        known = read.students(self.gradebook)
        session.add_all(Student(id=name) for name in names if name not in known)
        session.flush()
        assignment = self.gradebook.find_assignment(self.work.name)
        rows = read.submissions(self.gradebook, assignment, names, whole=True)
        rows |= {name: self.gradebook.add_submission(self.work.name, name) for name in names if name not in rows}
        session.flush()
        return rows

    def _penalty(self, submission: Any, notebook: Any) -> None:
        """What `AssignLatePenalties.preprocess` does; that opens the gradebook anew for each student."""
        notebook.late_submission_penalty = None
        late = submission.total_seconds_late
        if late > 0:
            self.gradebook.db.flush()
            self.gradebook.db.refresh(notebook, ["score"])
            penalty = self.late.plugin_inst.late_submission_penalty(submission.student_id, notebook.score, late)
            if penalty is not None:
                notebook.late_submission_penalty = self.late._check_late_penalty(notebook, penalty)


class _Loaded:
    """Stands in for the gradebook while `SaveAutoGrades` looks at one notebook: the rows are in memory already."""

    def __init__(self, notebook: Any) -> None:
        self.grades = {grade.cell.name: grade for grade in notebook.grades}
        self.comments = {comment.cell.name: comment for comment in notebook.comments}
        self.db = self

    def find_grade(self, name: str, *_: str) -> Any:
        return self.grades[name]

    def find_comment(self, name: str, *_: str) -> Any:
        return self.comments[name]

    def commit(self) -> None:
        """`together` does it."""


def _file(work: Assignment, verdict: _Verdict) -> None:
    """The folder of one student in autograded/; what else stood there is removed."""
    folder = verdict.folder
    ours = work.root / "source" / work.name
    put_beside(ours, folder, verdict.at)
    path = folder / f"{work.home.name}.ipynb"
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.write_text(text(verdict.book), encoding="utf-8")
    os.replace(new, path)
    kept = {path, *(folder / file.relative_to(ours) for file in ours.rglob("*"))}
    kept |= {folder / "timestamp.txt"} if verdict.at is not None else set()
    for other in folder.iterdir():
        if other not in kept:
            shutil.rmtree(other) if other.is_dir() and not other.is_symlink() else other.unlink()
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
