"""One hand-in to points and reasons: a pure function of the student's text, our lesson, a secret and the limits.

The code runs in a jail; the verdict is computed here, from plain values.  Points come from draws that the secret fixes; the
words come from the public draws, so that feedback holds nothing of the secret ones.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from autograder.authoring import judged_by
from autograder.authoring.frozen import submission
from autograder.authoring.sources import Answer, references
from autograder.handin.runnable import Answers
from autograder.verdict.doubts import doubts
from autograder.verdict.journal import CellGrade, Record
from autograder.warden.pool import Jailed, Warden
from autograder.warden.tiers import Refused
from bdlab.exercises import lessons
from bdlab.exercises.frozen import frozen
from bdlab.exercises.recognising import recognise
from bdlab.exercises.specification import Exercise, Lesson
from bdlab.exercises.telling import lines_of
from bdlab.exercises.verdict import Outcomes, Result, Tries, Verdict, judge, outcomes
from bdlab.submission import Submission
from bdlab.submission.frames import encode

BUILT_IN = (
    "right on the inputs of the notebook's check, wrong on others: does something of those inputs stand in the code?"
)
ENDED = "your code gave no answer in time, or ended its process, or needed more than it may"
UNWRITTEN = "nothing was written here"
CUDA = re.compile(r"\.cuda\(|['\"]cuda\b")
STARVED = "needs a human: the machine was too busy to tell how long the answer takes; grade it again"
ATTEMPTS, ROUNDS = 4, 20
"""How often one hand-in is tried whose jail somebody kills, and how often when it is the fork server."""


@dataclass(frozen=True)
class Master:
    """A lesson with the references' outcomes on the draws of one assignment; made once a class, in this process.

    checks: see `judged_by.checks`.
    """

    lesson: Lesson
    secret: bytes
    expected: Mapping[str, Outcomes] = field(repr=False)
    checks: Mapping[str, str] = field(repr=False)

    def key(self, answers: Answers, limits: Mapping[str, float]) -> str:
        """Names everything that the points depend on."""
        from bdlab import __version__

        about = [
            self.lesson.id,
            hashlib.sha256(self.secret).hexdigest(),
            dict(self.checks),
            self.outcomes,
            dict(limits),
            __version__,
        ]
        return hashlib.sha256(json.dumps([*about, list(answers.cells)]).encode()).hexdigest()


    @cached_property
    def outcomes(self) -> str:
        """Names what the references answer."""
        return hashlib.sha256(b"".join(map(encode, self.expected.values()))).hexdigest()


def master(home: Path, assignment: str, course_secret: bytes, answers: Mapping[str, Answer] | None = None) -> Master:
    """The lesson under solutions/NN_topic as the assignment of this name: its references run on fresh draws.

    answers: the references, if they are not the work tree's.
    """
    lesson, answers = lessons.lesson(home.name), answers or references(home)
    secret = hmac.digest(course_secret, assignment.encode(), "sha256")
    expected = {task.id: outcomes(task, submission(answers[task.id]), secret) for task in lesson.exercises}
    return Master(lesson, secret, expected, judged_by.checks(home))


def grade(answers: Answers, lesson: Master, warden: Warden) -> dict[str, CellGrade]:
    """Exercise -> its grade.  The jails are this hand-in's own and do not outlive it.

    Points come from the first jail, or from those that follow where one ended; the words come from the public draws in a
    fresh one, which is started only where something was lost.
    """
    found = {task.id: unwritten(task) for task in lesson.lesson.exercises}
    tasks = [task for task in lesson.lesson.exercises if task.id in answers.written]
    if not tasks:
        return found
    jail, starved = warden.jail(answers.cells), set[str]()
    try:
        results = _judged(tasks, jail, lesson, answers, warden, starved)
        raised = {task.id: _raised(task, jail, answers) for task in tasks}
        words = _words([task for task in tasks if _lost(results[task.id])], jail, answers, warden)
    finally:
        jail.close()
    return found | {
        task.id: _cell(
            task, results[task.id], raised[task.id], answers, *words.get(task.id, ((), ())), starved=task.id in starved
        )
        for task in tasks
    }


def unsure(record: Record) -> bool:
    """Whether the machine was too busy to tell what its answers deserve."""
    return any(STARVED in cell.doubts for cell in record.cells.values())


def _judged(
    tasks: Sequence[Exercise], jail: Jailed, lesson: Master, answers: Answers, warden: Warden, starved: set[str]
) -> dict[str, list[Result]]:
    """Exercise -> its results on the secret draws; `starved` gets those of which a busy machine let nobody say how long
    they take.

    Each exercise has its share of the time, so that one that hangs costs no other.  What ended its process did so for good,
    but where somebody else has ended it, or where it had no chance to run: that is tried again in a fresh jail.  All of it
    takes twice the limit at most: once to run the cells, once to answer.
    """
    found: dict[str, list[Result]] = {}
    wall = warden.limits.wall
    end, starts, attempt = jail.now() + 2 * wall, warden.server.starts, 1
    for _ in range(ROUNDS):
        ended = []
        for task in tasks:
            jail.starved = False
            jail.allow(min(wall / len(lesson.lesson.exercises), end - jail.now()))
            results = judge(Tries(task, Submission(jail, task.fixtures), lesson.secret), lesson.expected[task.id])
            found[task.id] = results
            (starved.add if jail.starved else starved.discard)(task.id)
            if any(result.ended or (jail.fatal and result.complaint is not None) for result in results):
                ended.append(task)
        disturbed, jail.disturbed = jail.disturbed or (bool(starved) and attempt == 1), False
        killed, starts = warden.server.starts != starts, warden.server.starts
        if not ended or not (killed or (disturbed and attempt < ATTEMPTS)):
            return found
        attempt += not killed  # no student can end the fork server: that costs no attempt
        tasks = ended
        end = jail.now() + 2 * wall  # it was not this student's doing
        _again(jail, answers, min(wall, end - jail.now()))
    raise Refused(f"tier {warden.tier}: the fork server was killed {ROUNDS} times while one hand-in was graded")


def _again(jail: Jailed, answers: Answers, seconds: float) -> None:
    """A fresh process that has run the cells."""
    jail.close()
    jail.whole = seconds
    jail.run(answers.cells)


def _lost(results: Sequence[Result]) -> bool:
    """Whether something is lost that the public draws may have words for."""
    lost = [result for result in results if result.complaint is not None]
    return bool(lost) and not any(result.ended for result in lost)


def _words(
    tasks: Sequence[Exercise], jail: Jailed, answers: Answers, warden: Warden
) -> dict[str, tuple[Sequence[Result], tuple[str, ...]]]:
    """Exercise -> its results on the public draws, and the mistakes that they show, from a fresh jail."""
    if not tasks:
        return {}
    _again(jail, answers, warden.limits.wall)
    found: dict[str, tuple[Sequence[Result], tuple[str, ...]]] = {}
    for task in tasks:
        jail.allow(warden.limits.wall / len(tasks))
        expected, edits = frozen(task.id)
        public = Tries(task, Submission(jail, task.fixtures))
        shown = judge(public, expected)
        ended = any(result.ended for result in shown)
        found[task.id] = shown, () if ended else recognise(public, expected, edits)
    return found


def unwritten(task: Exercise, reason: str = UNWRITTEN) -> CellGrade:
    """No points, and why."""
    return CellGrade(0.0, task.points, (f"{task.id}: 0 of {task.points:g} points", f"  {reason}"), cause="blank")


def _cell(
    task: Exercise, results: Sequence[Result], raised: str, answers: Answers, public: Sequence[Result],
    mistakes: tuple[str, ...], starved: bool,
) -> CellGrade:  # fmt: skip
    """What one check cell gives, in words that hold nothing of the secret draws."""
    points = Verdict(task, results).points
    raised = "" if points else raised
    lost = [result for result in results if result.complaint is not None]
    words = [_told(mine, shown) for mine, shown in zip(results, public or results, strict=True)]
    told = tuple(lines_of(task, Verdict(task, words, mistakes), raised))
    if lost and CUDA.search(answers.written[task.id]):
        told += ("  Your answer asks for CUDA: there is none where it is graded. Use `x.device`, or name no device.",)
    looks = (*doubts(task, answers), *([STARVED] if starved else []))
    cause = _cause(task, points, any(r.ended for r in lost), bool(raised) or any(map(_raises, lost)))
    return CellGrade(points, task.points, told, looks, mistakes, cause)


def _cause(task: Exercise, points: float, ended: bool, raised: bool) -> str:
    if points >= task.points:
        return "right"
    if ended:
        return "ended its process"
    return "raised an error" if raised else "in part" if points > 0 else "wrong"


def _raises(result: Result) -> bool:
    """Whether the part is lost because the code raised where it must not."""
    return (result.complaint or "").startswith("your code raised ")


def _raised(task: Exercise, jail: Jailed, answers: Answers) -> str:
    """What the cell of an answer that got nothing raised when it ran."""
    name = jail.raised[answers.cells.index(answers.written[task.id])]
    lacking = answers.lacking.get(task.id, ())
    if name and lacking:
        return f"The cell with your answer imports {', '.join(lacking)}, which is not there where it is graded ({name})."
    return f"The cell with your answer raised {name} when it ran; try Kernel > Restart and Run All." if name else ""


def _told(mine: Result, shown: Result) -> Result:
    if mine.complaint is None:
        return Result(mine.part, None)
    if mine.waiting and not mine.ended:
        return Result(mine.part, mine.complaint, waiting=True)
    if mine.ended or shown.ended:
        return Result(mine.part, ENDED)
    return Result(mine.part, shown.complaint if shown.complaint and not shown.waiting else BUILT_IN)
