"""Lesson 01: the student's own functions train a reader, and it reads what somebody draws."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from bdlab import plots, widgets
from bdlab.data import load
from bdlab.data.digits import enlarge
from bdlab.lessons import l01_networks as lesson
from bdlab.lessons.demos import cached, grading

if TYPE_CHECKING:
    from ipywidgets import VBox

EVERY = 10
"""Training steps between two looks at 300 test images."""


@dataclass
class Course:
    """A training as far as it has come.  steps: of the whole of it; looks: (step, share of 300 test images read rightly)."""

    steps: int
    looks: list[tuple[int, float]] = field(default_factory=list)
    passes: list[tuple[int, float, float, float]] = field(default_factory=list)
    """(step, mean loss of the pass, loss on the test set, accuracy on it)."""

    def picture(self) -> plots.Plot:
        """Both curves."""
        at, shares = [step for step, _ in self.looks], [share for _, share in self.looks]
        ends = [row[0] for row in self.passes]
        loss = [
            ("training, mean of a pass", ends, [r[1] for r in self.passes]),
            ("test", ends, [r[2] for r in self.passes]),
        ]
        right = [("300 test images", at, shares), ("all test images", ends, [r[3] for r in self.passes])]
        told = f"{self.passes[-1][3]:.1%} of the test images are read rightly" if self.passes else "no pass is complete"
        return plots.learning(
            loss if self.passes else [], right, steps=self.steps,
            title=f"step {at[-1] if at else 0} of {self.steps}: {told}",
            alt=f"Loss and accuracy over {self.steps} training steps. After step {at[-1] if at else 0}: {told}.",
        )  # fmt: skip


@dataclass(frozen=True, repr=False)
class Trained:
    """A reader that the student's own functions trained.  numbers: what goes onto the trophy."""

    model: lesson.Reader
    course: Course
    numbers: dict[str, str]

    def shares(self, images: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) -> shares of the classes (N, 10)."""
        return lesson.answers(self.model, images).softmax(1)

    def __repr__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.numbers.items())


class Training:
    """`Training(epochs, rate)(linear_relu, accuracy, softmax_xent, train_epoch)` trains a reader, about 2 s a pass.

    rate: the learning rate.  data: 'digits', or 'mnist' where BDLAB_DATA names a folder that has it; a pass shows 6,000
    images.
    """

    def __init__(
        self, epochs: int = lesson.EPOCHS, rate: float = lesson.RATE, seed: int = 0,
        data: Literal["digits", "mnist", "fashion_mnist"] = "digits",
    ) -> None:  # fmt: skip
        if not 1 <= epochs <= 50:
            raise ValueError(f"epochs must be in 1..50, got {epochs!r}")
        if not 0 < rate <= 100:
            raise ValueError(f"rate must be above 0 and at most 100, got {rate!r}")
        self.epochs, self.rate, self.seed, self.data = epochs, rate, seed, data
        self.live = widgets.Live()

    def __call__(self, linear_relu: Any, accuracy: Any, softmax_xent: Any, train_epoch: Any) -> Trained:
        if grading():
            return _remembered()
        data = load(self.data)
        lesson.check_layer(linear_relu)
        model = lesson.Reader(linear_relu, self.seed)
        optimiser = torch.optim.SGD(model.parameters(), self.rate)
        loader = lesson.Batches(data.train, self.seed)
        course, step = Course(self.epochs * len(loader)), 0

        def look() -> None:
            nonlocal step
            step += 1
            if step % EVERY == 0:
                course.looks.append((step, lesson.accuracy(model, data.test.x[:300], data.test.y[:300], 300)))
                self.live.show(course.picture)

        loader.after = look
        for number in range(1, self.epochs + 1):
            loss = train_epoch(model, loader, optimiser)
            test = softmax_xent(lesson.answers(model, data.test.x), data.test.y)
            share = accuracy(model, data.test.x, data.test.y, 500)
            course.passes.append((number * len(loader), float(loss), float(test), float(share)))
        self.live.show(course.picture, last=True)
        own = sum(getattr(part, "own", True) for part in (linear_relu, accuracy, softmax_xent, train_epoch))
        read = int((lesson.answers(model, lesson.ten()).argmax(1) == torch.arange(10)).sum())
        return Trained(model, course, _numbers(course.passes[-1][3], read, own))


def _numbers(share: float, read: int, own: int) -> dict[str, str]:
    return {"test images right": f"{share:.1%}", "drawn digits read": f"{read} of 10", "own functions": f"{own} of 4"}


def _remembered() -> Trained:
    """What the library's parts gave, without training: its reader is as it was made."""
    made, course = cached("l01", "training"), Course(lesson.EPOCHS * 120)
    rows = zip(made["loss"], made["test_loss"], made["accuracy"], strict=True)
    course.passes += [(120 * n, float(a), float(b), float(c)) for n, (a, b, c) in enumerate(rows, 1)]
    read = int((made["ten"] == np.arange(10)).sum())
    return Trained(lesson.Reader(lesson.linear_relu), course, _numbers(float(made["accuracy"][-1]), read, 0))


