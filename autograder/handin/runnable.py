"""What of a notebook runs in the jail: the setup cell, the answers, and of the student's own cells what answers need."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode

from autograder.handin.missing import missing, without_unused
from autograder.handin.python import NOT_PYTHON, python, tree
from autograder.handin.uses import uses
from bdlab.exercises.names import outer_names


@dataclass(frozen=True)
class Answers:
    """What of a hand-in counts.  cells: sources to run, in order; written: exercise -> its answer, stubs left out.

    unread: a sentence for each of the student's cells that is no Python.  used: names that all of them reach for, spelled
    out; lacking: exercise -> modules that its answer imports and that are not installed.
    """

    cells: tuple[str, ...]
    written: dict[str, str]
    unread: tuple[str, ...] = ()
    used: frozenset[str] = frozenset()
    lacking: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Answers:
        """Those of `plain`."""
        lists = {name: tuple(plain[name]) for name in ("cells", "unread")}
        return cls(**{**plain, **lists, "used": frozenset(plain["used"])})

    def plain(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {**vars(self), "used": sorted(self.used)}


def answers(book: NotebookNode, release: NotebookNode) -> Answers:
    """The parts of a repaired notebook that grading runs and looks at."""
    stubs = {cell.metadata.bdlab.exercise: cell.source.strip() for cell in _with_role(release, "answer")}
    own = [python(cell.source) for cell in _with_role(book, "own")]
    written = {
        cell.metadata.bdlab.exercise: without_unused(python(cell.source))
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
    named = [*written.items(), *((f"your own cell {number}", source) for number, source in enumerate(own, 1))]
    unread = tuple(_unread(name, source) for name, source in named if tree(source) is None)
    cells = tuple(source for source in sources if source)
    used = frozenset[str]().union(*map(uses, (*written.values(), *cells[1:])))
    return Answers(cells, written, unread, used, {name: missing(source) for name, source in written.items()})


def _unread(name: str, source: str) -> str:
    """Why a cell does not run."""
    try:
        ast.parse(source)
    except SyntaxError as error:
        return f"{name} is no Python from its line {error.lineno} on: it does not run"
    except NOT_PYTHON:
        pass
    return f"{name} is no Python: it does not run"


def _with_role(book: NotebookNode, role: str) -> Iterator[NotebookNode]:
    return (cell for cell in book.cells if cell.metadata.get("bdlab", {}).get("role") == role)


def grade_id_of(cell: NotebookNode) -> str:
    """The grade_id that nbgrader knows a cell by, '' where it has none."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def needed(own: Sequence[str], answers: Sequence[str]) -> list[str]:
    """Of each of the student's own cells the statements that make, or change, what an answer or such a statement reads."""
    statements = [[_Statement(text, node) for text, node in _statements(source)] for source in own]
    every = [statement for cell in statements for statement in cell]
    assigned = {name for one in every if not isinstance(one.node, ast.Import | ast.ImportFrom) for name in one.binds}
    makers: dict[str, list[_Statement]] = {}
    for one in every:
        for name in one.binds | (one.touches & assigned):
            makers.setdefault(name, []).append(one)
    kept = {one for one in every if one.text.endswith("import *")}
    names = set[str]().union(*(_reads(source) for source in answers))
    waiting = list(names)
    while waiting:
        for one in makers.pop(waiting.pop(), ()):
            if one not in kept:
                kept.add(one)
                new = _reads(one.text) - names
                names |= new
                waiting += new
    return ["\n".join(one.text for one in cell if one in kept) for cell in statements]


@dataclass(frozen=True)
class Effects:
    """What the top-level statements of a cell do to names.  binds: all that they make; values: of these the plain ones;
    touches: those whose contents they change.
    """

    binds: set[str]
    values: set[str]
    touches: set[str]


def effects(source: str) -> Effects:
    """What a cell does to names; nothing where it is no Python."""
    every = [_Statement(text, node) for text, node in _statements(python(source))]
    plain = [one for one in every if isinstance(one.node, ast.Assign | ast.AnnAssign)]
    return Effects(
        set[str]().union(*(one.binds for one in every)),
        set[str]().union(*(one.binds for one in plain)),
        set[str]().union(*(one.touches for one in every)),
    )


class _Statement:
    """A top-level statement.  binds: names that it assigns or imports; touches: names whose contents it changes, by an
    assignment to a part of them or by one of their methods.
    """

    def __init__(self, text: str, node: ast.stmt) -> None:
        self.text, self.node = text, node
        self.binds, self.touches = set[str](), set[str]()
        left: list[ast.AST] = [node]
        while left:
            self._look(left.pop(), left)

    def _look(self, node: ast.AST, left: list[ast.AST]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.binds.add(node.name)
            return
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.alias):
            self.binds.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            self.binds.add(node.id)
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            self.touches |= _root(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.touches |= _root(node.value.func) if isinstance(node.value.func, ast.Attribute) else set()
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            self.binds.add(node.name)
        left += ast.iter_child_nodes(node)


def _root(node: ast.AST) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _statements(source: str) -> Iterator[tuple[str, ast.stmt]]:
    """The top-level statements of a cell, each with its text as it was written."""
    root, lines = tree(source), source.encode(errors="replace").split(b"\n")
    for node in root.body if root else ():
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(each.lineno for each in decorators)]) - 1
        end = node.end_lineno or node.lineno
        text = [*lines[start:end]]
        text[-1] = text[-1][: node.end_col_offset]
        text[0] = text[0][node.col_offset :]
        yield b"\n".join(text).decode(), node


def _reads(source: str) -> set[str]:
    try:
        return outer_names(ast.parse(source))
    except NOT_PYTHON:
        return set()
