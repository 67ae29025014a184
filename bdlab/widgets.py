"""Widgets that every lesson may use.  Only what ipywidgets itself brings; each shows what a plain call gives as well."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipywidgets import VBox

def quiz(question: str, choices: Sequence[str], right: int, why: Sequence[str]) -> VBox:
    """One click, one answer, and at once why it is right or wrong; nothing is counted.

    right: which of `choices` is right, counted from 0.  why: one explanation per choice, wrong ones included.
    The box has its `controls` ({'choices': RadioButtons}) and the `text` of the explanation as attributes.
    """
    _check_quiz(question, choices, right, why)
    from ipywidgets import HTML, RadioButtons, VBox

    buttons = RadioButtons(options=list(choices), value=None, tooltip=question, layout={"width": "max-content"})
    verdicts = [f"{'Right' if i == right else 'Wrong'}: {reason}" for i, reason in enumerate(why)]
    text = HTML()

    def explain(_: object) -> None:
        text.value = "" if buttons.index is None else f"<p>{html.escape(verdicts[buttons.index])}</p>"

    buttons.observe(explain, names="index")
    items = (f"<li>{html.escape(f'{c} - {v}')}</li>" for c, v in zip(choices, verdicts, strict=True))
    everything = f"<details><summary>All answers</summary><ul>{''.join(items)}</ul></details>"
    box = VBox([HTML(f"<b>{html.escape(question)}</b>"), buttons, text, HTML(everything)])
    box.controls, box.text = {"choices": buttons}, text
    return box


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
