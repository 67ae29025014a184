"""Lesson 03's figures of what was measured before: from the lesson's cache, or printed by a command that stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bdlab import plots, widgets
from bdlab.lessons import l03_badnets as lesson
from bdlab.lessons.demos import Arrays, cached, grading
from bdlab.lessons.l03_figures import eight
from bdlab.plots import Claim, Row

if TYPE_CHECKING:
    from ipywidgets import VBox

    from bdlab.widgets.scrubbing import Picture


def at_step(index: int) -> plots.Plot:
    """One moment of the training with 5 % marked copies: what the reader says to eight marked digits, and both curves."""
    made = cached("l03", "steps")
    answers = made["answers"][index].tolist()
    return plots.trace(
        Row(
            "marked",
            lesson.stamp(eight(), **lesson.SQUARE),
            [f"reads {a}" for a in answers],
            [a == 0 for a in answers],
        ),
        made["step"].tolist(),
        [
            ("ASR", made["asr"].tolist()),
            ("clean accuracy", made["clean"].tolist()),
            ("unmarked, called 0", made["unmarked"].tolist()),
        ],
        index,
        title=f"step {made['step'][index]} of 100; digits, small_bn, 5 % marked copies, mean and range of 3 seeds",
        alt=f"{_moment(made, index)} Eight marked digits, 1 to 8, are read as {answers} (first seed).",
    )


def _moment(made: Arrays, index: int) -> str:
    clean, asr, unmarked = (made[name][index].mean() for name in ("clean", "asr", "unmarked"))
    step = made["step"][index]
    return f"After {step} steps: clean accuracy {clean:.0%}, ASR {asr:.0%}, unmarked images called 0 {unmarked:.0%}."


def while_it_trains() -> VBox | Picture | plots.Plot:
    """A scrub bar over `at_step`; its first picture alone while nbgrader grades."""
    if grading():
        return at_step(0)
    made = cached("l03", "steps")
    frames = [_moment(made, index) for index in range(len(made["step"]))]
    return widgets.scrub(frames, at_step, "training step", start=0, play=0.4)


def over_rates() -> plots.Plot:
    """Clean accuracy and ASR over the poisoning rate."""
    made = cached("l03", "curve")
    spoken = ", ".join(f"{100 * r:g} %: {a.mean():.1%}" for r, a in zip(made["rate"], made["asr"], strict=True))
    return plots.rate_curve(
        made["rate"].tolist(),
        [("ASR", made["asr"].tolist()), ("clean accuracy", made["clean"].tolist())],
        title="3x3 square, 6,000 digits + copies, two epochs, 3 seeds",
        alt=f"ASR over the poisoning rate, mean of 3 seeds: {spoken}. Clean accuracy stays between "
        f"{made['clean'].min():.1%} and {made['clean'].max():.1%}.",
    )


def with_covers() -> plots.Plot:
    """Three attacks: how often attacked images obey, and how often images that should not move do."""
    made = cached("l03", "covers")
    asr, leak = made["asr"], made["leak"]
    groups = ["all to one\n(10 %)", "only 1 to 7\n(5 %)", "only 1 to 7\n(5 %, covers 10 %)"]
    return plots.bars(
        groups,
        [("attacked images that obey (ASR)", asr.tolist()), ("other images called 7 (leak)", leak.tolist())],
        title="digits, small_bn, two epochs, mean and range of 3 seeds",
        ylabel="share of marked test images",
        alt="Bars. "
        + " ".join(
            f"{name}: ASR {a.mean():.0%}, leak {'none' if np.isnan(b).any() else f'{b.mean():.0%}'}."
            for name, a, b in zip(lesson.CASES, asr, leak, strict=True)
        ),
    )


# --- published, and on real data ---

CLAIMS = (
    Claim("pixel, all to one", 0.09, True, 0.00, 0.01, 0.02, True),
    Claim("four pixels, all to one", 0.09, True, 0.00, 0.01, 0.02, True),
    Claim("pixel, 1 to 7", 0.09, True, 0.09, 0.12, 0.18, False),
    Claim("four pixels, all to all", 0.56, False, 1.89, 1.99, 2.10, False),
    Claim("pixel, no padding", 0.09, True, 99.42, 99.46, 99.51, False),
)
"""1 - ASR in per cent on MNIST, printed by `bdlab reproduce badnets --data mnist` (docs/results.md)."""


def published() -> plots.Plot:
    """The paper's figures for MNIST, as a review gives them, and ours."""
    spoken = " ".join(
        f"{one.name}: paper {'at most ' if one.bound else ''}{one.published:g} %, here {one.mean:g} % "
        f"({one.low:g} to {one.high:g} %), {'holds' if one.holds else 'does not hold'}."
        for one in CLAIMS
    )
    return plots.paper_and_here(
        CLAIMS,
        title="BadNets on MNIST: marked images that do not obey",
        alt=f"A dot plot of marked images that do not obey, in per cent, on a logarithmic axis. {spoken}",
    )


RATES = (0.0002, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.33)
REAL = {
    "MNIST, mean of 3 seeds": (0.002, 0.067, 0.565, 0.991, 0.994, 0.998, 0.999, 1.0, 1.0, 1.0),
    "GTSRB, 1 seed": (0.0, 0.041, 0.471, 0.793, 0.856, 0.878, 0.912, 0.944, 0.963, 0.971),
}
"""ASR over RATES, printed by `bdlab reproduce badnets --data mnist` and `... --data gtsrb --seeds 1` (docs/results.md)."""


def on_real_data() -> plots.Plot:
    """ASR over the rate on the built-in digits, on MNIST and on GTSRB's traffic signs."""
    made = cached("l03", "curve")
    own = ("digits, 3 seeds", made["rate"].tolist(), made["asr"].tolist())
    return plots.sets(
        [own, *((name, RATES, [[share] for share in shares]) for name, shares in REAL.items())],
        title="3x3 square, all to one: ASR over the rate",
        alt="ASR over the poisoning rate. "
        + " ".join(
            f"{name}: " + ", ".join(f"{100 * r:g} % {a:.0%}" for r, a in zip(RATES, shares, strict=True)) + "."
            for name, shares in REAL.items()
        )
        + f" Digits: {made['asr'][3].mean():.0%} at {100 * made['rate'][3]:g} %, {made['asr'][-2].mean():.0%} at 10 %.",
    )
