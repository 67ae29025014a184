"""What the experiments on both inspectors share: infected and clean models, each inspected once a seed.

Networks are small_bn, trained for 5 epochs, for 2 on sets of more than 20,000 images.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from bdlab import metrics
from bdlab.attacks import BadNets, BlendedInjection, SourceSpecific, Trojaning
from bdlab.contracts import Backdoor, Inspection, Recipe, Repaired
from bdlab.defenses.anomaly import FEWEST, PAPER
from bdlab.defenses.fine_pruning import FineTuning
from bdlab.experiments.claims import Claim
from bdlab.experiments.journal import Numbers
from bdlab.experiments.trials import SeededTrials
from bdlab.training import evaluate

ATTACKS: dict[str, Any] = {
    "clean": None,
    "BadNets, 3x3 square": BadNets(),
    "Trojaning, square": Trojaning(),
    "blend": BlendedInjection(),
    "source-specific 1 to 7": SourceSpecific(),
}
SQUARE = "BadNets, 3x3 square"
INFECTED = [name for name in ATTACKS if name != "clean"]
Repair = Callable[[nn.Module, Any, list[int], int], Repaired]
"""repair(model, inspection, labels, seed) -> the repaired copy."""
SCALES = {"log": "logarithms", "plain": "plain norms"}


class Trials(SeededTrials):
    """Trains each model once a seed and inspects it once with each scanner."""

    @property
    def recipe(self) -> Recipe:
        """5 epochs, 2 on sets of more than 20,000 images."""
        return Recipe(epochs=2 if len(self.data.train) > 20_000 else 5)

    def model(self, name: str, seed: int) -> Backdoor | nn.Module:
        """The model called `name` in ATTACKS: small_bn, clean or attacked."""
        attack = ATTACKS[name]
        if attack is None:
            return self.clean(seed)
        own = {} if attack.starts_from == "trained" else {"recipe": self.recipe}
        return self.attacked(replace(attack, seed=seed, **own), seed)

    def scan(self, scanner: Any, name: str, seed: int) -> Inspection:
        """What `scanner` says of a model that was shipped."""
        return self.once((scanner, name, seed), self._scan, replace(scanner, seed=seed), name, seed)

    def _scan(self, scanner: Any, name: str, seed: int) -> Inspection:
        model = self.model(name, seed)
        found: Inspection = scanner(model.shipped if isinstance(model, Backdoor) else model, self.data.held_out)
        return found

    def found(self, scanner: Any, name: str) -> list[Numbers]:
        """The verdict of every seed in numbers, see `verdict`."""
        return self.each(f"inspect {name}", lambda s: self._key(scanner, name, s), self._found, scanner, name)

    def repaired(self, scanner: Any, name: str, repair: Repair, how: str) -> list[Numbers]:
        """Of every seed: ASR before and after `repair`, which `how` names for the journal; clean accuracy, and its fall.

        What is deployed counts: where nothing is flagged, nothing is repaired.  flagged: 1 where something is; right: 1
        where the target is among the classes that were repaired.  known, known_fall: what it would be if the target were
        known; of a clean model, if its smallest trigger were taken for one.
        """
        return self.each(
            f"repair {name}",
            lambda s: f"{how} {self._key(scanner, name, s)}",
            self._repaired, scanner, name, repair,
        )  # fmt: skip

    def trained_on(self, scanner: Any, name: str, recipe: Recipe) -> list[Numbers]:
        """ASR and fall of clean accuracy of every seed by mere training on the scan's images: what a repair has to beat."""
        return self.each(
            f"train on {name}",
            lambda s: f"train on {self._key(scanner, name, s)} {recipe}",
            self._trained_on, scanner, name, recipe,
        )  # fmt: skip

    def _key(self, scanner: Any, name: str, seed: int) -> str:
        return f"{name}: {ATTACKS[name]} {self.recipe} {replace(scanner, seed=seed)}"

    def _found(self, scanner: Any, name: str, seed: int) -> Numbers:
        attack = ATTACKS[name]
        target = None if attack is None else _target(attack)
        model, start = self.model(name, seed), time.process_time()
        del model
        found = self.scan(scanner, name, seed)
        return verdict(found, target) | {"seconds": time.process_time() - start}

    def _repaired(self, scanner: Any, name: str, repair: Repair, seed: int) -> Numbers:
        model, found = self.model(name, seed), self.scan(scanner, name, seed)
        shipped, backdoor = (model.shipped, model) if isinstance(model, Backdoor) else (model, None)
        smallest = (found.ranking or [int(found.norm.argmin())])[0]
        target = smallest if backdoor is None else _target(ATTACKS[name])
        before = evaluate(model, self.data.test)
        known = evaluate(repair(shipped, found, [target], seed), self.data.test, backdoor)
        after = before
        if found.flagged == [target]:
            after = known
        elif found.flagged:
            after = evaluate(repair(shipped, found, found.flagged, seed), self.data.test, backdoor)
        right = backdoor is not None and target in found.flagged
        return {
            "fall": before.clean_accuracy - after.clean_accuracy, "before": before.asr, "asr": after.asr, "ra": after.ra,
            "flagged": float(bool(found.flagged)), "right": float(right), "clean": before.clean_accuracy,
            "known": known.asr, "known_fall": before.clean_accuracy - known.clean_accuracy,
        }  # fmt: skip

    def _trained_on(self, scanner: Any, name: str, recipe: Recipe, seed: int) -> Numbers:
        backdoor, found = self.model(name, seed), self.scan(scanner, name, seed)
        assert isinstance(backdoor, Backdoor)
        images = getattr(found, "images", self.data.held_out)  # DeepInspect's may be inverted
        trained = FineTuning(recipe=recipe, shift=0, apart=0, seed=seed)(backdoor.shipped, images)
        before, after = evaluate(backdoor, self.data.test), evaluate(trained, self.data.test, backdoor)
        return {"asr": after.asr, "fall": before.clean_accuracy - after.clean_accuracy}