@dataclass(frozen=True, repr=False)
class Pass:
    """What one pass of a `train_epoch` did to a reader that knew nothing."""

    returned: float
    before: tuple[float, float]
    after: tuple[float, float]

    def __repr__(self) -> str:
        (loss, share), (later, right) = self.before, self.after
        return (
            f"A fresh reader, 1,500 test images:  loss {loss:.2f}, {share:.1%} right\n"
            f"After one pass of your loop:        loss {later:.2f}, {right:.1%} right\n"
            f"Your loop returned {self.returned:.2f}, the mean over the pass: it began with a reader that knew nothing."
        )


def one_pass(train_epoch: Any) -> Pass:
    """`train_epoch` for one pass over the digits, on a reader as it was made."""
    made = cached("l01", "training")
    if grading():
        after = float(made["test_loss"][0]), float(made["accuracy"][0])
        return Pass(float(made["loss"][0]), (float(made["fresh_loss"]), float(made["fresh"])), after)
    data, model = load("digits"), lesson.Reader(lesson.linear_relu)

    def judged() -> tuple[float, float]:
        logits = lesson.answers(model, data.test.x)
        return lesson.softmax_xent(logits, data.test.y).item(), (logits.argmax(1) == data.test.y).float().mean().item()

    before, loader = judged(), lesson.Batches(data.train)
    loss = train_epoch(model, loader, torch.optim.SGD(model.parameters(), lesson.RATE))
    return Pass(float(loss), before, judged())


# --- drawn digits ---

FOUR = lesson.TEN[4].split()
"""What the drawing pad begins with."""
HINTS = (
    "Fewer than seven: train for four passes with rate 0.1, on digits. In five such trainings our reader read nine or ten. "
    "A reader of other images, MNIST's say, reads fewer."
)


def ten_drawn(reader: Trained) -> plots.Plot:
    """Ten digits as we drew them on the grid, and what the reader says; hints where it reads fewer than seven."""
    shares = torch.from_numpy(cached("l01", "training")["ten_shares"]) if grading() else reader.shares(lesson.ten())
    read = shares.argmax(1).tolist()
    right = sum(said == label for label, said in enumerate(read))
    captions = [f"{said}: {100 * row.max():.0f} %" for said, row in zip(read, shares, strict=True)]
    hint = f" {HINTS}" if right < 7 else ""
    wrong = [said != label for label, said in enumerate(read)]
    return plots.answers(
        [plots.Row("", lesson.ten()[at : at + 5], captions[at : at + 5], wrong[at : at + 5]) for at in (0, 5)],
        title=f"ten drawn digits: {right} of 10 read" + (f"\n{HINTS.replace('. ', '.' + chr(10))}" if hint else ""),
        alt=f"The digits 0 to 9, drawn on a grid of 8x8 cells and enlarged. The reader says {read}: {right} of 10 are right.{hint}",
    )  # fmt: skip


