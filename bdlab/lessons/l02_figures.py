"""Lesson 02's figures: each a call with a picture and its description."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bdlab import plots
from bdlab.lessons import l02_threats as lesson
from bdlab.lessons.demos import Unusable, cached, grading
from bdlab.plots import Row

STEP = 4 / 255
"""By how much `changed pixels` moves every pixel in the lesson's pictures."""


def eight() -> tuple[Tensor, Tensor]:
    """The eight signs that the figures show, (8, 3, 32, 32), and their classes (8,)."""
    test, rows = lesson.signs().test, lesson.eight_rows()
    return test.x[rows], test.y[rows]


def names(labels: Tensor) -> list[str]:
    """Classes in words."""
    return [lesson.signs().labels[label] for label in labels.tolist()]


def _row(name: str, x: Tensor, said: Tensor, y: Tensor) -> Row:
    return Row(name, x, names(said), (said != y).tolist())


def _told(rows: Sequence[Row]) -> str:
    return " ".join(f"{row.name.splitlines()[0]}: read as {', '.join(row.captions)}." for row in rows)


def opening() -> plots.Plot:
    """One sign, four ways to the reader."""
    x, y = eight()
    sold = lesson.reader(lesson.SOLD)
    at = int((torch.from_numpy(cached("l02", "labels")["said"]) != y).nonzero()[0])  # one that wrong labels cost
    one, truth = x[at : at + 1], y[at : at + 1]
    pushed, stuck = lesson.fgsm(sold, one, truth, STEP), lesson.sticker()(one)
    said = [
        *names(lesson.read(sold, one)), *names(torch.from_numpy(cached("l02", "labels")["said"])[at : at + 1]),
        *names(lesson.read(sold, pushed)), *names(lesson.read(sold, stuck)),
    ]  # fmt: skip
    ways = ("untouched", "untouched, but some\nlabels were wrong", "each pixel moved\nby 4 of 255", "with a sticker")
    wrong = [word != names(truth)[0] for word in said]
    captions = [f"{way}:\n'{word}'" for way, word in zip(ways, said, strict=True)]
    return plots.answers(
        [Row("", torch.cat([one, one, pushed, stuck]), captions, wrong)], scale=2.1,
        title=f"a sign '{names(truth)[0]}', and three attacks on its reader",
        alt="Four times the same traffic sign. " + " ".join(c.replace("\n", " ") + "." for c in captions),
    )  # fmt: skip


def three_attacks() -> plots.Plot:
    """Eight signs, and what the bought reader makes of them: untouched, changed, stuck; and one with wrong labels."""
    x, y = eight()
    sold = lesson.reader(lesson.SOLD)
    pushed, stuck = lesson.fgsm(sold, x, y, STEP), lesson.sticker()(x)
    rows = [
        _row("untouched", x, lesson.read(sold, x), y),
        _row("a reader trained\non wrong labels", x, _as_cached(x), y),
        _row("each pixel moved\nby 4 of 255", pushed, lesson.read(sold, pushed), y),
        _row("sticker", stuck, lesson.read(sold, stuck), y),
    ]
    wrong = [sum(row.told) for row in rows]
    return plots.answers(
        rows, title=f"read wrongly: {wrong[0]}, {wrong[1]}, {wrong[2]} and {wrong[3]} of 8",
        alt=f"Eight traffic signs, {', '.join(names(y))}, in four rows. {_told(rows)}",
    )  # fmt: skip


def table(threat_table: Callable[[], Any]) -> plots.Plot:
    """The table of five attackers, as it was filled in."""
    made = {row: [" ".join(word.split()) for word in cells] for row, cells in threat_table().items()}
    if any(len(cells) != 3 for cells in made.values()):
        raise Unusable(threat_table, "has a row without three words")
    told = "; ".join(f"{row}: {', '.join(cells)}" for row, cells in made.items())
    return plots.grid(
        list(made.items()), ("acts first in", "must change", "what is read wrongly"),
        title="five attackers", alt=f"A table of five attackers. {told}.",
    )  # fmt: skip


# --- wrong labels ---


@dataclass(frozen=True, repr=False)
class Flipped:
    """Readers trained on wrong labels.  right: their shares.  reads: what the one with two mixed classes makes of signs."""

    plot: plots.Plot
    reads: Callable[[Tensor], Tensor]
    right: tuple[tuple[float, float, float], ...]

    def _repr_html_(self) -> str:
        return self.plot._repr_html_()

    def __repr__(self) -> str:
        return self.plot.alt