def _target(attack: Any) -> int:
    relabel = getattr(attack, "relabel", None)
    return int(attack.target if relabel is None else relabel.target)


def verdict(found: Inspection, target: int | None) -> Numbers:
    """An inspection in numbers; `target` is the infected class, which the inspector was not told.

    top_KIND: the largest anomaly index of the plain norms under each deviation, NaN where fewer than five classes count.
    hit, hit_at_two: 1 where the target is flagged; alarms, alarms_at_two: how many other classes are; NaN as well, for then
    there is no verdict.  rank: the target's among the norms, 1 is the smallest, NaN where it is excluded.  norm: the
    target's; ratio: to the median of all.
    """
    counted = ~found.anomaly_index.isnan()
    values, enough = found.norm[counted].double(), int(counted.sum()) >= FEWEST
    tops = {kind: float(metrics.anomaly_index(values, kind).max()) if enough else math.nan for kind in metrics.ANOMALY_KINDS}
    numbers: Numbers = {f"top_{kind}": top for kind, top in tops.items()}
    numbers["excluded"] = float(len(found.excluded))
    for suffix, flagged in (("", found.flagged), ("_at_two", found.flagged_at_two)):
        numbers[f"hit{suffix}"] = float(target in flagged) if enough else math.nan
        numbers[f"alarms{suffix}"] = float(sum(label != target for label in flagged)) if enough else math.nan
    if target is not None:
        rank = found.ranking.index(target) + 1 if target in found.ranking else math.nan
        norm = float(found.norm[target])
        numbers |= {"rank": float(rank), "norm": norm, "ratio": norm / float(found.norm.median())}
    return numbers


def column(rows: Sequence[Numbers], key: str) -> list[float]:
    """One number of every seed; NaN where there is none."""
    return [math.nan if (value := row[key]) is None else value for row in rows]


def plain(value: float) -> str:
    """Two decimals; NaN is a statistic of fewer than five classes."""
    return "undefined" if math.isnan(value) else f"{value:.2f}"


