"""The pruning-aware attack's claims, measured: `bdlab reproduce pruning_aware --data mnist`.

Published: table 1 of Liu, Dolan-Gavitt, Garg 2018 as the slides print it; its column 'no defence' can be held against ours.
The share of channels at which the plain attack collapses comes from a summary of the paper, not from the paper.
Networks: badnets_cnn on MNIST, small_bn on every other set, each trained for 3 epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn

from bdlab.attacks.badnets import BadNets
from bdlab.attacks.pruning_aware import PruningAware, plant
from bdlab.bars import track
from bdlab.channels import last_conv, mean_activation
from bdlab.contracts import Recipe
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.curves import pruned_scores
from bdlab.experiments.journal import Journal, Numbers
from bdlab.nets import Net, badnets_cnn, small_bn
from bdlab.training import fit

RECIPE = Recipe(epochs=3)
SPENT = 0.04
"""How much clean accuracy our defender gives away by pruning: four points."""
TIGHT = PruningAware(decoys=0.97, restore=30, recipe=Recipe(epochs=1))
"""One or two channels kept at first, so that step 3 has something to put back."""
NOT_RUN = (
    "table 1, columns fine-tuning and fine-pruning: see `bdlab reproduce fine_pruning`",
    "table 1, faces: DeepID on YouTube Faces, not here",
    "table 1, speech: AlexNet, not here; `bdlab reproduce fine_pruning --data speech` has another network",
    "table 1, traffic signs: Faster R-CNN on US signs, untargeted (memory), not here",
)


@dataclass(frozen=True)
class Curve:
    """Clean accuracy and ASR (channels + 1,) on the test images over the number of channels pruned.

    decoys: how many channels the attack put before its own.  first: the share of them among the first that fall.
    """

    clean: list[float]
    asr: list[float]
    decoys: int
    first: float

    def flat(self, values: Sequence[float]) -> float:
        """The largest change of `values` until the decoys are gone."""
        return max(abs(value - values[0]) for value in values[: self.decoys + 1])

    @property
    def collapse(self) -> float:
        """The share of channels whose pruning takes the ASR below one half; 1 where only pruning all does."""
        fallen = [level for level, value in enumerate(self.asr) if value < 0.5]
        return fallen[0] / (len(self.asr) - 1) if fallen else 1.0

    @property
    def stopped(self) -> int:
        """How many channels a defender prunes who stops before clean accuracy has fallen by more than `SPENT`."""
        fallen = [level for level, value in enumerate(self.clean) if value < self.clean[0] - SPENT]
        return fallen[0] - 1 if fallen else len(self.clean) - 1


@dataclass(frozen=True)
class Trials:
    """The plain and the pruning-aware attack on one data set, each once per seed."""

    data: Dataset
    seeds: Sequence[int]
    device: torch.device | str = "cpu"
    journal: Journal = field(default_factory=Journal, repr=False)

    def curves(self, attack: type[BadNets] | type[PruningAware]) -> list[Curve]:
        """The pruning curve of every seed."""
        return [self._curve(attack(recipe=RECIPE, seed=seed)) for seed in track(self.seeds, attack.__name__)]

    def restored(self) -> list[float]:
        """How many channels step 3 puts back where it begins with too few; the first seed only."""
        seed = self.seeds[0]
        return [
            self.journal.numbers(f"restored {TIGHT} {seed} {RECIPE} {self._make.__name__}", self._restored, seed)[
                "restored"
            ]
            or 0.0
        ]

    def _curve(self, attack: BadNets | PruningAware) -> Curve:
        kept = self.journal.numbers(f"curve {attack} {self._make.__name__}", self._numbers, attack)
        levels = range(int(kept["channels"] or 0) + 1)
        clean, asr = ([kept[f"{name} {level}"] or 0.0 for level in levels] for name in ("clean", "asr"))
        return Curve(clean, asr, int(kept["decoys"] or 0), kept["first"] or 0.0)

    @property
    def _make(self) -> Callable[..., Net]:
        return badnets_cnn if self.data.name == "mnist" else small_bn

    def _net(self, seed: int) -> Net:
        return self._make(self.data.input_shape, self.data.classes, seed=seed).to(self.device)

    def _clean(self, seed: int) -> nn.Module:
        return fit(self._net(seed), self.data.train, RECIPE, seed=seed)

    def _numbers(self, attack: BadNets | PruningAware) -> Numbers:
        data, seed = self.data, attack.seed
        if isinstance(attack, PruningAware):
            built = plant(attack, self._clean(seed), attack.poison(data.train))
            net, decoys = built.model, built.decoys
        else:
            net = cast(Net, attack(self._net(seed), data.train).model)
            decoys = torch.zeros(1, dtype=torch.bool)
        layer = last_conv(net)
        order = mean_activation(net, layer, data.held_out.x).argsort()  # (channels,), the defender's
        clean, asr = pruned_scores(net, layer, order, data.test, attack.at_test(), attack.relabel, seed=seed)
        falls = decoys[order[: decoys.sum()]].double().mean().item() if decoys.any() else None
        return {
            "channels": len(order), "decoys": int(decoys.sum()), "first": falls,
            **{f"clean {level}": share for level, share in enumerate(clean)},
            **{f"asr {level}": share for level, share in enumerate(asr)},
        }  # fmt: skip

    def _restored(self, seed: int) -> Numbers:
        built = plant(TIGHT, self._clean(seed), TIGHT.poison(self.data.train))
        return {"restored": built.trace[-1]["kept"] - built.trace[0]["kept"]}


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """All claims on `data`, over `seeds`."""
    trials = Trials(data, seeds, device, journal or Journal())
    plain, aware = trials.curves(BadNets), trials.curves(PruningAware)
    restored = Claim(
        "step 3 begins with 3% of the channels: channels put back until the pruned net learns both (first seed)",
        "-", trials.restored(), lambda v: 1 <= v <= 8, "1 to 8", "{:.0f}".format,
    )  # fmt: skip
    claims = [*_undefended(plain, aware), *_decoys(aware), *_pruned(plain, aware), restored]
    return Reproduction("pruning_aware", data, seeds, claims, {}, NOT_RUN)


def _undefended(plain: Sequence[Curve], aware: Sequence[Curve]) -> list[Claim]:
    """Table 1, column 'no defence': what being pruning-aware costs on faces, speech and traffic signs."""
    rows = (
        ("clean accuracy", "clean", "0.2 to 2.9 points (.978, .990, .849 to .974, .988, .820)", 0.029),
        ("ASR", "asr", "-1.0 to 9.2 points (1.000, .770, .991 to .998, .780, .899)", 0.092),
    )
    return [
        Claim(
            f"no defence: {what} below the plain attack's by",
            paper,
            [getattr(base, name)[0] - getattr(own, name)[0] for base, own in zip(plain, aware, strict=True)],
            lambda v, bound=bound: v <= bound,  # type: ignore[misc]
            f"<= {bound:.2%}",
        )
        for what, name, paper, bound in rows
    ]


def _decoys(aware: Sequence[Curve]) -> list[Claim]:
    """What section 3.2 promises, in words."""
    first = [curve.first for curve in aware]
    rows = (("clean accuracy", [c.flat(c.clean) for c in aware]), ("ASR", [c.flat(c.asr) for c in aware]))
    return [
        Claim("decoys among the first channels that fall", "all (in words)", first, lambda v: v == 1, "100%"),
        *(
            Claim(f"largest change of {what} until the decoys are gone", "none (in words)", values, _hardly, "<= 0.10%")
            for what, values in rows
        ),
    ]


def _hardly(value: float) -> bool:
    return value <= 0.001


def _pruned(plain: Sequence[Curve], aware: Sequence[Curve]) -> list[Claim]:
    """What pruning does to either; our defender stops before it costs more than four points of clean accuracy."""
    what = "share of channels whose pruning takes the plain attack's ASR below one half"
    shares = [curve.collapse for curve in plain]
    return [
        Claim(what, "68% to 82% (secondary source)", shares, lambda v: 0.68 <= v <= 0.82, "68% to 82%"),
        _stopped("plain", plain, "low (in words)", lambda v: v <= 0.5, "<= 50%"),
        _stopped("pruning-aware", aware, "high (in words)", lambda v: v >= 0.5, ">= 50%"),
    ]


def _stopped(name: str, curves: Sequence[Curve], paper: str, holds: Callable[[float], bool], bound: str) -> Claim:
    shares = [curve.stopped / (len(curve.asr) - 1) for curve in curves]
    what = f"{name} attack: ASR where pruning has cost four points of clean accuracy"
    where = f"({min(shares):.0%} to {max(shares):.0%} of the channels)"
    return Claim(f"{what} {where}", paper, [curve.asr[curve.stopped] for curve in curves], holds, bound)
