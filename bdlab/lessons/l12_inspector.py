"""Lesson 12's inspection: a student's own functions judge four readers, without a single image of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bdlab import plots
from bdlab.contracts import Split
from bdlab.lessons import l12_deepinspect as lesson
from bdlab.lessons.demos import Unusable, cached, grading
from bdlab.lessons.l12_deepinspect import CLASSES, FEWEST, KINDS
from bdlab.lessons.l12_figures import NAMES, check_classes, found, inverted, rated, scanned
from bdlab.lessons.l12_training import counted, train
from bdlab.lessons.results import Result
from bdlab.training import logits


@dataclass(frozen=True)
class Inspection:
    """Your inspection: `Inspection(kind, alpha, classes)(invert_class, generator_loss, deviation_factor, family_cutoff)`.

    kind: 'mean' or 'median'.  alpha: the share of honest readers that may be accused.  classes: the two classes of reader A
    whose triggers your own generator makes, from your own images; all other sizes were measured before.  About 20 s.
    """

    kind: str = "median"
    alpha: float = 0.05
    classes: tuple[int, int] = (0, 8)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha must lie between 0 and 0.5, as .05 for five of a hundred; got {self.alpha}")
        check_classes(self.classes)

    def __call__(self, invert_class: Any, generator_loss: Any, deviation_factor: Any, family_cutoff: Any) -> Result:
        parts = (invert_class, generator_loss, deviation_factor, family_cutoff)
        norm, success, picture = self._own(invert_class, generator_loss)
        cases = [("A", norm, success), *((name, *scanned(name)) for name in NAMES[1:])]
        stored = cached("l12", "stopped")
        early = [torch.from_numpy(stored[key][0]).double() for key in ("norm", "success")]
        cases.append(("A, stopped early", early[0], early[1]))
        panels, lines = list[tuple[str, Sequence[float], float | None]](), list[str]()
        for name, own, works in cases:
            values, bound, said = self.judged(own, works, deviation_factor, family_cutoff)
            panels.append((name, values.tolist(), bound))
            lines.append(f"{'reader ' + name:24} {said}")
        numbers = {
            "reader A": lines[0][25:].partition(":")[0], "cut-off": f"{panels[0][2]:.2f}" if panels[0][2] else "none",
            "honest ones accused": f"{sum('backdoored' in line for line in lines[2:4])} of 2",
            "own functions": f"{sum(getattr(part, 'own', True) for part in parts)} of 4",
        }  # fmt: skip
        plot = plots.deviations(
            panels, title=f"your inspection: {self.kind} form, at most {self.alpha:.0%} of honest readers accused; no image was given",
            alt=f"Five bar charts of deviation factors. {'; '.join(' '.join(line.split()) for line in lines)}.",
        )  # fmt: skip
        return Result(plot, picture, numbers, "<pre>" + "\n".join(lines) + "</pre>")

    def _own(self, invert_class: Any, generator_loss: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Sizes and successes of reader A with the two classes' own ones, and the first one's trigger."""
        norm, success = scanned("A")
        first = self.classes[0]
        if grading():
            return norm, success, found("A")[first]
        x = torch.cat([inverted(invert_class, "A", label, lesson.EACH) for label in range(CLASSES)])
        y = torch.arange(CLASSES).repeat_interleave(lesson.EACH)
        taken = (
            logits(lesson.reader("A"), x).argmax(1) == y
        )  # images that the model does not take for their class are dropped
        if not taken.any():
            raise Unusable(invert_class, "gave no image that the reader takes for its class")
        images = Split(x[taken], y[taken], CLASSES, name="inverted")
        own = train(generator_loss, lesson.reader("A"), images, self.classes)
        norm[list(self.classes)], success[list(self.classes)] = own.norm.double(), own.success.double()
        return norm, success, 0.5 + own.mean[0] / 2

    def judged(
        self, norm: Tensor, success: Tensor, deviation_factor: Any, family_cutoff: Any
    ) -> tuple[Tensor, float | None, str]:
        """Factors (10,), NaN where no trigger works; the cut-off; and the verdict in words."""
        works, values = counted(success), torch.full((CLASSES,), torch.nan).double()
        count = int(works.sum())
        if count < FEWEST:
            return (
                values,
                None,
                f"cannot say: only {count} of {CLASSES} classes have a trigger that works, {FEWEST} are needed",
            )
        values[works] = rated(deviation_factor, norm[works], self.kind)
        bound = family_cutoff(count, self.kind, self.alpha, torch.Generator().manual_seed(0))
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 < bound < 100:
            raise Unusable(family_cutoff, f"gave {bound!r}, where a cut-off is wanted")
        over = [place for place, value in enumerate(values.tolist()) if value > bound]
        top = int(values.nan_to_num(-1e9).argmax())
        if over:
            return (
                values,
                float(bound),
                f"backdoored: class {', '.join(map(str, over))} (factor {values[top]:.2f} at {bound:.2f})",
            )
        return values, float(bound), f"no sign: largest factor {values[top]:.2f}, class {top}, at {bound:.2f}"