def share(value: float) -> str:
    """Per cent; NaN as in `plain`."""
    return "undefined" if math.isnan(value) else f"{value:.2%}"


def whole(value: float) -> str:
    """One decimal: means of ranks and counts."""
    return f"{value:.1f}"


def _means(rows: Sequence[Numbers], *keys: str) -> str:
    return ", ".join(plain(statistics.fmean(column(rows, key))) for key in keys)


def _tops(rows: Sequence[Numbers]) -> str:
    tops = _means(rows, *(f"top_{kind}" for kind in metrics.ANOMALY_KINDS))
    return f"plain norms; largest index by mean, mad, left mad: {tops}"


def _left_out(rows: Sequence[Numbers]) -> str:
    """In how many models the target itself does not count."""
    count = sum(math.isnan(rank) for rank in column(rows, "rank"))
    return f"; the target has no trigger that works in {count} of {len(rows)}" * bool(count)


def _papers(rows: Sequence[Numbers], deviation: str) -> list[float]:
    """1 for every seed where the target's norm is the smallest and the index of plain norms is above 2; NaN without one."""
    pairs = zip(column(rows, "rank"), column(rows, f"top_{deviation}"), strict=True)
    return [math.nan if math.isnan(top) else float(rank == 1 and top > PAPER) for rank, top in pairs]


def verdicts(trials: Trials, scanner: Any, mode: str, expected: dict[str, tuple[str, bool]]) -> list[Claim]:
    """For every model two rows: rank of the target; verdict at the family-wise cut-off, beside it those at 2.0.

    expected: name -> (what is published, whether the target is supposed to be found).
    """
    claims, scale = [], SCALES[scanner.scale]
    clean = trials.found(scanner, "clean")
    tops = column(clean, f"top_{scanner.deviation}")
    controls = {f"cut-off 2.0, {scale}": _quiet(column(clean, "alarms_at_two")),
                PLAIN_NORMS: _quiet([top if math.isnan(top) else float(top > PAPER) for top in tops])}  # fmt: skip
    for name in INFECTED:
        rows = trials.found(scanner, name)
        paper, finds = expected[name]
        changed = {f"cut-off 2.0, {scale}": column(rows, "hit_at_two"),
                   PLAIN_NORMS: _papers(rows, scanner.deviation)}  # fmt: skip
        claims += [
            Claim(
                f"{mode}{name}: rank of the target among the norms ({_tops(rows)}{_left_out(rows)})",
                "1" if finds else "-", column(rows, "rank"), lambda v: v == 1, "1", whole, every=True,
            ),
            Claim(
                f"{mode}{name}: target flagged, {scale}, at the family-wise cut-off "
                f"(others: {_means(rows, 'alarms')} a model)",
                paper, column(rows, "hit"), *_wanted(finds), share, changed=changed, controls=controls,
            ),
        ]  # fmt: skip
    rows = clean
    claims.append(
        Claim(
            f"{mode}clean models: classes flagged, {scale}, at the family-wise cut-off ({_tops(rows)}; "
            f"cut-off 2.0, {scale}: {_means(rows, 'alarms_at_two')} a model; excluded {_means(rows, 'excluded')})",
            expected["clean"][0], column(rows, "alarms"), lambda v: v <= 0.05, "<= 0.05 a model", plain,
        )
    )  # fmt: skip
    return claims


PLAIN_NORMS = "plain norms, cut-off 2.0 (the paper's)"


def _quiet(alarms: Sequence[float]) -> bool:
    """Whether the clean models raise hardly any alarm, as the bound of their row says."""
    return statistics.fmean(alarms) <= 0.05


def _wanted(finds: bool) -> tuple[Callable[[float], bool], str]:
    return ((lambda v: v >= 0.8), ">= 80% of models") if finds else ((lambda v: v <= 0.2), "<= 20% of models")


def seconds(trials: Trials, scanner: Any) -> str:
    """CPU seconds of a scan, mean over all models and seeds."""
    return f"{statistics.fmean(row['seconds'] or 0 for name in ATTACKS for row in trials.found(scanner, name)):.0f}"
