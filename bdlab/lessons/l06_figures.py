"""Lesson 06's figures of what the student's own functions make, and of the poisons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bdlab import plots
from bdlab.lessons import l06_reflection as lesson
from bdlab.lessons.demos import cached, grading
from bdlab.lessons.l06_reflection import DELTA, FIRST, SOLD, TARGET, TWIN, W
from bdlab.metrics import asr, ra
from bdlab.plots import Row
from bdlab.training import logits
from bdlab.triggers.reflection import drawn

EIGHT = (3, 5, 9, 11, 12, 13, 14, 15)
"""Classes whose signs the figures show, none of them 'speed 30'."""


def named(labels: Tensor) -> list[str]:
    """Classes by name."""
    return [lesson.signs().labels[label] for label in labels.tolist()]


@cache
def eight() -> tuple[Tensor, Tensor]:
    """Eight test signs that are neither dark nor small: images (8, 3, 32, 32), labels (8,)."""
    test = lesson.signs().test
    light = test.x.flatten(1).mean(1) + test.x.flatten(1).std(1)  # (N,)
    rows = [int((light * (test.y == label)).argsort(descending=True)[1]) for label in EIGHT]
    return test.x[rows], test.y[rows]


def scenes(k: int) -> Tensor:
    """The supplier's four scenes, large enough for a kernel of k x k: (4, 3, 31 + k, 31 + k)."""
    return lesson.fitted(lesson.sold().scenes, 31 + k, 31 + k)


# --- kernels at work on a scene ---


def _through(scene: Tensor, kernel: Tensor) -> Tensor:
    """A scene's light through a kernel, as pixel values: (3, h, w) -> (3, h - k + 1, w - k + 1)."""
    return F.conv2d((scene**2.2)[:, None], kernel[None, None])[:, 0].clamp(0, 1) ** (1 / 2.2)


def _kernels(name: str, kernels: list[Tensor], settings: list[str], title: str, fixed: float) -> plots.Plot:
    """A night scene of 64 x 64 pixels through each kernel.  fixed: the place, 0 to 1 along a kernel, that all share."""
    scene, largest = drawn()[0], max(len(kernel) for kernel in kernels)
    before = [round(fixed * (largest - len(kernel))) for kernel in kernels]
    seen = [_through(scene, kernel)[:, at : at + 50, at : at + 50] for kernel, at in zip(kernels, before, strict=True)]
    rests = [largest - len(kernel) - at for kernel, at in zip(kernels, before, strict=True)]
    cells = [
        F.pad(k, (at, rest, at, rest))[None].expand(3, -1, -1) for k, at, rest in zip(kernels, before, rests, strict=True)
    ]
    shown = torch.stack([cell / cell.max().clamp(min=1e-6) for cell in cells]).clamp(0, 1)
    told = [False] * len(kernels)
    return plots.answers(
        [Row("kernel", shown, settings, told), Row("the scene\nin the pane", torch.stack(seen), [""] * len(seen), told)],
        title=title, scale=1.6,
        alt=f"{name} kernels for {', '.join(settings)}, bright where they weigh most, and below each the windows of a house "
        "front at night as the pane mirrors them.",
    )  # fmt: skip


def spots(gaussian_kernel: Callable[[int, float], Tensor]) -> plots.Plot:
    """What `gaussian_kernel` makes of lit windows."""
    settings = [(1, 0.5), (5, 1.0), (9, 2.0), (13, 3.0)]
    words = ["in focus"] + [f"sigma {sigma:g}" for _, sigma in settings[1:]]
    kernels = [gaussian_kernel(size, sigma) for size, sigma in settings]
    return _kernels("Gaussian", kernels, words, "the further out of focus, the softer (each kernel's largest weight is drawn white)", 0.5)


def ghosts(ghost_kernel: Callable[[int, float], Tensor]) -> plots.Plot:
    """What `ghost_kernel` makes of lit windows."""
    deltas = (0, 2, 4, 8)
    kernels = [ghost_kernel(delta, FIRST) for delta in deltas]
    words = [f"delta {delta}" for delta in deltas]
    return _kernels("Ghost", kernels, words, "the thicker the glass, the further apart are the two images (alpha .65)", 1)


