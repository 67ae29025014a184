"""Which names a cell reaches for, read from its text: what a human is asked to look at is decided from them."""

from __future__ import annotations

import ast

from autograder.handin.python import NOT_PYTHON
from bdlab.exercises.names import dotted, imports, within

HARMLESS = {"gc", "gc.collect", "gc.disable", "gc.enable"}
"""What tidies up memory, and no more."""


def uses(source: str) -> set[str]:
    """Dotted names of a cell, with imported heads spelled out."""
    try:
        tree = ast.parse(source)
        meaning = dict(imports(tree))
        names = set(dotted(tree))
    except NOT_PYTHON:
        return set()
    spelled = {
        f"{meaning[name.partition('.')[0]]}{''.join(name.partition('.')[1:])}"
        for name in names
        if name.partition(".")[0] in meaning
    }
    used = names | spelled
    tidy = not _passed_on(tree, "gc") and {name for name in used if within(name, "gc")} <= HARMLESS
    return used - HARMLESS if tidy else used


def _passed_on(tree: ast.AST, module: str) -> bool:
    """Whether the module itself is read, and not only what is in it."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return any(isinstance(node, ast.Name) and node.id == module and id(node) not in inner for node in ast.walk(tree))
