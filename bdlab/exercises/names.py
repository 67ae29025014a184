"""What a student's answer leans on, read from its source: forbidden names, needed names, names that only a demo made."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import symtable
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

DEMO, USE = "# Demo", "# Use"
"""How the first line of a cell begins that shows something, or uses what the student wrote.  Grading runs neither."""


def objection(
    answer: Any, namespace: dict[str, Any], cells: Sequence[str], needs: Sequence[str] = (), forbid: Sequence[str] = ()
) -> str | None:
    """Why `answer` cannot count as it stands, in one sentence; None where it can.

    cells: the sources of all cells that ran, in order.  An answer whose source cannot be read is not objected to.
    """
    trees = list(_sources(answer, namespace, cells))
    outer = set[str]().union(*map(outer_names, trees))
    demo = next((name for name in sorted(outer) if name in namespace and _only_demo(name, cells)), None)
    if demo:
        return (
            f"your answer uses {demo}, which a demo cell made; grading does not run such cells. Pass it in as an "
            "argument, or make it inside your answer"
        )
    imported = dict(pair for cell in cells for pair in imports(_parsed(cell)) if pair[0] in outer)
    imported |= dict(pair for tree in trees for pair in imports(tree))
    used = {form for tree in trees for name in dotted(tree) for form in _forms(name, outer, namespace, imported)}
    for name in forbid:
        hit = next((use for use in sorted(used) if within(use, name)), None)
        if hit:
            return f"your answer uses {hit}, which this exercise asks you to do without"
    missing = next((name for name in needs if trees and not any(within(use, name) for use in used)), None)
    return f"your answer must use {missing}" if missing else None


def broken(exercise: str, name: str, cells: Sequence[str]) -> bool:
    """Whether the cell that should define `name`, as it was run last, is no Python: an older answer may stand then."""
    ours = re.compile(rf"\s*# \[{exercise}\]|(.*\n)*(def|class) {name}\b")
    for cell in reversed([cell for cell in cells if ours.match(cell)]):
        try:
            tree = ast.parse(cell)
        except SyntaxError:
            return True
        if _made(tree, name):
            return False
    return False  # check cells carry the tag, too, and make nothing


def outdated(exercise: str, thing: Any, cells: Sequence[str]) -> bool:
    """Whether `thing` is not what the newest run cell with the exercise's tag defines.

    False where no such cell ran, or it defines nothing of this name, or the source of `thing` is not known.
    """
    tagged = [_parsed(cell) for cell in cells if cell.lstrip().startswith(f"# [{exercise}]")]
    own = [node for tree in tagged for node in _made(tree, thing.__name__)]
    mine = _source(inspect.unwrap(thing), cells) if own else None
    found = mine.body[0] if isinstance(mine, ast.Module) and mine.body else mine
    return found is not None and ast.dump(found) != ast.dump(own[-1])


def _made(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The functions and classes of this name that a cell makes at its top level."""
    return [node for node in tree.body if getattr(node, "name", "") == name]


def _sources(answer: Any, namespace: dict[str, Any], cells: Sequence[str]) -> Iterator[ast.AST]:
    """The syntax of `answer` and of every function or class of the student that it calls."""
    waiting, seen = [answer], set()
    while waiting:
        thing = inspect.unwrap(waiting.pop())
        if not isinstance(thing, FunctionType | type) and type(thing).__module__ == "__main__":
            thing = type(thing)
        tree = None if id(thing) in seen else _source(thing, cells)
        seen.add(id(thing))
        if tree is not None:
            yield tree
            own = {name.partition(".")[0] for name in dotted(tree)} & set(namespace)
            waiting += [namespace[name] for name in own if getattr(namespace[name], "__module__", None) == "__main__"]


def _source(thing: Any, cells: Sequence[str]) -> ast.AST | None:
    if not isinstance(thing, FunctionType | type):
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
        inside = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
        return inside[0] if thing.__name__ == "<lambda>" and len(inside) == 1 else tree  # not what it stands in
    except (OSError, TypeError, SyntaxError):  # a notebook's class has no file; its cell is at hand
        nodes = [node for cell in cells for node in _parsed(cell).body]
        own = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        own = [node for node in own if node.name == thing.__name__ and thing.__module__ == "__main__"]
        return own[-1] if own else None


def _parsed(cell: str) -> ast.Module:
    try:
        return ast.parse(cell)
    except SyntaxError:  # magics
        return ast.Module([], [])


def dotted(tree: ast.AST) -> Iterator[str]:
    """Every name that is read, with its attributes: 'torch.nn.functional.relu'; imports count too, annotations do not."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in _without_annotations(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner:
            name = _spelled(node)
            if name:
                yield name


def _without_annotations(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for field, value in ast.iter_fields(tree):
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST) and field not in ("annotation", "returns"):
                yield from _without_annotations(node)


def _spelled(node: ast.AST) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(name, what it stands for) of every import: 'F', 'torch.nn.functional'."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _forms(name: str, outer: set[str], namespace: dict[str, Any], imported: dict[str, str]) -> Iterator[str]:
    """`name` as it is spelled, and what it means where its head is imported or one of the notebook's globals."""
    head, dot, rest = name.partition(".")
    yield name
    if head in imported:
        yield imported[head] + dot + rest
    thing = namespace.get(head) if head in outer else None
    if isinstance(thing, ModuleType):
        yield thing.__name__ + dot + rest
    elif isinstance(thing, FunctionType | type) and thing.__module__ != "__main__":
        yield f"{thing.__module__}.{thing.__qualname__}" + dot + rest


def within(name: str, part: str) -> bool:
    """Whether a dotted name is `part` or lies below it."""
    return name == part or name.startswith(f"{part}.")


def outer_names(tree: ast.AST) -> set[str]:
    """Names that the code takes from the notebook, builtins left out."""
    tables, names = [symtable.symtable(ast.unparse(tree), "answer", "exec")], set[str]()
    for table in tables:  # grows on the way
        tables += table.get_children()
        names |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced()}
    return names - set(dir(builtins))


def _only_demo(name: str, cells: Sequence[str]) -> bool:
    """Whether demo cells, and no others, bound `name` at their top level."""
    makers = [cell for cell in cells if name in bound_names(cell)]
    return bool(makers) and all(cell.lstrip().startswith((DEMO, USE)) for cell in makers)


@cache
def bound_names(cell: str) -> set[str]:
    """Names that a cell binds at its top level."""
    table = symtable.symtable(ast.unparse(_parsed(cell)), "cell", "exec")
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
