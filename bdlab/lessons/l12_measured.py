"""Lesson 12's figures of what was measured before: from the lesson's cache, or printed by a command that stands there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bdlab import plots
from bdlab.lessons import l12_deepinspect as lesson
from bdlab.lessons.demos import cached
from bdlab.lessons.l12_deepinspect import CLASSES, FEWEST, TARGETS
from bdlab.lessons.l12_figures import NAMES
from bdlab.lessons.l12_training import counted
from bdlab.plots import Row


def top(norm: Tensor, success: Tensor, kind: str = "median", logarithms: bool = True) -> tuple[float, int, int]:
    """The largest factor of a scan, its class, and how many classes count; NaN and -1 where too few do."""
    works = counted(success)
    count = int(works.sum())
    if count < FEWEST:
        return torch.nan, -1, count
    values = (norm.log() if logarithms else norm)[works].double()[None]
    factor = lesson.deviation_factor(values, kind)[0]
    return float(factor.max()), int(works.nonzero()[:, 0][factor.argmax()]), count


def bound(count: int, kind: str = "median") -> float:
    """The cut-off at 5 %."""
    return lesson.family_cutoff(count, kind, 0.05, torch.Generator().manual_seed(0))


def verdicts(name: str) -> list[list[tuple[float, int, int]]]:
    """`top` of every scan of a demo of the cache: reader by reader, scan by scan."""
    stored = cached("l12", name)
    norm, success = (torch.from_numpy(stored[key]) for key in ("norm", "success"))
    if norm.ndim == 2:
        norm, success = norm[:, None], success[:, None]
    return [[top(*scan) for scan in zip(*reader, strict=True)] for reader in zip(norm, success, strict=True)]


def compared() -> plots.Plot:
    """Largest factors of the four readers: without images, with a thousand clean ones, and by Neural Cleanse."""
    ways = (("no image", "scans"), ("1,000 clean images", "with_images"), ("Neural Cleanse, 1,000", "cleanse"))
    rows = [(f"{name}: {way}", verdicts(demo)[place]) for place, name in enumerate(NAMES) for way, demo in ways]
    return _row_plot(rows, "largest factor of each scan, median form of logarithms; the class stands beside it")


def many() -> plots.Plot:
    """Nine readers: four of the zoo, and five that were trained for the count, without images."""
    words = ("infected", "infected", "honest", "honest")
    names = [f"{name}, {word}" for name, word in zip(NAMES, words, strict=True)]
    names += [f"{word}, honest" for word in "EFG"] + [f"infected, {target}" for target in TARGETS]
    rows = list(zip(names, [*verdicts("scans"), *verdicts("crowd")], strict=True))
    return _row_plot(
        rows, "nine readers without a single image; the class with the largest factor stands above its dot"
    )


def _row_plot(rows: Sequence[tuple[str, Sequence[tuple[float, int, int]]]], title: str) -> plots.Plot:
    told = "; ".join(
        f"{name}: "
        + ", ".join("cannot say" if place < 0 else f"{value:.1f} (class {place})" for value, place, _ in scans)
        for name, scans in rows
    )
    return plots.rowed(
        rows, bound(CLASSES), title=title, xlabel="largest deviation factor", alt=f"Dots, a row each. {told}."
    )


def cleansed() -> plots.Plot:
    """What DeepInspect and Neural Cleanse find in reader A, class by class."""
    ours = cached("l12", "scans")
    theirs = cached("l12", "cleanse")
    place, rows = NAMES.index("A"), []
    for name, x, norm in (
        ("generator,\nno image", 0.5 + torch.from_numpy(ours["triggers"][place]).float() / 2, ours["norm"][place, 0]),
        ("Neural Cleanse,\n1,000 images", torch.from_numpy(theirs["triggers"]).float(), theirs["norm"][place]),
    ):  # fmt: skip
        low = int(norm.argmin())
        rows.append(
            Row(
                name,
                x[:, None].clamp(0, 1),
                [f"{value:.0f}" for value in norm],
                [label == low for label in range(CLASSES)],
            )
        )
    return plots.answers(rows, title="reader A, classes 0 to 9: what each method finds, and how large (each in its own unit)",
                         alt="Two rows of ten recovered triggers of reader A. " + "; ".join(
                             f"{row.name}: {', '.join(row.captions)}".replace("\n", " ") for row in rows) + ".")  # fmt: skip


def price() -> plots.Plot:
    """What patching costs and leaves: readers A and C, on images that inversion made and on clean ones."""
    stored = cached("l12", "patched")
    clean, asr = stored["clean"], stored["asr"]
    ways = ("as delivered", "patched, no image", "patched, 1,000 clean images")
    return plots.bars(
        ["A: clean accuracy", "A: ASR", "C, honest: clean accuracy"],
        [(name, [[clean[0, way]], [asr[0, way]], [clean[1, way]]]) for way, name in enumerate(ways)],
        ylabel="share of 1,500 test digits", form=".1%", title="the smallest trigger is trained away, by what the defender has",
        alt="Bars. " + "; ".join(f"{name}: A {clean[0, way]:.1%} clean, ASR {asr[0, way]:.1%}, honest C {clean[1, way]:.1%} clean"
                                 for way, name in enumerate(ways)) + ".",
    )  # fmt: skip


MNIST = {"a square found": (0.33, 1.0), "a blend found": (0.33, 1.0), "alarms an honest model": (0.0, 1.0)}
"""Three seeds without images: at the family-wise cut-off, and at 2: `bdlab reproduce deep_inspect --data mnist`."""


def on_real_data() -> plots.Plot:
    """MNIST: what the two cut-offs find, and whom they accuse."""
    return plots.bars(
        list(MNIST), [(name, [[both[way]] for both in MNIST.values()]) for way, name in enumerate(("family cut-off", "the paper's 2"))],
        ylabel="share of 3 models, or classes a model", form=".2f", title="MNIST, small_bn, 3 seeds, no image given; the library's left half",
        alt="Bars of three MNIST models a column. At the family cut-off the square is found in 1 of 3, a blend in 1 of 3, no honest "
        "model accused. At 2 both are found in 3 of 3, and one class of each honest model is accused on average.",
    )  # fmt: skip
