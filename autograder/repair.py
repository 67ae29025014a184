"""A submission that lost what nbgrader needs is put together again from the released notebook and the student's sources.

Nothing of the student's is kept but the text of cells: answers are found by their grade_id, else by their first line
`# [l03_stamp]`; cells of their own follow the cell that they stood behind.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from autograder.cells import NOT_PYTHON, python
from autograder.handed_in import Cell, HandedIn

TAG = re.compile(r"\s*#\s*\[(\w+)\]")
OWN = 500_000
"""Characters of a student's own code cells, together."""


@dataclass(frozen=True)
class Repaired:
    """The notebook that can be graded, and what had to be done to it, one sentence each."""

    notebook: NotebookNode
    remarks: list[str]


def repair(submitted: HandedIn, release: NotebookNode) -> Repaired:
    """What was handed in, in the shape of `release`."""
    known = {_grade_id(cell): cell for cell in release.cells if _grade_id(cell)}
    cells = [(cell, _identity(cell, known)) for cell in submitted.cells]
    book, remarks = copy.deepcopy(release), list(submitted.remarks)
    answers = [grade_id for grade_id, cell in sorted(known.items()) if cell.metadata.nbgrader.solution]
    chosen = {grade_id: _answer(grade_id, cells, known[grade_id], remarks) for grade_id in answers}
    for cell in book.cells:
        cell.source = chosen.get(_grade_id(cell), cell.source)
    lost = sorted(set(known) - {cell.grade_id for cell in submitted.cells})
    if lost:
        remarks.append(f"nbgrader's marks were missing or changed on: {', '.join(lost)}; they were put back")
    book.cells = _with_own(book.cells, cells, known, remarks)
    return Repaired(book, remarks)


def _answer(grade_id: str, cells: Sequence[tuple[Cell, str]], ours: NotebookNode, remarks: list[str]) -> str:
    """The text that counts as this answer."""
    texts, stub = [cell.source for cell, identity in cells if identity == grade_id], ours.source
    if not texts:
        remarks.append(f"{grade_id}: no such cell was handed in, it counts as empty")
    if len(texts) > 1:
        remarks.append(f"{grade_id}: {len(texts)} cells claim to be it, the last one that was changed counts")
    changed = [text for text in texts if text.strip() not in ("", stub.strip())]
    if changed:
        return ([text for text in changed if _bound(text) & _bound(stub)] or changed)[-1]
    others = [cell.source for cell, identity in cells if not identity and cell.kind == "code"]
    elsewhere = [text for text in others if ours.cell_type == "code" and _bound(text) & _bound(stub)]
    if elsewhere:
        remarks.append(f"{grade_id}: the answer stood in another cell")
    return [stub, *texts, *elsewhere][-1]


def _bound(source: str) -> set[str]:
    """Names of the functions, classes and variables that a cell makes."""
    try:
        body = ast.parse(python(source)).body
    except NOT_PYTHON:
        return set()
    named = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return named | {target.id for target in targets if isinstance(target, ast.Name)}


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


def _with_own(
    ours: list[NotebookNode], cells: Sequence[tuple[Cell, str]], known: dict[str, NotebookNode], remarks: list[str]
) -> list[NotebookNode]:
    """`ours` with the student's own code cells, each behind the cell that it followed, none before the setup cell.

    Own code is also what was written into a cell of ours that nobody should change, or into a second copy of an answer.
    """
    released = {cell.source.strip() for cell in (*ours, *known.values())}
    behind: dict[str, list[NotebookNode]] = {}
    last, room = "setup" if "setup" in known else "", OWN
    for cell, identity in cells:
        own = cell.kind == "code" and cell.source.strip() not in ("", *released)
        copied = own and identity and known[identity].metadata.nbgrader.solution
        last = identity if identity and not copied else last
        if own and len(cell.source) <= room:
            room -= len(cell.source)
            source = cell.source if copied or not identity else _added(cell.source, known[identity].source)
            node = nbformat.v4.new_code_cell(source, metadata={"bdlab": {"role": "own"}})
            behind.setdefault(last, []).append(node)
        elif own:
            remarks.append(f"a cell beyond {OWN} characters of code was left out")
        last = identity or last
    result = list(behind.get("", []))
    for node in ours:
        result += [node, *behind.get(_grade_id(node), [])] if _grade_id(node) else [node]
    return result


def _added(source: str, ours: str) -> str:
    """The lines of a cell that are not ours."""
    known = set(ours.splitlines())
    return "\n".join(line for line in source.splitlines() if line not in known)
