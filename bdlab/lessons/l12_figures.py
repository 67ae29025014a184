"""Lesson 12's figures: each a call with a picture and its description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bdlab import plots, zoo
from bdlab.contracts import Split
from bdlab.data import load
from bdlab.lessons import l12_deepinspect as lesson
from bdlab.lessons.demos import Unusable, cached, grading
from bdlab.lessons.l12_deepinspect import CLASSES, KINDS, READERS, SEEDS
from bdlab.lessons.l12_training import train
from bdlab.plots import Row
from bdlab.training import logits

NAMES = tuple(READERS)


@dataclass(frozen=True, repr=False)
class Words:
    """A few lines."""

    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def scanned(name: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Sizes and successes (10,) of a reader's triggers, as one scan of the cache found them."""
    stored, place = cached("l12", "scans"), NAMES.index(name)
    return tuple(torch.from_numpy(stored[key][place, seed]).double() for key in ("norm", "success"))  # type: ignore[return-value]


def found(name: str) -> Tensor:
    """The mean changes of seed 0, halved and put on mid-grey: (10, 1, 28, 28)."""
    changes = torch.from_numpy(cached("l12", "scans")["triggers"][NAMES.index(name)]).float()
    return (0.5 + changes / 2)[:, None]


def pool() -> Split:
    """Images that inversion made of reader A, six of a class."""
    stored = cached("l12", "scans")
    x = torch.from_numpy(stored["pool"]).float()[:, None] / 255
    return Split(x, torch.from_numpy(stored["labels"]), CLASSES, name="inverted")


def opening() -> plots.Plot:
    """The ten triggers of an infected reader and of an honest one, made without a single image."""
    rows, told = [], []
    for name, words in (("A", "reader A"), ("C", "reader C")):
        norm = scanned(name)[0]
        captions = [f"{value:.0f}" for value in norm.tolist()]
        rows.append(Row(words, found(name), captions, [bool(value < 0.4 * norm.median()) for value in norm]))
        told.append(f"{words}: {', '.join(captions)}")
    return plots.answers(
        rows, title="what turns any image into a 0, a 1, ... a 9, and how large it is; bold: far smaller than the rest",
        alt=f"Two rows of ten triggers on grey, with their sizes. {'; '.join(told)}. In reader A that of class 0 is small.",
    )  # fmt: skip


def made_up(invert_class: Any) -> plots.Plot:
    """One image a class that `invert_class` makes of readers A and C, and how sure the reader is of it."""
    rows, told = [], []
    for name in ("A", "C"):
        if grading():
            stored = cached("l12", "scans")["images"][NAMES.index(name)]
            x = torch.from_numpy(stored).float()[:, None] / 255
        else:
            x = torch.cat([inverted(invert_class, name, label, 1) for label in range(CLASSES)])
        sure = logits(lesson.reader(name), x).softmax(1)[range(CLASSES), range(CLASSES)]
        captions = [f"“{label}” {value:.0%}" for label, value in enumerate(sure.tolist())]
        rows.append(Row(f"reader {name}", x, captions, [bool(value < 0.5) for value in sure]))
        told.append(f"reader {name} is sure of {int((sure > 0.9).sum())} of its ten images by more than 90 %")
    return plots.answers(rows, title="images made for classes 0 to 9, and how sure two readers are of them; nobody ever wrote these",
                         alt=f"Two rows of ten blotched images. {'; '.join(told)}.", scale=1.1)  # fmt: skip


def inverted(invert_class: Any, name: str, label: int, count: int) -> Tensor:
    """`count` images of one class of a reader."""
    x = invert_class(lesson.reader(name), label, lesson.noise(label, count), lesson.STEPS, lesson.RATE, lesson.smooth)
    if (
        not isinstance(x, Tensor)
        or x.shape != (count, *lesson.SHAPE)
        or not x.isfinite().all()
        or x.min() < 0
        or x.max() > 1
    ):
        raise Unusable(invert_class, f"gave no {count} images of numbers from 0 to 1")
    return x.detach()


