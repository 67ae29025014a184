"""The figures of a duel, as the lectures draw them."""

from __future__ import annotations

from typing import Any

import torch

from bdlab import plots
from bdlab.channels import ChannelMask, last_conv
from bdlab.contracts import Detector, Inspection, Split
from bdlab.data import Dataset
from bdlab.defenses.rbd import FittedRbd, Rbd
from bdlab.experiments.curves import pruned_scores
from bdlab.experiments.duel import Defense, Duel
from bdlab.training import ENOUGH
from bdlab.views import activation_map


def pictures(result: Duel, defense: Defense | None, data: Dataset, seed: int) -> dict[str, plots.Plot]:
    """By file name: triggered images, and what the defence's family shows."""
    trigger = result.backdoor.trigger
    shown = _one_per_class(data.test, 8)
    drawn = {
        "triggers.png": plots.images(
            [("clean", shown), ("triggered", trigger(shown))],
            title=f"{data.name}: {trigger}",
            alt=f"{len(shown)} {data.name} test images above, the same images with {trigger} below.",
        )
    }
    if isinstance(defense, Detector):
        drawn["scores.png"] = _scores(result, defense.measures, data, seed)
    if isinstance(defense, Rbd):
        drawn["maps.png"] = _maps(result, data, seed)
    if any("channel" in row for repaired in result.repairs.values() for row in repaired.trace):
        drawn["pruning.png"] = _pruning(result, defense, data, seed)
    for name, found in result.inspections.items():
        drawn[f"anomaly_{name}.png"] = _anomaly(found, f"{data.name}, {name} model, seed {seed}")
    return drawn


def _scores(result: Duel, label: str, data: Dataset, seed: int) -> plots.Plot:
    attacked, (low, high) = result.scores["attacked"], result.detections["attacked"]
    found = "nothing fooled the model" if high.auroc is None else f"AUROC {high.auroc:.3f}"
    return plots.scores(
        [
            (f"{data.name}, {name} model, seed {seed}", s.clean, s.bad if len(s.bad) >= ENOUGH else s.bad[:0])
            for name, s in result.scores.items()
        ],
        [(f"threshold, FPR {d.fpr:.0%}", d.threshold) for d in (low, high)],
        label=label,
        alt=f"Suspicion of {len(attacked.clean)} clean images of {data.name} under the clean model, and of clean and "
        f"triggered images under the attacked one: {found}; at a nominal false-positive rate of {high.fpr:.0%} "
        f"{high.frr:.1%} of the clean images are refused.",
    )


def _maps(result: Duel, data: Dataset, seed: int) -> plots.Plot:
    """Activation maps of the attacked model and of its shadow, clean and triggered: images that it is meant for."""
    fitted = result.fitted["attacked"]
    assert isinstance(fitted, FittedRbd)
    wanted = result.backdoor.relabel(data.test.y)
    clean, rows = _one_per_class(data.test[wanted != data.test.y], 8), []
    for name, x in (("clean", clean), ("triggered", result.backdoor.trigger(clean))):
        rows.append((name, x))
        rows += [
            (who, activation_map(net, fitted.layer, x))
            for who, net in (("model", fitted.model), ("shadow", fitted.shadow))
        ]
    means = [f"{float(maps.mean()):.3f}" for _, maps in rows if maps.dim() == 3]
    return plots.heat(
        rows,
        title=f"{data.name}, seed {seed}: mean activation of {fitted.layer}, every row on its own scale",
        alt=f"Activation maps of the attacked model and of its shadow, {data.name}; mean activation on clean images "
        f"{means[0]} in the model and {means[1]} in the shadow, on triggered ones {means[2]} and {means[3]}.",
    )


def _pruning(result: Duel, defense: Any, data: Dataset, seed: int) -> plots.Plot:
    """Clean accuracy and ASR on test images while channels fall in the defence's order; the model as it was shipped."""
    curves, stops, texts = [], [], []
    backdoor = result.backdoor
    for name, model in result.defended.items():
        trace = [row for row in result.repairs[name].trace if "channel" in row]
        layer, order = defense.layer or last_conv(model), torch.tensor([int(row["channel"]) for row in trace[1:]])
        accuracy, asr = pruned_scores(model, layer, order, data.test, backdoor.trigger, backdoor.relabel)
        masks = [m for m in result.repairs[name].model.modules() if isinstance(m, ChannelMask)]
        stops.append(int((masks[0].keep == 0).sum()))
        curves.append((f"{name} model", [accuracy], [asr]))
        at = f"{accuracy[stops[-1]]:.1%} and {asr[stops[-1]]:.1%} where the defence stops, after {stops[-1]}"
        texts.append(f"{name} model: accuracy {accuracy[0]:.1%}, ASR {asr[0]:.1%} whole, {at}")
    return plots.pruning_curve(
        curves,
        stops=stops,
        title=f"{data.name}, seed {seed}: pruning, before any fine-tuning",
        alt=f"Clean accuracy and ASR over the number of pruned channels, {data.name}. {'; '.join(texts)}.",
    )


def _anomaly(found: Inspection, title: str) -> plots.Plot:
    worst = int(found.anomaly_index.nan_to_num(-torch.inf).argmax())
    largest = f"class {worst} has the largest index, {float(found.anomaly_index[worst]):.2f}"
    if found.anomaly_index.isnan().all():
        largest = "too few classes have a trigger that works, so none has an index"
    return plots.anomaly(
        found.norm,
        found.anomaly_index,
        found.cutoff,
        found.flagged,
        triggers=found.triggers,
        title=title,
        alt=f"Size and anomaly index of the smallest trigger of each of {len(found.norm)} classes, {title}: {largest}, "
        f"the cut-off is {found.cutoff:.2f}; flagged: "
        f"{found.flagged or 'none'}; left out: {found.excluded or 'none'}.",
    )


def _one_per_class(split: Split, most: int) -> Any:
    """At most so many images (n, C, H, W), of as many classes as there are."""
    order = split.y.argsort(stable=True)
    turn = torch.arange(len(split)) - torch.searchsorted(split.y[order], split.y[order])  # 0, 1, ... within each class
    return split.x[order[turn.argsort(stable=True)[:most]]]
