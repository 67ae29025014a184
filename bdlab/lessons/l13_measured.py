"""Lesson 13's figures of what was measured before: from the lesson's cache, or printed by a command that stands there."""

from __future__ import annotations

from typing import Any

from bdlab import plots, widgets
from bdlab.lessons.demos import cached
from bdlab.lessons.l13_parts import BEST, LINES, MARKS, NETS, RATE, STEPS
from bdlab.lessons.l13_planted import MARKS as TRIED
from bdlab.lessons.l13_planted import PLANTS, RATES

READERS = ("attacked reader", "honest reader")


def planted() -> plots.Plot:
    """AUROC of the city's own marks before copies of its four readers, by rate and steps; the chosen setting."""
    found = cached("l13", "planted")["auroc"]  # (kind, rate, step, reader, seed)
    spread = found.reshape(*found.shape[:3], -1)  # (kind, rate, step, 12)
    panels = [
        (f"planted: {kind}", [(f"rate {rate:g}", spread[number, at].tolist()) for at, rate in enumerate(RATES)])
        for number, kind in enumerate(PLANTS)
    ]
    at = RATES.index(RATE), TRIED.index(STEPS)
    told = [f"{kind} {spread[number][at].mean():.2f}" for number, kind in enumerate(PLANTS)]
    return plots.settings(
        panels, TRIED, at, title="the city's own mark: copies of four readers, three shadows each; mean and range",
        alt=f"Two panels of AUROC over 4 to {TRIED[-1]} steps at three rates. The ring stands at {STEPS} steps of rate "
        f"{RATE:g}: {', '.join(told)}. At this rate the curves fall steeply behind it; at smaller ones later.",
    )  # fmt: skip


def faded(step: int = STEPS) -> plots.Plot:
    """AUROC of three marks before attacked and honest readers, after a number of steps of MARKS."""
    if step not in MARKS:
        raise ValueError(f"step must be one of {MARKS}, got {step}")
    found = cached("l13", "forgetting")["auroc"][:, :, MARKS.index(step)]  # (net, reader, seed)
    means = zip(NETS, found.mean(2), strict=True)
    spoken = "; ".join(f"{name}: attacked {a:.2f}, honest {b:.2f}" for name, (a, b) in means)
    return plots.bars(
        list(NETS), [(who, found[:, place].tolist()) for place, who in enumerate(READERS)], ylabel="AUROC (0.5: chance)",
        form=".2f", title=f"shadow after {step} steps: marked against other signs; 3 shadows",
        alt=f"Bars of AUROC after {step} steps, means of three shadows. {spoken}.",
    )  # fmt: skip


def forgetting() -> Any:
    """A scrub bar over the steps of the shadow: `faded` of each."""
    words = [f"step {step}" for step in MARKS]
    return widgets.scrub(words, lambda at: faded(MARKS[at]), "unlearning step", start=MARKS.index(STEPS))


def controlled() -> plots.Plot:
    """Marked stop signs against other signs, and against unmarked ones, before both readers, by the two best settings."""
    found = cached("l13", "controlled")["auroc"]  # (setting, reader, control, seed)
    groups, told, rows = [], [], ([], [])  # type: ignore[var-annotated]
    for place, (rate, steps) in enumerate(BEST):
        for control, words in enumerate(("other signs", "unmarked\nstop signs")):
            groups.append(f"against {words}\n{steps} steps, {rate:g}")
            for reader in (0, 1):
                rows[reader].append(found[place, reader, control].tolist())
            told.append(
                f"{steps} steps, against {words.replace(chr(10), ' ')}: source-specific reader "
                f"{found[place, 0, control].mean():.2f}, honest {found[place, 1, control].mean():.2f}"
            )
    return plots.bars(
        groups, [("source-specific reader", rows[0]), ("honest reader", rows[1])], ylabel="AUROC (0.5: chance)", form=".2f",
        title="102 marked stop signs; mean and range of 3 shadows",
        alt=f"Bars of AUROC of marked stop signs. {'; '.join(told)}.",
    )  # fmt: skip


def caught() -> plots.Plot:
    """Share of marked signs that a guard stops, and the honest reader's false alarms, at both lines."""
    stored = cached("l13", "guarded")
    parts = [
        (f"line at {fpr:.0%}", [*stored["caught"][0, :, at].tolist(), stored["alarms"][0, at].tolist()])
        for at, fpr in enumerate(LINES)
    ]
    told = "; ".join(
        f"{name}: {', '.join(f'{sum(values) / len(values):.1%}' for values in both)}"
        for name, *both in zip([*NETS, "honest reader, false alarms"], *(values for _, values in parts), strict=True)
    )
    return plots.bars(
        [*(name.replace(", ", ",\n") for name in NETS), "honest reader:\nfalse alarms"], parts, ylabel="share refused",
        form=".1%",
        title="refused of the marked signs, and of 1,500 honest ones; 3 shadows",
        alt=f"Bars of the share refused at a line of 1 % and of 5 %. {told}.",
    )  # fmt: skip


REAL = {
    "GTSRB": {"patch": (1.0, 0.509), "blend": (0.621, 0.467), "source-specific": (0.834, 0.514)},
    "MNIST": {"patch": (1.0, 0.520), "blend": (1.0, 0.407), "source-specific": (0.905, 0.632)},
}
"""AUROC of RBD-R with `bdlab.Rbd()` before the attacked and the honest model: `bdlab reproduce rbd` (docs/results.md)."""


def on_real_data() -> plots.Plot:
    """AUROC of the library's RBD-R on GTSRB (one seed) and MNIST (mean of three), attacked and honest."""
    cells = [(f"{mark}\n{data}", both) for data, marks in REAL.items() for mark, both in marks.items()]
    told = "; ".join(f"{name}: attacked {a:.2f}, honest {b:.2f}".replace("\n", " on ") for name, (a, b) in cells)
    return plots.bars(
        [name for name, _ in cells], [(who, [[both[at]] for _, both in cells]) for at, who in enumerate(READERS)],
        ylabel="AUROC (0.5: chance)", form=".2f", title="bdlab.Rbd() on GTSRB (1 seed) and MNIST (mean of 3 seeds)",
        alt=f"Bars of AUROC. {told}.",
    )  # fmt: skip
