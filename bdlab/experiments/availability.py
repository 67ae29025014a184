"""What backdoors are compared with, measured: `bdlab reproduce availability --data digits`.

No published figure was read; the lectures claim that the whole model is influenced, and that is what is held here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from bdlab import plots
from bdlab.availability import FlipLabels, MovePoints, decision_line, side, two_clouds
from bdlab.bars import track
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal, Numbers
from bdlab.nets import build
from bdlab.training import evaluate, fit
from bdlab.twins import Twins

RATES = (0.1, 0.2, 0.4)
FLIPS = {
    "uniform, another class at random": FlipLabels(),
    "near the boundary, the runner-up": FlipLabels(where="boundary", to="runner_up"),
}


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """Flipped labels on `data`, moved points in the plane."""
    journal, clean = journal or Journal(), Twins(data, device)

    claims = []
    for name, flip in FLIPS.items():
        for rate in track(RATES, name):
            runs = [replace(flip, rate=rate, seed=seed) for seed in seeds]
            drops = [journal.numbers(f"{run}", _flipped, data, run, clean)["drop"] or 0.0 for run in runs]
            claims.append(_falls(f"{rate:.0%} of the labels flipped, {name}", drops, 0.02))
    plot, drops = _plane(seeds)
    claims.append(_falls(f"{MovePoints().points} of 120 points of the plane moved", drops, 0.05))
    return Reproduction("availability", data, seeds, claims, {"availability_plane.png": plot})


def _falls(what: str, drops: Sequence[float], bound: float) -> Claim:
    paper = "the whole model is influenced (lectures)"
    return Claim(f"{what}: clean accuracy falls by", paper, drops, lambda v: v >= bound, f">= {bound:.2%}")


def _flipped(data: Dataset, run: FlipLabels, clean: Callable[[int], nn.Module]) -> Numbers:
    before = clean(run.seed)
    fresh = build("small_bn", data.input_shape, data.classes, seed=run.seed).to(next(before.parameters()).device)
    after = fit(fresh, run(data.train, before), seed=run.seed)
    return {"drop": evaluate(before, data.test).clean_accuracy - evaluate(after, data.test).clean_accuracy}


def _plane(seeds: Sequence[int]) -> tuple[plots.Plot, list[float]]:
    shares, panels = [], []
    for seed in seeds:
        x, y = two_clouds(seed=seed)
        unseen, truth = two_clouds(2000, seed=seed + 10_000)
        moved, mine = MovePoints(seed=seed)(x, y, *two_clouds(1000, seed=seed + 20_000))
        lines = decision_line(x, y), decision_line(moved, y)
        shares.append([float((side(line, unseen).sign() == truth).double().mean()) for line in lines])
        panels.append([(x, y, mine & False, lines[0]), (moved, y, mine, lines[1])])
    (before, after), moved_points = shares[0], MovePoints().points
    titles = (f"{name}: {share:.1%} right (seed {seeds[0]})" for name, share in (("before", before), ("after", after)))
    alt = (
        f"Two clouds of 60 points and the decision line between them, which gets {before:.1%} of new points right; "
        f"beside it the same after {moved_points} points of one class were moved behind the other: the line has moved, "
        f"and gets {after:.1%}."
    )
    plot = plots.planes([(title, *panel) for title, panel in zip(titles, panels[0], strict=True)], alt=alt)
    return plot, [first - second for first, second in shares]
