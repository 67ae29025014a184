"""Lesson 13's figures by a student's own functions, and their guard before three readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from bdlab import channels, metrics, plots
from bdlab.data import load
from bdlab.lessons import l13_parts as lesson
from bdlab.lessons.demos import Unusable, grading
from bdlab.lessons.l09_figures import measured, read_as
from bdlab.lessons.l09_strip import honest, setting, stream
from bdlab.lessons.l13_parts import STEPS
from bdlab.lessons.results import Result
from bdlab.nets import evaluating


def opening() -> plots.Plot:
    """Six test signs without and with the sticker: the share that a shadow gives to what its reader says."""
    there, rows, told = setting("signs-badnets", 6), [], []
    marked = there.backdoor.trigger(there.benign)
    attacked, twin = there.backdoor.model, honest("signs")
    for who, model, x in (("attacked", attacked, there.benign), ("attacked", attacked, marked), ("honest", twin, marked)):
        shares = lesson.rbd_score(model, ours(model), x).tolist()
        name = f"{who} reader,\n{'plain' if x is there.benign else 'with a sticker'}"
        rows.append(plots.Row(name, x, [f"{share:.0%}" for share in shares], [share > 0.1 for share in shares]))
        told.append(f"{name} {', '.join(rows[-1].captions)}".replace("\n", " "))
    return plots.answers(
        rows, title="what a shadow still recognises: its share of the reader's answer (bold: above 10 %)", scale=1.1,
        alt=f"Six signs without and with a yellow sticker, and a shadow's share of its reader's answer. {'; '.join(told)}.",
    )  # fmt: skip


def losses(unlearn_loss: Any) -> plots.Plot:
    """By `unlearn_loss`: how far four answers are from the wanted one; the teacher is sure of the first of three classes."""
    teacher = torch.tensor([[6.0, 0.0, 0.0]])
    answers = {"as teacher": teacher, "even": 0 * teacher, "wanted": -teacher / 2, "sure of another": teacher.roll(1, 1)}
    found = {name: round(float(unlearn_loss(answer, teacher)), 6) + 0.0 for name, answer in answers.items()}
    if not torch.tensor(list(found.values())).isfinite().all():
        raise Unusable(unlearn_loss, "gave a loss that is not finite")
    return plots.bars(
        list(found), [("", [[value] for value in found.values()])], ylabel="loss (nats)", form=".2f",
        top=max(1.0, *found.values()), title="four answers of a shadow; the teacher is sure of the first of three classes",
        alt=f"Bars of the loss: {', '.join(f'{name} {value:.2f}' for name, value in found.items())}.",
    )  # fmt: skip


def maps(shadow_step: Any) -> plots.Plot:
    """Mean activation maps of model and shadow, benign and marked sign; attacked reader above, honest twin below."""
    there = setting("signs-badnets", 1)
    x = torch.cat((there.benign[:1], there.backdoor.trigger(there.benign[:1])))
    rows, captions, told = [("one sign", torch.cat((x, x)))], [["benign", "marked"] * 2], []
    for name, model in (("attacked", there.backdoor.model), ("honest", honest("signs"))):
        row, words = [], []
        for part, net in (("model", model), ("shadow", _shadow(shadow_step, model))):
            found = activation(net, x)
            row.append(found / found.max().clamp_min(1e-9))  # each pair has a scale of its own
            words += [f"{part}\n{mean:.4f}" for mean in found.mean((1, 2)).tolist()]
        rows.append((f"{name}\nreader", torch.cat(row)))
        captions.append(words)
        told.append(f"{name} reader: {', '.join(words)}".replace("\n", " "))
    return plots.heat(
        rows, captions=captions, title=f"mean activations, benign and marked; shadows of {STEPS} steps",
        alt="A sign without and with the sticker, and maps of activation with their means, benign and marked. "
        f"{'. '.join(told)}.",
    )  # fmt: skip


def activation(net: nn.Module, x: Tensor) -> Tensor:
    """Mean over channels of the last convolution's output, for images (N, C, H, W): (N, h, w)."""
    trunk, _ = channels.split(net, channels.last_conv(net))  # type: ignore[arg-type]
    with evaluating(trunk):
        return trunk(x).mean(1)


@cache
def ours(model: nn.Module) -> nn.Module:
    """The shadow of `model` by the library's step; made once a session."""
    return lesson.grown(lesson.shadow_step, model)


def _shadow(shadow_step: Any, model: nn.Module) -> nn.Module:
    return ours(model) if grading() else lesson.grown(shadow_step, model)


