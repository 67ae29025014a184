"""`autograder new-lesson 98 entropy`: a lesson that builds, grades and passes its tests, to be written over."""

from __future__ import annotations

import re
from pathlib import Path

from autograder.authoring.folders import homes
from autograder.course.folder import ROOT

DECLARATION = '''"""Lesson @NN@, @TITLE@: what its exercises ask, and how an answer is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from numpy.random import RandomState

from bdlab.exercises.parts import unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Lesson, images


def draws(rng: RandomState) -> Iterator[Draw]:
    """The first one can be computed by hand; then odd shapes."""
    yield {"x": torch.tensor([[1.0, 3.0], [2.0, 2.0]])}
    for number in range(20):
        yield {"x": images(rng, (1 + number % 4, 2 + number % 3))}


CENTRED = Exercise(
    "centred(x)", minutes=10, difficulty=1, importance=3,
    parts=[values(10, draws, "21 draws, also one row"), unchanged(5, draws)],
    hints=("What is the mean of the result?", "Take each row's mean off.", "x - x.mean(1, keepdim=True)"),
    mistakes={
        "columns": "You take the mean of each column off: it is the row's.",
        "whole": "You take the mean of all numbers off: each row has its own.",
        "added": "You add the mean: it must be taken off.",
        "median": "You take the median off: it is the mean.",
        "in_place": "Your function writes into x.",
    },
    onward="write the next exercise",
)  # fmt: skip

LESSON = Lesson("@NN@_@TOPIC@", "@TITLE@", 30, (CENTRED,))
'''
SOURCE = '''# %% [markdown]
# One sentence of the story, and what one can do after this lesson.

# %% role="setup"
# written by the build

# %% role="demo"
# Demo: the numbers that we start from
print(torch.tensor([[1.0, 3.0], [2.0, 2.0]]))

# %% [markdown] exercise="centred"
# take the mean off
#
# Write `centred`.


# %% role="answer" exercise="centred"
def centred(x: Tensor) -> Tensor:
    """Each row without its mean, as a new tensor.

    x: float32 (N, M); it stays as it is.
    Returns float32 (N, M).
    Forbidden: bdlab.

    Example: [[1., 3.], [2., 2.]] becomes [[-1., 1.], [0., 0.]].
    """
    ### BEGIN SOLUTION
    means = x.mean(1, keepdim=True)
    return x - means
    ### END SOLUTION


# %% role="use"
# Use: your function on a few rows
my_centred = bdlab.mine("l@NN@_centred", lambda x: x - x.mean(1)[:, None])
bdlab.use(lambda f: print(f(torch.rand(2, 3)).sum(1)), my_centred)

# %% [markdown] role="essay"
# Write your answer here, at most 250 words.
'''
WRONG = '''"""Wrong answers of lesson @NN@: each is the reference with a few characters changed; what it loses."""

from autograder.authoring.wrong import edit


class centred:
    columns = edit("x.mean(1, keepdim=True)", "x.mean(0, keepdim=True)", loses="values")
    whole = edit("x.mean(1, keepdim=True)", "x.mean()", loses="values")
    added = edit("x - means", "x + means", loses="values")
    median = edit("x.mean(1, keepdim=True)", "x.median(1, keepdim=True).values", loses="values")
    in_place = edit("x - means", "x.sub_(means)", loses="unchanged")
'''
RIGHT = '''"""Right answers of lesson @NN@ in other styles; the references stand in @NN@_@TOPIC@.py."""


# %% exercise="centred" alternative="loop"
def centred(x: Tensor) -> Tensor:
    return torch.stack([row - row.sum() / len(row) for row in x])


# %% exercise="centred" alternative="einsum"
def centred(x: Tensor) -> Tensor:
    width = x.shape[1]
    return x @ (torch.eye(width) - 1 / width)
'''
INSTRUCTOR = """# Lesson @NN@: @TITLE@, for the instructor

What to say, where students go wrong, answers to free responses, timing for 45 / 90 / 180 minutes, how to shorten.
"""


def new_lesson(number: str, topic: str, root: Path = ROOT) -> list[Path]:
    """Write the files of a lesson, '98' and 'entropy'; see docs/teach/new-lesson.md.

    Raises: `ValueError` for a number or a topic in another form, or a number that is taken.
    """
    if not re.fullmatch(r"\d\d", number) or not re.fullmatch(r"[a-z][a-z0-9_]*", topic):
        raise ValueError(
            f"number must be two digits and topic lower-case letters, digits and _, got {number!r} and {topic!r}; "
            "write `autograder new-lesson 98 entropy`"
        )
    taken = [home.name for home in homes() if home.name[:2] == number]
    if taken:
        raise ValueError(f"number must be free, got {number}: it is that of {taken[0]}")
    home = root / "solutions" / f"{number}_{topic}"
    texts = {
        root / "bdlab" / "exercises" / f"l{number}_{topic}.py": DECLARATION,
        home / f"{home.name}.py": SOURCE,
        home / "wrong.py": WRONG,
        home / "right.py": RIGHT,
        home / "instructor.md": INSTRUCTOR,
    }
    words = {"@NN@": number, "@TOPIC@": topic, "@TITLE@": topic.replace("_", " ").capitalize()}
    home.mkdir(parents=True)
    for path, text in texts.items():
        for word, value in words.items():
            text = text.replace(word, value)
        path.write_text(text, encoding="utf-8")
    return list(texts)