def no_digits(reader: Trained) -> plots.Plot:
    """Five drawings of no digit, and what the reader says all the same."""
    made = cached("l01", "training")["nonsense_shares"]
    shares = torch.from_numpy(made) if grading() else reader.shares(lesson.nonsense())
    rows = list(zip(lesson.NONSENSE, lesson.nonsense(), shares, strict=True))
    told = "; ".join(f"{name}: reads {int(row.argmax())} with {100 * row.max():.0f} %" for name, _, row in rows)
    return plots.sure(
        [(f"{name}: {int(row.argmax())}", image, row) for name, image, row in rows],
        title="no digits, but answers", alt=f"Five drawings that are no digits, and the shares of the ten classes. {told}.",
    )  # fmt: skip


def drawn(reader: Trained, rows: Sequence[str] = FOUR) -> plots.Plot:
    """What a reader says to a drawing: eight rows of eight '.' paper, '+' grey, '#' ink."""
    return _read(reader, lesson.scan(list(rows)), "the drawing")


def from_png(reader: Trained, path: str | os.PathLike[str]) -> plots.Plot:
    """What a reader says to a picture in a file: it is made grey, small (8x8), light on dark, and enlarged again."""
    from PIL import Image

    where = Path(path).expanduser()
    if not where.is_file():
        raise FileNotFoundError(
            f"path must name a picture, got {str(path)!r}, which is not there; put it beside the notebook"
        )
    grey = torch.from_numpy(
        np.asarray(Image.open(where).convert("L").resize((8, 8), Image.Resampling.BOX)).astype("float32")
    )
    edge = torch.cat([grey[0], grey[-1], grey[:, 0], grey[:, -1]]).mean()
    grey = 255 - grey if edge > 127 else grey  # ink is light here
    scan = (grey - grey.min()) / (grey.max() - grey.min()).clamp_min(1)
    return _read(reader, scan[None, None], where.name)


def _read(reader: Trained, scan: Tensor, name: str) -> plots.Plot:
    image = enlarge(scan)
    shares = reader.shares(image)[0]
    words = _words(shares)
    return plots.sure(
        [("enlarged to 28 x 28", image[0], shares)], title=f"{name}:\n{words}",
        alt=f"{name}, enlarged as the scans of the data are, and the shares of the ten classes. {words}",
    )  # fmt: skip


def _words(shares: Tensor) -> str:
    order = shares.argsort(descending=True)
    return f"Reads {int(order[0])} with {100 * shares[order[0]]:.0f} %, then {int(order[1])} with {100 * shares[order[1]]:.0f} %."


class Sheet:
    """The drawing pad of a reader, and what is drawn on it.  `image`: enlarged, (1, 28, 28)."""

    def __init__(self, reader: Trained) -> None:
        self.reader, self.image = reader, enlarge(lesson.scan(FOUR))[0]

    def changed(self, rows: list[str]) -> tuple[str, str]:
        """Read the new drawing: words, and the enlarged image with a bar for every class."""
        self.image = enlarge(lesson.scan(rows))[0]
        shares = self.reader.shares(self.image[None])[0]
        return _words(shares), _html(self.image, shares)

    def box(self) -> VBox:
        """The widget."""
        still = drawn(self.reader)
        return widgets.pad(FOUR, self.changed, still.alt, still._repr_html_())


def sheet(reader: Trained) -> tuple[Sheet, Any]:
    """A drawing pad, and what shows it: the widget, or one still picture while nbgrader grades."""
    own = Sheet(reader)
    return own, drawn(reader) if grading() else own.box()


def _html(image: Tensor, shares: Tensor) -> str:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray((255 * image[0]).round().byte().numpy()).save(out, format="png")
    data, best = base64.b64encode(out.getvalue()).decode(), int(shares.argmax())
    bars = "".join(
        f'<tr><td style="padding: 0 8px; text-align: right">{label}</td><td style="width: 160px; padding: 1px 0">'
        f'<div style="height: 14px; width: {max(160 * share, 1):.0f}px; '
        f'background: {"#D55E00" if label == best else "#888888"}"></div></td>'
        f'<td style="padding: 0 8px; text-align: right">{100 * share:.0f} %</td></tr>'
        for label, share in enumerate(shares.tolist())
    )
    return (
        f'<img alt="the drawing, enlarged" width="140" height="140" style="image-rendering: pixelated; margin: 0 16px 8px 0" '
        f'src="data:image/png;base64,{data}"><table style="border-collapse: collapse; line-height: 1.2">{bars}</table>'
    )
