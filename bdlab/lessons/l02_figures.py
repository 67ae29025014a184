"""Lesson 02's figures: each a call with a picture and its description."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

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


def clearest(x: Tensor, among: Tensor) -> int:
    """Which of the signs among which `among` (N,) holds has most contrast in its middle, where the number stands."""
    contrast = x.mean(1)[:, 10:22, 10:22].flatten(1).std(1)
    return int(contrast.where(among, torch.tensor(-1.0)).argmax())


def row_of(name: str, x: Tensor, said: Tensor, y: Tensor) -> Row:
    """Signs with what a reader makes of them, in bold where it is wrong."""
    return Row(name, x, names(said), (said != y).tolist())


def _told(rows: Sequence[Row]) -> str:
    return " ".join(f"{row.name.splitlines()[0]}: read as {', '.join(row.captions)}." for row in rows)


def opening() -> plots.Plot:
    """One sign, four ways to the reader: the clearest on which an honest small reader is right and each attack works."""
    test, pair = lesson.signs().test, torch.tensor(lesson.PAIR)
    rows = torch.isin(test.y, pair).nonzero().flatten()
    x, y = test.x[rows], test.y[rows]
    sold, poisoned = lesson.reader(lesson.SOLD), lesson.trained(lesson.mixed(lesson.flip_labels, 2))
    honest = lesson.trained(lesson.signs().train.y)
    pushed, stuck = lesson.fgsm(sold, x, y, STEP), lesson.sticker()(x)
    right = (lesson.read(sold, x) == y) & (lesson.read(honest, x) == y)
    swapped = torch.isin(lesson.read(poisoned, x), pair) & (lesson.read(poisoned, x) != y)
    at = clearest(x, right & swapped & (lesson.read(sold, pushed) != y) & (lesson.read(sold, stuck) == lesson.TARGET))
    one, pushed, stuck, truth = (part[at : at + 1] for part in (x, pushed, stuck, y))
    ways = ((sold, one), (poisoned, one), (sold, pushed), (sold, stuck))
    said = [names(lesson.read(reader, image))[0] for reader, image in ways]
    how = ("untouched", "untouched, but some\nlabels were wrong", "each pixel moved\nby 4 of 255", "with a sticker")
    wrong = [word != names(truth)[0] for word in said]
    captions = [f"{way}:\n'{word}'" for way, word in zip(how, said, strict=True)]
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
        row_of("untouched", x, lesson.read(sold, x), y),
        row_of("a reader trained\non wrong labels", x, _as_cached(x), y),
        row_of("each pixel moved\nby 4 of 255", pushed, lesson.read(sold, pushed), y),
        row_of("sticker", stuck, lesson.read(sold, stuck), y),
    ]
    wrong = [sum(row.told) for row in rows]
    return plots.answers(
        rows, title=f"read wrongly: {wrong[0]}, {wrong[1]}, {wrong[2]} and {wrong[3]} of 8",
        alt=f"Eight traffic signs, {', '.join(names(y))}, in four rows. {_told(rows)}",
    )  # fmt: skip


def blank() -> dict[str, tuple[str, str, str]]:
    """A table of the five attackers that is not filled in."""
    return dict.fromkeys(lesson.threat_table(), ("?", "?", "?"))


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
    moved = fgsm(model, x, y, STEP).detach()
    if not moved.isfinite().all():
        raise Unusable(fgsm, "gave numbers that are not finite")
    change = ((moved - x) / (2 * STEP) + 0.5).clamp(0, 1)
    random = lesson.noise(x, STEP)
    rows = [
        row_of("untouched", x, lesson.read(model, x), y),
        Row("your change,\nenlarged", change, [""] * 8, [False] * 8),
        row_of("with your change", moved, lesson.read(model, moved), y),
        row_of("as large, by chance", random, lesson.read(model, random), y),
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
        changed = [fgsm(model, x, y, step / 255).detach() for step in lesson.EPSILONS]
        own = [float((lesson.read(model, one) == y).double().mean()) for one in changed]
    steps = [str(step) for step in lesson.EPSILONS]
    told = "; ".join(
        f"{step} of 255: {a:.0%} and {b:.0%}" for step, a, b in zip(steps, own, made["noise"], strict=True)
    )
    return plots.over_steps(
        steps, [("up or down by chance", made["noise"].tolist()), ("your fgsm", own)],
        xlabel="by how much every pixel moves, of 255", ylabel="read rightly",
        title=f"{lesson.SHOWN} test signs, the honest twin; untouched {float(made['clean']):.0%}",
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
