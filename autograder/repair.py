"""A submission that lost what nbgrader needs is put together again from the released notebook and the student's sources.

Nothing of the student's is kept but the text of cells: answers are found by their grade_id, else by their first line
`# [l03_stamp]`; cells of their own follow the cell that they stood behind.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from autograder.handed_in import Cell, HandedIn

TAG = re.compile(r"\s*#\s*\[(\w+)\]")


@dataclass(frozen=True)
class Repaired:
    """The notebook that can be graded, and what had to be done to it, one sentence each."""

    notebook: NotebookNode
    remarks: list[str]


def repair(submitted: HandedIn, release: NotebookNode) -> Repaired:
    """What was handed in, in the shape of `release`."""
    cells = submitted.cells
    known = {_grade_id(cell): cell for cell in release.cells if _grade_id(cell)}
    book, remarks = copy.deepcopy(release), list(submitted.remarks)
    answers = {grade_id for grade_id, cell in known.items() if cell.metadata.nbgrader.solution}
    chosen: dict[str, str] = {}
    for grade_id in sorted(answers):
        texts = [cell.source for cell in cells if _identity(cell, known) == grade_id]
        if not texts:
            remarks.append(f"{grade_id}: no such cell was handed in, it counts as empty")
            continue
        if len(texts) > 1:
            remarks.append(f"{grade_id}: {len(texts)} cells claim to be it, the last one that was changed counts")
        stub = known[grade_id].source
        chosen[grade_id] = next((text for text in reversed(texts) if text.strip() and text != stub), texts[-1])
    for cell in book.cells:
        cell.source = chosen.get(_grade_id(cell), cell.source)
    lost = sorted(set(known) - {cell.grade_id for cell in cells})
    if lost:
        remarks.append(f"nbgrader's marks were missing or changed on: {', '.join(lost)}; they were put back")
    book.cells = _with_own(book.cells, cells, known)
    return Repaired(book, remarks)


def _grade_id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _identity(cell: Cell, known: dict[str, NotebookNode]) -> str:
    """The grade_id of the cell that this one is, or ''."""
    if cell.grade_id in known:
        return cell.grade_id
    tag = TAG.match(cell.source)
    if tag and cell.kind == "code" and tag[1] in known:
        return tag[1] if cell.source.strip() == known[tag[1]].source.strip() else f"{tag[1]}_answer"
    same = [name for name, ours in known.items() if ours.source.strip() == cell.source.strip()]
    return same[0] if same else ""


def _with_own(ours: list[NotebookNode], cells: Sequence[Cell], known: dict[str, NotebookNode]) -> list[NotebookNode]:
    """`ours` with the student's own code cells, each behind the cell that it followed."""
    released = {cell.source.strip() for cell in ours}
    behind: dict[str, list[NotebookNode]] = {}
    last = ""
    for cell in cells:
        identity = _identity(cell, known)
        if identity:
            last = identity
        elif cell.kind == "code" and cell.source.strip() and cell.source.strip() not in released:
            own = nbformat.v4.new_code_cell(cell.source, metadata={"bdlab": {"role": "own"}})
            behind.setdefault(last, []).append(own)
    result = list(behind.get("", []))
    for node in ours:
        result += [node, *behind.get(_grade_id(node), [])] if _grade_id(node) else [node]
    return result
