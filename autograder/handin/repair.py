"""A submission that lost what nbgrader needs is put together again from the released notebook and the student's sources.

Nothing of the student's is kept but the text of cells: answers are found by their grade_id, else by their first line
`# [l03_stamp]`; cells of their own follow the cell that they stood behind.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import nbformat
from nbformat import NotebookNode

from autograder.handin.python import NOT_PYTHON, python
from autograder.handin.read import Cell, HandedIn
from autograder.handin.runnable import effects, grade_id_of

TAG = re.compile(r"\s*#\s*\[(\w+)\]")
OWN = 500_000
"""Characters of a student's own code cells, together."""
Known = tuple[Cell, str]
"""A cell that was handed in, and the grade_id of the cell that it is, '' for none."""
PIECES = 5
"""Into how many cells one answer may be split."""


@dataclass(frozen=True)
class Repaired:
    """The notebook that can be graded, and what had to be done to it, one sentence each."""

    notebook: NotebookNode
    remarks: list[str]


def repair(submitted: HandedIn, release: NotebookNode, names: Mapping[str, Sequence[str]]) -> Repaired:
    """What was handed in, in the shape of `release`.  names: exercise -> the names that its answer makes."""
    known = {grade_id_of(cell): cell for cell in release.cells if grade_id_of(cell)}
    remarks = list(submitted.remarks)
    ours = {cell.source.strip() for cell in release.cells}
    pasted = sum(cell.pictures and cell.source.strip() not in ours for cell in submitted.cells)
    if pasted:
        remarks.append(f"pictures were pasted into {pasted} cells of text; they are in the file, and not shown here")
    book = NotebookNode({**release, "cells": [NotebookNode(cell) for cell in release.cells]})  # metadata are shared
    answers = [grade_id for grade_id, cell in sorted(known.items()) if cell.metadata.nbgrader.solution]
    asked = {grade_id: _asked(known[grade_id], names) for grade_id in answers}
    cells = joined([(cell, _identity(cell, known)) for cell in submitted.cells], asked, remarks)
    chosen = {
        grade_id: _answer(grade_id, cells, known, asked[grade_id], remarks)
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
    grade_id: str, cells: Sequence[Known], known: dict[str, NotebookNode], names: set[str], remarks: list[str]
) -> str:
    """The code that counts as this answer: the last changed cell that makes what it asks for, if need be another cell."""
    mine, stub = [cell for cell, identity in cells if identity == grade_id], known[grade_id].source
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


def _asked(cell: NotebookNode, names: Mapping[str, Sequence[str]]) -> set[str]:
    """The names that an answer cell asks for: its exercise's, or those that its stub makes."""
    return set(names.get(cell.metadata.get("bdlab", {}).get("exercise", ""), ())) or _bound(cell.source)


def _bound(source: str) -> set[str]:
    """Names of the functions, classes and variables that a cell makes; `table = ...` is a stub and makes nothing."""
    try:
        body = ast.parse(python(source)).body
    except NOT_PYTHON:
        return set()
    named = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    assigned = [node for node in body if isinstance(node, ast.Assign) and not _stub(node.value)]
    targets = [target for node in assigned for target in node.targets]
    return named | {target.id for target in targets if isinstance(target, ast.Name)}


def _stub(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is ...


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


def joined(cells: Sequence[Known], asked: Mapping[str, set[str]], remarks: list[str]) -> list[Known]:
    """`cells` with the pieces of a split answer in one cell.  asked: grade_id of an answer cell -> the names that it makes.

    Two cells are pieces where one of them is no Python on its own and both together are: an editor that splits a cell
    cuts through a function, a person who begins a new cell does not.  So are an answer that lacks one of its names, or
    made a plain value, and a cell directly behind it that makes this name, or changes this value.
    """
    found: list[Known] = []
    left = [one for one in cells if one[1] or one[0].kind != "code" or one[0].source.strip()]
    while left:
        cell, identity = left.pop(0)
        count = 1
        while identity in asked and (more := _pieces(cell, identity, left, asked[identity])):
            cell = replace(cell, source="\n".join([cell.source, *(piece.source for piece, _ in left[:more])]))
            del left[:more]
            count += more
        if count > 1:
            remarks.append(f"{identity}: it was split over {count} cells, they were put together")
        found.append((cell, identity))
    return found


def _pieces(cell: Cell, identity: str, following: Sequence[Known], asked: set[str]) -> int:
    """How many of the cells that follow belong to `cell`."""
    parts = [cell.source]
    if following and not following[0][1] and following[0][0].kind == "code" and _goes_on(cell, following[0][0], asked):
        return 1
    for piece, its in following[: PIECES - 1]:
        if its not in ("", identity) or (piece.kind != "code" and not its):
            return 0
        parts.append(piece.source)
        if parses("\n".join(parts)) and not all(map(parses, parts)):
            return len(parts) - 1
    return 0


def _goes_on(cell: Cell, piece: Cell, asked: set[str]) -> bool:
    """Whether `piece` makes what the answer in `cell` lacks, or changes the plain value that it made."""
    made, more = effects(cell.source), effects(piece.source)
    lacking = asked - made.binds if asked & made.binds else set()
    return bool(more.binds & lacking or more.touches & asked & made.values)


def parses(source: str) -> bool:
    """Whether a cell is Python, but for lines that only a notebook knows."""
    try:
        ast.parse(python(source))
    except NOT_PYTHON:
        return False
    return True


def essay(grade_id: str, cells: Sequence[Known], release: NotebookNode, remarks: list[str]) -> str:
    """The text that a person reads as this answer: all that was written in its cells, and directly below its question.

    Without its mark an essay cannot be told from other text but by its place.
    """
    at = next(n for n, cell in enumerate(release.cells) if cell.get("id") == grade_id or grade_id_of(cell) == grade_id)
    stub = release.cells[at].source.strip()
    marked = [cell.source for cell, identity in cells if identity == grade_id]
    ours = {cell.source.strip() for cell in release.cells}
    below = list(_below(cells, release.cells[at - 1].source.strip(), grade_id, ours)) if at else []
    written = {text.strip(): text for text in (*marked, *below) if text.strip() not in ("", stub)}
    if not marked:
        told = "its mark was lost, the text below its question counts" if written else "no such cell was handed in"
        remarks.append(f"{grade_id}: {told}")
    if len(written) > 1:
        remarks.append(f"{grade_id}: {len(written)} texts stood in its place, they were put together")
    return "\n\n".join(written.values()) or (marked or [""])[-1]


def _below(cells: Sequence[Known], question: str, grade_id: str, ours: Collection[str]) -> Iterator[str]:
    """Texts of the student's between the question and the next cell of ours."""
    sources = [cell.source.strip() for cell, _ in cells]
    start = sources.index(question) + 1 if question in sources else len(sources)
    for (cell, identity), source in zip(cells[start:], sources[start:], strict=True):
        if identity == grade_id:
            continue
        if identity or source in ours:
            return
        if cell.kind != "code":
            yield cell.source