def both_readers(rbd_score: Any) -> plots.Plot:
    """Scores by `rbd_score` of signs with and without the sticker, before the attacked reader and its honest twin."""
    there, panels, told = setting("signs-badnets", 400), [], []
    for name, model in (("attacked", there.backdoor.model), ("honest", honest("signs"))):
        shadow = ours(model)
        clean, marked = (rbd_score(model, shadow, x).detach() for x in (there.benign, there.marked))
        if not (clean.isfinite().all() and marked.isfinite().all()):
            raise Unusable(rbd_score, "gave scores that are not finite")
        panels.append((f"{name} reader" + " (mind the scale)" * (name == "honest"), clean, marked))
        told.append(f"{name}: mean {clean.mean():.2f} without, {marked.mean():.2f} with the sticker")
    return plots.scores(
        panels, [], label="share that the shadow gives the model's answer", names=("honest", "marked"),
        alt=f"Two histograms of scores. {'; '.join(told)}.",
    )  # fmt: skip


def compared(rbd_score: Any) -> plots.Plot:
    """STRIP's scores, from lesson 09's cache, and those by `rbd_score`; the same signs, the source-specific reader."""
    there = setting("signs-source", 400)
    model = there.backdoor.model
    bits = torch.from_numpy(measured("signs-source", "add")).float()  # (calibration, benign, marked)
    entropies = [group[~group.isnan()] for group in bits[1:]]
    shadow, (stops, marked) = ours(model), (lesson.stop_signs(), there.marked)
    shares = [rbd_score(model, shadow, x).detach() for x in (there.benign, marked, stops)]
    if not all(values.isfinite().all() for values in shares):
        raise Unusable(rbd_score, "gave scores that are not finite")
    areas = metrics.auroc(-entropies[0], -entropies[1]), metrics.auroc(*shares[:2])
    return plots.beside(
        [
            (f"STRIP, 20 overlays: AUROC {areas[0]:.2f}", "mean entropy (bits); suspicious: low", _named(entropies)),
            (f"shadow, 2 passes: AUROC {areas[1]:.2f}", "share by the shadow; suspicious: high", _named(shares)),
        ],
        title="the same signs before the reader that obeys on stop signs alone",
        alt="Histograms of two scores. AUROC of marked stop signs against other signs: "
        f"STRIP {areas[0]:.2f}, shadow {areas[1]:.2f}. The shadow's median share: {shares[0].median():.4f} of other signs, "
        f"{shares[1].median():.4f} of marked stop signs, {shares[2].median():.4f} of unmarked ones.",
    )  # fmt: skip


def _named(groups: list[Tensor]) -> list[tuple[str, Tensor]]:
    return list(zip(("any sign", "marked stop", "plain stop"), groups, strict=False))


CARD = {
    "obeys on any sign": "any sign: caught",
    "obeys on stop signs": "stop signs: caught",
    "honest": "honest: false alarms",
}
"""What the trophy calls a reader's number."""


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
        rows, told, numbers, clean = [], [], {}, load("signs").calibration.x
        for name, card in CARD.items():
            model, x, marked = stream(name)
            shadow = _shadow(shadow_step, model)
            alarm = guard(model, shadow, clean, self.fpr)
            with passes(model, shadow) as count:
                refused = alarm(x)
            if not isinstance(refused, Tensor) or refused.shape != (len(x),) or refused.dtype != torch.bool:
                raise Unusable(guard, f"gave no flag for each of {len(x)} signs")
            stopped, alarms = int(refused[marked].sum()), int(refused[~marked].sum())
            shown = torch.cat((marked.nonzero()[:2, 0], (~marked).nonzero()[:2, 0]))
            words = read_as(model, x[shown])
            captions = ["REFUSED" if flag else word for word, flag in zip(words, refused[shown].tolist(), strict=True)]
            text = f"{name}: refused {stopped} of 10 marked, {alarms} of 90 others; {sum(count):,} passes"
            rows.append((text, x[shown], captions, marked, refused))
            told.append(text)
            numbers[card] = f"{alarms} of 90" if name == "honest" else f"{stopped} of 10"
        numbers["own functions"] = f"{sum(getattr(part, 'own', True) for part in (shadow_step, guard))} of 2"
        plot = plots.road(
            rows, title=f"your guard, line at {self.fpr:.0%}; two marked signs, two others; then all 100, as they come",
            alt=f"Four signs of each of three streams, and when the alarm rang. {'. '.join(told)}.",
        )  # fmt: skip
        return Result(plot, rows[0][1][0], numbers)


@contextmanager
def passes(*models: nn.Module) -> Iterator[list[int]]:
    """Counts the images that networks are asked about: a list, one entry a call."""
    count: list[int] = []
    handles = [model.register_forward_hook(lambda _, given, __: count.append(len(given[0]))) for model in models]
    try:
        yield count
    finally:
        for handle in handles:
            handle.remove()
