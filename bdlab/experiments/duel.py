"""One attack, one clean twin, one defence: what `bdlab demo` and `bdlab run` show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import nn

from bdlab.contracts import (
    Attack,
    Backdoor,
    Detector,
    Fitted,
    Inspection,
    Inspector,
    Recipe,
    Relabel,
    Repaired,
    Sanitizer,
    Split,
)
from bdlab.data import Dataset
from bdlab.nets import Net
from bdlab.training import DEFAULT_RECIPE, Detection, Scores, Suspicions, detection, evaluate, fit, suspicions

Defense = Detector | Sanitizer | Inspector
T = TypeVar("T")
FPRS = (0.01, 0.05)
"""Nominal false-positive rates of every detection table."""
DETECTION_IMAGES = 400
"""How many test images a detector is judged on; of digits that is one image of every scan."""


class DoesNotApply(TypeError):
    """A defence that cannot work on the kind of model that an attack makes."""


@dataclass
class Duel:
    """A clean and an attacked model under one defence; what belongs to other families of defences stays empty.

    Every dict has the keys 'clean' and 'attacked', for the model that was defended.
    """

    clean: Scores
    attacked: Scores
    backdoor: Backdoor = field(repr=False)
    seconds: dict[str, float]
    defended: dict[str, Any] = field(default_factory=dict, repr=False)
    detections: dict[str, list[Detection]] = field(default_factory=dict)
    scores: dict[str, Suspicions] = field(default_factory=dict, repr=False)
    fitted: dict[str, Fitted] = field(default_factory=dict, repr=False)
    repaired: dict[str, Scores] = field(default_factory=dict)
    repairs: dict[str, Repaired] = field(default_factory=dict, repr=False)
    inspections: dict[str, Inspection] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        parts = {
            "detection": {name: [d.as_dict() for d in rows] for name, rows in self.detections.items()},
            "repaired": {name: {**s.as_dict(), "trace": self.repairs[name].trace} for name, s in self.repaired.items()},
            "inspection": {name: found.as_dict() for name, found in self.inspections.items()},
        }
        return {
            "clean": self.clean.as_dict(),
            "attacked": self.attacked.as_dict(),
            **{name: part for name, part in parts.items() if part},
            "seconds": self.seconds,
        }


def duel(data: Dataset, net: Net, attack: Attack, defense: Defense | None, *, seed: int = 0) -> Duel:
    """Train `net` clean and attacked with the same seed, then let `defense` loose on both.

    The clean network has the attack's recipe where the attack trains from the start, else the default one.

    A detector works with `data.held_out`, sets its thresholds on `data.calibration`, and is judged on `data.test`.  A
    sanitizer repairs and an inspector judges what was shipped, with `data.held_out`.

    Raises: `DoesNotApply` where the defence needs a network of stages and the attack makes another module.
    """
    whole = attack.starts_from == "fresh"
    recipe: Recipe = getattr(attack, "recipe", DEFAULT_RECIPE) if whole else DEFAULT_RECIPE
    early = attack(net, data.train) if whole else None  # first, for it may refuse its settings
    start = time.perf_counter()
    clean = fit(net, data.train, recipe, seed=seed)
    seconds = {"train the clean model": time.perf_counter() - start}
    backdoor = early or attack(clean, data.train)
    seconds["attack"] = backdoor.cost.seconds
    result = Duel(evaluate(clean, data.test, backdoor), evaluate(backdoor, data.test), backdoor, seconds)
    shown = backdoor.model if isinstance(defense, Detector) else backdoor.shipped
    result.defended = {"clean": clean, "attacked": shown}
    if isinstance(defense, Detector):
        _detect(result, attack, defense, data)
    elif isinstance(defense, Sanitizer):
        _sanitize(result, attack, defense, data)
    elif isinstance(defense, Inspector):
        with _clock(seconds, "inspect"):
            result.inspections = _applied(result, attack, defense, lambda model: defense(model, data.held_out))
    return result


def _applied(result: Duel, attack: Attack, defense: Defense, work: Callable[[nn.Module], T]) -> dict[str, T]:
    """`work` on both models, the attacked one first: a defence that does not apply says so before it works for long.

    A `TypeError` that a plain network gives is no refusal and stays what it is.
    """
    found = {}
    for name in ("attacked", "clean"):
        model = result.defended[name]
        try:
            found[name] = work(model)
        except TypeError as refused:
            if isinstance(model, Net):
                raise
            made = f"the {type(model).__name__} that {type(attack).__name__} makes"
            raise DoesNotApply(f"does not apply: {type(defense).__name__} on {made}; {refused}") from refused
    return {name: found[name] for name in result.defended}


def _detect(result: Duel, attack: Attack, defense: Detector, data: Dataset) -> None:
    judged = data.test[:DETECTION_IMAGES]
    with _clock(result.seconds, "detect"):
        result.fitted = _applied(
            result, attack, defense, lambda model: defense.fit(model, data.held_out, data.calibration)
        )
        for name, fitted in result.fitted.items():
            found = suspicions(fitted, result.defended[name], judged, result.backdoor)
            result.scores[name] = found
            result.detections[name] = [detection(fitted, found, fpr) for fpr in FPRS]


def _sanitize(result: Duel, attack: Attack, defense: Sanitizer, data: Dataset) -> None:
    with _clock(result.seconds, "repair"):
        result.repairs = _applied(result, attack, defense, lambda model: defense(model, data.held_out))
    without = result.repairs["clean"].model  # a module: no attacker deploys the clean twin
    result.repaired["clean"] = evaluate(without, data.test, result.backdoor)
    result.repaired["attacked"] = evaluate(result.repairs["attacked"], data.test, result.backdoor)


@contextmanager
def _clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start


def targets(relabel: Relabel, split: Split) -> list[int]:
    """The classes that the attacker's inputs are sent to."""
    wanted = relabel(split.y)
    return sorted(set(wanted[wanted != split.y].tolist()))