def trained(loss: Any, classes: Sequence[int] = (0, 4)) -> plots.Plot:
    """Triggers of two classes of reader A by a generator that learns with `loss`; about 10 s."""
    check_classes(classes)
    images, first, second = pool(), *classes
    if grading():
        norm, means = scanned("A")[0][list(classes)], 2 * found("A")[list(classes)] - 1
    else:
        made = train(loss, lesson.reader("A"), images, classes)
        norm, means = made.norm, made.mean
    x = images.x[(images.y == next(label for label in (7, 3, 2) if label not in classes)).nonzero()[0]]
    changed = torch.cat([x, *((x + mean).clamp(0, 1) for mean in means)])
    says = [f"“{label}”" for label in logits(lesson.reader("A"), changed).argmax(1).tolist()]
    top = Row(
        "trigger",
        torch.cat([torch.full_like(x, 0.5), 0.5 + means / 2]),
        ["none", *(f"size {v:.0f}" for v in norm)],
        [False] * 3,
    )
    below = Row("with it", changed, says, [False] * 3)
    return plots.answers(
        [top, below], title=f"reader A, two generated triggers: to “{first}” and to “{second}”", scale=1.5,
        alt=f"A blotched image. With a trigger of size {norm[0]:.1f} the reader says {says[1]}, with one of size {norm[1]:.1f} {says[2]}; "
        f"without one {says[0]}.",
    )  # fmt: skip


def check_classes(classes: Sequence[int]) -> None:
    """Raises `ValueError` unless these are two classes."""
    if len(classes) != 2 or len({*classes} & {*range(CLASSES)}) != 2:
        raise ValueError(f"classes must be two different ones of 0 to {CLASSES - 1}, got {tuple(classes)}")


def all_sizes() -> plots.Plot:
    """The sizes of all ten triggers of the four readers, three scans each."""
    groups = [(f"reader {name}", [scanned(name, seed)[0].tolist() for seed in SEEDS]) for name in NAMES]
    told = []
    for name, scans in groups:
        means = torch.tensor(scans).mean(0)
        low = int(means.argmin())
        told.append(f"{name}: smallest {means[low]:.0f}, class {low}; the next {means.sort().values[1]:.0f}")
    return plots.sizes(groups, [None] * 4, title="sizes of the triggers: mean and range of three scans, no image needed",
                       alt=f"Four bar charts. {'; '.join(told)}.")  # fmt: skip


def factors(deviation_factor: Any, logarithms: bool = True) -> plots.Plot:
    """Deviation factors of the ten classes of A and C by both forms, of the sizes' logarithms or of the sizes."""
    panels, told = list[tuple[str, Sequence[float], float | None]](), []
    for name in ("A", "C"):
        for kind in KINDS:
            values = rated(deviation_factor, scanned(name)[0], kind, logarithms)
            panels.append((f"{name}, {kind} form", values.tolist(), None))
            told.append(f"{name}, {kind} form: largest {values.max():.1f}, class {int(values.argmax())}")
    of = "logarithms of the sizes" if logarithms else "sizes as they are"
    return plots.deviations(
        panels,
        title=f"how far below the others each class lies: {of}",
        alt=f"Four bar charts of factors. {'; '.join(told)}.",
    )


def rated(deviation_factor: Any, norm: Tensor, kind: str, logarithms: bool = True) -> Tensor:
    """The factors (K,) of sizes (K,) by `deviation_factor`."""
    values = (norm.log() if logarithms else norm)[None].float()
    factor = deviation_factor(values, kind)
    if not isinstance(factor, Tensor) or factor.shape != values.shape or not factor.isfinite().all():
        raise Unusable(
            deviation_factor, f"gave no {values.shape[1]} factors for the {values.shape[1]} classes of a model"
        )
    return factor[0].double()


def hidden(deviation_factor: Any) -> plots.Plot:
    """k infected classes among ten: the factor of each by both forms; honest classes stand on quantiles of a normal."""
    equal, spread = [], {kind: list[float]() for kind in KINDS}
    for count in range(1, 6):
        flat = torch.full((CLASSES,), 10.0).double()
        flat[:count] = 2.0
        equal.append(float(rated(deviation_factor, flat, "mean", False)[0]))
        rest = CLASSES - count
        honest = torch.special.ndtri((torch.arange(rest) + 0.5) / rest)
        values = torch.cat([torch.full((count,), -8.0), honest]).double()
        for kind in KINDS:
            spread[kind].append(float(rated(deviation_factor, values, kind, False)[0]))
    told = ", ".join(f"{one:.2f}" for one in equal)
    median = ", ".join(f"{one:.1f}" for one in spread["median"])
    return plots.masking(
        [("slide's form, all others equal: n / 2k", equal), ("median form, others as honest classes vary", spread["median"]),
         ("slide's form, others as honest classes vary", spread["mean"])],
        title="infected classes hide each other: ten classes, equal outliers",
        alt=f"Factors of 1 to 5 equal outliers among ten classes. The slide's form, others equal: {told}. The median form, others "
        f"spread like normal values, outliers 8 below: {median}.",
    )  # fmt: skip


