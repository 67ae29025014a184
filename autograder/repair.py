"""A submission that lost what nbgrader needs is put together again from the released notebook and the student's sources.

Nothing of the student's is kept but the text of cells: answers are found by their grade_id, else by their first line
`# [l03_stamp]`; cells of their own follow the cell that they stood behind.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

TAG = re.compile(r"\s*#\s*\[(\w+)\]")
LIMIT = 20 << 20
"""Bytes of a submission."""


@dataclass(frozen=True)
class Repaired:
    """The notebook that can be graded, and what had to be done to it, one sentence each."""

    notebook: NotebookNode
    remarks: list[str]


def repair(submitted: Path, release: NotebookNode) -> Repaired:
    """The submission in the file `submitted`, in the shape of `release`.

    Raises: `ValueError` for a file that is no notebook; it says what the student should do.
    """
    cells = _cells(submitted)
    known = {_grade_id(cell): cell for cell in release.cells if _grade_id(cell)}
    book, remarks = copy.deepcopy(release), []
    answers = {grade_id for grade_id, cell in known.items() if cell.metadata.nbgrader.solution}
    chosen: dict[str, str] = {}
    for grade_id in sorted(answers):
        texts = [_source(cell) for cell in cells if _identity(cell, known) == grade_id]
        if not texts:
            remarks.append(f"{grade_id}: no such cell was handed in, it counts as empty")
            continue
        if len(texts) > 1:
            remarks.append(f"{grade_id}: {len(texts)} cells claim to be it, the last one that was changed counts")
        stub = known[grade_id].source
        chosen[grade_id] = next((text for text in reversed(texts) if text.strip() and text != stub), texts[-1])
    for cell in book.cells:
        cell.source = chosen.get(_grade_id(cell), cell.source)
    lost = sorted(set(known) - {_grade_id_of(cell) for cell in cells})
    if lost:
        remarks.append(f"nbgrader's marks were missing or changed on: {', '.join(lost)}; they were put back")
    book.cells = _with_own(book.cells, cells, known)
    return Repaired(book, remarks)


def _cells(path: Path) -> list[dict[str, Any]]:
    if path.stat().st_size > LIMIT:
        raise ValueError(f"{path.name} must have at most {LIMIT >> 20} MB; clear its outputs and hand it in again")
    try:
        cells = list(json.loads(path.read_bytes())["cells"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{path.name} must be a notebook (.ipynb); save it again in JupyterLab or Colab") from None
    return [cell for cell in cells if isinstance(cell, dict) and isinstance(_source(cell), str)]


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else source


def _grade_id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _grade_id_of(cell: dict[str, Any]) -> str:
    marks = cell.get("metadata", {}).get("nbgrader", {})
    return str(marks.get("grade_id", "")) if isinstance(marks, dict) else ""


def _identity(cell: dict[str, Any], known: dict[str, NotebookNode]) -> str:
    """The grade_id of the cell that this one is, or ''."""
    if _grade_id_of(cell) in known:
        return _grade_id_of(cell)
    tag = TAG.match(_source(cell))
    if tag and cell.get("cell_type") == "code" and tag[1] in known:
        return tag[1] if _source(cell).strip() == known[tag[1]].source.strip() else f"{tag[1]}_answer"
    same = [name for name, ours in known.items() if ours.source.strip() == _source(cell).strip()]
    return same[0] if same else ""


def _with_own(
    ours: list[NotebookNode], cells: list[dict[str, Any]], known: dict[str, NotebookNode]
) -> list[NotebookNode]:
    """`ours` with the student's own code cells, each behind the cell that it followed."""
    released = {cell.source.strip() for cell in ours}
    behind: dict[str, list[NotebookNode]] = {}
    last = ""
    for cell in cells:
        identity = _identity(cell, known)
        if identity:
            last = identity
        elif cell.get("cell_type") == "code" and _source(cell).strip() and _source(cell).strip() not in released:
            behind.setdefault(last, []).append(nbformat.v4.new_code_cell(_source(cell)))
    result = list(behind.get("", []))
    for cell in ours:
        result += [cell, *behind.get(_grade_id(cell), [])] if _grade_id(cell) else [cell]
    return result
