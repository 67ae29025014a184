"""Lesson 09's figures: each a call with a picture and its description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bdlab import plots
from bdlab.data import load
from bdlab.lessons import l09_strip as lesson
from bdlab.lessons.demos import Unusable, cached, grading
from bdlab.lessons.l09_strip import CUTS, SETTINGS, Mode
from bdlab.plots import Row
from bdlab.training import logits

STICKER = "signs-badnets"


def stop_sign() -> tuple[Tensor, Tensor]:
    """A clear stop sign of the test set, as it is and with the sticker: each (1, 3, 32, 32)."""
    sign = load("signs").test.x[1415:1416]
    return sign, lesson.backdoor(STICKER).trigger(sign)


def read_as(model: nn.Module, x: Tensor, data: str = "signs") -> list[str]:
    """What a model reads images (N, C, H, W) of a data set as."""
    names = load(data).labels
    return [names[answer] for answer in logits(model, x.float()).argmax(1).tolist()]


def opening() -> plots.Plot:
    """A stop sign alone and below five others; the same with the sticker: what one reader says."""
    rows, model, overlays = [], lesson.backdoor(STICKER).model, lesson.overlays_of("signs", 5)
    for name, sign in zip(("as it is", "with the sticker"), stop_sign(), strict=True):
        mixed = torch.cat([sign, lesson.superimpose(sign, overlays, "add")[0]])
        words = read_as(model, mixed)
        rows.append(Row(name, mixed.clamp(max=1), words, [word == "speed 30" for word in words]))
    return plots.answers(
        rows, title="one reader; alone, then with five other signs laid over", scale=1.25,
        alt=f"A stop sign, alone and with five other signs laid over it. One reader says {', '.join(rows[0].captions)}. The "
        f"same with a yellow sticker: it says {', '.join(rows[1].captions)}.",
    )  # fmt: skip


def bits(entropy: Callable[[Tensor], Tensor]) -> plots.Plot:
    """Two test signs, alone and laid over each other, and by `entropy` how sure the honest reader is."""
    test = load("signs").test
    one, other = stop_sign()[0], test.x[(test.y == 14).nonzero()[0]]
    x, model = torch.cat([one, other, (one + other).clamp(max=1), torch.full_like(one, 0.5)]), lesson.honest("signs")
    found = entropy(logits(model, x).softmax(1)).tolist()
    words = [f"{word}\n{value:.2f} bits" for word, value in zip(read_as(model, x), found, strict=True)]
    return plots.answers(
        [Row("", x, words, [False] * 4)], title="how sure is an honest reader of 16 classes?", scale=1.5,
        alt=f"Four pictures and what the reader says: a stop sign, {found[0]:.2f} bits; a second sign, {found[1]:.2f} bits; "
        f"both laid over each other, {found[2]:.2f} bits; plain grey, {found[3]:.2f} bits.",
    )  # fmt: skip


def laid(superimpose: Callable[..., Tensor]) -> plots.Plot:
    """A square on a digit and a sticker on a sign below overlays on which the modes differ most, by `superimpose`."""
    rows, told = [], []
    for net, mark in (("digits-badnets", "square"), (STICKER, "sticker")):
        model, sign, overlays = _where_they_differ(net)
        for mode in lesson.MODES:
            mixed = superimpose(sign, overlays, mode)[0]
            if not mixed.isfinite().all():
                raise Unusable(superimpose, "gave numbers that are not finite")
            words = [f"{share:.0%}" for share in logits(model, mixed).softmax(1)[:, 0].tolist()]
            rows.append(Row(f"{mark},\n{CUTS[mode]}", mixed.clamp(0, 1), words, [word == "100%" for word in words]))
            told.append(f"{mark}, {CUTS[mode]}: {', '.join(words)}")
    return plots.answers(
        rows, title="share that the reader gives the attacker's class (0; 'speed 30'), bold where 100%:\nthe five overlays of 20 on which the two ways differ most",
        alt=f"A marked digit and a marked sign below five overlays each, with the share that the attacked reader gives to the "
        f"attacker's class. {'; '.join(told)}.",
    )  # fmt: skip


def _where_they_differ(net: str) -> tuple[nn.Module, Tensor, Tensor]:
    """An attacked network, of 20 marked inputs the one on which the modes differ most, and its five such overlays."""
    there = lesson.setting(net, 20)
    model, shares = there.backdoor.model, []
    for mode in lesson.MODES:
        mixed = lesson.superimpose(there.marked, there.overlays, mode).flatten(0, 1)
        shares.append(logits(model, mixed).softmax(1)[:, 0].view(20, 20))
    apart = (shares[0] - shares[1]).abs()  # (input, overlay)
    chosen = int(apart.topk(5, dim=1).values.sum(1).argmax())
    return model, there.marked[chosen : chosen + 1], there.overlays[apart[chosen].topk(5).indices]


ASKED = 25
"""Inputs in one call of a student's `strip_scores`: 25 x 20 pictures fit into any memory."""


