"""Lesson 06's last block: the student's own pane over all strengths, before a person, a filter and the network."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from bdlab import plots
from bdlab.lessons import l06_reflection as lesson
from bdlab.lessons.demos import grading
from bdlab.lessons.l06_figures import behind, eight
from bdlab.lessons.l06_reflection import DELTA, FIRST, SOLD, TWIN, W
from bdlab.lessons.results import Result
from bdlab.training import logits

SOME = 200
"""Test images that a curve over w looks at."""
STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)


def median_filter(x: Tensor) -> Tensor:
    """Every pixel becomes the middle one of the nine in its 3 x 3 neighbourhood, channel by channel."""
    nine = F.unfold(F.pad(x.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate"), 3)  # (N * C, 9, H * W)
    return nine.median(1).values.view_as(x)


class YourPane:
    """`YourPane(w, delta, first)(ghost_kernel, reflect, ssim_like)`: one pane over all w, and its numbers at the chosen w.

    Raises: `ValueError` for a w outside of (0, 1], a delta outside of 0..8, a first outside of [0, 1].
    """

    def __init__(self, w: float = W, delta: int = DELTA, first: float = FIRST) -> None:
        for name, value, low, high in (("w", w, 0.01, 1), ("delta", delta, 0, 8), ("first", first, 0, 1)):
            if not low <= value <= high:
                raise ValueError(f"{name} must be in {low:g}..{high:g}, got {value}")
        if not isinstance(delta, int):
            raise ValueError(f"delta must be a whole number of pixels, got {delta}")
        self.w, self.delta, self.first = w, delta, first

    def __call__(self, ghost_kernel: Any, reflect: Any, ssim_like: Any) -> Result:
        test = lesson.signs().test
        rows = (test.y != 0).nonzero()[:SOME, 0]
        x, y = test.x[rows], test.y[rows]
        levels = sorted({*STRENGTHS, self.w})
        found = []
        for w in (self.w,) if grading() else levels:
            pane = behind(reflect, ghost_kernel, x, w, self.delta, self.first)
            found.append([*_four(pane, y), float(ssim_like(x, pane).mean())])
        return self._shown([self.w] if grading() else levels, found, reflect, ghost_kernel)

    def _shown(self, levels: list[float], found: list[list[float]], reflect: Any, ghost_kernel: Any) -> Result:
        own = found[levels.index(self.w)]
        names = ("bought reader fooled (ASR)", "the same, after a median filter", "honest twin still right (RA)",
                 "similarity (the person)")  # fmt: skip
        columns = [[[row[n]] for row in found] for n in (0, 1, 3, 4)]
        title = f"your pane: delta {self.delta}, first {self.first:g}; the first {SOME} test signs of other classes"
        spoken = "; ".join(
            f"w {w:g}: ASR {row[0]:.0%}, filtered {row[1]:.0%}, twin's ASR {row[2]:.0%}, twin's RA {row[3]:.0%}, "
            f"similarity {row[4]:.2f}" for w, row in zip(levels, found, strict=True)
        )  # fmt: skip
        plot = plots.over_strength(
            levels, list(zip(names, columns, strict=True)), title=title, ylabel="share, or similarity",
            marked=self.w, alt=f"Four curves over w. {spoken}.",
        )  # fmt: skip
        numbers = {
            f"ASR at w {self.w:g}": f"{own[0]:.1%}", "honest twin, ASR": f"{own[2]:.1%}",
            "honest twin, RA": f"{own[3]:.1%}", "similarity": f"{own[4]:.2f}",
        }  # fmt: skip
        x, _ = eight()
        picture = behind(reflect, ghost_kernel, x, self.w, self.delta, self.first)[4]
        return Result(plot, picture, numbers, _table(levels, found, self.w))


def _table(levels: list[float], found: list[list[float]], own: float) -> str:
    """The numbers behind the curves, the row of the chosen w in bold."""
    heads = ("w", "bought reader, ASR", "honest twin, ASR", "honest twin, RA", "similarity")
    lines = ["<tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"]
    for w, (bought, _, twin, right, alike) in zip(levels, found, strict=True):
        cells = (f"{w:g}", f"{bought:.0%}", f"{twin:.0%}", f"{right:.0%}", f"{alike:.2f}")
        shown = [f"<b>{cell}</b>" if w == own else cell for cell in cells]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in shown) + "</tr>")
    return f"<table>{''.join(lines)}</table>"


def _four(pane: Tensor, y: Tensor) -> tuple[float, float, float, float]:
    """Shares of pictures of other classes: bought reader fooled, and after a median filter; the twin fooled, and right."""
    bought, twin = lesson.reader(SOLD), lesson.reader(TWIN)
    read = logits(twin, pane).argmax(1)
    return _hit(bought, pane), _hit(bought, median_filter(pane)), _of(read == 0), _of(read == y)


def _hit(net: nn.Module, x: Tensor) -> float:
    return _of(logits(net, x).argmax(1) == 0)


def _of(true: Tensor) -> float:
    return float(true.float().mean())
