"""What the experiments on both inspectors say of the repairs: what is deployed, and what a known class would give."""

from __future__ import annotations

import statistics
from typing import Any

from bdlab.contracts import Recipe
from bdlab.experiments.claims import Claim
from bdlab.experiments.inspections import Repair, Trials, column


def repair_claims(
    trials: Trials, scanner: Any, name: str, repair: Repair, recipe: Recipe, verb: str,
    *, mode: str = "", published: tuple[str, str] = ("-", "-"), most: tuple[float, float], comparable: bool = True,
) -> list[Claim]:  # fmt: skip
    """ASR and clean accuracy after `repair`, called `verb`ing, and the same training without any trigger.

    published: both figures; most: what ours may be at most; comparable: they are this data set's.  What the training does
    alone is not the found trigger's merit.
    """
    what, rows = f"{mode}{name}", trials.repaired(scanner, name, repair, f"{verb}, {recipe},")
    trained = trials.trained_on(scanner, name, recipe)
    before, flagged, right = (statistics.fmean(column(rows, key)) for key in ("before", "flagged", "right"))
    known, cost = (statistics.fmean(column(rows, key)) for key in ("known", "known_fall"))
    without, fall = (statistics.fmean(column(trained, key)) for key in ("asr", "fall"))
    better = [100 * (a - b) for a, b in zip(column(trained, "asr"), column(rows, "known"), strict=True)]
    return [
        Claim(f"{what}: ASR after {verb}ing what is flagged ({before:.2%} before; something was flagged in {flagged:.0%} of "
              f"the models, the target repaired in {right:.0%}; if it were known: {known:.2%} at a fall of {cost:.2%})",
              published[0], column(rows, "asr"), lambda v: v <= most[0], f"<= {most[0]:.2%}", comparable=comparable),
        Claim(f"{what}: clean accuracy falls by", published[1], column(rows, "fall"), lambda v: v <= most[1],
              f"<= {most[1]:.2%}", comparable=comparable),
        Claim(f"{what}: the same training without a trigger leaves {without:.2%} (clean accuracy falls by {fall:.2%}); more "
              f"than {verb}ing of the target would by", "-", better, lambda v: v >= 0.1, ">= 0.1 points", "{:+.1f}".format),
    ]  # fmt: skip


def clean_repair(trials: Trials, scanner: Any, repair: Repair, recipe: Recipe, verb: str, mode: str = "") -> Claim:
    """The negative control: a clean model is repaired of its smallest trigger."""
    rows = trials.repaired(scanner, "clean", repair, f"{verb}, {recipe},")
    what = f"{mode}clean models, {verb}ing of the smallest trigger: clean accuracy falls by"
    return Claim(what, "-", column(rows, "known_fall"), lambda v: v <= 0.02, "<= 2.00%")
