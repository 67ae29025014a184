"""Wrong answers as edits of the reference: `solutions/NN_topic/wrong.py` holds one class an exercise, one edit a mistake."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

REGION = re.compile(r"^(?P<indent>[ ]*)### BEGIN SOLUTION\n(?P<body>.*?)^[ ]*### END SOLUTION\n?", re.M | re.S)


def values_of(region: re.Match[str]) -> list[str]:
    """Names of the plain values that a solution at a cell's top level assigns, without those that begin with _."""
    try:
        body = [] if region["indent"] else ast.parse(region["body"]).body
    except SyntaxError:
        return []
    inside = (node for one in body if isinstance(one, ast.Assign | ast.AnnAssign) for node in ast.walk(one))
    names = [node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


@dataclass(frozen=True)
class Edit:
    """Texts of the reference's solution and what stands in their place; `loses` names the parts that this costs.

    count: how often each text occurs.
    """

    pairs: tuple[tuple[str, str], ...]
    loses: tuple[str, ...]
    count: int = 1

    def applied(self, cell: str) -> str:
        """The answer cell, its markers still in, with the edit.

        Raises: `ValueError` where a text does not occur `count` times, or where what comes out is no Python, or the same.
        """
        changed = cell
        for old, new in self.pairs:
            there = sum(found["body"].count(old) for found in REGION.finditer(changed))
            if there != self.count:
                raise ValueError(f"{old!r} must occur {self.count} times in the reference's solution, not {there} times")
            changed = _replaced(changed, old, new)
        if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(cell)):
            raise ValueError(f"{self.pairs} must change the reference, but leaves it as it is")
        return changed


def _replaced(cell: str, old: str, new: str) -> str:
    """The cell with `new` for `old` in its solutions."""
    return REGION.sub(lambda found: found[0].replace(found["body"], found["body"].replace(old, new), 1), cell)


def edit(old: str, new: str, *more: str, loses: str, count: int = 1) -> Edit:
    """The reference with `new` for `old`, and with each further text for the one before it.

    loses: names of parts, with commas between them; the parts that wait for these are lost with them.
    """
    texts = (old, new, *more)
    if len(texts) % 2:
        raise ValueError(f"an edit takes texts in pairs, old and new, got {len(texts)} texts")
    return Edit(tuple(zip(texts[::2], texts[1::2], strict=True)), tuple(loses.split(", ")), count)
