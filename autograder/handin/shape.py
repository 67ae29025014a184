"""Answers without what their writer chose freely: to tell how alike two are, and to show one without its words."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from autograder.handin.python import NOT_PYTHON

SILENT = {"ctx", "annotation", "returns", "type_comment", "type_params", "kind", "type_ignores"}
"""Fields of the tree that change nothing of what an answer does."""
TOO_DEEP = "(this answer cannot be shown)"


def labels(source: str) -> list[str]:
    """The nodes of the tree from top to bottom; comments, docstrings, annotations, texts and own names are all one."""
    try:
        tree = ast.parse(source)
    except NOT_PYTHON:
        return []
    own = _bound(tree)
    found: list[str] = []
    left: list[ast.AST] = [*reversed(tree.body)]
    while left:
        node = left.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring, or a line without effect
        found.append(_label(node, own))
        if not isinstance(node, ast.JoinedStr):
            left += reversed(list(_children(node)))
    return found


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name not in SILENT:
            yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, ast.AST))


def _label(node: ast.AST, own: set[str]) -> str:
    if isinstance(node, ast.Name):
        return "own" if node.id in own else node.id
    if isinstance(node, ast.Attribute | ast.keyword):
        return f"{type(node).__name__} {node.attr if isinstance(node, ast.Attribute) else node.arg}"
    if isinstance(node, ast.Constant):
        short = isinstance(node.value, bool | float | None) or (isinstance(node.value, int) and abs(node.value) < 2**63)
        return repr(node.value) if short else type(node.value).__name__
    return "str" if isinstance(node, ast.JoinedStr) else type(node).__name__


def _bound(tree: ast.AST) -> set[str]:
    """Names that the answer itself chose."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return found


def bare(source: str, words: Sequence[str] | None = None) -> str:
    """The code alone, as Python itself writes it.  words: identifiers that stay; others are numbered, texts are left out."""
    try:
        tree = ast.parse(source)
        _strip(tree)
        if words is not None:
            _mask(tree, frozenset(words))
        return ast.unparse(tree)
    except NOT_PYTHON:
        return TOO_DEEP


def _strip(tree: ast.AST) -> None:
    """Take out docstrings, and lines that are a constant."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [each for each in body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]


def _mask(tree: ast.AST, words: frozenset[str]) -> None:
    """Number every identifier that is none of `words`, and empty every text."""
    own: dict[str, str] = {}

    def named(name: str) -> str:
        return ".".join(
            part if part in words else own.setdefault(part, f"name{len(own) + 1}") for part in name.split(".")
        )

    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str | bytes):
                node.value = type(node.value)()
            continue
        for key, value in ast.iter_fields(node):
            if isinstance(value, str):
                setattr(node, key, named(value))
            elif isinstance(value, list):
                setattr(node, key, [named(each) if isinstance(each, str) else each for each in value])


def words(source: str) -> set[str]:
    """All names of one of our own answers."""
    found = set[str]()
    for node in ast.walk(ast.parse(source)):
        values = [] if isinstance(node, ast.Constant) else [value for _, value in ast.iter_fields(node)]
        found.update(value for value in values if isinstance(value, str))
    return found
