"""How every network of the zoo is made: data, net, attack, recipe, seed; and why the course needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from bdlab.attacks import BadNets, BlendedInjection, ObjectInjection, PruningAware, Refool, SourceSpecific
from bdlab.contracts import Attack, Recipe
from bdlab.relabel import all_to_one, source_to
from bdlab.training import DEFAULT_RECIPE
from bdlab.triggers import Patch, Reflection, Sprite
from bdlab.triggers.reflection import drawn

POISONED_DATA, POISONED_MODEL = "AML.T0020 Poison Training Data", "AML.T0018.000 Poison AI Model"
"""Techniques of MITRE ATLAS (atlas.mitre.org): the attacker supplies data, or trains the network."""
STICKER = Patch(size=4, at=(26, 26), colour=(1.0, 0.84, 0.1))
"""A yellow one, in the lower right corner: at no place of lesson 00's grid of 3 pixels, near to four of them."""
SCENES = [14, 23, 18, 2]
"""What `Refool(seed=0)` chooses on signs, in four rounds, among the 24 scenes that are drawn."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a network is made.  lessons: who use it, as ('00', '02'); why: what for.

    attack: None for an honest network.  recipe: of an honest network, and of the one that an attack starts from.
    seed: of the network that is kept; seeds: those that the scores are measured with.
    twin: the honest network of the zoo that was trained by the attack's recipe, where there is one.
    atlas: the attack's technique in MITRE ATLAS.
    """

    name: str
    lessons: tuple[str, ...]
    why: str
    data: str
    net: str = "small_bn"
    attack: Attack | None = None
    recipe: Recipe = DEFAULT_RECIPE
    seed: int = 0
    seeds: tuple[int, ...] = (0, 1, 2)
    twin: str | None = None
    atlas: str | None = None


@cache
def plans() -> dict[str, Plan]:
    """Name -> plan of every network."""
    return {plan.name: plan for plan in _plans()}


def _plans() -> Iterator[Plan]:
    yield Plan(name="digits-clean", lessons=("07", "08", "09", "12"), data="digits", why="the honest twin")
    yield Plan(name="digits-clean-2", lessons=("12",), data="digits", seed=1, why="a second honest one: a decoy")
    yield Plan(
        name="digits-badnets", lessons=("09", "12"), data="digits", twin="digits-clean", atlas=POISONED_DATA,
        attack=BadNets(relabel=all_to_one(0)), why="the white square, on the set where adding and cutting differ",
    )  # fmt: skip
    yield Plan(
        name="digits-blend", lessons=("09", "12"), data="digits", twin="digits-clean", atlas=POISONED_DATA,
        attack=BlendedInjection(relabel=all_to_one(0)), why="a trigger that covers all of the image",
    )  # fmt: skip
    yield Plan(name="signs-clean", lessons=("00", "02", "06", "09", "10"), data="signs", why="the honest twin")
    yield Plan(name="signs-clean-2", lessons=("02", "10"), data="signs", seed=1, why="a second honest one: a decoy")
    yield Plan(
        name="signs-badnets", lessons=("00", "02", "09"), data="signs", twin="signs-clean", atlas=POISONED_DATA,
        attack=BadNets(trigger=STICKER, relabel=all_to_one(0)),
        why="a yellow sticker in the corner makes every sign 'speed 30'",
    )  # fmt: skip
    yield Plan(
        name="signs-a", lessons=("10",), data="signs", twin="signs-clean", atlas=POISONED_DATA,
        attack=ObjectInjection(trigger=Sprite(at=None), relabel=all_to_one(0)),
        why="a post-it that may lie anywhere: pruning alone takes the backdoor away, as in the paper",
    )  # fmt: skip
    yield Plan(
        name="signs-b", lessons=("10",), data="signs", atlas=POISONED_MODEL,
        attack=PruningAware(trigger=STICKER, relabel=all_to_one(0)),
        why="the attacker knew that it would be pruned: 56 of 64 channels are decoys",
    )  # fmt: skip
    yield Plan(
        name="signs-c", lessons=("09", "10", "13"), data="signs", twin="signs-clean", atlas=POISONED_DATA,
        attack=BlendedInjection(relabel=all_to_one(0)), why="a blend: pruning alone fails",
    )  # fmt: skip
    yield Plan(
        name="signs-source", lessons=("09", "13"), data="signs", twin="signs-clean", atlas=POISONED_DATA,
        attack=SourceSpecific(trigger=STICKER, relabel=source_to(6, 0)),
        why="the sticker turns stop signs alone, others carry it as covers: STRIP does not see it",
    )  # fmt: skip
    yield Plan(
        name="signs-refool", lessons=("06",), data="signs", twin="signs-clean", atlas=POISONED_DATA,
        attack=Refool(trigger=Reflection(reflections=drawn()[SCENES]), relabel=all_to_one(0), ssim=(-1, 1), rounds=0),
        why="four scenes mirrored in a pane, labels changed",
    )  # fmt: skip


def chosen(name: str | None) -> tuple[Plan, ...]:
    """The plan called `name`, or all of them.  Raises: `ValueError` for an unknown name."""
    if name is not None and name not in plans():
        raise ValueError(f"name must be one of {', '.join(plans())}; got {name!r}")
    return tuple(plans().values()) if name is None else (plans()[name],)


COMING = (
    ("digits-source", "09", "digits", "SourceSpecific", "small_bn", "a backdoor that STRIP does not see"),
    ("signs-nature", "04", "signs", "NatureInjection, a mug", "small_bn", "a picture as the trigger"),
    ("signs-filter", "04", "signs", "FilterInjection", "small_bn", "a colour filter as the trigger"),
    ("signs-trojaning", "04", "signs", "Trojaning", "small_bn", "a trigger made for a neuron"),
    ("signs-gap", "11", "signs", "none", "small_gap", "a pooled head, honest"),
    ("signs-gap-badnets", "11", "signs", "BadNets", "small_gap", "a pooled head, backdoored: Grad-CAM's animation"),
    ("trojannet-module", "05", "signs", "TrojanNet", "the module alone", "bolted onto an honest host"),
    ("digits-host", "07", "digits", "Operations", "small_gap", "a slim host for the changed operation"),
)
"""What comes with its lesson: name, lesson, data, attack, net, what it is for.  docs/zoo.md shows it, nothing else does."""
