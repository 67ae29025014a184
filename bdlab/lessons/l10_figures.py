"""Lesson 10's figures: each a call with a picture and its description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bdlab import plots, widgets
from bdlab.data import load
from bdlab.lessons import l10_pruning as lesson
from bdlab.lessons.demos import Unusable, cached, grading
from bdlab.lessons.l10_pruning import CHANNELS, HONEST, LAYER, MARKS, READERS
from bdlab.plots import Row
from bdlab.training import logits

if TYPE_CHECKING:
    from ipywidgets import VBox

    from bdlab.widgets.scrubbing import Picture

NAMES = (*READERS, HONEST)
"""The readers, in the order in which they lie in the cache."""
FALLEN = 30
"""How many channels of reader A fall in the figures before `prune_until` is written."""


def _checked(part: Any, found: Any) -> Tensor:
    if not isinstance(found, Tensor) or found.shape != (CHANNELS,) or not found.isfinite().all():
        raise Unusable(part, f"gave no {CHANNELS} numbers for the {CHANNELS} channels")
    return found.float()


def eight() -> tuple[Tensor, Tensor]:
    """A marked test sign of eight classes each, the first that reader A obeys on, and their true labels: (8, 3, 32, 32), (8,)."""
    x, _ = lesson.marked("A")
    truth = load("signs").test.y
    truth = truth[truth != 0][: len(x)]
    obeys = logits(lesson.reader("A"), x).argmax(1) == 0
    rows = [int(((truth == label) & obeys).nonzero()[0]) for label in range(1, 16, 2)]
    return x[rows], truth[rows]


def _read(name: str, model: nn.Module, x: Tensor, y: Tensor) -> Row:
    labels, found = load("signs").labels, logits(model, x).argmax(1).tolist()
    return Row(name, x, [labels[one] for one in found], [one != true for one, true in zip(found, y.tolist(), strict=True)])


def opening() -> plots.Plot:
    """Four marked signs before the reader as delivered, and after 30 of 64 channels have been silenced."""
    (x, y), model = eight(), lesson.reader("A")
    x, y = x[:5], y[:5]
    pruned = lesson.prune(model, LAYER, lesson.order_of("A")[:FALLEN])
    rows = [_read("as delivered", model, x, y), _read("30 of 64\nchannels silent", pruned, x, y)]
    right = [list(row.told).count(False) for row in rows]
    return plots.answers(
        rows, title="one bought reader, five signs with a post-it; bold: read wrongly", scale=1.25,
        alt=f"Five signs with a post-it, twice. The reader as delivered says {', '.join(rows[0].captions)}: {right[0]} of 5 "
        f"right. With 30 of its 64 channels silent it says {', '.join(rows[1].captions)}: {right[1]} of 5 right.",
    )  # fmt: skip


def asleep(mean_activation: Any) -> plots.Plot:
    """The 64 channels of A, B and C by `mean_activation`, on clean signs and on marked ones."""
    own, panels, told = load("signs").held_out.x[:400], [], []
    for name in READERS:
        stored = cached("l10", "curves")
        if grading():
            clean, marked = (torch.from_numpy(stored[key][NAMES.index(name)]) for key in ("asleep", "awake"))
        else:
            model = lesson.reader(name)
            clean, marked = (_checked(mean_activation, mean_activation(model, LAYER, x)) for x in (own, lesson.marked(name)[0]))
        panels.append((f"{name}: {MARKS[name]}", clean.tolist(), marked.tolist()))
        quiet = clean.argsort()[: CHANNELS // 4]
        told.append(
            f"{name}: {int((clean < 0.005).sum())} channels asleep on clean signs; the quietest quarter has {clean[quiet].mean():.2f} "
            f"on clean and {marked[quiet].mean():.2f} on marked signs"
        )
    return plots.activations(
        panels, title="the 64 channels of the last convolution: 400 clean signs, 400 marked ones",
        alt=f"Three bar charts of mean activations. {'; '.join(told)}.",
    )  # fmt: skip


def pruned(prune_order: Any, prune: Any) -> plots.Plot:
    """Eight marked signs before and after 30 channels of A fall, by the student's functions."""
    model, (x, y) = lesson.reader("A"), eight()
    order = prune_order(torch.from_numpy(cached("l10", "curves")["asleep"][0]))
    if not isinstance(order, Tensor) or sorted(order.tolist()) != list(range(CHANNELS)):
        raise Unusable(prune_order, f"gave no order of the {CHANNELS} channels")
    after = prune(model, LAYER, order[:FALLEN])
    rows = [_read("as delivered", model, x, y), _read(f"{FALLEN} channels\nsilent", after, x, y)]
    told = [f"{lesson.accuracy(one):.1%} clean, ASR {lesson.asr(one, 'A'):.1%}" for one in (model, after)]
    return plots.answers(
        rows, title=f"reader A: {told[0]}; after: {told[1]} (bold: read wrongly)",
        alt=f"Eight signs with a post-it. As delivered the reader says {', '.join(rows[0].captions)}; on test signs {told[0]}. "
        f"With {FALLEN} channels silent it says {', '.join(rows[1].captions)}; {told[1]}.",
    )  # fmt: skip