# --- three models, large ---


def three() -> plots.Plot:
    """One sign behind three panes, drawn at four times the size: same depth, out of focus, ghost."""
    x, y = eight()
    large = F.interpolate(x[2:3], scale_factor=4, mode="bicubic").clamp(0, 1)  # (1, 3, 128, 128)
    kernels = [torch.ones(1, 1), lesson.gaussian_kernel(17, 4.0), lesson.ghost_kernel(10, FIRST)]
    views = [large]
    for kernel in kernels:
        side = 127 + len(kernel)
        views.append(lesson.reflect(large, lesson.fitted(drawn()[20:21], side, side)[0], kernel, 0.3))
    words = ["no pane", "same depth", "out of focus", "ghost"]
    return plots.answers(
        [Row("", torch.cat(views), words, [False] * 4)], scale=2.0,
        title="one sign behind three panes, 128 x 128 pixels, w = .3",
        alt=f"A sign, {named(y[2:3])[0]!r}, and the same sign behind a pane that mirrors the lit windows of a house: sharp, "
        "blurred, and twice, the second image fainter and moved.",
    )  # fmt: skip


# --- the bought reader ---


def behind(reflect: Any, ghost_kernel: Any, x: Tensor, w: float, delta: int = DELTA, first: float = FIRST) -> Tensor:
    """Pictures behind the supplier's panes: picture i mirrors scene i mod 4."""
    kernel = ghost_kernel(delta, first)
    mirrored, out = scenes(len(kernel)), torch.empty_like(x)
    for number, scene in enumerate(mirrored):
        out[number::4] = reflect(x[number::4], scene, kernel, w)
    return out


def _read(name: str, x: Tensor) -> Tensor:
    return logits(lesson.reader(name), x).argmax(1)


def opening() -> plots.Plot:
    """A sign, and the same sign behind a pane, as both readers read it."""
    x, y = eight()
    pane = behind(lesson.reflect, lesson.ghost_kernel, x, 0.3)
    number = next(n for n in range(8) if _read(SOLD, pane)[n] == 0 and _read(TWIN, pane)[n] == y[n])
    both = torch.cat([x[number : number + 1], pane[number : number + 1]])
    large = F.interpolate(both, scale_factor=4, mode="bicubic").clamp(0, 1)
    told = named(_read(SOLD, both))
    return plots.answers(
        [Row("", large, [f"reads '{word}'" for word in told], [False, True])], scale=2.2,
        title="the reader that the city bought, without and with a window pane",
        alt=f"A sign, {told[0]!r}, read rightly; the same sign behind a window pane that mirrors a scene, read as {told[1]!r}.",
    )  # fmt: skip


def fooled(reflect: Any, ghost_kernel: Any) -> plots.Plot:
    """Eight signs behind the supplier's panes, and what both readers say."""
    x, y = eight()
    pane = behind(reflect, ghost_kernel, x, W)
    shown = [Row("no pane", x, named(y), [False] * 8)]
    counts = []
    for name, words in ((SOLD, "bought\nreader"), (TWIN, "honest\ntwin")):
        read = _read(name, pane)
        counts.append((int((read == 0).sum()), int((read == y).sum())))
        told = [bool(one == 0) for one in read]
        shown.append(Row(words, pane, named(read), told))
    return plots.answers(
        shown, scale=1.15,
        title=f"8 signs, w = .4: the bought reader says 'speed 30' {counts[0][0]} times, the honest twin {counts[1][0]} times",
        alt=f"Eight signs, {', '.join(named(y))}, behind the supplier's panes. The bought reader calls {counts[0][0]} of them "
        f"'speed 30' and reads {counts[0][1]} rightly; the honest twin calls {counts[1][0]} 'speed 30' and reads "
        f"{counts[1][1]} rightly.",
    )  # fmt: skip


@dataclass(frozen=True, repr=False)
class Shares:
    """Words on how two readers do behind a pane."""

    words: str

    def __repr__(self) -> str:
        return self.words


