"""Networks of the zoo made anew: trained, measured over three seeds, rounded, saved, and their cards written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from torch import nn

from bdlab import weights
from bdlab.bars import track
from bdlab.contracts import Backdoor, Recipe
from bdlab.data import Dataset, load
from bdlab.nets import Net
from bdlab.training import Scores, evaluate
from bdlab.twins import Twins
from bdlab.zoo.cards import Card, Range
from bdlab.zoo.plans import Plan

SHARES = ("clean_accuracy", "asr", "ra")


@dataclass(frozen=True)
class Run:
    """A plan carried out with one seed: the network, and for an attack what its author knows and the honest twin."""

    model: nn.Module
    backdoor: Backdoor | None = None
    twin: nn.Module | None = None


def run(plan: Plan, twins: Twins, seed: int) -> Run:
    """Train what `plan` says, with `seed`."""
    if plan.attack is None:
        return Run(twins(seed))
    attack: Any = replace(plan.attack, seed=seed)  # type: ignore[type-var]
    made = attack(twins.start(attack, seed), twins.data.train)
    backdoor = replace(made, trigger=attack.at_test())  # as `zoo.backdoor` has it: Refool shuffles its scenes
    return Run(backdoor.model, backdoor, twins.of(attack, seed))


def twins_of(plan: Plan) -> Twins:
    """The honest networks beside `plan`; plans that are built one after another share those that they have in common."""
    return _twins(plan.data, plan.net, plan.recipe)


@cache
def _twins(data: str, net: str, first: Recipe) -> Twins:
    return Twins(load(data), net=net, first=first)


def build(plan: Plan) -> Card:
    """Carry out `plan` with each of its seeds; keep the network of `plan.seed`, and write its card."""
    twins = twins_of(plan)
    runs, data = [run(plan, twins, seed) for seed in track(plan.seeds, plan.name)], twins.data
    first, path = runs[plan.seeds.index(plan.seed)], weights.ZOO / f"{plan.name}.safetensors"
    sha256 = weights.save_model(_net(first.model), path, net=plan.net)
    rounded = evaluate(weights.load_model(path, sha256), data.test, first.backdoor)
    made = Card(
        name=plan.name, lessons=list(plan.lessons), why=plan.why, data=plan.data, net=plan.net,
        attack=None if plan.attack is None else repr(plan.attack),
        trigger=None if first.backdoor is None else repr(first.backdoor.trigger), recipe=repr(plan.recipe),
        seed=plan.seed, seeds=list(plan.seeds),
        scores=ranges([evaluate(one.model, data.test, one.backdoor) for one in runs]),
        rounded={name: low for name, (low, _) in ranges([rounded]).items()},
        twin=None if plan.attack is None else {"name": plan.twin, **_beside(runs, data)},
        cost=_cost(first.backdoor), atlas=plan.atlas,
        sha256=sha256, bytes=path.stat().st_size, command=f"bdlab zoo build {plan.name}",
    )  # fmt: skip
    made.write()
    return made


def ranges(scores: Sequence[Scores]) -> dict[str, Range]:
    """The smallest and the largest of each share that was measured, rounded to a tenth of a thousandth."""
    values = {name: [getattr(one, name) for one in scores] for name in SHARES}
    return {name: [round(min(v), 4), round(max(v), 4)] for name, v in values.items() if None not in v}


def _beside(runs: Sequence[Run], data: Dataset) -> dict[str, Range]:
    return ranges([evaluate(one.twin, data.test, one.backdoor) for one in runs if one.twin is not None])


def _cost(backdoor: Backdoor | None) -> dict[str, int] | None:
    if backdoor is None:
        return None
    return {name: getattr(backdoor.cost, name) for name in ("poisoned", "covers", "rows")}


def _net(model: nn.Module) -> Net:
    if not isinstance(model, Net):
        raise TypeError(f"model must be a Net, whose stages a file can name, got {type(model).__name__}")
    return model
