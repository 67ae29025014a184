"""Lesson 10's figures of what was measured before: from the lesson's cache, or printed by a command that stands there."""

from __future__ import annotations

from bdlab import plots
from bdlab.lessons.demos import cached
from bdlab.lessons.l10_figures import NAMES
from bdlab.lessons.l10_pruning import READERS, WAYS
from bdlab.plots import Claim

CLAIMS = (
    Claim("plain attack, traffic signs, tuned", 92.1, False, 87.78, 88.59, 89.91, True),
    Claim("plain attack, traffic signs, fine-pruned", 28.8, False, 6.89, 8.66, 10.01, True),
    Claim("plain attack, speech, tuned", 43.5, False, 40.33, 51.67, 59.0, False),
    Claim("plain attack, speech, fine-pruned", 2.0, False, 6.67, 12.56, 20.33, True),
    Claim("one who knows, traffic signs, tuned", 41.9, False, 44.32, 53.15, 62.14, False),
    Claim("one who knows, traffic signs, fine-pruned", 36.6, False, 4.40, 11.34, 21.52, True),
    Claim("one who knows, speech, tuned", 52.0, False, 5.0, 22.22, 39.0, False),
    Claim("one who knows, speech, fine-pruned", 0.0, False, 5.33, 13.11, 21.0, True),
)
"""ASR left, per cent: table 1 of the paper, and `bdlab reproduce fine_pruning --data signs`, `speech` (docs/results.md).
Holds: on the same side of 50 % as the paper's."""


def published() -> plots.Plot:
    """The paper's table 1, and ours on drawn signs and spoken digits."""
    spoken = " ".join(
        f"{one.name}: paper {one.published:g} %, here {one.mean:g} % ({one.low:g} to {one.high:g} %)." for one in CLAIMS
    )
    return plots.paper_and_here(
        CLAIMS, least=1.0, xlabel="ASR that is left, per cent (below 1 is drawn at 1)", words=("same half", "other half"),
        title="table 1: the paper's networks and data are others; here small_bn, drawn signs and spoken digits",
        alt=f"A dot plot of the ASR that repairs leave, in per cent, on a logarithmic axis. {spoken}",
    )  # fmt: skip


def all_ways() -> plots.Plot:
    """Readers A, B, C and the honest one after each repair, as the lesson's cache has it."""
    stored = cached("l10", "shop")
    rows = [(f"reader {name}" if name in READERS else "honest twin",
             [(clean, asr) for clean, asr in zip(stored["clean"][place].tolist(), stored["asr"][place].tolist(), strict=True)])
            for place, name in enumerate(NAMES)]  # fmt: skip
    told = "; ".join(
        f"{name}: " + ", ".join(f"{way} {clean:.1%} clean, ASR {asr:.1%}" for way, (clean, asr) in zip(WAYS, points, strict=True))
        for name, points in rows
    )
    return plots.ways(rows, WAYS, title="with fine-tuning alone beside them; measured before", alt=f"Four panels. {told}.")


GTSRB = {"as delivered": (0.9547, 0.9395), "tuned": (0.8613, 0.7002), "pruned": (0.7885, 0.8432), "fine-pruned": (0.3588, 0.2638)}
"""ASR of the plain attack and of one who knows, one seed: `bdlab reproduce fine_pruning --data gtsrb --seeds 1`."""


def on_real_data() -> plots.Plot:
    """GTSRB: ASR that the three repairs leave of both attacks."""
    return plots.bars(
        ["plain attack", "one who knows"], [(name, [[share] for share in shares]) for name, shares in GTSRB.items()],
        ylabel="ASR", form=".0%", title="GTSRB, real signs, small_bn, 1 seed; an honest reader loses 6.3 points by the last",
        alt="Bars of the ASR on GTSRB. Plain attack: as delivered 95 %, tuned 86 %, pruned 79 %, fine-pruned 36 %. One who "
        "knows: 94, 70, 84, 26 %. An honest reader loses 6.3 points of clean accuracy by fine-pruning.",
    )  # fmt: skip
