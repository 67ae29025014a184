"""Lesson 13's figures, its scrub bar, and the student's guard before three readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bdlab import channels, plots, widgets
from bdlab.data import load
from bdlab.lessons import l13_rbd as lesson
from bdlab.lessons.demos import Unusable, cached, grading
from bdlab.lessons.l09_figures import read_as
from bdlab.lessons.l09_strip import honest, stream
from bdlab.lessons.l13_rbd import MARKS, NETS, STEPS
from bdlab.lessons.results import Result
from bdlab.nets import evaluating
from bdlab.plots import Row


def losses(unlearn_loss: Any) -> plots.Plot:
    """By `unlearn_loss`: how far four answers are from the wanted one, where the teacher is sure of the first of 3 classes."""
    teacher = torch.tensor([[6.0, 0.0, 0.0]])
    answers = {"as teacher": teacher, "even": torch.zeros(1, 3), "wanted": -teacher / 2, "sure of another": teacher.roll(1, 1)}
    found = {name: float(unlearn_loss(answer, teacher)) for name, answer in answers.items()}
    if not torch.tensor(list(found.values())).isfinite().all():
        raise Unusable(unlearn_loss, "gave a loss that is not finite")
    return plots.bars(
        list(found), [("loss", [[value] for value in found.values()])], ylabel="loss (nats)", form=".2f",
        top=max(1.0, *found.values()), title="four answers of a shadow, one teacher that is sure of the first of three classes",
        alt=f"Bars of the loss: {', '.join(f'{name} {value:.2f}' for name, value in found.items())}.",
    )  # fmt: skip


def maps(shadow_step: Any) -> plots.Plot:
    """Mean activation maps of model and shadow, benign and triggered sign; attacked reader above, honest twin below."""
    rows: list[tuple[str, Tensor]] = []
    there, told = lesson.setting("signs-badnets", 1), []
    sign = there.benign[:1]
    x = torch.cat((sign, there.backdoor.trigger(sign)))
    rows.append(("benign, marked", x))
    for name, model in (("attacked", there.backdoor.model), ("honest", honest("signs"))):
        shadow = lesson.grown(_step(shadow_step), model)
        for part, net in (("model", model), ("shadow", shadow)):
            found = activation(net, x)
            rows.append((f"{name}\n{part}", found))
            told.append(f"{name} {part}: benign {found[0].mean():.3f}, marked {found[1].mean():.3f}")
    return plots.heat(
        rows, title=f"one sign, unmarked and marked; shadows of {STEPS} steps",
        alt=f"A sign without and with the sticker, and maps of mean activation. Means: {'; '.join(told)}.",
    )  # fmt: skip


def activation(net: nn.Module, x: Tensor) -> Tensor:
    """Mean over channels of the last convolution's output, for images (N, C, H, W): (N, h, w)."""
    trunk, _ = channels.split(net, channels.last_conv(net))  # type: ignore[arg-type]
    with evaluating(trunk):
        return trunk(x).mean(1)


def _step(shadow_step: Any) -> Any:
    return lesson.shadow_step if grading() else shadow_step


def both_readers(rbd_score: Any) -> plots.Plot:
    """Scores by `rbd_score` of signs with and without the sticker, before the attacked reader and its honest twin."""
    there, panels, told = lesson.setting("signs-badnets", 400), [], []
    for name, model in (("attacked", there.backdoor.model), ("honest", honest("signs"))):
        shadow = lesson.grown(lesson.shadow_step, model)
        clean, marked = (rbd_score(model, shadow, x).detach() for x in (there.benign, there.marked))
        if not (clean.isfinite().all() and marked.isfinite().all()):
            raise Unusable(rbd_score, "gave scores that are not finite")
        panels.append((f"{name} reader", clean, marked))
        told.append(f"{name}: mean {clean.mean():.2f} without, {marked.mean():.2f} with the sticker")
    return plots.scores(
        panels, [], label="share that the shadow gives the model's answer", names=("honest", "marked"),
        alt=f"Two histograms of scores. {'; '.join(told)}.",
    )  # fmt: skip


def faded(step: int = STEPS) -> plots.Plot:
    """AUROC of three marks before attacked and honest readers, after a number of steps of MARKS."""
    if step not in MARKS:
        raise ValueError(f"step must be one of {MARKS}, got {step}")
    found = cached("l13", "forgetting")["auroc"][:, :, MARKS.index(step)]  # (net, reader)
    spoken = "; ".join(f"{name}: attacked {a:.2f}, honest {b:.2f}" for name, (a, b) in zip(NETS, found, strict=True))
    parts = [(who, [[value] for value in found[:, place]]) for place, who in enumerate(("attacked reader", "honest reader"))]
    return plots.bars(
        list(NETS), parts, ylabel="AUROC (0.5: chance)", form=".2f", title=f"shadow after {step} steps: marked against other signs",
        alt=f"Bars of AUROC after {step} steps. {spoken}.",
    )  # fmt: skip