def cut(family_cutoff: Any) -> Words:
    """Cut-offs for ten and 43 classes by `family_cutoff`, and how many honest models the paper's 2 accuses."""
    lines = ["classes  form     your cut-off   honest models above 2"]
    for n in (10, 43):
        for kind in KINDS:
            bound = family_cutoff(n, kind, 0.05, torch.Generator().manual_seed(0))
            if isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 < bound < 100:
                raise Unusable(family_cutoff, f"gave {bound!r}, where a cut-off is wanted")
            lines.append(f"{n:7}  {kind:7} {bound:12.2f} {accused(n, kind, 2.0):15.0%}")
    return Words(tuple(lines))


def accused(n: int, kind: str, cutoff: float, models: int = 4000) -> float:
    """The share of simulated honest models whose largest factor lies above `cutoff`."""
    honest = torch.randn(models, n, generator=torch.Generator().manual_seed(1))
    return float((lesson.deviation_factor(honest, kind).amax(1) > cutoff).double().mean())


SHOWN = 200
CUTOFFS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 3.84, 4.5, 5.0, 6.0)
"""Models in the picture, and the cut-offs of the bar; 3.84 lets 5 % of ten-class models through by the median form."""


def crowd(cutoff: float = 2.0, kind: str = "median") -> plots.Plot:
    """200 simulated honest models of ten classes and the four readers before one cut-off.  kind: 'mean' or 'median'."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    largest, marks = _judged(kind)
    title = _alarms(cutoff, largest, marks)
    return plots.crowd(largest, cutoff, marks, title=title, xlabel=f"largest deviation factor of a model, {kind} form",
                       alt=f"200 dots, one a simulated honest model. {title}.")  # fmt: skip


def _judged(kind: str) -> tuple[list[float], list[tuple[str, list[float]]]]:
    """The largest factor of each simulated honest model, and of each scan of the four readers."""
    honest = torch.randn(SHOWN, CLASSES, generator=torch.Generator().manual_seed(4))
    scans = [(name, [scanned(name, seed)[0] for seed in SEEDS]) for name in NAMES]
    marks = [(name, [float(rated(lesson.deviation_factor, norm, kind).max()) for norm in norms]) for name, norms in scans]
    return lesson.deviation_factor(honest, kind).amax(1).tolist(), marks


def _alarms(cutoff: float, largest: Sequence[float], marks: Sequence[tuple[str, Sequence[float]]]) -> str:
    count = sum(value > cutoff for value in largest)
    named = ", ".join(f"{name} in {sum(value > cutoff for value in values)}" for name, values in marks)
    return f"cut-off {cutoff:g}: {count} of {len(largest)} honest models accused; of three scans {named}"


def cutoffs(kind: str = "median") -> Any:
    """A bar over the cut-off: who is accused.  kind: as for `crowd`."""
    from bdlab import widgets

    words = [_alarms(cutoff, *_judged(kind)) for cutoff in CUTOFFS]
    return widgets.scrub(words, lambda n: crowd(CUTOFFS[n], kind), "cut-off", start=2, play=0.8)


def truth() -> plots.Plot:
    """The marks of A and B as their attackers made them, what the scan found, and what that does to test digits."""
    data, rows, told = load("digits"), [], []
    for name in ("A", "B"):
        known = zoo.backdoor(READERS[name])
        x, y = data.test.x[:400], data.test.y[:400]
        x = x[y != 0]
        change = 2 * found(name)[0] - 1
        shares = [float((logits(known.shipped, images).argmax(1) == 0).double().mean()) for images in
                  (x, known.trigger(x), (x + change).clamp(0, 1))]  # fmt: skip
        real = known.trigger(x[:1]) - x[:1]
        pictures = torch.cat(
            [x[:1], known.trigger(x[:1]), 0.5 + real / 2, 0.5 + change[None] / 2, (x[:1] + change).clamp(0, 1)]
        )
        captions = [f"read “0”: {shares[0]:.0%}", f"{shares[1]:.0%}", f"true: {real.abs().sum():.0f}",
                    f"found: {scanned(name)[0][0]:.0f}", f"{shares[2]:.0%}"]  # fmt: skip
        rows.append(Row(f"reader {name}", pictures, captions, [False, True, False, False, True]))
        told.append(f"reader {name}: of other digits {shares[0]:.0%} are read as 0, with its true mark {shares[1]:.0%}, with what was "
                    f"found {shares[2]:.0%}")  # fmt: skip
    return plots.answers(
        rows, title="a digit; with the true mark; the true change; the change that was found; with that", scale=1.5,
        alt=f"Five pictures a reader. {'; '.join(told)}.",
    )  # fmt: skip
