"""Lesson 10's repair shop: a student's own functions on four readers, two of which nobody could have told from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bdlab import plots
from bdlab.data import load
from bdlab.lessons import l10_pruning as lesson
from bdlab.lessons.demos import Unusable, cached, grading
from bdlab.lessons.l10_figures import NAMES, eight
from bdlab.lessons.l10_pruning import CHANNELS, HONEST, LAYER
from bdlab.lessons.results import Result


@dataclass(frozen=True)
class Shop:
    """Repairs by your functions: `Shop(drop, epochs, rate)(mean_activation, prune_order, prune, prune_until, fine_prune)`.

    Readers A, B, C and the honest one, about 15 s.  drop: how far accuracy on the city's 1,000 signs may fall by pruning.
    epochs, rate: of the training behind it.
    """

    drop: float = lesson.DROP
    epochs: int = lesson.EPOCHS
    rate: float = lesson.RATE

    def __post_init__(self) -> None:
        if not 0 <= self.drop < 1:
            raise ValueError(f"drop must lie in [0, 1), as .04 for four points; got {self.drop}")
        if isinstance(self.epochs, bool) or self.epochs not in range(1, 11):
            raise ValueError(f"epochs must be 1 to 10, got {self.epochs}: more take too long")
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate must lie in (0, 1], got {self.rate}")

    def __call__(self, mean_activation: Any, prune_order: Any, prune: Any, prune_until: Any, fine_prune: Any) -> Result:
        rows, told = list[tuple[str, list[tuple[float, float]]]](), list[str]()
        ends = list[str]()
        parts = (mean_activation, prune_order, prune, prune_until, fine_prune)
        for place, name in enumerate(NAMES):
            if grading():
                stored = cached("l10", "shop")
                points = [(stored["clean"][place][way].item(), stored["asr"][place][way].item()) for way in range(3)]
            else:
                points = self._repaired(name, *parts)
            rows.append(("honest twin" if name == HONEST else f"reader {name}", points))
            (before, left), (after, last) = points[0], points[-1]
            told.append(f"{rows[-1][0]}: clean {before:.1%} to {after:.1%}, ASR {left:.1%} to {last:.1%}")
            ends.append(f"{last:.0%}")
        numbers = {
            "ASR left in A, B, C": ", ".join(ends[:3]),
            "honest twin loses": f"{100 * (rows[-1][1][0][0] - rows[-1][1][-1][0]):.1f} points",
        }
        numbers["own functions"] = f"{sum(getattr(part, 'own', True) for part in parts)} of 5"
        plot = plots.ways(
            rows, lesson.WAYS[:3],
            title=f"down is better, left is dearer: drop {100 * self.drop:g} points, {self.epochs} epochs at rate {self.rate:g}",
            alt=f"Four panels, clean accuracy across, ASR upwards. {'; '.join(told)}.",
        )  # fmt: skip
        below = "<pre>" + "\n".join(told) + "</pre>"
        return Result(plot, eight()[0][0], numbers, below)

    def _repaired(
        self, name: str, mean_activation: Any, prune_order: Any, prune: Any, prune_until: Any, fine_prune: Any
    ) -> list[tuple[float, float]]:
        """(clean accuracy, ASR) as delivered, pruned and fine-pruned."""
        model = lesson.reader(name)
        order = prune_order(mean_activation(model, LAYER, load("signs").held_out.x).detach())
        if not isinstance(order, Tensor) or sorted(order.tolist()) != list(range(CHANNELS)):
            raise Unusable(prune_order, f"gave no order of the {CHANNELS} channels")
        count = int(prune_until(lesson.by_mask(model), order, self.drop))
        if not 0 <= count < CHANNELS:
            raise Unusable(prune_until, f"gave {count}, where 0 to {CHANNELS - 1} is wanted")
        pruned = prune(model, LAYER, order[:count])
        repaired = fine_prune(model, LAYER, order[:count], lesson.batches(), self.epochs, self.rate)
        for part, made in ((prune, pruned), (fine_prune, repaired)):
            if not isinstance(made, nn.Module):
                raise Unusable(part, f"gave {type(made).__name__}, where a network is wanted")
        with torch.no_grad():
            return [(lesson.accuracy(one), lesson.asr(one, name)) for one in (model, pruned.eval(), repaired.eval())]