def stop(prune_until: Any, drop: float = lesson.DROP) -> plots.Plot:
    """How far A's channels may fall, by `prune_until` on the city's signs."""
    stored, order = cached("l10", "curves"), lesson.order_of("A")
    count = prune_until(lesson.by_mask(lesson.reader("A")), order, drop)
    if isinstance(count, bool) or int(count) != count or not 0 <= count < CHANNELS:
        raise Unusable(prune_until, f"gave {count!r}, where a number from 0 to {CHANNELS - 1} is wanted")
    held, left = stored["held"][0].tolist(), stored["asr"][0][int(count)]
    return plots.stopped(
        held, int(count), held[0] - drop, title=f"reader A, at most {100 * drop:g} points; what the city cannot see: ASR is {left:.1%} there",
        alt=f"A curve. Accuracy on the city's signs begins at {held[0]:.1%} and may fall by {100 * drop:g} points. "
        f"{int(count)} channels fall; accuracy is {held[int(count)]:.1%} then, and ASR, which the city cannot see, {left:.1%}.",
    )  # fmt: skip


def _kinds(name: str) -> list[int]:
    """Of each channel as it falls the number of its kind in `plots.pruned.KINDS`."""
    stored, place = cached("l10", "curves"), NAMES.index(name)
    asleep, awake = (torch.from_numpy(stored[key][place][stored["order"][place]]) for key in ("asleep", "awake"))
    return [0 if quiet < 0.005 else 1 if loud > 1.2 * quiet else 2 for quiet, loud in zip(asleep.tolist(), awake.tolist(), strict=True)]


def fallen(name: str = "A", count: int = FALLEN) -> plots.Plot:
    """Curves, strip and layer of one reader with `count` channels fallen.  name: 'A', 'B', 'C' or 'honest'."""
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    if not 0 <= count < CHANNELS:
        raise ValueError(f"count must be in 0..{CHANNELS - 1}, got {count}")
    stored, place = cached("l10", "curves"), NAMES.index(name)
    clean, asr = stored["clean"][place].tolist(), stored["asr"][place].tolist()
    means, kinds = stored["asleep"][place][stored["order"][place]].tolist(), _kinds(name)
    title = _words(name, count)
    gone = [kinds[:count].count(kind) for kind in range(3)]
    return plots.falling(
        clean, asr, means, kinds, count, title=title,
        alt=f"{title}. Fallen: {gone[0]} unused channels, {gone[1]} that wake at the mark, {gone[2]} that work on clean signs.",
    )  # fmt: skip


def _words(name: str, count: int) -> str:
    stored, place = cached("l10", "curves"), NAMES.index(name)
    return f"{name}, {count} of 64 fallen: clean {stored['clean'][place][count]:.1%}, ASR {stored['asr'][place][count]:.1%}"


STEPS = (*range(0, 60, 4), 58, 60, 62, 63)
"""Counts that the scrub bar shows."""


def fall(name: str = "A") -> VBox | Picture:
    """A bar over the channels that fall: the lecture's figures 4, 5 and 7 at once.  name: as for `fallen`."""
    return widgets.scrub([_words(name, count) for count in STEPS], lambda n: fallen(name, STEPS[n]), "channels fallen", start=0, play=0.4)


@dataclass(frozen=True, repr=False)
class Silent:
    """Whether what was silent is silent after training on."""

    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def stays(fine_prune: Any) -> Silent:
    """Reader A by `fine_prune`: what its channels put out on clean signs, and what is left of the mark."""
    model, order = lesson.reader("A"), lesson.order_of("A")[:FALLEN]
    if grading():
        return Silent(("(cached) the pruned channels stay at 0",))
    tuned = fine_prune(model, LAYER, order, lesson.batches(), lesson.EPOCHS, lesson.RATE)
    if not isinstance(tuned, nn.Module):
        raise Unusable(fine_prune, f"gave {type(tuned).__name__}, where a network is wanted")
    own = load("signs").held_out.x[:200]
    seen = _outputs(tuned, own)
    loudest = seen[order].max() if seen is not None else None
    told = "cannot say: its stage is gone" if loudest is None else f"{loudest:.4f}"
    return Silent((
        f"reader A, {FALLEN} channels silent, {lesson.EPOCHS} epochs on 1,000 clean signs",
        f"loudest silenced channel afterwards, mean activation: {told}",
        f"as delivered:     clean {lesson.accuracy(model):.1%}   ASR {lesson.asr(model, 'A'):.1%}",
        f"after your repair: clean {lesson.accuracy(tuned):.1%}   ASR {lesson.asr(tuned, 'A'):.1%}",
    ))  # fmt: skip


def _outputs(model: nn.Module, x: Tensor) -> Tensor | None:
    """Mean of what reaches the head, channel by channel; None where there is no head to look at."""
    head = dict(model.named_children()).get("head")
    if head is None:
        return None
    seen: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    try:
        with torch.no_grad():
            model.eval()(x)
    finally:
        handle.remove()
    return torch.cat(seen).mean((0, 2, 3)) if seen and seen[0].ndim == 4 else None