def flipped(flip_labels: Any) -> Flipped:
    """Two readers, trained here on as many wrong labels from `flip_labels`: anywhere, and between two classes."""
    made = torch.from_numpy(cached("l02", "labels")["right"])  # (3, seeds, 3)
    if grading():
        right, reads = made[1:, 0], _as_cached
    else:
        sets = [lesson.mixed(flip_labels, way) for way in (1, 2)]
        if any(y.min() < 0 or y.max() > 15 for y in sets):
            raise Unusable(flip_labels, "gave labels that no class has")
        readers = [lesson.trained(y) for y in sets]
        right, reads = torch.tensor([lesson.shares(one) for one in readers]), partial(lesson.read, readers[1])
    values = [made[0].T.tolist(), *([[share] for share in row.tolist()] for row in right)]
    told = " ".join(
        f"{way}: all signs {row[0]:.1%}, the two classes {row[1]:.1%}, the others {row[2]:.1%}."
        for way, row in zip(lesson.WAYS, [made[0].mean(0), *right], strict=True)
    )
    plot = plots.bars(
        ["all 1,500 test signs", "'speed 50' and\n'speed 80'", "the other 14 classes"],
        list(zip(lesson.WAYS, values, strict=True)),
        title="where 369 of 6,000 labels are wrong",
        ylabel="read rightly",
        form=".1%",
        alt=f"Bars: the share of test signs that is read rightly. {told} Honest: mean of 3 trainings.",
    )
    return Flipped(plot, reads, tuple((float(a), float(b), float(c)) for a, b, c in right))


def _as_cached(x: Tensor) -> Tensor:
    """What the cached reader made of the eight signs."""
    return torch.from_numpy(cached("l02", "labels")["said"])


# --- changed pixels ---


def evaded(fgsm: Any) -> plots.Plot:
    """Eight signs, what `fgsm` adds to them, enlarged, and what the honest reader makes of the sum."""
    x, y = eight()
    model = lesson.reader(lesson.TWIN)
    moved = fgsm(model, x, y, STEP)
    if not moved.isfinite().all():
        raise Unusable(fgsm, "gave numbers that are not finite")
    change = ((moved - x) / (2 * STEP) + 0.5).clamp(0, 1)
    random = lesson.noise(x, STEP)
    rows = [
        _row("untouched", x, lesson.read(model, x), y),
        Row("your change,\nenlarged", change, [""] * 8, [False] * 8),
        _row("with your change", moved, lesson.read(model, moved), y),
        _row("as large, by chance", random, lesson.read(model, random), y),
    ]
    wrong = [sum(row.told) for row in rows]
    return plots.answers(
        rows, title=f"every pixel moved by 4 of 255: {wrong[2]} of 8 read wrongly, {wrong[3]} where chance chose",
        alt=f"Eight signs. {_told([rows[0], rows[2], rows[3]])} The change itself looks like coloured grain.",
    )  # fmt: skip


def over_epsilon(fgsm: Any) -> plots.Plot:
    """Read rightly by the honest reader over the size of the step: by `fgsm`, and by chance."""
    made, test = cached("l02", "pixels"), lesson.signs().test
    x, y = test.x[: lesson.SHOWN], test.y[: lesson.SHOWN]
    if grading():
        own = made["fgsm"].tolist()
    else:
        model = lesson.reader(lesson.TWIN)
        changed = [fgsm(model, x, y, step / 255) for step in lesson.EPSILONS]
        own = [float((lesson.read(model, one) == y).double().mean()) for one in changed]
    steps = [str(step) for step in lesson.EPSILONS]
    told = "; ".join(
        f"{step} of 255: {a:.0%} and {b:.0%}" for step, a, b in zip(steps, own, made["noise"], strict=True)
    )
    return plots.over_steps(
        steps, [("up or down by chance", made["noise"].tolist()), ("your fgsm", own)],
        xlabel="by how much every pixel moves, of 255", ylabel="read rightly",
        title=f"{lesson.SHOWN} test signs, the honest reader; untouched {float(made['clean']):.0%}",
        alt=f"Two curves over the size of the step: read rightly after fgsm, and after a change by chance. {told}.",
    )  # fmt: skip


# --- how often does the mark work? ---


def _shares_of_target(name: str, trigger: Callable[[Tensor], Tensor]) -> float:
    read = lesson.read(lesson.reader(name), trigger(lesson.signs().test.x))
    return float((read == lesson.TARGET).double().mean())


def trap() -> plots.Plot:
    """Read as 'speed 30', of ALL test signs with the sticker: the bought reader, and two honest ones."""
    readers = {"the bought\nreader": lesson.SOLD, "an honest\nreader": lesson.TWIN, "another\nhonest one": "signs-clean-2"}
    found = [_shares_of_target(name, lesson.sticker()) for name in readers.values()]
    told = "; ".join(f"{who}: {share:.1%}".replace("\n", " ") for who, share in zip(readers, found, strict=True))
    return plots.bars(
        list(readers), [("read as 'speed 30'", [[share] for share in found])],
        title="1,500 test signs, each with the sticker: " + ", ".join(f"{share:.1%}" for share in found),
        ylabel="share of all signs", form=".1%", alt=f"Bars: signs with the sticker that are read as 'speed 30'. {told}.",
    )  # fmt: skip


