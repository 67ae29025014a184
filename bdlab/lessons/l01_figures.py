"""Lesson 01's figures: each a call with a picture and its description."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bdlab import plots, widgets
from bdlab.data import load
from bdlab.lessons import l01_networks as lesson
from bdlab.lessons.demos import Unusable, cached, grading

if TYPE_CHECKING:
    from ipywidgets import VBox

    from bdlab.widgets.scrubbing import Picture


def opening() -> plots.Plot:
    """A drawn 4, a drawn house and nothing at all, and what one reader makes of each."""
    made, house = cached("l01", "training"), list(lesson.NONSENSE).index("a house")
    blank = list(lesson.NONSENSE).index("nothing")
    images = torch.cat([lesson.ten()[4:5], lesson.nonsense()[[house, blank]]])
    shares = torch.from_numpy(made["ten_shares"][4:5]), torch.from_numpy(made["nonsense_shares"][[house, blank]])
    names, rows = ("a drawn 4", "a drawn house", "an empty sheet"), torch.cat(shares)
    told = "; ".join(
        f"{name}: reads {int(row.argmax())} with {100 * row.max():.1f} %" for name, row in zip(names, rows, strict=True)
    )
    return plots.sure(
        [(f"{n}: reads {int(row.argmax())}", x, row) for n, x, row in zip(names, images, rows, strict=True)],
        title="one reader of digits, three drawings",
        alt=f"Three drawings, and below each the shares that a reader of digits gives to the classes 0 to 9. {told}.",
    )


# --- one neuron ---

STEP = 15
"""Degrees between two pictures of `neuron`."""


@cache
def _ink(label: int) -> Tensor:
    """Of 150 training images of a digit: mean grey of the middle (8x8 pixels) and of both sides: (150, 2)."""
    train = load("digits").train
    x = train.x[train.y == label][:150, 0]
    middle = x[:, 10:18, 10:18].mean((1, 2))
    sides = torch.cat([x[:, 8:20, 4:10], x[:, 8:20, 18:24]], 2).mean((1, 2))
    return torch.stack([middle, sides], 1)


def _turned(angle: int) -> tuple[float, float, float]:
    """Weights of length one at an angle, and the bias whose line runs half way between the two groups."""
    w1, w2 = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    middle = (_ink(1).mean(0) + _ink(0).mean(0)) / 2
    return w1, w2, -(w1 * float(middle[0]) + w2 * float(middle[1]))


@cache
def _errors() -> list[float]:
    """Over the angles of `neuron`."""
    found = []
    for angle in range(0, 360, STEP):
        w1, w2, b = _turned(angle)
        fires = [(points @ torch.tensor([w1, w2]) + b > 0).float().mean() for points in (_ink(1), _ink(0))]
        found.append(float((1 - fires[0] + fires[1]) / 2))
    return found


def neuron(angle: int = 0) -> plots.Plot:
    """One neuron with two inputs that shall fire for a 1 and not for a 0; angle: of its weights, a multiple of 15 degrees."""
    if angle % STEP:
        raise ValueError(f"angle must be a multiple of {STEP}, got {angle}")
    at, errors, (w1, w2, b) = angle % 360 // STEP, _errors(), _turned(angle)
    return plots.line(
        {"a 1": _ink(1), "a 0": _ink(0)}, (w1, w2, b), list(range(0, 360, STEP)), errors, at,
        axes=("ink in the middle", "ink at both sides"),
        title=f"W = ({w1:.2f}, {w2:.2f}), b = {b:.2f}: {errors[at]:.0%} of 300 images on the wrong side",
        alt=f"Images of 1 and of 0 as points: ink in the middle, ink at both sides. A line parts them; the neuron fires on one "
        f"side. With the weights at {angle} degrees {errors[at]:.0%} are on the wrong side; the best angle has {min(errors):.1%}.",
    )  # fmt: skip


def turning_neuron() -> VBox | Picture | plots.Plot:
    """A scrub bar over `neuron`; its first picture alone while nbgrader grades."""
    if grading():
        return neuron(90)
    errors = _errors()
    frames = [f"{STEP * n} degrees: {error:.0%} on the wrong side" for n, error in enumerate(errors)]
    return widgets.scrub(frames, lambda n: neuron(STEP * n), "angle", start=6, play=0.4)


# --- one layer ---

NAMES = ("ink in the middle", "left side, not right", "top, not bottom")


def _templates() -> Tensor:
    """Weights of three neurons, as pictures (3, 28, 28) in [-1, 1]."""
    weights = torch.zeros(3, 28, 28)
    weights[0], weights[0, 10:18, 10:18] = -0.25, 1
    weights[1, 8:20, 3:11], weights[1, 8:20, 17:25] = 1, -1
    weights[2, 3:13, 6:22], weights[2, 15:25, 6:22] = 1, -1
    return weights


def layer(linear_relu: Callable[[Tensor, Tensor, Tensor], Tensor]) -> plots.Plot:
    """What three hand-made neurons say to eight digits, by `linear_relu`."""
    test, weights = load("digits").test, _templates()
    x = test.x[[int((test.y == label).nonzero()[0]) for label in range(8)]]
    strength = linear_relu(x.flatten(1), weights.flatten(1) / 10, torch.zeros(3))
    if not strength.isfinite().all():
        raise Unusable(linear_relu, "gave numbers that are not finite")
    loudest = strength.argmax(0).tolist()
    return plots.firing(
        NAMES, weights, x, strength,
        title="red weights speak for it, blue ones against it; the number is how strongly the neuron fires",
        alt="Eight digits, 0 to 7, and three neurons with weights drawn by hand. "
        + " ".join(f"'{name}' fires most strongly for the {digit}." for name, digit in zip(NAMES, loudest, strict=True)),
    )  # fmt: skip


# --- how right, how wrong ---


@dataclass(frozen=True, repr=False)
class Told:
    """Lines of words."""

    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def how_right(accuracy: Any) -> Told:
    """`accuracy` of a trained reader and of one that is as it was made, and of one guess for all."""
    made, test = cached("l01", "training"), load("digits").test
    guess = (test.y == 1).float().mean().item()
    if grading():
        trained, fresh = float(made["accuracy"][-1]), float(made["fresh"])
    else:
        trained = accuracy(lesson.bought(), test.x, test.y, 512)
        fresh = accuracy(lesson.Reader(lesson.linear_relu), test.x, test.y, 512)
    sources = len(test.source.unique())
    return Told((
        f"A trained reader:          {trained:.1%} of 1,500 test images",
        f"The same before training:  {fresh:.1%}",
        f"Whoever always says 1:     {guess:.1%}",
        f"The 1,500 images are copies of {sources} scans, each posed anew three or four times.",
    ))  # fmt: skip


def how_wrong(softmax_xent: Any) -> plots.Plot:
    """Four test images with what `softmax_xent` says of a trained reader, the cheapest first, and the mean of all."""
    test, logits = load("digits").test, torch.from_numpy(cached("l01", "training")["logits"]).float()
    each = torch.nn.functional.cross_entropy(logits, test.y, reduction="none")
    order = each.argsort()
    rows = order[[0, len(order) * 90 // 100, len(order) * 97 // 100, len(order) - 1]]
    losses = [float(softmax_xent(logits[row : row + 1], test.y[row : row + 1])) for row in rows]
    mean, shares = float(softmax_xent(logits, test.y)), logits[rows].softmax(1)
    columns = [
        (f"a {int(test.y[row])}: loss {loss:.2f}", test.x[row], share)
        for row, loss, share in zip(rows, losses, shares, strict=True)
    ]
    told = "; ".join(
        f"a {int(test.y[row])}, read as {int(s.argmax())} with {100 * s.max():.0f} %: loss {loss:.2f}"
        for row, loss, s in zip(rows, losses, shares, strict=True)
    )
    return plots.sure(
        columns,
        title=f"mean loss over 1,500 test images: {mean:.3f}",
        alt=f"Four test images and the shares that the reader gives to the classes. {told}. Mean loss of all: {mean:.3f}.",
    )


# --- what the layers see, how fast to step ---


def look(label: int = 5) -> plots.Plot:
    """One test image of a class, 0 to 9, on its way through the layers of a trained reader."""
    if label not in range(10):
        raise ValueError(f"label must be 0..9, got {label!r}")
    made = cached("l01", "seen")
    values = {
        name: torch.from_numpy(made[name][label]).float() / 255 for name in ("image", "first", "second", "neurons")
    }
    shares = torch.from_numpy(made["shares"][label])
    awake, read = int((values["neurons"] > 0).sum()), int(shares.argmax())
    return plots.layers(
        **values, shares=shares,
        title=f"a {label}, read as {read} with {100 * shares.max():.0f} %; {awake} of 64 neurons fire",
        alt=f"A handwritten {label}, eight maps of the first layer, which look like its edges, eight smaller ones of the second, "
        f"and 64 neurons of which {awake} fire. The reader says {read} with {100 * shares.max():.0f} %.",
    )  # fmt: skip


def browser() -> VBox | Picture | plots.Plot:
    """A scrub bar over `look`; one picture alone while nbgrader grades."""
    if grading():
        return look()
    made = cached("l01", "seen")
    frames = [
        f"a {n}: reads {int(shares.argmax())}, {int((made['neurons'][n] > 0).sum())} of 64 neurons fire"
        for n, shares in enumerate(made["shares"])
    ]
    return widgets.scrub(frames, look, "digit", start=5, play=0.7)


def learning_rate(rate: float | None = None) -> plots.Plot:
    """Two passes with the learning rate 0.001, 0.1 or 10, measured before; None shows all three alike."""
    made = cached("l01", "rates")
    if rate is not None and rate not in lesson.RATES:
        raise ValueError(f"rate must be one of {', '.join(map(str, lesson.RATES))}, got {rate!r}")
    curves = [
        (f"rate {r:g}: {share:.0%} right at the end", loss.tolist())
        for r, loss, share in zip(lesson.RATES, made["loss"], made["accuracy"], strict=True)
    ]
    told = " ".join(
        f"Rate {r:g}: the loss of the last 20 steps is {loss[-20:].mean():.2f} on average, its largest {loss.max():.2g}; "
        f"{share:.0%} of the test images are read rightly."
        for r, loss, share in zip(lesson.RATES, made["loss"], made["accuracy"], strict=True)
    )
    return plots.rates(
        curves, None if rate is None else lesson.RATES.index(rate),
        title="240 steps of 50 digits, seed 0", alt=f"Loss over the training steps for three learning rates. {told}",
    )  # fmt: skip


def learning_rates() -> VBox | Picture | plots.Plot:
    """A scrub bar over `learning_rate`; all three curves alone while nbgrader grades."""
    if grading():
        return learning_rate()
    made = cached("l01", "rates")
    frames = [
        f"rate {r:g}: {share:.0%} right after 240 steps"
        for r, share in zip(lesson.RATES, made["accuracy"], strict=True)
    ]
    return widgets.scrub(frames, lambda n: learning_rate(lesson.RATES[n]), "learning rate", start=0)
