"""Backdoor attacks on neural networks and the defences against them, one interface for all.

import bdlab
data = bdlab.load("digits")
backdoor = bdlab.BadNets()(bdlab.nets.build("small_bn", data.input_shape, data.classes), data.train)
print(bdlab.evaluate(backdoor, data.test))
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "load": "data",
    "Split": "contracts",
    "Dataset": "data",
    "Recipe": "contracts",
    "Trigger": "contracts",
    "Patch": "triggers",
    "all_to_one": "relabel",
    "all_to_all": "relabel",
    "source_to": "relabel",
    "BadNets": "attacks",
    "Strip": "defenses",
    "fit": "training",
    "evaluate": "training",
    "Scores": "training",
    "progress": "bars",
    "registered": "registry",
    "check": "exercises",
    "check_all": "exercises",
    "hint": "exercises",
    "failing": "exercises",
    "mine": "exercises",
    "use": "exercises",
    "quiz": "exercises",
    "trophy": "awards",
    "trophies": "awards",
    "flag": "awards",
}
_MODULES = {
    "attacks",
    "availability",
    "channels",
    "data",
    "defenses",
    "evasion",
    "exercises",
    "lessons",
    "metrics",
    "nets",
    "plots",
    "relabel",
    "training",
    "triggers",
    "views",
    "widgets",
    "zoo",
}
__all__ = sorted([*_HOMES, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"bdlab.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"bdlab.{name}")
    raise AttributeError(f"bdlab has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
