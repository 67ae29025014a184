"""One hand-in to points and reasons: a pure function of the student's text, our lesson, a secret and the limits.

The code runs in a jail; the verdict is computed here, from plain values.  Points come from draws that the secret fixes; the
words come from the public draws, so that feedback holds nothing of the secret ones.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autograder.authoring.frozen import submission
from autograder.authoring.sources import references
from autograder.handin.runnable import Answers
from autograder.verdict.doubts import doubts
from autograder.verdict.journal import CellGrade
from autograder.warden.pool import Warden
from autograder.warden.tiers import Refused
from bdlab.exercises import lessons
from bdlab.exercises.checks import lines_of
from bdlab.exercises.frozen import frozen
from bdlab.exercises.specification import Exercise, Lesson
from bdlab.exercises.verdict import Outcomes, Result, Tries, Verdict, judge, judge_part, outcomes, recognise
from bdlab.submission import Remote, Submission

BUILT_IN = (
    "right on the inputs of the notebook's check, wrong on others: does something of those inputs stand in the code?"
)
ENDED = "your code gave no answer in time, or ended its process, or needed more than it may"
UNWRITTEN = "nothing was written here"
ATTEMPTS, ROUNDS = 4, 20
"""How often one hand-in is tried whose jail somebody kills, and how often when it is the fork server."""


@dataclass(frozen=True)
class Master:
    """A lesson with the reference's outcomes on the draws of one assignment; made once a class, in this process."""

    lesson: Lesson
    secret: bytes
    expected: Mapping[str, Outcomes] = field(repr=False)

    def key(self, answers: Answers, limits: Mapping[str, float]) -> str:
        """Names everything that the points depend on."""
        from bdlab import __version__

        about = [
            self.lesson.id,
            hashlib.sha256(self.secret).hexdigest(),
            _specification(self.lesson),
            dict(limits),
            __version__,
        ]
        return hashlib.sha256(json.dumps([*about, list(answers.cells)]).encode()).hexdigest()


def master(home: Path, assignment: str, course_secret: bytes) -> Master:
    """The lesson under solutions/NN_topic as the assignment of this name: its reference runs on fresh draws."""
    lesson = lessons.lesson(home.name)
    secret = hmac.digest(course_secret, assignment.encode(), "sha256")
    expected = {task.id: outcomes(task, submission(references(home)[task.id]), secret) for task in lesson.exercises}
    return Master(lesson, secret, expected)


def grade(answers: Answers, lesson: Master, warden: Warden) -> dict[str, CellGrade]:
    """Exercise -> its grade.  The jail is this hand-in's own and does not outlive it.

    Each exercise has its share of the time, so that one that hangs costs no other.  What ended its process is tried once
    more in a fresh jail, while there is time, and again where somebody else has ended it.  All of it takes twice the
    limit at most: once to run the cells, once to answer.
    """
    found = {task.id: unwritten(task) for task in lesson.lesson.exercises}
    tasks = [task for task in lesson.lesson.exercises if task.id in answers.written]
    if not tasks:
        return found
    wall = warden.limits.wall
    end, starts, attempt = time.monotonic() + 2 * wall, warden.server.starts, 1
    jail = warden.jail(answers.cells)
    try:
        for _ in range(ROUNDS):
            ended = []
            for task in tasks:
                jail.allow(min(wall / len(found), end - time.monotonic()))
                found[task.id], hung = _grade(task, jail, lesson, answers)
                if found[task.id].points < task.points and (hung or jail.fatal):
                    ended.append(task)
            disturbed, jail.disturbed = jail.disturbed, False
            killed, starts = warden.server.starts != starts, warden.server.starts
            if not ended or (not killed and (attempt == ATTEMPTS or (attempt > 1 and not disturbed))):
                return found
            attempt += not killed  # no student can end the fork server: that costs no attempt
            tasks = ended
            jail.close()
            if disturbed or killed:  # it was not this student's doing
                end = time.monotonic() + 2 * wall
            jail.whole = min(wall, end - time.monotonic())
            jail.run(answers.cells)
    finally:
        jail.close()
    raise Refused(f"tier {warden.tier}: the fork server was killed {ROUNDS} times while one hand-in was graded")


def unwritten(task: Exercise, reason: str = UNWRITTEN) -> CellGrade:
    """No points, and why."""
    return CellGrade(0.0, task.points, (f"{task.id}: 0 of {task.points:g} points", f"  {reason}"))


def _grade(task: Exercise, jail: Remote, lesson: Master, answers: Answers) -> tuple[CellGrade, bool]:
    """The grade, and whether something ended the process."""
    sub = Submission(jail, task.fixtures)
    results = judge(Tries(task, sub, lesson.secret), lesson.expected[task.id])
    points = Verdict(task, results).points
    lost = any(result.complaint is not None for result in results)
    ended = any(result.ended for result in results)
    public = Tries(task, sub)
    mistake = recognise(public, frozen(task.id)[1]) if lost and not ended else None
    told = Verdict(task, [_in_public_words(public, result) for result in results], mistake)
    raised = "" if points else _raised(task, jail, answers)
    looks = tuple(doubts(task, answers.written[task.id], answers))
    return CellGrade(points, task.points, tuple(lines_of(task, told, raised)), looks, mistake), ended


def _raised(task: Exercise, jail: Remote, answers: Answers) -> str:
    """What the cell of an answer that got nothing raised when it ran."""
    name = jail.raised[answers.cells.index(answers.written[task.id])]
    return f"The cell with your answer raised {name} when it ran; try Kernel > Restart and Run All." if name else ""


def _in_public_words(public: Tries, result: Result) -> Result:
    if result.complaint is None:
        return Result(result.part, None)
    if result.ended:
        return Result(result.part, ENDED)
    told = judge_part(public, result.part, frozen(public.exercise.id)[0])
    return Result(result.part, ENDED if told.ended else told.complaint or BUILT_IN, told.tried)


def _specification(lesson: Lesson) -> str:
    """Changes when the exercises do, or what their draws and judges are."""
    import inspect

    from bdlab.exercises import comparing, specification, verdict

    modules = {inspect.getmodule(part.run) for task in lesson.exercises for part in task.parts}
    sources = sorted(inspect.getsource(module) for module in {*modules, comparing, specification, verdict} if module)
    return hashlib.sha256("".join(sources).encode()).hexdigest()