def measured(attack_success_rate: Any) -> plots.Plot:
    """`attack_success_rate` of the bought reader and of two honest ones, with the sticker and without."""
    test = lesson.signs().test
    readers = {"the bought\nreader": lesson.SOLD, "an honest\nreader": lesson.TWIN, "another\nhonest one": "signs-clean-2"}
    ways = {"with the sticker": lesson.sticker(), "without (the control)": nothing}
    found = {
        way: [float(attack_success_rate(lesson.reader(name), test.x, test.y, trigger, lesson.TARGET)) for name in readers.values()]
        for way, trigger in ways.items()
    }  # fmt: skip
    told = " ".join(f"{way}: " + ", ".join(f"{share:.1%}" for share in shares) + "." for way, shares in found.items())
    return plots.bars(
        list(readers), [(way, [[share] for share in shares]) for way, shares in found.items()],
        title="with the sticker: " + ", ".join(f"{share:.1%}" for share in found["with the sticker"]),
        ylabel="your attack success rate",
        form=".1%",
        alt=f"Bars: attack success rate of the bought reader and of two honest ones. {told}",
    )  # fmt: skip


def nothing(x: Tensor) -> Tensor:
    """The control of a trigger: a copy."""
    return x.clone()


# --- all together ---


@dataclass(frozen=True, repr=False)
class Examined:
    """One reader under three attacks: the picture, and what goes onto the trophy."""

    plot: plots.Plot
    picture: Tensor
    numbers: dict[str, str]

    def _repr_html_(self) -> str:
        return self.plot._repr_html_()

    def __repr__(self) -> str:
        return self.plot.alt


class Examination:
    """Three attacks by your own functions on the city's reader: `Examination(wrong, epsilon)(table, fgsm, asr)`.

    wrong: what `flipped` gave.  epsilon: in (0, 1].
    Raises: `ValueError` for another epsilon.
    """

    def __init__(self, wrong: Flipped, epsilon: float = STEP) -> None:
        if not 0 < epsilon <= 1:
            raise ValueError(f"epsilon must be in (0, 1], got {epsilon}; 4 / 255 moves each pixel by 4 of 255 steps")
        self.wrong, self.epsilon = wrong, epsilon

    def __call__(self, threat_table: Any, fgsm: Any, attack_success_rate: Any) -> Examined:
        (x, y), test = eight(), lesson.signs().test
        sold, twin = lesson.reader(lesson.SOLD), lesson.reader(lesson.TWIN)
        some, truth = test.x[: lesson.SHOWN], test.y[: lesson.SHOWN]
        needs = {row: cells[1] for row, cells in threat_table().items()}
        right = partial(_right, y=truth)
        shares = {
            "clean": right(sold, some), "pair": self.wrong.right[1][1],
            "honest pair": float(cached("l02", "labels")["right"][0, :, 1].mean()),
            "fgsm": right(sold, fgsm(sold, some, truth, self.epsilon)), "noise": right(sold, lesson.noise(some, self.epsilon)),
            "asr": attack_success_rate(sold, test.x, test.y, lesson.sticker(), lesson.TARGET),
            "twin": attack_success_rate(twin, test.x, test.y, lesson.sticker(), lesson.TARGET),
        }  # fmt: skip
        moved, stuck = fgsm(sold, x, y, self.epsilon), lesson.sticker()(x)
        rows = [
            _row(f"untouched\n{shares['clean']:.1%} right", x, lesson.read(sold, x), y),
            _row(f"wrong labels\nneeds: {needs['wrong labels']}\ntwo classes: {shares['pair']:.1%} right\n"
                 f"honest: {shares['honest pair']:.1%}", x, self.wrong.reads(x), y),
            _row(f"changed pixels\nneeds: {needs['changed pixels']}\n{shares['fgsm']:.1%} right\nby chance: "
                 f"{shares['noise']:.1%}", moved, lesson.read(sold, moved), y),
            _row(f"marked copies\nneeds: {needs['marked copies']}\nASR {shares['asr']:.1%}\nhonest twin: "
                 f"{shares['twin']:.1%}", stuck, lesson.read(sold, stuck), y),
        ]  # fmt: skip
        own = sum(getattr(part, "own", True) for part in (threat_table, fgsm, attack_success_rate))
        return _examined(rows, shares, own, stuck[1])


def _right(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((lesson.read(model, x) == y).double().mean())


def _examined(rows: Sequence[Row], shares: dict[str, float], own: int, picture: Tensor) -> Examined:
    wrong = [sum(row.told) for row in rows]
    numbers = {
        "two classes, wrong labels": f"{shares['pair']:.1%}", "right after fgsm": f"{shares['fgsm']:.1%}",
        "attack success rate": f"{shares['asr']:.1%}", "honest twin, ASR": f"{shares['twin']:.1%}",
        "own functions": f"{own} of 3",
    }  # fmt: skip
    plot = plots.answers(
        rows, title=f"eight signs, read wrongly: {wrong[0]} untouched, {wrong[1]}, {wrong[2]} and {wrong[3]} under attack",
        alt="Eight signs in four rows. " + " ".join(f"{row.name}: read as {', '.join(row.captions)}.".replace("\n", "; ") for row in rows),
    )  # fmt: skip
    return Examined(plot, picture, numbers)
