"""The same answer by another hand: other names, comments, blank lines, and steps taken apart; it does what it did."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator

WORDS = tuple(
    re.findall(
        r"\w+",
        "out result res new_x img imgs data rows cols idx index order picked chosen tmp temp value values vals total count "
        "number where_to place start stop height_ width_ size_ left top batch item items part parts copy_ marked final best "
        "pairs found inside border k n m s t u v a1 b1 c1 first_one second_one answer_ current step ready",
    )
)
COMMENTS = (
    "first attempt was wrong, this works", "see the picture above", "as in the docstring", "not in place!", "check again",
    "shape stays the same", "TODO: ask whether this is fast enough", "like in the lecture", "I tried this on paper",
    "edge case", "now the rest",
)  # fmt: skip
SCOPED = {"locals", "globals", "eval", "exec", "vars"}
"""Who calls one of these may look at names, so that they stay."""


def vary(source: str, chance: random.Random, deep: bool = True) -> str:
    """`source` as another person might write it.  deep: not the names alone, also its steps."""
    tree = ast.parse(source)
    for function in _functions(tree):
        if deep:
            told = function.body[:1] if ast.get_docstring(function) else []
            steps = _steps(function.body[len(told) :], chance, _fresh(tree, chance))
            function.body = [*(told if chance.random() < 0.7 else ()), *_opening(function, chance), *steps]
            _Mirrored(chance).visit(function)
        _rename(function, tree, chance)
    return _remarked(ast.unparse(ast.fix_missing_locations(tree)), chance)


FUSS = (
    "assert {0} is not None, '{0}'", "if {0} is None:\n    raise TypeError('{0}')", "kinds = [type({0}), {0} is None]",
    "print(type({0})) if {0} is None else None",
)  # fmt: skip


def fuss(source: str, chance: random.Random) -> str:
    """`source` with a needless look at a parameter between most steps, by which one hand can be told from others."""
    tree = ast.parse(source)
    for function in [node for node in _functions(tree) if node.args.args]:
        body = []
        for number, statement in enumerate(function.body):
            if chance.random() < 0.8 and not (number == 0 and ast.get_docstring(function)):
                body += ast.parse(chance.choice(FUSS).format(chance.choice(function.args.args).arg)).body
            body.append(statement)
        function.body = body
    return ast.unparse(ast.fix_missing_locations(tree))


def broken(source: str) -> str:
    """`source` with a slip by which it is no Python any more."""
    return f"{source}\nprint((1)\n"


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Those of the answer, and the methods of its classes."""
    owners: list[ast.Module | ast.ClassDef] = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    return [node for owner in owners for node in owner.body if isinstance(node, ast.FunctionDef)]


def _used(tree: ast.AST) -> set[str]:
    """Every identifier that stands in it."""
    found = set[str]()
    for node in ast.walk(tree):
        for _, value in ast.iter_fields(node):
            found |= {value} if isinstance(value, str) else set()
            found |= {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()
    return found


def _fresh(tree: ast.AST, chance: random.Random) -> Iterator[str]:
    used = _used(tree)
    words = [word for word in WORDS if word not in used]
    chance.shuffle(words)
    yield from words
    yield from (f"step_{number}" for number in range(1000))


def _rename(function: ast.FunctionDef, tree: ast.AST, chance: random.Random) -> None:
    """Other names for what the function assigns; parameters, imports and names of other scopes stay."""
    nodes = list(ast.walk(function))
    if SCOPED & {node.id for node in nodes if isinstance(node, ast.Name)}:
        return
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names -= {node.arg for node in nodes if isinstance(node, ast.arg)}
    names -= {node.name for node in nodes if isinstance(node, ast.ExceptHandler | ast.FunctionDef) and node.name}
    names -= {name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
    names -= {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
    names -= {node.name for node in nodes if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name}
    fresh = _fresh(tree, chance)
    table = {name: next(fresh) for name in sorted(names) if chance.random() < 0.6}
    for node in nodes:
        if isinstance(node, ast.Name):
            node.id = table.get(node.id, node.id)


def _opening(function: ast.FunctionDef, chance: random.Random) -> list[ast.stmt]:
    """A line at the beginning that does nothing for whoever calls it rightly."""
    names = [argument.arg for argument in function.args.args]
    lines = [f"assert {name} is not None" for name in names if chance.random() < 0.15]
    return ast.parse("\n".join(lines)).body


def _steps(body: list[ast.stmt], chance: random.Random, fresh: Iterator[str]) -> list[ast.stmt]:
    """What is computed within an expression gets a name of its own first, here and there."""
    found: list[ast.stmt] = []
    for statement in body:
        for name in ("body", "orelse"):
            inner = getattr(statement, name, None)
            if isinstance(inner, list) and not isinstance(statement, ast.ClassDef | ast.FunctionDef):
                setattr(statement, name, _steps(inner, chance, fresh))
        if isinstance(statement, ast.Assign | ast.Return) and statement.value is not None:
            found += _before(statement, chance, fresh)
        found.append(statement)
    return found


def _before(statement: ast.Assign | ast.Return, chance: random.Random, fresh: Iterator[str]) -> Iterator[ast.stmt]:
    """Steps that come before a statement, which is changed: what its value would evaluate first anyway."""
    value = statement.value
    if isinstance(value, ast.Call) and chance.random() < 0.4:
        if isinstance(value.func, ast.Attribute) and isinstance(value.func.value, ast.Call):
            yield _assign(name := next(fresh), value.func.value)
            value.func.value = ast.Name(name, ast.Load())
        elif _plain(value.func) and value.args and isinstance(value.args[0], ast.Call | ast.BinOp | ast.Compare):
            yield _assign(name := next(fresh), value.args[0])
            value.args[0] = ast.Name(name, ast.Load())
    if isinstance(statement, ast.Return) and not isinstance(value, ast.Name) and chance.random() < 0.5:
        assert value is not None
        yield _assign(name := next(fresh), value)
        statement.value = ast.Name(name, ast.Load())


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _plain(node: ast.expr) -> bool:
    """A name or an attribute of one: reading it does nothing."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


class _Mirrored(ast.NodeTransformer):
    """`a < b` as `b > a`, here and there."""

    OTHER: tuple[tuple[type[ast.cmpop], type[ast.cmpop]], ...] = (
        (ast.Lt, ast.Gt), (ast.LtE, ast.GtE), (ast.Gt, ast.Lt), (ast.GtE, ast.LtE),
    )  # fmt: skip

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def visit_Compare(self, node: ast.Compare) -> ast.Compare:
        """See the class."""
        other = dict(self.OTHER).get(type(node.ops[0]))
        calls = any(isinstance(inner, ast.Call | ast.NamedExpr | ast.Await) for inner in ast.walk(node))
        if len(node.ops) == 1 and other is not None and not calls and self.chance.random() < 0.4:
            node.left, node.comparators, node.ops = node.comparators[0], [node.left], [other()]
        return node


def _remarked(source: str, chance: random.Random) -> str:
    """With comments and blank lines between statements."""
    lines = source.split("\n")
    starts = {
        node.lineno: node.col_offset
        for owner in ast.walk(ast.parse(source))
        if isinstance(owner, ast.Module | ast.FunctionDef)
        for node in owner.body
    }
    for number in sorted(starts, reverse=True):
        if chance.random() < 0.2:
            lines.insert(number - 1, f"{' ' * starts[number]}# {chance.choice(COMMENTS)}")
        elif chance.random() < 0.15:
            lines.insert(number - 1, "")
    return "\n".join(lines)
