"""Lesson 09's filter: a student's four functions before three readers, sign by sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bdlab import plots
from bdlab.data import load
from bdlab.lessons import l09_strip as lesson
from bdlab.lessons.demos import cached, grading
from bdlab.lessons.l09_figures import asked, read_as
from bdlab.lessons.l09_strip import CUTS, READERS, Mode
from bdlab.lessons.results import Result
from bdlab.plots import Row
from bdlab.training import logits

SHOWN = 3
"""Marked signs of each stream in the picture; as many unmarked ones."""


CARD = {"obeys on any sign": "any sign: caught", "obeys on stop signs": "stop signs: caught", "honest": "honest: false alarms"}
"""What the trophy calls a reader's number."""


@dataclass(frozen=True)
class Filter:
    """A filter of your own: `Filter(mode, frr)(entropy, superimpose, strip_scores, frr_far)`; about 10 s.

    It stands before three readers.  Each meets 100 signs, ten of them marked; the line comes from 200 other signs.
    mode: 'add_clip' or 'add'.  frr: the share of honest signs that may be refused.
    """

    mode: Mode = "add"
    frr: float = 0.02

    def __post_init__(self) -> None:
        lesson.allowed(self.mode, self.frr)

    def __call__(self, entropy: Any, superimpose: Any, strip_scores: Any, frr_far: Any) -> Result:
        calibration, overlays = load("signs").calibration.x[: lesson.CALIBRATION], lesson.overlays_of("signs")
        rows, told, evidence = [], [], None
        numbers: dict[str, str] = {}
        for number, name in enumerate(READERS):
            model, x, marked = lesson.stream(name)
            if grading():
                stored = cached("l09", "guarded")
                found, line = torch.from_numpy(stored["scores"][number]), float(stored["line"][number])
            else:
                known = asked(strip_scores, model, calibration, overlays, self.mode)
                found = asked(strip_scores, model, x, overlays, self.mode)
                line = frr_far(known, found[marked], self.frr, "quantile")["boundary"]
            refused = found < line
            stopped, alarms = int(refused[marked].sum()), int(refused[~marked].sum())
            evidence = x[marked][:1] if evidence is None else evidence
            rows.append(_row(name, model, x, marked, refused, stopped, alarms))
            told.append(f"{name}: {stopped} of 10 marked signs refused, {alarms} of 90 others")
            numbers |= {CARD[name]: f"{alarms} of 90" if name == "honest" else f"{stopped} of 10"}
        assert evidence is not None
        rows.append(_below(entropy, superimpose, lesson.stream("obeys on any sign")[0], evidence, overlays[: 2 * SHOWN], self.mode))
        own = sum(getattr(part, "own", True) for part in (entropy, superimpose, strip_scores, frr_far))
        numbers["own functions"] = f"{own} of 4"
        plot = plots.answers(
            rows, title=f"line at FRR {self.frr:.0%}, {lesson.OVERLAYS} overlays, {CUTS[self.mode]}; three marked signs, three others; bold: refused",
            alt=f"Six signs of each of three streams. {'; '.join(told)}. Below, one marked sign under six overlays: "
            f"{', '.join(rows[-1].captions)}.".replace("\n", " "),
        )  # fmt: skip
        return Result(plot, rows[-1].x[0], numbers)


def _row(name: str, model: nn.Module, x: Tensor, marked: Tensor, refused: Tensor, stopped: int, alarms: int) -> Row:
    shown = torch.cat((marked.nonzero()[:SHOWN, 0], (~marked).nonzero()[:SHOWN, 0]))
    words = read_as(model, x[shown])
    label = f"{name}\nrefused: {stopped} of 10 marked,\n{alarms} of 90 others"
    told = refused[shown].tolist()
    return Row(label, x[shown], ["REFUSED" if one else word for word, one in zip(words, told, strict=True)], told)


def _below(entropy: Any, superimpose: Any, model: nn.Module, sign: Tensor, overlays: Tensor, mode: Mode) -> Row:
    mixed = superimpose(sign, overlays, mode)[0]
    values = entropy(logits(model, mixed).softmax(1)).tolist()
    captions = [f"{word}\n{value:.2f} bits" for word, value in zip(read_as(model, mixed), values, strict=True)]
    return Row("first marked sign\nbelow six overlays", mixed.clamp(0, 1), captions, [False] * len(captions))


def sixty(delivered: Any) -> plots.Plot:
    """The signs of the mystery box, numbered."""
    rows = [Row("", delivered.x[at : at + 10], [str(at + n) for n in range(10)], [False] * 10) for at in range(0, 60, 10)]
    return plots.answers(rows, title="sixty signs and their numbers", alt="Sixty signs, numbered 0 to 59, with a sticker each.")
