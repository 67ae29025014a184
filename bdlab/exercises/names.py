"""What a student's answer leans on, read from its source: forbidden names, needed names, names that only a demo made."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any

DEMO = "# Demo"
"""How a demo cell's first line begins.  Grading does not run demo cells."""


def objection(
    answer: Any, namespace: dict[str, Any], cells: Sequence[str], needs: Sequence[str] = (), forbid: Sequence[str] = ()
) -> str | None:
    """Why `answer` cannot count as it stands, in one sentence; None where it can.

    cells: the sources of all cells that ran, in order.  An answer whose source cannot be read is not objected to.
    """
    trees = list(_sources(answer, namespace))
    used = {name for tree in trees for name in dotted(tree)}
    for name in forbid:
        hit = next((use for use in sorted(used) if use == name or use.startswith(f"{name}.")), None)
        if hit:
            return f"your answer uses {hit}, which this exercise asks you to do without"
    missing = next((name for name in needs if trees and name not in used), None)
    if missing:
        return f"your answer must use {missing}"
    demo = next((name for name in sorted(_free(trees)) if name in namespace and _only_demo(name, cells)), None)
    if demo:
        return (
            f"your answer uses {demo}, which a demo cell made; grading does not run demo cells. Pass it in as an "
            "argument, or make it inside your answer"
        )
    return None


def broken(exercise: str, cells: Sequence[str]) -> bool:
    """Whether the answer cell, as it was run last, is no Python: then an older answer may still be defined."""
    answers = [cell for cell in cells if cell.lstrip().startswith(f"# [{exercise}]") and "bdlab.check(" not in cell]
    try:
        ast.parse(answers[-1] if answers else "")
    except SyntaxError:
        return True
    return False


def _sources(answer: Any, namespace: dict[str, Any]) -> Iterator[ast.AST]:
    """The syntax of `answer` and of every function or class of the student that it calls."""
    waiting, seen = [answer], set()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or not isinstance(thing, FunctionType | type):
            continue
        seen.add(id(thing))
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
        except (OSError, TypeError, SyntaxError):
            continue
        yield tree
        own = {name.partition(".")[0] for name in dotted(tree)} & set(namespace)
        waiting += [namespace[name] for name in own if getattr(namespace[name], "__module__", None) == "__main__"]


def dotted(tree: ast.AST) -> Iterator[str]:
    """Every name that is read, with its attributes: 'torch.nn.functional.relu'; imports count too."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner:
            name = _spelled(node)
            if name:
                yield name


def _spelled(node: ast.AST) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _free(trees: Sequence[ast.AST]) -> set[str]:
    """Names that are read and not bound inside, builtins left out."""
    read: set[str] = set()
    bound = set(dir(builtins))
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                bound.add(node.name)
            elif isinstance(node, ast.alias):
                bound.add((node.asname or node.name).partition(".")[0])
    return read - bound


def _only_demo(name: str, cells: Sequence[str]) -> bool:
    """Whether demo cells, and no others, bound `name` at their top level."""
    makers = [cell for cell in cells if name in _bound(cell)]
    return bool(makers) and all(cell.lstrip().startswith(DEMO) for cell in makers)


def _bound(cell: str) -> set[str]:
    try:
        tree = ast.parse(cell)
    except SyntaxError:  # magics
        return set()
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return names | {
        (alias.asname or alias.name).partition(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
