"""One attack, one clean twin, one defence: what `bdlab demo` and `bdlab run` show."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from bdlab import plots
from bdlab.attacks.poisoning import DataPoisoning
from bdlab.contracts import Attack, Backdoor, Detector, Split
from bdlab.data import Dataset
from bdlab.nets import Net
from bdlab.training import DEFAULT_RECIPE, ENOUGH, Detection, Scores, Suspicions, detection, evaluate, fit, suspicions

FPRS = (0.01, 0.05)
"""Nominal false-positive rates of every detection table."""
DETECTION_IMAGES = 400
"""How many test images a detector is judged on; of digits that is one image of every scan."""


@dataclass(frozen=True)
class Duel:
    """Scores of the clean and the attacked model, and of a detector on both."""

    clean: Scores
    attacked: Scores
    detections: dict[str, list[Detection]]
    seconds: dict[str, float]
    backdoor: Backdoor = field(repr=False)
    scores: dict[str, Suspicions] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return {
            "clean": self.clean.as_dict(),
            "attacked": self.attacked.as_dict(),
            "detection": {model: [d.as_dict() for d in rows] for model, rows in self.detections.items()},
            "seconds": self.seconds,
        }


def duel(data: Dataset, net: Net, attack: Attack, detector: Detector | None, *, seed: int = 0) -> Duel:
    """Train `net` clean and attacked with the same recipe and seed, then let `detector` judge inputs of both.

    The detector works with `data.held_out`, sets its thresholds on `data.calibration`, and is judged on `data.test`.
    """
    recipe = attack.recipe if isinstance(attack, DataPoisoning) else DEFAULT_RECIPE
    early = attack(net, data.train) if attack.starts_from == "fresh" else None  # first, for it may refuse its settings
    start = time.perf_counter()
    clean = fit(net, data.train, recipe, seed=seed)
    seconds = {"train the clean model": time.perf_counter() - start}
    backdoor = early or attack(clean, data.train)
    seconds["attack"] = backdoor.cost.seconds
    rows: dict[str, list[Detection]] = {}
    scores: dict[str, Suspicions] = {}
    start = time.perf_counter()
    if detector is not None:
        judged = data.test[:DETECTION_IMAGES]
        for name, model in (("clean", clean), ("attacked", backdoor.model)):
            fitted = detector.fit(model, data.held_out, data.calibration)
            scores[name] = suspicions(fitted, model, judged, backdoor)
            rows[name] = [detection(fitted, scores[name], fpr) for fpr in FPRS]
        seconds["detect"] = time.perf_counter() - start
    return Duel(evaluate(clean, data.test, backdoor), evaluate(backdoor, data.test), rows, seconds, backdoor, scores)


def pictures(result: Duel, data: Dataset, seed: int) -> dict[str, plots.Plot]:
    """The figures of a duel, by file name."""
    trigger = result.backdoor.trigger
    shown = _one_per_class(data.test, 8)
    drawn = {
        "triggers.png": plots.images(
            [("clean", shown), ("triggered", trigger(shown))],
            title=f"{data.name}: {trigger}",
            alt=f"{len(shown)} {data.name} test images above, the same images with {trigger} below.",
        )
    }
    if result.scores:
        attacked, (low, high) = result.scores["attacked"], result.detections["attacked"]
        found = "nothing fooled the model" if high.auroc is None else f"AUROC {high.auroc:.3f}"
        drawn["scores.png"] = plots.scores(
            [
                (f"{data.name}, {name} model, seed {seed}", s.clean, s.bad if len(s.bad) >= ENOUGH else s.bad[:0])
                for name, s in result.scores.items()
            ],
            [(f"threshold, FPR {d.fpr:.0%}", d.threshold) for d in (low, high)],
            label="suspicion (minus mean entropy, bits)",
            alt=f"Suspicion of {len(attacked.clean)} clean images of {data.name} under the clean model, and of clean and "
            f"triggered images under the attacked one: {found}; at a nominal false-positive rate of {high.fpr:.0%} "
            f"{high.frr:.1%} of the clean images are refused.",
        )
    return drawn


def _one_per_class(split: Split, most: int) -> Any:
    rows = [int((split.y == label).nonzero()[0]) for label in range(min(most, split.classes))]
    return split.x[rows]
