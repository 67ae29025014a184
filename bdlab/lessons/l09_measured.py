"""Lesson 09's figures of what was measured before: from the lesson's cache, or printed by a command that stands there."""

from __future__ import annotations

import torch

from bdlab import plots
from bdlab.lessons import l09_strip as lesson
from bdlab.lessons.demos import cached
from bdlab.lessons.l09_figures import measured
from bdlab.lessons.l09_strip import CUTS, FRRS, SETTINGS
from bdlab.plots import Claim


def both_modes(frr: float = 0.01) -> plots.Plot:
    """FAR in the four settings, cut and not cut.  frr: .01 or .05."""
    if frr not in FRRS:
        raise ValueError(f"frr must be one of {FRRS}, got {frr}")
    far = cached("l09", "modes")["far"][: len(SETTINGS), :, FRRS.index(frr)]  # (setting, mode, draw)
    parts = [(CUTS[mode], far[:, number].tolist()) for number, mode in enumerate(lesson.MODES)]
    spoken = "; ".join(
        f"{name}: cut {cut.mean():.1%}, not cut {add.mean():.1%}" for name, (cut, add) in zip(SETTINGS, far, strict=True)
    )
    return plots.bars(
        [name.replace(", ", ",\n") for name in SETTINGS], parts, ylabel="FAR: marked images let through",
        form=".1%", title=f"line at FRR {frr:.0%} of 500 other images; mean and range of 3 draws of 20 overlays",
        alt=f"Bars of the share of marked images that get through at FRR {frr:.0%}. {spoken}.",
    )  # fmt: skip


def covers() -> plots.Plot:
    """Two readers of signs: the sticker on every sign, and on stop signs alone with covers."""
    panels, told = [], []
    for name, net in (("sticker on any sign", "signs-badnets"), ("on stop signs, with covers", "signs-source")):
        values = torch.from_numpy(measured(net, "add")).float()
        benign, marked = (group[~group.isnan()] for group in values[1:])
        panels.append((name, benign, marked))
        told.append(f"{name}: honest mean {benign.mean():.2f} bits, marked {marked.mean():.2f}")
    return plots.scores(
        panels, [], label="mean entropy (bits), 20 overlays, not cut", names=("honest", "marked"), alt=f"Two histograms of mean entropies. {'; '.join(told)}."
    )


# --- published, and on real data ---

CLAIMS = (
    Claim("MNIST, square, FRR 1 %", 1.85, False, 0.0, 0.0, 0.0, True),
    Claim("digits, square, FRR 1 %", 1.85, False, 0.22, 0.27, 0.30, True),
    Claim("signs, square, FRR 1 %", 1.85, False, 28.38, 34.28, 37.72, False),
    Claim("digits, heart, FRR 1 %", 0.0, False, 0.0, 0.0, 0.0, True),
    Claim("signs, heart, FRR 1 %", 0.0, False, 64.92, 71.48, 80.90, False),
)
"""FAR in per cent, normal fit, sum cut at 1: the paper's MNIST rows, and `bdlab reproduce strip --data mnist`, `digits`,
`signs` (docs/results.md)."""


def published() -> plots.Plot:
    """The paper's FAR on MNIST, and ours on three sets."""
    spoken = " ".join(
        f"{one.name}: paper {one.published:g} %, here {one.mean:g} % ({one.low:g} to {one.high:g} %), "
        f"{'holds' if one.holds else 'does not hold'}."
        for one in CLAIMS
    )
    return plots.paper_and_here(
        CLAIMS, least=0.02, xlabel="FAR, per cent of marked images let through (0 is drawn at .02)",
        title="STRIP, 100 overlays, normal fit, sum cut at 1; the paper's figures are for MNIST",
        alt=f"A dot plot of false acceptance rates, in per cent, on a logarithmic axis. {spoken}",
    )  # fmt: skip


GTSRB = {"cut at 1": (0.0825, 0.04), "not cut": (0.0245, 0.0155)}
"""FAR at FRR 2 %, normal fit and quantile, one seed, trigger b: `bdlab reproduce strip --data gtsrb --seeds 1`
(docs/results.md).  The paper's is 0."""


def on_real_data() -> plots.Plot:
    """GTSRB: FAR at FRR 2 % for both modes and both lines."""
    return plots.bars(
        ["line by normal fit", "line by quantile"], [(name, [[share] for share in shares]) for name, shares in GTSRB.items()],
        ylabel="FAR: marked images let through", form=".1%", top=0.1,
        title="GTSRB, the paper's coloured square, FRR 2 %, 100 overlays, 1 seed; the paper: 0 %",
        alt="Bars. GTSRB, false acceptance at FRR 2 %: cut at 1, normal fit 8.2 %, quantile 4.0 %; not cut, 2.5 % and "
        "1.6 %. The paper: 0 %.",
    )  # fmt: skip
