"""One check of one hand-in once more, with what no student sees: the secret draws and what was expected."""

from __future__ import annotations

from collections.abc import Iterator

from autograder.authoring import judged_by
from autograder.verdict.assignment import Assignment
from autograder.verdict.journal import Journal
from autograder.warden.pool import Warden
from bdlab.exercises.telling import plain
from bdlab.exercises.verdict import Tries, judge_part
from bdlab.submission import Raised, Submission


def replay(work: Assignment, student: str, exercise: str, warden: Warden) -> Iterator[str]:
    """Lines for the lecturer: what the record says, and for each part the first secret draw that went wrong.

    Raises: `ValueError` for an unknown student or exercise.
    """
    tasks = {task.id: task for task in work.master.lesson.exercises}
    if exercise not in tasks:
        raise ValueError(f"exercise must be one of {', '.join(tasks)}; got {exercise!r}")
    if student not in work.students():
        raise ValueError(f"{student} handed in nothing for {work.name}; there are: {', '.join(work.students())}")
    task, rebuilt = tasks[exercise], work.rebuilt(student)
    yield from judged_by.differs(work.root, work.home, work.name)
    record = Journal.read(work.journal).records.get(student)
    if record is None:
        yield f"{student} has not been graded yet."
    else:
        same = "the same" if record.key == work.key(rebuilt, warden.limits.plain()) else "NOT what is there now"
        points = record.cells[exercise].points
        yield f"Recorded {record.at}, tier {record.tier}: {points:g} points; answers and checks are {same}."
    if rebuilt.refused:
        yield f"Refused: {rebuilt.refused}"
        return
    yield from rebuilt.remarks
    yield rebuilt.answers.written.get(exercise, "Nothing was written.")
    jail = warden.jail(rebuilt.answers.cells)
    try:
        for number, name in enumerate(jail.raised, 1):
            if name:
                yield f"Cell {number} of {len(jail.raised)} raised {name}."
        sub = Submission(jail, task.fixtures)
        tries = Tries(task, sub, work.master.secret)
        for part in task.parts:
            result = judge_part(tries, part, work.master.expected[exercise])
            failing = None if result.number is None else tries.draws(part)[result.number]
            values = {name: plain(value) or tuple(getattr(value, "shape", ())) for name, value in (failing or {}).items()}
            shown = "; ".join(f"{name} {value or '...'}" for name, value in values.items())  # of large ones the shape
            tried = f" (with {shown})" if failing else ""
            about = f"{part.name}, {part.points:g} points, {len(tries.draws(part))} secret draws"
            yield f"{about}: {result.complaint or 'right'}{tried}"
            if (result.complaint or "").startswith("your code raised "):
                yield f"  what it says of that: {_said(sub)!r}"  # the student's own words, so that nothing in them acts
    finally:
        jail.close()


def _said(sub: Submission) -> str:
    try:
        return sub.told()
    except Raised:
        return ""
