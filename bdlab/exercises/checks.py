"""What students call: `bdlab.check("l03_stamp")`, `check_all("l03")`, `hint("l03_stamp")`, `failing("l03_stamp")`."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from bdlab.exercises import lessons
from bdlab.exercises.draws import Signature, arguments, inputs
from bdlab.exercises.frozen import frozen
from bdlab.exercises.names import broken, objection, outdated
from bdlab.exercises.parts import built
from bdlab.exercises.recognising import recognise
from bdlab.exercises.specification import Draw, Exercise
from bdlab.exercises.telling import WIDTH, call_of, echo_of, lines_of, smallest_failure, wrapped
from bdlab.exercises.verdict import UNWRITTEN, Tries, Verdict, judge
from bdlab.submission import Local, Submission

SECONDS = 30
"""After which a check gives up in the notebook; the checks of a whole lesson cost one."""
SWITCHED = (
    "Your code switches gradients off for all that comes after it, so that nothing trains any more: put the lines that need "
    "none below `with torch.no_grad():`."
)
_shown: dict[str, int] = {}
"""Exercise -> how many of its hints were given."""
_failing: dict[str, tuple[Signature, Draw]] = {}
"""Exercise -> the draw on which its last check failed."""


class Points(float):
    """What a check gives in a notebook: a float that Jupyter does not print below the check's own words."""

    def _ipython_display_(self) -> None:
        """Nothing to show."""


def check(exercise: str, answer: Any = None) -> float:
    """Check one exercise and return its points.  Prints what is right, what is not and why, and a call that shows it.

    answer: a function or class to check in place of the notebook's own.  Raises: `ValueError` for an unknown exercise.
    """
    task = lessons.find(exercise)
    verdict, lines = looked_at(task, answer)
    print("\n".join(lines))
    points = verdict.points if verdict else 0.0
    return points if "NBGRADER_EXECUTION" in os.environ or not _shell() else Points(points)


def check_all(lesson: str) -> float:
    """Check every exercise of a lesson, 'l03' or '03_badnets': one line each; returns the points of all.

    Nothing is checked twice while nbgrader grades the notebook, whose check cells do it already: then it is silent.
    """
    found = lessons.lesson(lesson)
    total = 0.0
    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        return total
    for task in found.exercises:
        verdict, remark = verdict_of(task)[:2]
        points = verdict.points if verdict else 0.0
        total += points
        more = "" if points == task.points else (verdict is None and remark) or f"see bdlab.check({task.id!r})"
        print(f"{task.id:<24} {points:g} of {task.points:g}   {more}"[:WIDTH].rstrip())
    essay = f"   and {found.essay:g} for the essay, which a person reads" if found.essay else ""
    print(f"{'together':<24} {total:g} of {found.automatic:g}{essay}")
    return total if "NBGRADER_EXECUTION" in os.environ or not _shell() else Points(total)


def hint(exercise: str, number: int | None = None) -> None:
    """Print the next hint of an exercise, or hint 1, 2 or 3: a question, the idea, almost the line."""
    task = lessons.find(exercise)
    if number is not None and number not in (1, 2, 3):
        raise ValueError(f"number must be 1, 2 or 3, got {number}; leave it out for the next hint")
    number = number or _shown.get(task.id, 0) + 1
    _shown[task.id] = max(min(number, 3), _shown.get(task.id, 0))
    if number > 3:
        print(f"There is no fourth hint. bdlab.hint({task.id!r}, 3) shows the third again.")
        return
    print("\n".join(wrapped(f"Hint {number} of 3: {task.hints[number - 1]}", 6)).removeprefix("  "))


def failing(exercise: str) -> tuple[Any, ...]:
    """The arguments on which the last check of an exercise failed, in the order of its signature, made anew each time.

    Of a class: the arguments of its constructor, then what its instance is called with.
    Raises: `ValueError` where nothing failed, or nothing was checked yet.
    """
    task = lessons.find(exercise)
    if task.id not in _failing:
        raise ValueError(
            f"exercise must be one whose last check found a wrong answer, got {exercise!r}: it was not run yet, had nothing "
            f"to judge, or all was right; run bdlab.check({exercise!r})"
        )
    signature, draw = _failing[task.id]
    there = {name: _fresh(value) for name, value in draw.items()}
    args, named = arguments(signature, there)
    return (*args, *named.values(), *(inputs(signature, there) if signature.kind == "class" else ()))


def _fresh(value: Any) -> Any:
    return value.clone() if hasattr(value, "clone") else built(value)


def looked_at(task: Exercise, answer: Any = None) -> tuple[Verdict | None, list[str]]:
    """The verdict and what the student reads; see `verdict_of`."""
    verdict, remark, tries = verdict_of(task, answer)
    _failing.pop(task.id, None)
    if verdict is None or tries is None or verdict.points == task.points:
        return verdict, lines_of(task, verdict, remark)
    lines, (expected, _) = lines_of(task, verdict, remark), frozen(task.id)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(TooSlow), limited(SECONDS), stays():
        worst = smallest_failure(tries, list(verdict.results), expected)
        if worst is not None and worst.number is not None:
            signature = next(one for one in task.signatures if worst.part.calls in (None, one.name))
            _failing[task.id] = signature, tries.draws(worst.part)[worst.number]
            shown = [worst if result.part is worst.part else result for result in verdict.results]
            lines = lines_of(task, replace(verdict, results=shown), remark)  # of the draw that the call shows
            lines += [*call_of(task, tries, worst, expected), *echo_of(worst.printed)]
    return verdict, lines


