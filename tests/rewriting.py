"""Harmless rewriting: another student with the same idea, who chose other names, another order, and left a line over."""

from __future__ import annotations

import ast

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def rewrite(source: str, keep: frozenset[str] = frozenset()) -> str:
    """`source` with other names for what its functions bind, other order of assignments, and statements without effect.

    keep: parameters that are passed by name.  Names that some call in `source` passes by keyword are kept too.
    """
    tree = ast.parse(source)
    kept = keep | {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    for function in _functions(tree):
        names = {name: f"other_{number}" for number, name in enumerate(sorted(_bound(function) - kept))}
        _Renamer(names).rename(function)
        function.body = [*_reordered(function.body), function.body[-1]]
        function.body.insert(0, ast.parse("unused_line = [0, 1, 2]").body[0])
        function.body.insert(len(function.body) - 1, ast.parse("assert True").body[0])
    return ast.unparse(ast.fix_missing_locations(tree))


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Functions of the module and methods of its classes; what lies inside them is rewritten with them."""
    homes = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    return [node for home in homes for node in home.body if isinstance(node, ast.FunctionDef)]


def _bound(function: ast.FunctionDef) -> set[str]:
    inside = [node for node in ast.walk(function) if node is not function]
    names = {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {node.arg for node in inside if isinstance(node, ast.arg)}
    names |= {node.name for node in inside if isinstance(node, FUNCTION)}
    return names - {name for node in inside if isinstance(node, ast.Global) for name in node.names}


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def rename(self, function: ast.FunctionDef) -> None:
        """Rename inside, and leave the function's own name, decorators and defaults."""
        own = function.args
        for parameter in (*own.posonlyargs, *own.args, *own.kwonlyargs, *filter(None, (own.vararg, own.kwarg))):
            parameter.arg = self.names.get(parameter.arg, parameter.arg)
        function.body = [self.visit(statement) for statement in function.body]

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.names.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self.names.get(node.name, node.name)
        self.generic_visit(node)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.Nonlocal:
        node.names = [self.names.get(name, name) for name in node.names]
        return node


def _reordered(body: list[ast.stmt]) -> list[ast.stmt]:
    """All but the last statement; neighbours change places where both are plain assignments that do not meet."""
    found = body[:-1]
    for place in range(len(found) - 1):
        first, second = found[place], found[place + 1]
        if _plain(first) and _plain(second) and not _stored(first) & _names(second) | _stored(second) & _names(first):
            found[place], found[place + 1] = second, first
    return found


def _plain(statement: ast.stmt) -> bool:
    """An assignment to names that asks nobody to act: no call, no draw from a generator, no change in place."""
    if not isinstance(statement, ast.Assign) or not all(_is_names(target) for target in statement.targets):
        return False
    return not any(isinstance(node, ast.Call | ast.Await | ast.Yield) for node in ast.walk(statement))


def _is_names(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) or (isinstance(target, ast.Tuple) and all(map(_is_names, target.elts)))


def _names(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _stored(statement: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
