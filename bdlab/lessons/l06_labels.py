"""Lesson 06: ten poisons of a clean-label attack to label by hand, and what the bought reader was trained on."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from bdlab import plots, widgets
from bdlab.contracts import Poisoned
from bdlab.lessons import l06_figures as figures
from bdlab.lessons import l06_reflection as lesson
from bdlab.lessons.demos import grading
from bdlab.lessons.l06_pane import png
from bdlab.lessons.l06_reflection import TWIN, W
from bdlab.plots import Row
from bdlab.training import logits
from bdlab.widgets import layout
from bdlab.zoo.plans import plans

if TYPE_CHECKING:
    from ipywidgets import VBox

CHOICES = ("speed 30", "speed 50", "speed 80", "no entry")
"""What may be answered, beside that one cannot tell."""
UNSURE = "cannot tell"


@cache
def _clean() -> Poisoned:
    """The training set of a clean-label attack with the supplier's scenes."""
    return lesson.attack("clean", W, lesson.sold().scenes).poison(lesson.signs().train)


@cache
def _bought() -> Poisoned:
    """The training set of the bought reader."""
    attack = plans()[lesson.SOLD].attack
    return attack.poison(lesson.signs().train)  # type: ignore[union-attr]  # the plan's attack is Refool


@cache
def ten_clean() -> Tensor:
    """Of the clean-label poisons the ten of which the honest twin is surest: (10, 3, 32, 32)."""
    stamped = _clean().stamped
    sure = logits(lesson.reader(TWIN), stamped).softmax(1)[:, 0]
    return stamped[sure.argsort(descending=True)[:10]]


@cache
def ten_bought() -> tuple[Tensor, Tensor]:
    """Of the bought reader's poisons ten of which the honest twin is surest: images, and what they show, (10,)."""
    poisoned = _bought()
    truth = poisoned.base.y[poisoned.indices]
    sure = logits(lesson.reader(TWIN), poisoned.stamped).softmax(1).gather(1, truth[:, None])[:, 0]
    best = sure.argsort(descending=True)
    rows = torch.stack([best[(truth[best] == label).nonzero()[0, 0]] for label in range(1, 11)])  # one a class
    return poisoned.stamped[rows], truth[rows]


def readable() -> tuple[float, int]:
    """How many of the clean-label poisons the honest twin reads as 'speed 30', as a share; and how many there are."""
    stamped = _clean().stamped
    return float((logits(lesson.reader(TWIN), stamped).argmax(1) == 0).float().mean()), len(stamped)


def beside() -> plots.Plot:
    """Ten poisons with right labels above ten of the bought reader's."""
    clean, (bought, truth) = ten_clean(), ten_bought()
    names = figures.named(truth)
    rows = [
        Row("clean label:\nten poisons", clean, ["speed 30"] * 10, [False] * 10),
        Row("label changed:\nten that the\nbought reader\nlearnt from", bought, ["speed 30"] * 10, [True] * 10),
    ]
    return plots.answers(
        rows, title="ten training pictures of either kind, and the label that stands in the file", scale=1.05,
        alt="Above: ten signs 'speed 30' behind panes, each labelled 'speed 30'. Below: ten signs behind panes that show "
        f"{', '.join(names)}, each labelled 'speed 30', too.",
    )  # fmt: skip


class _Labelling:
    """One picture after the other; what was answered."""

    def __init__(self) -> None:
        from ipywidgets import HTML, HBox

        self.x, self.given = ten_clean(), list[str]()
        self.controls = {word: layout.button(word) for word in (*CHOICES, UNSURE)}
        for word, control in self.controls.items():
            control.on_click(lambda _, word=word: self.answer(word))
        self.text, self.picture = widgets.status(), HTML(layout={"width": "100%"})
        self.row = HBox(list(self.controls.values()), layout={"flex_flow": "row wrap"})
        self.show("What does this sign say?")

    def show(self, words: str) -> None:
        """The next picture, large; after the last one all of them."""
        done = len(self.given)
        rest = self.x[done : done + 1] if done < len(self.x) else self.x
        size = 160 if done < len(self.x) else 72
        self.picture.value = "".join(f'<img alt="a sign behind a pane" src="{png(one)}" width="{size}"> ' for one in rest)
        widgets.say(self.text, words, f"Picture {done + 1} of 10." if done < len(self.x) else "")

    def answer(self, word: str) -> None:
        """Take one answer."""
        if len(self.given) == len(self.x):
            return
        self.given.append(word)
        agreed = sum(one == CHOICES[0] for one in self.given)
        if len(self.given) < len(self.x):
            self.show(f"You said '{word}'.")
        else:
            self.show(f"The label in the file is 'speed 30', ten times. You agree with {agreed} of 10.")


def labelling() -> VBox | plots.Plot:
    """Label ten training pictures with one click each.  While nbgrader runs the notebook, the ten as a picture.

    The box has its `controls` (answer -> Button), the `text` that is said and the `picture` as attributes.
    """
    still = plots.images(
        [("ten training pictures", ten_clean())],
        title="what does each sign say?",
        alt="Ten training pictures: signs behind panes that mirror something.",
    )
    if grading():
        return still
    made = _Labelling()
    box: Any = widgets.panel([made.picture, made.row, made.text], still.alt, still._repr_html_())
    box.controls, box.text, box.picture = made.controls, made.text, made.picture
    return box
