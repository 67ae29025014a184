"""The table of cases, as text: what became of them behind each tier's walls, and in stock nbgrader."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autograder.trials.hostile.case import KINDS
from autograder.trials.hostile.running import Outcome

VERDICTS = ("held", "for a human", "not held")
BEGIN, END = "<!-- hostile cases: begin -->", "<!-- hostile cases: end -->"
Lines = Sequence[Mapping[str, Any]]
"""What became of cases, one mapping each: kind, name, deserved, given, verdict, seconds, troubles."""


def line(outcome: Outcome) -> dict[str, Any]:
    """One outcome, plain."""
    case = outcome.case
    return {
        "kind": case.kind,
        "name": case.name,
        "deserved": case.deserved,
        "given": outcome.given,
        "verdict": outcome.verdict,
        "seconds": round(outcome.seconds, 2),
        "troubles": list(outcome.troubles),
    }


def write(path: Path, lines: Lines) -> None:
    """As lines of JSON."""
    path.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")


def read(path: Path) -> Lines:
    """What `write` wrote."""
    return [json.loads(each) for each in path.read_text(encoding="utf-8").splitlines()]


def summary(found: Lines, label: str) -> str:
    """Counts in one line."""
    slowest = max((each.get("seconds", 0.0) for each in found), default=0.0)
    seconds = sum(each.get("seconds", 0.0) for each in found)
    return f"{label}: {len(found)} cases: {_counts(found)}; {seconds:.0f} s, the slowest {slowest:.1f} s"


def _counts(found: Lines) -> str:
    counts = Counter(each["verdict"] for each in found)
    order = [*VERDICTS, *sorted(set(counts) - set(VERDICTS))]
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in order if counts[verdict]) or "none"


def markdown(columns: Mapping[str, Lines]) -> str:
    """A table by class with a column for each way of grading; below it what was not held, by name."""
    lines = [f"| class | cases | {' | '.join(columns)} |", f"| --- | --- |{' --- |' * len(columns)}"]
    for kind in (*KINDS, ""):
        own = [[each for each in found if kind in ("", each["kind"])] for found in columns.values()]
        if any(own):
            size = max(map(len, own))
            lines.append(f"| {kind or '**all**'} | {size} | {' | '.join(map(_counts, own))} |")
    for label, found in columns.items():
        told = [each for each in found if each["verdict"] in VERDICTS[1:]]
        lines += ["", f"{label}:", ""] if told else []
        lines += [f"- {each['verdict']}: {each['kind']}: {each['name']}: {_told(each)}" for each in told]
    return "\n".join(lines) + "\n"


def _told(each: Mapping[str, Any]) -> str:
    given = "no grade" if each["given"] is None else f"{each['given']:g} points, deserved {each['deserved']:g}"
    return "; ".join((given, *each["troubles"]))


def enter(path: Path, columns: Mapping[str, Lines]) -> None:
    """Put the table into a page, between its two marks; a page without them becomes the table."""
    new = f"{BEGIN}\n\n{markdown(columns)}\n{END}"
    old = path.read_text(encoding="utf-8") if path.exists() else f"{BEGIN}{END}\n"
    if BEGIN not in old:
        old = f"{BEGIN}{END}\n"
    path.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: new, old, flags=re.S), encoding="utf-8")
