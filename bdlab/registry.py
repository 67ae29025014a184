"""The list of every data set, net, trigger, attack and defence: for tests, tables and `bdlab list`.

Users import the class; the registry is for those who want them all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Kind = Literal["dataset", "net", "trigger", "attack", "defense"]
HOMES: dict[Kind, str] = {
    "dataset": "bdlab.data",
    "net": "bdlab.nets",
    "trigger": "bdlab.triggers",
    "attack": "bdlab.attacks",
    "defense": "bdlab.defenses",
}
T = TypeVar("T", bound=Callable[..., Any])
_entries: dict[Kind, dict[str, Entry]] = {kind: {} for kind in HOMES}


@dataclass(frozen=True)
class Entry:
    """One registered thing.  paper and family are empty for data sets, nets and triggers."""

    name: str
    make: Callable[..., Any]
    paper: str
    family: str
    module: str

    @property
    def about(self) -> str:
        """The first line of its docstring."""
        return (self.make.__doc__ or "").strip().splitlines()[0]


def register(kind: Kind, name: str, *, paper: str = "", family: str = "") -> Callable[[T], T]:
    """Class or function decorator that lists its object under `name`."""

    def add(make: T) -> T:
        if name in _entries[kind]:
            raise ValueError(
                f"{kind} {name!r} is registered already, by {_entries[kind][name].module}; choose another name"
            )
        _entries[kind][name] = Entry(name, make, paper, family, make.__module__)
        return make

    return add


def registered(kind: Kind) -> dict[str, Entry]:
    """Name -> entry of all things of one kind, in the order of registration."""
    importlib.import_module(HOMES[kind])
    return dict(_entries[kind])


def find(kind: Kind, name: str) -> Entry:
    """The entry called `name`; an unknown name gets an error that lists the known ones."""
    entries = registered(kind)
    if name not in entries:
        raise ValueError(f"{kind} must be one of {', '.join(entries)}; got {name!r}")
    return entries[name]
