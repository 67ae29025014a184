"""What students call: `bdlab.check("l03_stamp")`, `bdlab.check_all("l03")`, `bdlab.hint("l03_stamp")`."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import signal
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

from bdlab.exercises import lessons
from bdlab.exercises.frozen import frozen
from bdlab.exercises.names import broken, objection
from bdlab.exercises.specification import Exercise
from bdlab.exercises.verdict import Result, Tries, Verdict, judge, recognise
from bdlab.submission import Local, Submission

WIDTH, LINES = 106, 6
"""How wide and how long what a check prints may be."""
SECONDS = 30
"""After which a check gives up in the notebook; the checks of a whole lesson cost one."""
LOST = "Mend what is marked 'no'. Call your function on a few numbers whose result you know, as in the docstring's example."
_shown: dict[str, int] = {}
"""Exercise -> how many of its hints were given."""


def check(exercise: str, answer: Any = None) -> float:
    """Check one exercise and return its points.  Prints at most six lines; see `verdict_of` for what is looked at.

    answer: a function or class to check in place of the notebook's own.  Raises: `ValueError` for an unknown exercise.
    """
    task = lessons.find(exercise)
    verdict, remark = verdict_of(task, answer)
    print("\n".join(lines_of(task, verdict, remark)))
    return verdict.points if verdict else 0.0


def check_all(lesson: str) -> float:
    """Check every exercise of a lesson, 'l03' or '03_badnets': one line each; returns the points of all."""
    found = lessons.lesson(lesson)
    total = 0.0
    for task in found.exercises:
        verdict, remark = verdict_of(task)
        points = verdict.points if verdict else 0.0
        total += points
        print(
            f"{task.id:<24} {points:g} of {task.points:g}   "
            f"{(verdict is None and remark) or 'see bdlab.check(' + repr(task.id) + ')'}"[:WIDTH]
        )
    automatic = sum(task.points for task in found.exercises)
    print(f"{'together':<24} {total:g} of {automatic:g}   and {found.essay:g} for the essay, which a person reads")
    return total


def hint(exercise: str, number: int | None = None) -> None:
    """Print the next hint of an exercise, or hint 1, 2 or 3: a question, the idea, almost the line."""
    task = lessons.find(exercise)
    if number is not None and number not in (1, 2, 3):
        raise ValueError(f"number must be 1, 2 or 3, got {number}; leave it out for the next hint")
    number = number or min(_shown.get(task.id, 0) + 1, 3)
    _shown[task.id] = max(number, _shown.get(task.id, 0))
    print(textwrap.fill(f"Hint {number} of 3: {task.hints[number - 1]}", WIDTH))


def verdict_of(task: Exercise, answer: Any = None) -> tuple[Verdict | None, str]:
    """The verdict and a remark; no verdict where there is nothing to judge, and the remark says why.

    Looked at are the notebook's own namespace and the cells that ran.
    """
    namespace, cells = _notebook()
    if answer is not None:
        namespace = {**namespace, task.name: answer}
    if answer is None and broken(task.id, task.name, cells):
        return None, "the cell with your answer has a syntax error, so Python did not run it: mend it and run it again"
    if task.name not in namespace:
        return None, _undefined(task.name, namespace)
    if not callable(namespace[task.name]):
        return None, f"{task.name} is of type {type(namespace[task.name]).__name__}; it must be a function or a class"
    against = objection(namespace[task.name], namespace, cells, task.needs, task.forbid)
    if against:
        return None, against
    expected, mutants = frozen(task.id)
    tries = Tries(task, Submission(Local(namespace), task.fixtures))
    try:
        with contextlib.redirect_stderr(io.StringIO()), _limited(SECONDS):
            results = judge(tries, expected)
            if all(map(_unwritten, results)):
                return None, f"{task.name} is not written yet"
            mistake = recognise(tries, mutants) if any(result.complaint is not None for result in results) else None
    except _TooSlow:
        return None, f"stopped after {SECONDS} s: your code is too slow, or has a loop that never ends"
    return Verdict(task, results, mistake), _disorder(task, namespace[task.name])


class _TooSlow(KeyboardInterrupt):
    """Like the stop button, so that no `except Exception` of the student catches it."""


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise `_TooSlow` inside after `seconds`, and every second again; no limit where the system has no such timer."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 1)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _undefined(name: str, namespace: dict[str, Any]) -> str:
    own = [key for key, value in namespace.items() if inspect.isfunction(value) and value.__module__ == "__main__"]
    close = difflib.get_close_matches(name, own, 1)
    meant = f"; you defined {close[0]}, is that a slip?" if close else ""
    return f"{name} is not defined: run the cell that holds your answer first{meant}"


def _unwritten(result: Result) -> bool:
    """Whether the part met the line `raise NotImplementedError()` of the answer cell; torch's own have a text."""
    text = result.detail.removeprefix("NotImplementedError:")
    return text != result.detail and text.lstrip(" ")[:1] in ("", ",")


def _disorder(task: Exercise, answer: Any) -> str:
    """What to say of parameters that have the right names in another order."""
    try:
        names = tuple(inspect.signature(answer).parameters)
    except (TypeError, ValueError):
        return ""
    if names == task.arguments or sorted(names) != sorted(task.arguments):
        return ""
    return f"The arguments come in this order: {', '.join(task.arguments)}. Yours are {', '.join(names)}."


def _notebook() -> tuple[dict[str, Any], list[str]]:
    """The namespace of the notebook or script, and the sources of the cells that ran."""
    if "IPython" in sys.modules:
        shell = sys.modules["IPython"].get_ipython()
        if shell is not None:
            return shell.user_ns, list(shell.user_ns.get("In", ()))
    return vars(sys.modules["__main__"]), []


def lines_of(task: Exercise, verdict: Verdict | None, remark: str = "") -> list[str]:
    """What a student reads: six lines at most, none too long for a page of feedback."""
    points = verdict.points if verdict else 0.0
    full = points == task.points
    head = f"{task.id}: {points:g} of {task.points:g} points" + ("" if full else f"   Stuck? bdlab.hint({task.id!r})")
    if verdict is None:
        return [head, *_wrapped(remark, LINES - 1)]
    lines = [head, *map(_line, verdict.results)]
    if full:
        return [*lines, *_wrapped(f"Next: {task.onward}", LINES - len(lines))]
    told = remark or (verdict.mistake and task.messages[verdict.mistake])
    detail = next((result.detail for result in verdict.results if result.detail), "")
    return [*lines, *_wrapped(told or detail or LOST, LINES - len(lines))]


def _line(result: Result) -> str:
    if result.complaint is None:
        return f"  ok   {result.part.name}: {result.part.verified}"
    told = f"  no   {result.part.name}: {result.complaint}"
    tried = result.tried.split("; ") if result.tried else []
    while tried and len(f"{told} (with {', '.join(tried)})") > WIDTH:
        tried.pop()
    told += f" (with {', '.join(tried)})" if tried else ""
    return told if len(told) <= WIDTH else f"{told[: WIDTH - 4]} ..."


def _wrapped(text: str, lines: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ", max_lines=lines, placeholder=" ...")
