"""What people cut apart: an answer that was split over cells, an essay that lost its mark or stands in several cells."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from nbformat import NotebookNode

from autograder.cells import NOT_PYTHON, grade_id_of, python
from autograder.handed_in import Cell

Known = tuple[Cell, str]
"""A cell that was handed in, and the grade_id of the cell that it is, '' for none."""
PIECES = 5
"""Into how many cells one answer may be split."""


def joined(cells: Sequence[Known], answers: Collection[str], remarks: list[str]) -> list[Known]:
    """`cells` with the pieces of a split answer in one cell.  answers: grade_ids of the answer cells.

    Two cells are pieces where one of them is no Python on its own and both together are: an editor that splits a cell
    cuts through a function, a person who begins a new cell does not.
    """
    found: list[Known] = []
    left = [one for one in cells if one[1] or one[0].kind != "code" or one[0].source.strip()]
    while left:
        cell, identity = left.pop(0)
        count = 1
        while identity in answers and (more := _pieces(cell, identity, left)):
            cell = replace(cell, source="\n".join([cell.source, *(piece.source for piece, _ in left[:more])]))
            del left[:more]
            count += more
        if count > 1:
            remarks.append(f"{identity}: it was split over {count} cells, they were put together")
        found.append((cell, identity))
    return found


def _pieces(cell: Cell, identity: str, following: Sequence[Known]) -> int:
    """How many of the cells that follow belong to `cell`."""
    parts = [cell.source]
    for piece, its in following[: PIECES - 1]:
        if its not in ("", identity) or (piece.kind != "code" and not its):
            return 0
        parts.append(piece.source)
        if parses("\n".join(parts)) and not all(map(parses, parts)):
            return len(parts) - 1
    return 0


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
