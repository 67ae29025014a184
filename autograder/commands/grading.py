"""The commands of grading day: doctor, init, grade, regrade, explain.

What grades is imported inside: jails need Linux, and the other commands do not.
"""

from __future__ import annotations

import shutil
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from autograder.authoring.folders import folder
from autograder.commands.options import CourseOption, JobsOption, LessonArgument, NameOption, PolicyOption, TrustOption
from autograder.course import secret as secrets
from autograder.course.folder import PRIVATE, alone, closed
from autograder.course.terminal import listed, table
from autograder.gradebook import read

if TYPE_CHECKING:
    from autograder.verdict.assignment import Assignment
    from autograder.verdict.journal import Record


def doctor() -> None:
    """Whether this machine has what instructors need, and which walls stand: each is tried with hostile code.

    Example: `autograder doctor`
    """
    from autograder.warden import probes
    from autograder.warden.policy import DEFAULT_POLICY
    from autograder.warden.tiers import TIERS

    rows = []
    for name in ("nbgrader", "jupytext", "alembic"):
        found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
        rows.append((name, "ok" if found else "PROBLEM", found or "missing: pip install -e '.[teach]'"))
    table(rows, ("what", "", "found"), "autograder doctor")
    tried = {name: probes.try_tier(name) for name in TIERS}
    for name, probed in tried.items():
        table(
            [(row.what, "held" if row.held else "NOT HELD", row.detail) for row in probed],
            ("tried from inside a jail", "", "what came of it"),
            f"tier {name}" + (", which shows what the same code does without walls" if name == TIERS[-1] else ""),
        )
    best = next((name for name, probed in tried.items() if all(row.held for row in probed)), TIERS[-1])
    print(f"Grading here runs behind walls of tier {best}; the policy asks for {DEFAULT_POLICY} or better.")
    if TIERS.index(best) > TIERS.index(DEFAULT_POLICY) or any(row[1] != "ok" for row in rows):
        raise typer.Exit(1)


def init(course: CourseOption = PRIVATE) -> None:
    """Make the course's secret, from which the draws of graded checks come; it never overwrites one.

    Example: `autograder init`
    """
    path = secrets.init(course)
    print(f"Wrote {path} (fingerprint {secrets.fingerprint(secrets.load(course))}). Keep a copy: points depend on it.")


def grade(
    lesson: LessonArgument,
    course: CourseOption = PRIVATE,
    name: NameOption = None,
    jobs: JobsOption = 2,
    feedback: Annotated[bool, typer.Option(help="Also write feedback HTML.")] = True,
    policy: PolicyOption = "B",
    trust: TrustOption = False,
) -> None:
    """Grade every hand-in in a jail, write the gradebook and the feedback.  Stopped half way, the same command goes on.

    Example: `autograder grade 03_badnets --jobs 2`
    """
    with alone(closed(course)):
        work, records = _graded(course, lesson, name, jobs, policy, trust)
        _write(work, records, feedback)
    _summary(records)


def regrade(
    lesson: LessonArgument,
    course: CourseOption = PRIVATE,
    name: NameOption = None,
    jobs: JobsOption = 2,
    write: Annotated[bool, typer.Option("--write", help="Write the changed points, too.")] = False,
    policy: PolicyOption = "B",
    trust: TrustOption = False,
) -> None:
    """Grade what changed since (answers, checks, limits) and tell whose points change; --write enters them.

    Example: `autograder regrade 03_badnets`
    """
    with alone(closed(course)):
        work, records = _graded(course, lesson, name, jobs, policy, trust)
        from autograder.verdict.assignment import changes as changed

        changes = changed(entered_points(work), records)
        if write:
            _write(work, records, feedback=True)
    table(
        [(student, exercise, f"{was:g}", f"{now:g}") for student, exercise, was, now in changes],
        ("student", "exercise", "points before", "points now"),
        f"{work.name}: {len(changes)} points change",
    )
    if write:
        print(f"Entered {len(records)} verdicts.")
    else:
        print("Nothing was entered. `autograder regrade ... --write` enters it; manual grades and comments stay.")


def explain(
    student: Annotated[str, typer.Argument(help="Whose hand-in.")],
    exercise: Annotated[str, typer.Argument(help="'l03_stamp'.")],
    course: CourseOption = PRIVATE,
    name: NameOption = None,
    policy: PolicyOption = "B",
    trust: TrustOption = False,
) -> None:
    """Replay one check on one hand-in, with the secret draws, for an appeal.  For the lecturer's eyes only.

    Example: `autograder explain ada l03_stamp`
    """
    from autograder.warden.policy import guarded

    home = folder(exercise.partition("_")[0])
    with guarded(policy, trust, partial(import_module, "autograder.verdict.assignment")) as warden:
        from autograder.verdict.assignment import assignment
        from autograder.verdict.explain import replay

        work = assignment(closed(course), home, name)
        print("\n".join(replay(work, student, exercise, warden)))


def entered_points(work: Assignment) -> dict[str, dict[str, float]]:
    """Student -> exercise -> the automatic points that stand in the gradebook."""
    exercises = {task.id for task in work.master.lesson.exercises}
    return {
        student: {cell: float(score) for cell, (score, _) in cells.items() if cell in exercises and score is not None}
        for student, cells in read.scores(work.root / "gradebook.db", work.name).items()
    }


def _graded(
    course: Path, lesson: str, name: str | None, jobs: int, policy: str, trust: bool
) -> tuple[Assignment, list[Record]]:
    """The assignment and its records, old ones and new ones.  The fork server starts while we import."""
    from autograder.warden.policy import guarded

    home = folder(lesson)
    with guarded(policy, trust, partial(import_module, "autograder.verdict.assignment")) as warden:
        from autograder.authoring import judged_by
        from autograder.verdict.assignment import assignment, run

        work = assignment(course.resolve(), home, name)
        read.required(work.root, home.name, work.name)
        for line in judged_by.differs(work.root, home, work.name):
            print(f"  {line}")
        students = _students(work)
        with tqdm(total=len(students), unit="hand-in", disable=None) as bar:
            return work, run(work, warden, jobs=jobs, done=lambda record: bar.update() and None)


def _students(work: Assignment) -> list[str]:
    """Who handed in; tells of what is left out and what is damaged.  Raises: `ValueError` where nobody did."""
    from autograder.verdict.journal import Journal

    students = work.students()
    for name in work.strangers():
        print(
            f"  left out: a folder with the name {name!r}, which is no student's; rename it to letters, digits and _.@+-"
        )
    if not students:
        raise ValueError(f"nothing was handed in: {work.root / 'submitted'} has no STUDENT/{work.name}")
    journal = Journal.open(work.journal)
    if journal.damaged:
        print(f"{journal.damaged} lines of {work.journal} are damaged; what they held is graded again.")
    return students


def _write(work: Assignment, records: list[Record], feedback: bool) -> None:
    from autograder.gradebook import enter

    for line in enter.write(work, records):
        print(f"  {line}")
    if feedback:
        enter.feedback(work.root, work.name)


def _summary(records: list[Record]) -> None:
    """What a lecturer should know, at one look; all of it stands in the report."""
    tiers = sorted({record.tier for record in records})
    print(f"{len(records)} hand-ins graded behind walls of tier {', '.join(tiers)}.")
    mended = [(record.student, "; ".join(record.remarks)) for record in records if record.remarks]
    for line in (
        *listed("refused, 0 points", [(record.student, record.refused) for record in records if record.refused]),
        *listed("needs a human", [(record.student, doubt) for record in records for doubt in record.doubts]),
        *listed("put together again", mended, shown=10),
    ):
        print(line)
