"""Lesson 02: three attacks by the student's own functions, each beside its control."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bdlab import plots
from bdlab.lessons import l02_threats as lesson
from bdlab.lessons.demos import cached
from bdlab.lessons.l02_figures import STEP, Flipped, clearest, eight, row_of
from bdlab.lessons.results import Result
from bdlab.plots import Row


class Examination:
    """Three attacks by your own functions on the city's reader: `Examination(wrong, epsilon)(table, fgsm, asr)`.

    wrong: what `flipped` gave.  epsilon: in (0, 1].
    Raises: `ValueError` for another epsilon.
    """

    def __init__(self, wrong: Flipped, epsilon: float = STEP) -> None:
        if not 0 < epsilon <= 1:
            raise ValueError(f"epsilon must be in (0, 1], got {epsilon}; 4 / 255 moves each pixel by 4 of 255 steps")
        self.wrong, self.epsilon = wrong, epsilon

    def __call__(self, threat_table: Any, fgsm: Any, attack_success_rate: Any) -> Result:
        (x, y), test = eight(), lesson.signs().test
        sold, twin = lesson.reader(lesson.SOLD), lesson.reader(lesson.TWIN)
        some, truth = test.x[: lesson.SHOWN], test.y[: lesson.SHOWN]
        needs = {row: cells[1] for row, cells in threat_table().items()}
        right = partial(_right, y=truth)
        shares = {
            "clean": right(sold, some), "pair": self.wrong.right[1][1],
            "honest pair": float(cached("l02", "labels")["right"][0, :, 1].mean()),
            "fgsm": right(sold, fgsm(sold, some, truth, self.epsilon).detach()), "noise": right(sold, lesson.noise(some, self.epsilon)),
            "asr": attack_success_rate(sold, test.x, test.y, lesson.sticker(), lesson.TARGET),
            "twin": attack_success_rate(twin, test.x, test.y, lesson.sticker(), lesson.TARGET),
        }  # fmt: skip
        moved, stuck = fgsm(sold, x, y, self.epsilon).detach(), lesson.sticker()(x)
        rows = [
            row_of(f"untouched\n{shares['clean']:.1%} right", x, lesson.read(sold, x), y),
            row_of(f"wrong labels\nneeds: {needs['wrong labels']}\ntwo classes: {shares['pair']:.1%} right\n"
                 f"honest: {shares['honest pair']:.1%}", x, self.wrong.reads(x), y),
            row_of(f"changed pixels\nneeds: {needs['changed pixels']}\n{shares['fgsm']:.1%} right\nby chance: "
                 f"{shares['noise']:.1%}", moved, lesson.read(sold, moved), y),
            row_of(f"marked copies\nneeds: {needs['marked copies']}\nASR {shares['asr']:.1%}\nhonest twin: "
                 f"{shares['twin']:.1%}", stuck, lesson.read(sold, stuck), y),
        ]  # fmt: skip
        own = sum(getattr(part, "own", True) for part in (threat_table, fgsm, attack_success_rate))
        picture = stuck[clearest(x, y != lesson.TARGET)]
        return _examined(rows, shares, own, picture, f"fgsm, {255 * self.epsilon:.3g} of 255: right")


def _right(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((lesson.read(model, x) == y).double().mean())


def _examined(rows: Sequence[Row], shares: dict[str, float], own: int, picture: Tensor, step: str) -> Result:
    wrong = [sum(row.told) for row in rows]
    numbers = {
        "wrong labels: right": f"{shares['pair']:.1%}", step: f"{shares['fgsm']:.1%}",
        "ASR, honest twin": f"{shares['asr']:.1%}, {shares['twin']:.1%}", "own table, fgsm, rate": f"{own} of 3",
    }  # fmt: skip
    plot = plots.answers(
        rows, title=f"eight signs, read wrongly: {wrong[0]} untouched, {wrong[1]}, {wrong[2]} and {wrong[3]} under attack",
        alt="Eight signs in four rows. " + " ".join(f"{row.name}: read as {', '.join(row.captions)}.".replace("\n", "; ") for row in rows),
    )  # fmt: skip
    return Result(plot, picture, numbers)
