"""`bdlab.quiz("l03_q1")`: the question is declared with its lesson, so that no cell shows the answer."""

from __future__ import annotations

import os
from typing import Any

from bdlab import widgets
from bdlab.exercises import lessons


def quiz(question: str) -> Any:
    """One click, one answer, and at once why it is right or wrong; nothing is counted.

    question: 'l03_q1'.  Raises: `ValueError` for an unknown one.
    """
    asked = lessons.question(question)
    order = range(len(asked.choices)) if asked.ordered else None
    salt = os.environ.get("BDLAB_TERM", "")  # from the lesson's setup cell
    return widgets.quiz(asked.text, asked.choices, asked.right, asked.why, order=order, salt=salt)
