"""What both inspectors found in a model, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from bdlab import plots
from bdlab.experiments.inspections import Trials


def visible(triggers: Tensor) -> Tensor:
    """Each of (K, C, H, W) stretched to [0, 1]."""
    low, high = triggers.amin((1, 2, 3), keepdim=True), triggers.amax((1, 2, 3), keepdim=True)
    return (triggers - low) / (high - low).clamp(min=1e-6)


def figures(trials: Trials, scanner: Any, paper: str, names: Sequence[str]) -> dict[str, plots.Plot]:
    """The inspection of one model of each name, first seed: file name -> plot."""
    drawn, seed, data = {}, trials.seeds[0], trials.data.name
    for name in names:
        found = trials.scan(scanner, name, seed)
        top = f"class {found.ranking[0]} has the smallest trigger" if found.ranking else "no class has a trigger"
        assert found.triggers is not None
        drawn[f"{paper}_{data}_{name.split(',')[0].split()[0].lower()}.png"] = plots.anomaly(
            found.norm,
            found.anomaly_index,
            found.cutoff,
            found.flagged,
            triggers=visible(found.triggers),
            title=f"{paper}, {data}, {name}, seed {seed}",
            alt=f"Size of the smallest trigger and anomaly index of the {len(found.norm)} classes of {data}, {name} model: "
            f"{top}; flagged {found.flagged} at {found.cutoff:.2f}, {found.flagged_at_two} at 2; left out of the statistic: "
            f"{found.excluded or 'none'}.  Below them the triggers found, each stretched to black and white.",
        )
    return drawn
