"""Marks that people gave, and what each was given for: it stays settled as long as that is the same.

nbgrader's SaveAutoGrades lets every cell with a manual mark wait for a human again, whenever it is graded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def subjects(book: Mapping[str, Any]) -> dict[str, str]:
    """Graded cell -> what its mark is about: an essay's own text; a check's number and the text of the answer."""
    found: dict[str, str] = {}
    answer = ""
    for cell in book["cells"]:
        marks = cell["metadata"].get("nbgrader", {})
        if marks.get("solution") and not marks.get("grade"):
            answer = _text(cell["source"])
        elif marks.get("grade"):
            numbers = [_text(output["data"]["text/plain"]) for output in cell.get("outputs", ()) if "data" in output]
            found[marks["grade_id"]] = _text(cell["source"]) if marks.get("solution") else "\n".join([*numbers, answer])
    return found


def _text(lines: str | list[str]) -> str:
    """A file holds a list of lines, a notebook in memory one text."""
    return lines if isinstance(lines, str) else "".join(lines)


def stood(folder: Path, lesson: str) -> dict[str, str]:
    """`subjects` of what autograded/ holds of one student, which is what a human has seen; {} where it holds nothing."""
    try:
        return subjects(json.loads((folder / f"{lesson}.ipynb").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def settled(grades: Mapping[str, Any]) -> list[str]:
    """Cells that a human has marked and that wait for nobody.  grades: cell -> its row, before it is graded again."""
    return [name for name, row in grades.items() if row.manual_score is not None and not row.needs_manual_grade]


def keep(grades: Mapping[str, Any], names: list[str], before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Behind SaveAutoGrades and all doubts: `names` wait for a human only where what was marked has changed or is lost.

    Returns: a sentence for each that does.
    """
    told = []
    for name in names:
        grades[name].needs_manual_grade = before.get(name) != now.get(name)
        if name not in before:
            told.append(f"what {name} was marked for is not in autograded/ any more; it waits for a human")
        elif grades[name].needs_manual_grade:
            told.append(f"{name} has changed since it was marked; the mark stands and waits for a human")
    return told
