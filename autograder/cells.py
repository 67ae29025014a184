"""What of a notebook runs in the jail: the setup cell, the answers, and of the student's own cells what answers need."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nbformat import NotebookNode

from bdlab.exercises.names import bound_names, outer_names

MAGIC = re.compile(r"^([ \t]*)(?:[%!].*|[\w.]+\?{1,2}[ \t]*$)", re.M)
"""A line that only a notebook understands."""
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What Python's own parser raises: also for a null byte, and for what nests too deep."""


@dataclass(frozen=True)
class Answers:
    """What of a hand-in counts.  cells: sources to run, in order; written: exercise -> its answer, stubs left out."""

    cells: tuple[str, ...]
    written: dict[str, str]


def answers(book: NotebookNode, release: NotebookNode) -> Answers:
    """The parts of a repaired notebook that grading runs and looks at."""
    stubs = {cell.metadata.bdlab.exercise: cell.source.strip() for cell in _with_role(release, "answer")}
    own = [python(cell.source) for cell in _with_role(book, "own")]
    written = {
        cell.metadata.bdlab.exercise: python(cell.source)
        for cell in _with_role(book, "answer")
        if cell.source.strip() not in ("", stubs[cell.metadata.bdlab.exercise])
    }
    kept = iter(needed(own, list(written.values())))
    sources = []
    for cell in book.cells:
        role = cell.metadata.get("bdlab", {}).get("role")
        if role == "setup":
            sources.append(cell.source)
        elif role == "own":
            sources.append(next(kept))
        elif role == "answer" and cell.metadata.bdlab.exercise in written:
            sources.append(written[cell.metadata.bdlab.exercise])
    return Answers(tuple(source for source in sources if source), written)


def _with_role(book: NotebookNode, role: str) -> Iterator[NotebookNode]:
    return (cell for cell in book.cells if cell.metadata.get("bdlab", {}).get("role") == role)


def python(source: str) -> str:
    """The cell without lines that only a notebook knows, such as `%matplotlib inline`, where that makes it Python."""
    if _tree(source) is not None:
        return source
    plain = MAGIC.sub(r"\1pass", source)
    return source if _tree(plain) is None else plain


def needed(own: Sequence[str], answers: Sequence[str]) -> list[str]:
    """Of each of the student's own cells the statements that bind a name which an answer, or such a statement, reads."""
    statements = [_statements(source) for source in own]
    names = set[str]().union(*(_reads(source) for source in answers))
    kept: set[str] = set()
    while True:
        found = {text for cell in statements for text in cell if text not in kept and _serves(text, names)}
        if not found:
            return ["\n".join(text for text in cell if text in kept) for cell in statements]
        kept |= found
        names |= set[str]().union(*map(_reads, found))


def _statements(source: str) -> list[str]:
    """The top-level statements of a cell but bare expressions, which bind nothing."""
    try:
        return [ast.unparse(node) for node in ast.parse(source).body if not isinstance(node, ast.Expr)]
    except NOT_PYTHON:
        return []


def _serves(statement: str, names: set[str]) -> bool:
    return statement.endswith("import *") or bool(bound_names(statement) & names)


def _reads(source: str) -> set[str]:
    try:
        return outer_names(ast.parse(source))
    except NOT_PYTHON:
        return set()


def _tree(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except NOT_PYTHON:
        return None
