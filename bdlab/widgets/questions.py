"""A question with choices: each is a button, and says at once why it is right or wrong."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bdlab import student
from bdlab.widgets.layout import button, panel, say, status, text

if TYPE_CHECKING:
    from ipywidgets import Button, VBox


def quiz(
    question: str,
    choices: Sequence[str],
    right: int,
    why: Sequence[str],
    *,
    order: Sequence[int] | None = None,
    salt: str = "",
) -> VBox | None:
    """One click, one answer, and at once why it is right or wrong; nothing is counted.

    right: which of `choices` is right, counted from 0.  why: one explanation per choice, wrong ones included.
    order: the places of the choices in the order in which they are shown, where it must be theirs (numbers, say); else
    the student's name and `salt`, the term's, decide.
    The box has its `controls` (choice -> Button) and the `text` of the explanation as attributes.
    Nothing happens while nbgrader runs the notebook.
    """
    _check_quiz(question, choices, right, why)
    shown = _shuffled(question, choices, salt) if order is None else list(order)
    if sorted(shown) != list(range(len(choices))):
        raise ValueError(f"order must hold each of 0..{len(choices) - 1} once, got {shown}")
    if student.silent():
        return None
    answer = status("Choose with the mouse, or with Tab and Enter. No reaction? Run this cell again.")
    controls = {choices[place]: button(f"○  {choices[place]}") for place in shown}

    def explain(pressed: Button) -> None:
        place = next(place for place in shown if controls[choices[place]] is pressed)
        sign, word, look = ("✓", "Right.", "bdlab-right") if place == right else ("✗", "Not this one.", "bdlab-wrong")
        pressed.description = f"{sign}  {choices[place]}"
        pressed.add_class(look)
        say(answer, f"{sign} {word}", why[place])

    for control in controls.values():
        control.on_click(explain)
    plain = "\n".join([question, *(f"  ○ {choices[place]}" for place in shown), "Run this cell to answer."])
    box = panel([text(f"<p><b>{html.escape(question)}</b></p>"), *controls.values(), answer], plain)
    box.controls, box.text = controls, answer
    return box


def _shuffled(question: str, choices: Sequence[str], salt: str) -> list[int]:
    """The places of the choices, in an order that is the same each time and differs from student to student."""
    own = f"{student.name()}|{salt}|{question}|"
    return sorted(range(len(choices)), key=lambda place: hashlib.sha256(f"{own}{choices[place]}".encode()).digest())


def _check_quiz(question: str, choices: Sequence[str], right: int, why: Sequence[str]) -> None:
    for name, texts in (("question", [question]), ("choices", choices), ("why", why)):
        if isinstance(texts, str) or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(f"{name} must be text that is not empty, got {texts!r}; write what the student shall read")
    if len(choices) < 2 or len(set(choices)) < len(choices):
        raise ValueError(f"choices must be two or more different texts, got {list(choices)}; reword or add some")
    if isinstance(right, bool) or not isinstance(right, int) or not 0 <= right < len(choices):
        raise ValueError(f"right must be 0..{len(choices) - 1}, the place of the right choice, got {right!r}")
    if len(why) != len(choices):
        raise ValueError(f"why must explain each of the {len(choices)} choices, got {len(why)} texts; add the others")
