"""A submission that lost what nbgrader needs is put together again from the released notebook and the student's sources.

Nothing of the student's is kept but the text of cells: answers are found by their grade_id, else by their first line
`# [l03_stamp]`; cells of their own follow the cell that they stood behind.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from autograder.cells import NOT_PYTHON, grade_id_of, python
from autograder.handed_in import Cell, HandedIn
from autograder.pieces import essay, joined, parses

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
    known = {grade_id_of(cell): cell for cell in release.cells if grade_id_of(cell)}
    remarks = list(submitted.remarks)
    book = NotebookNode({**release, "cells": [NotebookNode(cell) for cell in release.cells]})  # metadata are shared
    answers = [grade_id for grade_id, cell in sorted(known.items()) if cell.metadata.nbgrader.solution]
    cells = joined([(cell, _identity(cell, known)) for cell in submitted.cells], answers, remarks)
    chosen = {
        grade_id: _answer(grade_id, cells, known, remarks)
        if known[grade_id].cell_type == "code"
        else essay(grade_id, cells, release, remarks)
        for grade_id in answers
    }
    for cell in book.cells:
        cell.source = chosen.get(grade_id_of(cell), cell.source)
    lost = sorted(set(known) - {cell.grade_id for cell in submitted.cells})
    if lost:
        remarks.append(f"nbgrader's marks were missing or changed on: {', '.join(lost)}; they were put back")
    order = list(dict.fromkeys(identity for _, identity in cells if identity))
    if order != [name for name in known if name in order]:
        remarks.append("cells stood in another order; they were put back")
    book.cells = _with_own(book.cells, cells, known, remarks)
    return Repaired(book, remarks)


def _answer(
    grade_id: str, cells: Sequence[tuple[Cell, str]], known: dict[str, NotebookNode], remarks: list[str]
) -> str:
    """The code that counts as this answer: the last changed cell that makes what it asks for, if need be another cell."""
    mine, stub = [cell for cell, identity in cells if identity == grade_id], known[grade_id].source
    names = _bound(stub)
    changed = [cell for cell in mine if cell.source.strip() not in ("", stub.strip())]
    named = [cell for cell in changed if names & _bound(cell.source)]
    if len(mine) > 1:
        remarks.append(f"{grade_id}: {len(mine)} cells claim to be it, the last one that was changed counts")
    if not named:
        others = [_theirs(cell, identity, known) for cell, identity in cells]
        likely = [text for text in others if any(name in text for name in names) and text.strip() != stub.strip()]
        if elsewhere := [text for text in likely if names & _bound(text)]:
            remarks.append(f"{grade_id}: the answer stood in another cell")
            return elsewhere[-1]
    if not mine:
        remarks.append(f"{grade_id}: no such cell was handed in, it counts as empty")
    chosen = [*mine[-1:], *changed[-1:], *named[-1:]]
    if changed and chosen[-1].kind != "code":
        remarks.append(f"{grade_id}: it had been turned into a cell of another kind, it counts as code")
    return chosen[-1].source if chosen else stub


def _bound(source: str) -> set[str]:
    """Names of the functions, classes and variables that a cell makes."""
    try:
        body = ast.parse(python(source)).body
    except NOT_PYTHON:
        return set()
    named = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return named | {target.id for target in targets if isinstance(target, ast.Name)}


def _identity(cell: Cell, known: dict[str, NotebookNode]) -> str:
    """The grade_id of the cell that this one is, or ''."""
    if cell.grade_id in known:
        return cell.grade_id
    tag = TAG.match(cell.source)
    if tag and f"{tag[1]}_answer" in known:
        checked = tag[1] in known and cell.source.strip() == known[tag[1]].source.strip()
        return tag[1] if checked else f"{tag[1]}_answer"
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
        source = _theirs(cell, identity, known)
        own = cell.kind == "code" and not {cell.source.strip(), source.strip()} & {"", *released}
        copied = own and identity and known[identity].metadata.nbgrader.solution
        last = identity if identity and not copied else last
        if own and len(source) <= room:
            room -= len(source)
            source = _untagged(source) if copied else source
            node = nbformat.v4.new_code_cell(source, metadata={"bdlab": {"role": "own"}})
            behind.setdefault(last, []).append(node)
        elif own:
            remarks.append(f"a cell beyond {OWN} characters of code was left out")
        last = identity or last
    result = list(behind.get("", []))
    for node in ours:
        result += [node, *behind.get(grade_id_of(node), [])] if grade_id_of(node) else [node]
    return result


def _theirs(cell: Cell, identity: str, known: dict[str, NotebookNode]) -> str:
    """The lines of a cell that are the student's: all of them, but for what stands in a cell that nobody should change."""
    if not identity or known[identity].metadata.nbgrader.solution:
        return cell.source
    ours = set(known[identity].source.splitlines())
    return "\n".join(line for line in cell.source.splitlines() if line not in ours)


def _untagged(source: str) -> str:
    """A second copy of an answer without the line that says which it is: the next repair takes it for their own.

    What is no Python, such as half an answer, becomes a comment.
    """
    tag = TAG.match(source)
    text = f"# a copy{source[tag.end() :]}" if tag else source
    return text if parses(text) else "\n".join(f"# {line}" for line in text.split("\n"))