def verdict_of(task: Exercise, answer: Any = None) -> tuple[Verdict | None, str, Tries | None]:
    """The verdict, a remark, and what was tried; no verdict where there is nothing to judge, and the remark says why.

    Looked at are the notebook's own namespace and the cells that ran.
    """
    namespace, cells = notebook()
    if answer is not None:
        namespace = {**namespace, task.name: answer}
    against = _unready(task, namespace, cells, passed=answer is not None)
    if against:
        return None, against, None
    expected, edits = frozen(task.id)
    tries = Tries(task, Submission(Local(namespace), task.fixtures))
    try:
        with contextlib.redirect_stderr(io.StringIO()), limited(SECONDS), stays():
            before = torch.is_grad_enabled()
            results = judge(tries, expected)
            switched = torch.is_grad_enabled() != before
            if all(result.complaint == UNWRITTEN for result in results if not result.waiting):
                return None, f"{task.name} is not written yet", None
            lost = any(result.complaint is not None for result in results)
            mistakes = recognise(tries, expected, edits) if lost else ()
    except TooSlow:
        return None, f"stopped after {SECONDS} s: your code is too slow, or has a loop that never ends", None
    return Verdict(task, results, mistakes), SWITCHED if switched and not mistakes else _disorder(task, namespace), tries


def _unready(task: Exercise, namespace: dict[str, Any], cells: list[str], passed: bool) -> str | None:
    """Why there is nothing to judge; None where there is."""
    for signature in task.signatures:
        name = signature.name
        if not passed and broken(task.id, name, cells):
            return "the cell with your answer has a syntax error, so Python did not run it: mend it and run it again"
        if name not in namespace:
            return _undefined(name, namespace)
        thing = namespace[name]
        if signature.kind == "value":
            continue
        if not callable(thing):
            return f"{name} is of type {type(thing).__name__}; it must be a function or a class"
        if not passed and outdated(task.id, thing, cells):
            return (
                f"{name} is not what your answer's cell says: that cell stopped with an error, or {name} was defined again "
                f"elsewhere. Grading sees the cell that begins with '# [{task.id}]': run it again"
            )
        against = objection(thing, namespace, cells, task.needs, task.forbid)
        if against:
            return against
    return None


class TooSlow(KeyboardInterrupt):
    """Like the stop button, so that no `except Exception` of the student catches it."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` inside after `seconds`, and every second again; no limit where the system has no such timer.

    One limit may stand inside another: afterwards what is left of the outer one counts.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise TooSlow

    before, started = signal.signal(signal.SIGALRM, stop), time.monotonic()
    outer, again = signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        left = max(outer - (time.monotonic() - started), 0.01) if outer else 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left, again)


def _undefined(name: str, namespace: dict[str, Any]) -> str:
    own = [key for key, value in namespace.items() if inspect.isfunction(value) and value.__module__ == "__main__"]
    close = difflib.get_close_matches(name, own, 1)
    meant = f"; you defined {close[0]}, is that a slip?" if close else ""
    return f"{name} is not defined: run the cell that holds your answer first{meant}"


def _disorder(task: Exercise, namespace: dict[str, Any]) -> str:
    """What to say of parameters that have the right names in another order."""
    for signature in task.signatures:
        try:
            names = tuple(inspect.signature(namespace[signature.name]).parameters)
        except (TypeError, ValueError):
            continue
        if names != signature.arguments and sorted(names) == sorted(signature.arguments):
            return f"The arguments come in this order: {', '.join(signature.arguments)}. Yours are {', '.join(names)}."
    return ""


@contextlib.contextmanager
def stays() -> Iterator[None]:
    """What an answer does to the whole process stays in its own call: `exit()`, and gradients that it switches off."""
    gradients = torch.is_grad_enabled()
    try:
        with _kept_alive():
            yield
    finally:
        torch.set_grad_enabled(gradients)


@contextlib.contextmanager
def _kept_alive() -> Iterator[None]:
    shell = _shell()
    if shell is None:
        yield
        return

    def stop(*_: Any, **named: Any) -> None:
        raise SystemExit("exit() was called")

    before = vars(shell).get("ask_exit")
    shell.ask_exit = stop
    try:
        yield
    finally:
        if before is None:
            del shell.ask_exit
        else:  # one call inside another
            shell.ask_exit = before


def _shell() -> Any:
    """The notebook's shell; None in a script."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def notebook() -> tuple[dict[str, Any], list[str]]:
    """The namespace of the notebook or script, and the sources of the cells that ran."""
    shell = _shell()
    if shell is not None:
        return shell.user_ns, list(shell.user_ns.get("In", ()))
    return vars(sys.modules["__main__"]), []
