"""What a student reads below a check: parts, the mistake, a call that shows it, and what the code itself printed."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bdlab.exercises.comparing import vague
from bdlab.exercises.draws import Signature, arguments, inputs
from bdlab.exercises.specification import Draw, Exercise, Made
from bdlab.exercises.verdict import Outcomes, Result, Tries, Verdict, failures, marked

WIDTH, LINES = 106, 6
"""How wide and how long what a check says may be; a call and echoed lines come on top."""
DETAIL, CALL, ECHO = 3, 2, 3
"""Lines of an exception's own words, of the call to paste, and of what the student's code printed."""
SMALL = 12
"""Numbers of a tensor that is written out."""
LOST = "Mend what is marked 'no'. Call your function on a few numbers whose result you know, as in the docstring's example."


def lines_of(task: Exercise, verdict: Verdict | None, remark: str = "") -> list[str]:
    """Points, one line a part, then the remark, the mistake's message, or what else helps."""
    points = verdict.points if verdict else 0.0
    full = points == task.points
    head = f"{task.id}: {points:g} of {task.points:g} points" + ("" if full else f"   Stuck? bdlab.hint({task.id!r})")
    if verdict is None:
        return [head, *wrapped(remark, LINES - 1)]
    lines = [head, *map(_line, verdict.results)]
    left = max(LINES - len(lines), 1)
    if full:
        return [*lines, *wrapped(remark or f"Next: {task.onward}", left)]
    detail = next((result.detail for result in verdict.results if result.detail), "")
    told = remark or (task.messages[verdict.mistakes[0]] if verdict.mistakes else "")
    told = told or (LOST if any(vague(result.complaint or "") for result in verdict.results) and not detail else "")
    return [*lines, *wrapped(told, left), *wrapped(detail, DETAIL)]


def _line(result: Result) -> str:
    if result.complaint is None:
        return f"  ok   {result.part.name}: {result.part.verified}"
    told = f"  {'--' if result.waiting else 'no'}   {result.part.name}: {result.complaint}"
    return told if len(told) <= WIDTH else f"{told[: WIDTH - 4].rsplit(' ', 1)[0]} ..."


def wrapped(text: str, lines: int) -> list[str]:
    """`text` in at most so many indented lines."""
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ", max_lines=lines, placeholder=" ...")


def smallest_failure(tries: Tries, results: list[Result], expected: Outcomes) -> Result | None:
    """Of the first part that is lost, the failing draw that is the easiest to look at; None where nothing failed."""
    lost = next((result for result in results if result.complaint is not None and not result.waiting), None)
    if lost is None or lost.number is None:
        return None
    draws = tries.draws(lost.part)
    return min(failures(tries, lost.part, expected), key=lambda result: _size(draws[result.number or 0]), default=lost)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_size, value)) + 1
    return value.numel() if isinstance(value, Tensor) else 1000 if isinstance(value, Made) else 1


def call_of(task: Exercise, tries: Tries, result: Result, expected: Outcomes) -> list[str]:
    """The call that fails, to paste: `all_to_all(torch.tensor([3, 9, 0, 1]), 10)  # yours ..., expected ...`.

    Arguments that are large or not plain come from `bdlab.failing`.
    """
    part, number = result.part, result.number
    assert number is not None
    signature = next(one for one in task.signatures if part.calls in (None, one.name))
    if signature.kind == "value":
        return []
    draw, (got, _) = tries.draws(part)[number], tries.answer(part, number)
    right = expected[part.name][number] if part.judge is None else None
    said = _beside(got, right) if part.look is None else ""
    calls = (_written(signature, draw), _handed(task, signature))
    if part.watched:  # what it does to its arguments shows in names only
        calls = (None, f"{_handed(task, signature)}; args")
    for call in calls:
        lines = wrapped(call or "", CALL + 1)  # Python reads a call on two lines as well
        if call is None or len(lines) > CALL:
            continue
        if len(lines[-1] + said) <= WIDTH:
            return [*lines[:-1], lines[-1] + said]
        return [*lines, f"   {said.strip()}"] if len(lines) < CALL and len(said) < WIDTH else lines
    return []


def _beside(got: Any, right: Any) -> str:
    yours = f"raises {got['raised']}" if marked(got, "raised") else None if marked(got, "wrong") else plain(got)
    wanted = plain(right) if right is not None else None
    told = [f"yours {yours}" if yours else "", f"expected {wanted}" if wanted else ""]
    return "  # " + ", ".join(filter(None, told)) if any(told) else ""


def _written(signature: Signature, draw: Draw) -> str | None:
    args, named = arguments(signature, draw)
    texts = [plain(value) for value in args] + [_named(name, plain(value)) for name, value in named.items()]
    more = [plain(value) for value in inputs(signature, draw)] if signature.kind == "class" else []
    if None in texts or None in more:
        return None
    call = f"{signature.name}({', '.join(map(str, texts))})"
    return f"{call}({', '.join(map(str, more))})" if signature.kind == "class" else call


def _named(name: str, text: str | None) -> str | None:
    return None if text is None else f"{name}={text}"


def _handed(task: Exercise, signature: Signature) -> str:
    count = len(signature.arguments)
    call = f"{signature.name}(*args[:{count}])(*args[{count}:])" if signature.kind == "class" else f"{signature.name}(*args)"
    return f"args = bdlab.failing({task.id!r}); {call}"


def plain(value: Any) -> str | None:
    """The Python that makes a small value; None for a large one, and for what is no value."""
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()})" if value.size <= SMALL else None
    if isinstance(value, list | tuple):
        inner = [plain(one) for one in value]
        if None in inner or len(inner) > SMALL:
            return None
        text = ", ".join(map(str, inner))
        return f"[{text}]" if isinstance(value, list) else f"({text}{',' if len(inner) == 1 else ''})"
    if isinstance(value, dict):
        pairs = [(repr(key), plain(one)) for key, one in value.items()]
        return None if any(text is None for _, text in pairs) else "{" + ", ".join(f"{k}: {t}" for k, t in pairs) + "}"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value) if value is None or isinstance(value, bool | int | float | str) else None


def _tensor(value: Tensor) -> str | None:
    if value.numel() > SMALL:
        return None
    usual = value.dtype in (torch.int64, torch.float32, torch.bool) and value.numel()
    listed = str(_short(value.tolist())).replace("nan", 'float("nan")').replace("inf", 'float("inf")')
    return f"torch.tensor({listed}{'' if usual else f', dtype={value.dtype}'})"


def _short(number: Any) -> Any:
    """Numbers, float32 in as few digits as name them."""
    if isinstance(number, list):
        return [_short(one) for one in number]
    return float(str(np.float32(number))) if isinstance(number, float) and float(np.float32(number)) == number else number


def echo_of(printed: str) -> list[str]:
    """The first lines that the student's code printed in the try that failed."""
    lines = [line for line in printed.splitlines() if line.strip()][:ECHO]
    return [f"  you printed: {line}"[:WIDTH] for line in lines]
