"""What a network of the zoo is known by: its card, its file, and what its attacker knows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from bdlab import weights
from bdlab.contracts import Backdoor, Cost
from bdlab.nets import Net

Range = list[float]
"""The smallest and the largest over three seeds."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A network's card.

    data, net: the data set and the registered net.  attack, trigger, recipe: their settings as text; no attack: honest.
    seed: of this network; seeds: those of the ranges.  scores: how three networks made so do on the test images, clean
    accuracy, ASR and RA as ranges; rounded: how this file does, in float16.  twin: the honest network by the attack's own
    recipe and epochs, under the same trigger: its ranges, and its name where it is in the zoo.  cost: poisoned rows, cover
    rows, rows trained on.  atlas: the technique in MITRE ATLAS.  command: what makes file and card anew.
    """

    name: str
    lessons: list[str]
    why: str
    data: str
    net: str
    attack: str | None
    trigger: str | None
    recipe: str
    seed: int
    seeds: list[int]
    scores: dict[str, Range]
    rounded: dict[str, float]
    twin: dict[str, Any] | None
    cost: dict[str, int] | None
    atlas: str | None
    sha256: str
    bytes: int
    command: str

    def write(self) -> None:
        """Put it beside its network."""
        path = weights.ZOO / f"{self.name}.json"
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def names() -> tuple[str, ...]:
    """All networks that are there."""
    return tuple(sorted(path.stem for path in weights.ZOO.glob("*.json")))


def card(name: str) -> Card:
    """The card of the network called `name`.  Raises: `ValueError` for an unknown one."""
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}; got {name!r}")
    return Card(**json.loads((weights.ZOO / f"{name}.json").read_text(encoding="utf-8")))


def load(name: str) -> Net:
    """The network called `name`, in float32 and eval mode, on the CPU.

    Raises: `ValueError` for an unknown name, and for a file that is not the one that its card was written for.
    """
    return weights.published(card(name).name)


def backdoor(name: str) -> Backdoor:
    """The attacked network called `name` with its trigger and the label that its attacker wants.

    Raises: `ValueError` for an unknown name, and for an honest network.
    """
    from bdlab.zoo.plans import plans

    found = card(name)
    if found.cost is None:
        raised = ", ".join(one for one in names() if card(one).cost is not None)
        raise ValueError(f"name must be an attacked network, {raised}; got {name!r}, which is honest")
    attack: Any = plans()[name].attack
    model = load(name)
    return Backdoor(model, model, attack.at_test(), attack.relabel, Cost(0.0, **found.cost))
