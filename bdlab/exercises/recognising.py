"""Which known mistake an answer makes: it behaves as an edit of the reference does, or a predicate is true of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bdlab.exercises.comparing import difference
from bdlab.exercises.specification import Exercise, Mistake, Part
from bdlab.exercises.verdict import Outcomes, Tries, complaint, failed, failures, in_order, marked

Fingerprint = Outcomes
"""Part -> its behaviour on the first draws: outcomes, or of a free choice the properties that fail."""


def fingerprint(tries: Tries, expected: Outcomes) -> Fingerprint:
    """How this code behaves on the first draws of each part."""
    return {part.name: [_print(tries, part, n, expected) for n in _probes(tries, part)] for part in tries.exercise.parts}


def _probes(tries: Tries, part: Part) -> range:
    return range(len(tries.draws(part)[: part.probes]))


def _print(tries: Tries, part: Part, number: int, expected: Outcomes) -> Any:
    """The outcome of one draw, or of a free choice the sentences that fail."""
    outcome, _ = tries.answer(part, number)
    if part.judge is None:
        return outcome
    right = expected[part.name][number] if part.reference else None
    return failed(part, tries.draws(part)[number], outcome, right)


def recognise(tries: Tries, expected: Outcomes, edits: Mapping[str, Fingerprint]) -> tuple[str, ...]:
    """The mistakes that this code makes, the one to tell first; none where it raises on every draw that is looked at.

    tries: of the public draws.  First comes an edit that behaves alike in every part, then part by part what a predicate
    sees, and edits that behave alike there; not those that also lose a part which this code wins.
    """
    task = tries.exercise
    judged = _judged(tries, expected)
    if not judged or _raises_always(tries):
        return ()
    whole = [name for name, prints in edits.items() if all(_alike(tries, p, prints, expected) for p in task.parts)]
    lost = {name for part in judged for name in (part.name, *task.behind(part.name))}
    partly = [name for part in judged for name in _in_part(tries, part, expected, edits, lost)]
    return tuple(dict.fromkeys([*whole, *partly]))


def _judged(tries: Tries, expected: Outcomes) -> list[Part]:
    """The parts that are lost by themselves; those that wait for one of them are not asked."""
    task, lost = tries.exercise, list[Part]()
    for part in in_order(task):
        waits = any(part.name in task.behind(other.name) for other in lost)
        if not waits and next(failures(tries, part, expected), None) is not None:
            lost.append(part)
    return [part for part in task.parts if part in lost]


def _in_part(
    tries: Tries, part: Part, expected: Outcomes, edits: Mapping[str, Fingerprint], lost: set[str]
) -> list[str]:
    mistakes = tries.exercise.mistakes.items()
    own = [(name, mistake) for name, mistake in mistakes if mistake.part in (None, part.name)]
    seen = [name for name, mistake in own if _true_of(tries, part, mistake, expected)]
    if _raises_always(tries, part):
        return seen
    alike = [name for name, its in edits.items() if _alike(tries, part, its, expected)]
    fit = [name for name in alike if _lost_by(tries.exercise, edits[name], expected) <= lost]
    return seen + [name for name in fit if _loses(part, edits[name], expected)]


def _raises_always(tries: Tries, *parts: Part) -> bool:
    looked = parts or tries.exercise.parts
    return all(marked(tries.answer(p, n)[0], "raised") for p in looked for n in _probes(tries, p))


def _alike(tries: Tries, part: Part, prints: Fingerprint, expected: Outcomes) -> bool:
    mine = (_print(tries, part, n, expected) for n in _probes(tries, part))
    return all(difference(a, b, tolerance=part.tolerance) is None for a, b in zip(mine, prints[part.name], strict=True))


def _lost_by(task: Exercise, prints: Fingerprint, expected: Outcomes) -> set[str]:
    """The parts whose first draws show that mistake."""
    return {part.name for part in task.parts if _loses(part, prints, expected)}


def _loses(part: Part, prints: Fingerprint, expected: Outcomes) -> bool:
    """Whether the first draws of `part` show that mistake."""
    if part.judge is not None:
        return any(prints[part.name])
    pairs = zip(prints[part.name], expected[part.name], strict=False)
    return any(complaint(part, {}, its, right) is not None for its, right in pairs)


def _true_of(tries: Tries, part: Part, mistake: Mistake, expected: Outcomes) -> bool:
    """Whether the predicate is true of every wrong outcome of the part."""
    if mistake.when is None:
        return False
    try:
        for found in failures(tries, part, expected):
            assert found.number is not None
            draw, got = tries.draws(part)[found.number], tries.answer(part, found.number)[0]
            right = expected[part.name][found.number] if part.frozen else None
            third = right if part.judge is None else failed(part, draw, got, right)
            if not mistake.when(draw, got, third):
                return False
    except Exception:  # it compares what a student's code gave: whatever that was, it is no reason to stop
        return False
    return True
