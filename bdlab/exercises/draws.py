"""What a draw of inputs holds, what a student is asked to define, and how the one becomes arguments of the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Draw = dict[str, Any]
"""The inputs of one try: argument -> plain value or `made(...)`; what is no argument is for `run` and `judge`."""


@dataclass(frozen=True, eq=False)
class Made:
    """A thing that never crosses to the student's side but is built there; see `specification.made`."""

    kind: str
    args: tuple[Any, ...]
    named: Mapping[str, Any]


def kinds_of(value: Any) -> set[str]:
    """The kinds of fixtures that a draw, or a value in it, asks for."""
    if isinstance(value, Made):
        return {value.kind}.union(*map(kinds_of, (*value.args, *value.named.values())))
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return set[str]().union(*map(kinds_of, inner))


@dataclass(frozen=True)
class Signature:
    """What the student defines: a function, a class or a plain value.  arguments: the names of its parameters."""

    kind: Literal["function", "class", "value"]
    name: str
    arguments: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Signature:
        """From 'entropy(probs)', 'class KeyedReLU(key, delta)' or 'threat_table'.  Raises: `ValueError` for other forms."""
        found = re.fullmatch(r"(class )?([A-Za-z_]\w*)(?:\(((?:\w+(?:, )?)*)\))?", text)
        if not found or (found[1] and found[3] is None):
            raise ValueError(
                f"signature must read 'name(a, b)', 'class Name(a, b)' or 'name', got {text!r}; leave types out"
            )
        if found[3] is None:
            return cls("value", found[2])
        return cls("class" if found[1] else "function", found[2], tuple(filter(None, found[3].split(", "))))


def arguments(signature: Signature, draw: Draw) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call, by place up to the first that the draw leaves out, which keeps its default."""
    there = [name in draw for name in (*signature.arguments, "")]
    first = there.index(False)
    named = {name: draw[name] for name in signature.arguments[first:] if name in draw}
    return [draw[name] for name in signature.arguments[:first]], named


def inputs(signature: Signature, draw: Draw) -> list[Any]:
    """What an instance of a class is called with: the rest of the draw, but for names that begin with '_'."""
    return [value for name, value in draw.items() if name not in signature.arguments and not name.startswith("_")]