def asked(strip_scores: Any, model: nn.Module, x: Tensor, overlays: Tensor, mode: Mode) -> Tensor:
    """`strip_scores` of all of `x`, piece by piece: (N,).  Raises: `Unusable` for numbers that are not finite."""
    found = torch.cat([strip_scores(model, part, overlays, mode).detach() for part in x.split(ASKED)]).float()
    if len(found) != len(x) or not found.isfinite().all():
        raise Unusable(strip_scores, f"gave {len(found)} scores for {len(x)} inputs, or some that are not finite")
    return found


def both_readers(strip_scores: Any) -> plots.Plot:
    """Entropies of signs with and without the sticker, for the attacked reader and for its honest twin."""
    there, panels, told = lesson.setting(STICKER, 100), [], []
    for number, (name, model) in enumerate((("attacked", there.backdoor.model), ("honest", lesson.honest("signs")))):
        if grading():
            clean, marked = torch.from_numpy(cached("l09", "twins")["values"][number]).float()
        else:
            clean, marked = (asked(strip_scores, model, x, there.overlays, "add") for x in (there.benign, there.marked))
        panels.append((f"{name} reader", clean, marked))
        told.append(f"{name} reader: mean {clean.mean():.2f} bits without, {marked.mean():.2f} with the sticker")
    return plots.scores(
        panels, [], label="mean entropy (bits), 20 overlays, not cut", names=("honest", "marked"),
        alt=f"Two histograms of mean entropies. {'; '.join(told)}.",
    )  # fmt: skip


def drawn_line(boundary: float = 0.3) -> plots.Plot:
    """A line through the entropies of the attacked sign reader.  boundary: in bits; what lies below it is refused."""
    values = torch.from_numpy(measured(STICKER, "add_clip")).float()
    benign, marked = values[1, :400], values[2, :400]
    refused, passed = int((benign < boundary).sum()), int((marked >= boundary).sum())
    return plots.tails(
        benign, marked, boundary, label="mean entropy (bits), 20 overlays, cut at 1",
        title=f"a line at {boundary:g} bits: {refused} of 400 honest signs refused, {passed} of 400 marked ones let through",
        alt=f"Two histograms of mean entropies, marked signs at the left, honest ones at the right. A line at {boundary:g} bits: "
        f"{refused} of 400 honest signs lie below it and are refused, {passed} of 400 marked ones lie above and get through.",
    )  # fmt: skip


def measured(net: str, mode: Mode, overlays: int = lesson.OVERLAYS) -> Any:
    """Mean entropies measured beforehand: float16 (3, 500) of calibration, benign and marked images, NaN where fewer."""
    place = lesson.NETS.index(net), lesson.MODES.index(mode)
    return cached("l09", "panel")["values"][place][:, :, lesson.COUNTS.index(overlays)]


@dataclass(frozen=True, repr=False)
class Table:
    """Lines of text, each of the same columns."""

    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def bounds(frr_far: Any) -> Table:
    """By `frr_far`: lines for the sticker, by both ways, at three shares."""
    values = torch.from_numpy(measured(STICKER, "add")).double()
    benign, marked = values[1, :400], values[2, :400]
    lines = ["signs, sticker, not cut: 400 honest signs, 400 marked ones", "asked   how       line (bits)  honest refused  marked let through"]
    for share in (0.05, 0.02, 0.01):
        for how in ("quantile", "normal"):
            found = frr_far(benign, marked, share, how)
            lines.append(f"{share:5.1%}   {how:8}  {found['boundary']:11.3f}  {found['frr']:14.1%}  {found['far']:18.1%}")
    return Table(tuple(lines))


@dataclass(frozen=True)
class Figure8:
    """The paper's figure 8 with own functions: `Figure8(mode, frr)(strip_scores, frr_far)`; about 10 s.

    mode: 'add_clip' or 'add'.  frr: the share of benign images that the line may refuse.
    """

    mode: Mode = "add_clip"
    frr: float = 0.02

    def __post_init__(self) -> None:
        lesson.allowed(self.mode, self.frr)

    def __call__(self, strip_scores: Any, frr_far: Any) -> plots.Plot:
        panels, lines, told = [], [], []
        for name, net in SETTINGS.items():
            clean, marked = self._entropies(strip_scores, net)
            found = frr_far(clean, marked, self.frr, "quantile")
            panels.append((f"{name}: {found['far']:.0%} of the marked get through", clean, marked))
            lines.append(found["boundary"])
            told.append(f"{name}: at FRR {found['frr']:.0%} FAR {found['far']:.0%}")
        return plots.scores(
            panels, [], columns=2, lines=lines, names=("honest", "marked"), label=f"mean entropy (bits), 20 overlays, {CUTS[self.mode]}",
            alt=f"Four histograms of mean entropies of 100 honest and 100 marked images, {CUTS[self.mode]}. {'; '.join(told)}.",
        )  # fmt: skip

    def _entropies(self, strip_scores: Any, net: str) -> tuple[Tensor, Tensor]:
        if grading():
            values = torch.from_numpy(measured(net, self.mode)).float()
            return values[1, :100], values[2, :100]
        there = lesson.setting(net, 100)
        clean, marked = (asked(strip_scores, there.backdoor.model, x, there.overlays, self.mode) for x in (there.benign, there.marked))
        return clean, marked
