"""Hyper-parameters from the command line: `--set rate=0.05 --set trigger.shape=pixel --set relabel=source_to(1,7)`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from bdlab.relabel import all_to_all, all_to_one, source_to

T = TypeVar("T")
RELABELS = {function.__name__: function for function in (all_to_one, all_to_all, source_to)}


def with_settings(method: T, settings: Sequence[str]) -> T:
    """A copy of the dataclass `method` with the given `name=value` settings; a dot reaches into a field.

    Raises: `ValueError` for an unknown name or a value of the wrong type.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"--set must look like name=value, got {setting!r}")
        method = _replaced(method, path.strip().split("."), text.strip())
    return method


def _replaced(method: Any, path: Sequence[str], text: str) -> Any:
    known = [f.name for f in fields(method)] if is_dataclass(method) else []
    name, *rest = path
    if name not in known:
        raise ValueError(f"{type(method).__name__} has no setting {name!r}; it has {', '.join(known) or 'none'}")
    current = getattr(method, name)
    value = _replaced(current, rest, text) if rest else _like(current, _value(text), name)
    return replace(method, **{name: value})


def _value(text: str) -> Any:
    """A Python literal, a call of one of `RELABELS` with literals, or the text itself."""
    try:
        node = ast.parse(text, mode="eval").body
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RELABELS:
            return RELABELS[node.func.id](*(ast.literal_eval(argument) for argument in node.args))
        return ast.literal_eval(node)
    except (SyntaxError, ValueError) as error:
        if text.split("(")[0] in RELABELS:
            raise ValueError(
                f"relabel must look like all_to_one(0), all_to_all(10) or source_to(1,7), got {text}"
            ) from error
        return text


def _like(current: Any, value: Any, name: str) -> Any:
    """`value`, an int made a float where `name` holds floats; an error where the types differ."""
    if isinstance(current, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(current, bool | int | float | str) and type(value) is not type(current):
        raise ValueError(f"{name} must be of type {type(current).__name__}, got {value!r}")
    if is_dataclass(current) and not is_dataclass(value):
        known = (
            "a relabel such as all_to_all(10)" if name == "relabel" else f"set field by field, as in {name}.FIELD=value"
        )
        raise ValueError(f"{name} must be {known}, got {value!r}")
    return value
