"""A cell's text as Python, without what only a notebook understands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What Python's own parser raises: also for a null byte, and for what nests too deep."""
MAGIC = re.compile(r"^[ \t]*(?:(?:[\w.,]+[ \t]*=[ \t]*)?[%!]|\?|[^\n]*\?[ \t]*$)", re.M)
"""A line that may be one that only a notebook understands."""
AUTOMATIC = re.compile(r"^([ \t]*)(?:pip3?|conda|mamba|cd|ls|mkdir|matplotlib|load_ext)[ \t]+[^\s=(.,\[].*$", re.M)
"""A magic that IPython knows without its %."""
WORK = 100_000
"""Characters times magics up to which IPython is asked: it reads the cell once for each."""
BODY = {"time", "capture"}
"""Magics whose statements run, and leave their names, in the notebook."""


def tree(source: str) -> ast.Module | None:
    """The cell's syntax, None where it is no Python."""
    try:
        return ast.parse(source)
    except NOT_PYTHON:
        return None


def replaced(source: str, texts: Mapping[ast.expr | ast.stmt, str]) -> str:
    """The cell with another text for each of these parts of its tree; none of them lies in another."""
    lines = source.encode(errors="replace").split(b"\n")
    for node in sorted(texts, key=lambda one: (one.lineno, one.col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        new = texts[node].encode(errors="replace")
        lines[first : last + 1] = [lines[first][: node.col_offset] + new + lines[last][node.end_col_offset :]]
    return b"\n".join(lines).decode()


@lru_cache(256)
def python(source: str, depth: int = 3) -> str:
    """The cell as Python, where it can be made so.

    Magics, calls of the shell and questions become None; of `%time`, `%%time` and `%%capture` what they run stays.
    depth: how many magics may lie in one another.
    """
    if not depth or tree(source) is not None:
        return source
    for text in (source, AUTOMATIC.sub(r"\1pass", source)):
        plain = text if tree(text) is not None else _transformed(text, depth)
        if plain is not None:
            return plain
    return source


def _transformed(source: str, depth: int) -> str | None:
    """What IPython makes of the cell, its own calls taken out again; None where that is no Python either."""
    from IPython.core.inputtransformer2 import TransformerManager

    magics = len(MAGIC.findall(source))
    if not 0 < len(source) * magics <= WORK:
        return None
    try:
        made = TransformerManager().transform_cell(source)
    except (*NOT_PYTHON, RuntimeError):
        return None
    root = tree(made)
    if root is None:
        return None
    plain = replaced(made, {call: _instead(call, statement, depth) for statement, call in _calls(root)})
    return plain if tree(plain) is not None else None


def _calls(root: ast.Module) -> Iterator[tuple[bool, ast.Call]]:
    """(whether it is a statement of its own, call) for each `get_ipython().name(...)`."""
    alone = {node.value for node in ast.walk(root) if isinstance(node, ast.Expr)}
    for node in ast.walk(root):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
            inner = node.func.value.func
            if isinstance(inner, ast.Name) and inner.id == "get_ipython":
                yield node in alone, node


def _instead(call: ast.Call, statement: bool, depth: int) -> str:
    """Python in place of a call of IPython's."""
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    texts = [word for word in words if isinstance(word, str)]
    if not texts or texts[0] not in BODY or len(texts) < 2:
        return "None"
    body = python(texts[-1].strip("\n"), depth - 1)
    if tree(body) is None or (not statement and tree(f"({body})") is None):
        return "None"
    return (body or "None") if statement else f"({body})"
