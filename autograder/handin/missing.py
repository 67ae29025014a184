"""Imports of what is not installed where hand-ins are graded: Colab's own modules, a library that was only tried."""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib.machinery import PathFinder

from autograder.handin.python import replaced, tree
from bdlab.exercises.names import outer_names


def without_unused(source: str) -> str:
    """The cell without its top-level imports of what is missing, where nothing in it reads what they bind."""
    root = tree(source)
    if root is None:
        return source
    lacking = [node for node in root.body if _missing(node)]
    read = {*outer_names(ast.Module([node for node in root.body if node not in lacking], [])), "*"} if lacking else set()
    return replaced(source, {node: "pass" for node in lacking if not _binds(node) & read})


def missing(source: str) -> list[str]:
    """Modules that the cell imports at its top level, and that are not installed."""
    root = tree(source)
    return sorted({name for node in (root.body if root else ()) for name in _missing(node)})


def _binds(node: ast.stmt) -> set[str]:
    aliases = node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
    return {alias.asname or alias.name.partition(".")[0] for alias in aliases}


def _missing(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module] if node.module and not node.level and not _installed(node.module) else []
    return [alias.name for alias in node.names if not _installed(alias.name)] if isinstance(node, ast.Import) else []


@cache
def _installed(module: str) -> bool:
    """Whether a file would be found; nothing is imported, since a student chose the name."""
    head, *rest = module.split(".")
    if head in sys.stdlib_module_names:
        return True
    found = PathFinder.find_spec(head)
    for number, _ in enumerate(rest, 1):
        if found is None or found.submodule_search_locations is None:
            return False
        found = PathFinder.find_spec(".".join([head, *rest[:number]]), found.submodule_search_locations)
    return found is not None