def forgetting() -> Any:
    """A scrub bar over the steps of the shadow: `faded` of each."""
    return widgets.scrub([f"step {step}" for step in MARKS], lambda at: faded(MARKS[at]), "unlearning step", start=MARKS.index(STEPS))


def controlled() -> plots.Plot:
    """Marked stop signs against all other signs, and against unmarked stop signs, before both readers."""
    stored, at = cached("l13", "forgetting"), MARKS.index(STEPS)
    rows = stored["auroc"][1, :, at], stored["stop"][:, at]
    parts = [(who, [[row[place]] for row in rows]) for place, who in enumerate(("source-specific reader", "honest reader"))]
    return plots.bars(
        ["against\nother signs", "against unmarked\nstop signs"], parts, ylabel="AUROC (0.5: chance)", form=".2f",
        title=f"102 marked stop signs, shadow of {STEPS} steps",
        alt="Bars of AUROC of marked stop signs. Against other signs: source-specific reader "
        f"{rows[0][0]:.2f}, honest {rows[0][1]:.2f}. Against unmarked stop signs: {rows[1][0]:.2f}, {rows[1][1]:.2f}.",
    )  # fmt: skip


REAL = {"GTSRB": (1.0, 0.621, 0.834), "MNIST": (1.0, 1.0, 0.905)}
"""AUROC of RBD-R with `bdlab.Rbd()`: patch, blend, source-specific; `bdlab reproduce rbd` (docs/results.md)."""


def on_real_data() -> plots.Plot:
    """AUROC of the library's RBD-R on GTSRB (one seed) and MNIST (mean of three)."""
    return plots.bars(
        ["patch", "blend", "source-specific"], [(name, [[value] for value in row]) for name, row in REAL.items()],
        ylabel="AUROC (0.5: chance)", form=".2f", title="bdlab.Rbd() on GTSRB (1 seed) and MNIST (mean of 3 seeds)",
        alt="Bars of AUROC. " + "; ".join(f"{name}: patch {a}, blend {b}, source-specific {c}" for name, (a, b, c) in REAL.items()),
    )  # fmt: skip


@dataclass(frozen=True)
class Guarded:
    """Your guard before three readers: `Guarded(fpr)(shadow_step, guard)`; each meets 100 signs, ten of them marked.

    fpr: the share of clean signs that may be refused.
    """

    fpr: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.fpr < 1:
            raise ValueError(f"fpr must lie between 0 and 1, got {self.fpr}")

    def __call__(self, shadow_step: Any, guard: Any) -> Result:
        rows, told, numbers = [], [], {}
        clean = load("signs").calibration.x
        for name in ("obeys on any sign", "obeys on stop signs", "honest"):
            model, x, marked = stream(name)
            alarm = guard(model, lesson.grown(_step(shadow_step), model), clean, self.fpr)
            refused = alarm(x)
            if not isinstance(refused, Tensor) or refused.shape != (len(x),) or refused.dtype != torch.bool:
                raise Unusable(guard, f"gave no flag for each of {len(x)} signs")
            stopped, alarms = int(refused[marked].sum()), int(refused[~marked].sum())
            shown = torch.cat((marked.nonzero()[:3, 0], (~marked).nonzero()[:3, 0]))
            flags = refused[shown].tolist()
            words = ["REFUSED" if flag else word for word, flag in zip(read_as(model, x[shown]), flags, strict=True)]
            rows.append(Row(f"{name}\nrefused: {stopped} of 10 marked,\n{alarms} of 90 others", x[shown], words, flags))
            told.append(f"{name}: {stopped} of 10 marked signs refused, {alarms} of 90 others")
            numbers[name] = f"{stopped} of 10, {alarms} of 90"
        numbers["own functions"] = f"{sum(getattr(part, 'own', True) for part in (shadow_step, guard))} of 2"
        plot = plots.answers(
            rows, title=f"guard at {self.fpr:.0%}, 2 passes a sign; three marked signs, three others; bold: refused",
            alt=f"Six signs of each of three streams. {'; '.join(told)}.",
        )  # fmt: skip
        return Result(plot, rows[0].x[0], numbers)