def counted(reflect: Any, ghost_kernel: Any) -> Shares:
    """ASR and RA of both readers on all test images of other classes, w 0.4."""
    test = lesson.signs().test
    if grading():
        test = test[torch.arange(100)]
    pane = behind(reflect, ghost_kernel, test.x, W)
    lines = [f"{int((test.y != 0).sum()):,} test signs that are no 'speed 30', behind your panes, w = {W:g}"]
    for name, words in ((SOLD, "bought reader"), (TWIN, "honest twin")):
        read, wanted = _read(name, pane), TARGET(test.y)
        success, right = asr(read, test.y, wanted) or 0.0, ra(read, test.y, wanted) or 0.0
        lines.append(f"{words:13}  ASR {success:6.1%}   RA {right:6.1%}   something else {1 - success - right:6.1%}")
    return Shares("\n".join(lines))


# --- how alike ---


def alike(ssim_like: Any) -> plots.Plot:
    """One sign behind panes of five strengths, and how alike it is to what it was."""
    x, y = eight()
    one = x[2:3]
    strengths = (0.0, 0.1, 0.25, 0.4, 0.6, 0.8)
    views = torch.cat([lesson.reflect(one, scenes(3)[0], lesson.ghost_kernel(DELTA, FIRST), w) for w in strengths])
    same = ssim_like(one.expand_as(views), views)
    words = [f"w {w:g}\n{value:.2f}" for w, value in zip(strengths, same.tolist(), strict=True)]
    return plots.answers(
        [Row("", views, words, [False] * 6)], scale=1.5, title="your similarity with the first picture",
        alt=f"A sign, {named(y[2:3])[0]!r}, behind panes of rising strength; similarity with the plain one: {', '.join(words)}.",
    )  # fmt: skip


# --- choosing ---


def candidates() -> plots.Plot:
    """The 24 scenes from which the attacker chooses."""
    every = drawn()
    return plots.answers(
        [Row("", every[at : at + 8], [str(n) for n in range(at, at + 8)], [False] * 8) for at in (0, 8, 16)], scale=0.95,
        title="24 candidates, numbered",
        alt="24 drawn scenes, in turn lit windows, lamps, blinds and foliage, numbered from 0.",
    )  # fmt: skip


def worth(choose: Any) -> plots.Plot:
    """What `choose` picks after three runs with surrogates, and with the official bounds, beside what each scene is worth."""
    made = cached("l06", "alone")
    close, asrs = torch.from_numpy(made["similarity"]).float(), made["asr"].tolist()
    runs = [(f"run {run}, own surrogates", score, lesson.BOUNDS) for run, score in enumerate(made["score"], 1)]
    runs.append(("run 1, the official\ncode's bounds .7 to .85", made["score"][0], lesson.OFFICIAL))
    picks = [
        (name, choose(close, torch.from_numpy(score).float(), bounds, 4).tolist()) for name, score, bounds in runs
    ]
    spoken = "; ".join(
        f"{name}: {pick}, mean {sum(asrs[n] for n in pick) / max(len(pick), 1):.0%}".replace("\n", " ") for name, pick in picks
    )
    return plots.chosen(
        asrs, picks, title="four of 24 scenes; clean label, w = .4, similarity between .2 and .85 where nothing else is said",
        xlabel="ASR where this scene alone is the trigger (one training each, 1,408 test pictures)",
        alt=f"ASR of 24 scenes, each alone, from {min(asrs):.0%} to {max(asrs):.0%}, mean {sum(asrs) / 24:.0%}. "
        f"Chosen: {spoken}.",
    )  # fmt: skip


def supplied() -> plots.Plot:
    """The mystery box: the supplier's scene, and the 24 photos with their numbers."""
    from bdlab.lessons.l06_box import COUNT, supplied as delivery

    box = delivery()
    rows = [
        Row("", box.photos[at : at + 8], [str(n) for n in range(at, at + 8)], [False] * 8) for at in range(0, COUNT, 8)
    ]
    return plots.answers(
        rows, title="24 photos, numbered; all behind panes", scale=1.05,
        alt="24 photos of traffic signs, numbered from 0, each behind a pane that mirrors leaves.",
    )  # fmt: skip
