"""What a student earns and may show: `trophy`, `trophies`, `flag`.  All of it stays on the student's own machine."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdlab import student

if TYPE_CHECKING:
    from bdlab.exercises.specification import Lesson
    from bdlab.plots import Plot

TITLES = (
    "Win day one", "Neural networks", "What is a backdoor?", "BadNets: the forge", "Trigger taxonomy",
    "TrojanNet", "Reflections", "The operation", "Feature squeezing", "STRIP",
    "Fine-pruning", "Grad-CAM, l-infinity", "DeepInspect", "RBD: a shadow", "Cases", "Arena",
)  # fmt: skip
"""Of the lessons 00, 01, ...: short enough for a tile of the wall."""
WIDTH = 960
"""Pixels; a picture that is wider is made smaller before it is kept."""


@dataclass(frozen=True, repr=False)
class Shown:
    """A picture for the student with lines below it; a notebook shows both, a terminal their words."""

    plot: Plot
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        return self.plot._repr_html_() + "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)

    def __repr__(self) -> str:
        return "\n".join([self.plot.alt, *self.notes])


@dataclass(frozen=True, repr=False)
class Opened:
    """What a box says to an answer."""

    right: bool
    words: str
    wrong: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join([self.words, *self.notes])


def trophy(
    lesson: str, picture: Any = None, numbers: Mapping[str, Any] | None = None, points: float | None = None
) -> Shown | None:
    """Keep the trophy of a lesson, 'l03' or '03_badnets', and show its card; a later one takes its place.

    picture: an image (C, H, W) or (H, W) in [0, 1], a plot, or PNG bytes.  numbers: label -> value, at most four; floats
    are written with three digits, so give shares as text: '97.1 %'.  Without both, what the lesson's 'Your ...' cell gave
    last.  points: by default what all checks of the lesson give now.
    Raises: `ValueError` where there is nothing to show yet.
    Nothing happens while nbgrader runs the notebook.
    """
    if student.silent():
        return None
    found = _lesson(lesson)
    if picture is None and numbers is None:
        picture, numbers = _last_result(found)
    entry = {
        "title": found.title,
        "picture": base64.b64encode(_png(picture)).decode() if picture is not None else "",
        "numbers": _numbers(numbers or {}),
        "points": _points(points, found),
        "date": date.today().isoformat(),
    }
    record, notes = student.change(lambda record: record["trophies"].update({found.short: entry}))
    return Shown(_plots().card(_card(found.short, record, found.title)), (*notes, *_on_colab()))


def trophies(name: str | None = None, export: str | os.PathLike[str] | None = None) -> Shown | None:
    """All trophies on one wall.  name: yours, kept from then on.  export: write the wall as a PNG to this path.

    Nothing happens while nbgrader runs the notebook.
    """
    if student.silent():
        return None
    if name is None:
        record, notes = student.load()
    else:
        record, notes = student.change(lambda record: record.update(name=_checked(name)))
    plot = _wall(record)
    if export is not None:
        notes.append(f"Written: {plot.save(Path(export).expanduser().resolve())}")
    return Shown(plot, (*notes, *_on_colab()))


def flag(lesson: str, answer: Any) -> Opened | None:
    """Try an answer at the mystery box of a lesson.  A wrong one costs nothing; a right one puts a star on the trophy.

    answer: a text, a whole number, or several in a list.  Takes about half a second, on purpose.
    Raises: `ValueError` for an answer that no box takes, such as a float; it is not counted.
    Nothing happens while nbgrader runs the notebook.
    """
    if student.silent():
        return None
    found = _lesson(lesson)
    box = found.box
    if box is None:
        raise ValueError(f"lesson must be one with a mystery box, got {lesson!r}, which has none")
    right, words = box.judge(answer)

    def count(record: student.Record) -> None:
        old = record["boxes"].get(found.short, {})
        record["boxes"][found.short] = {
            "wrong": old.get("wrong", 0) + (not right),
            "solved": old.get("solved", False) or right,
        }

    record, notes = student.change(count)
    wrong = record["boxes"][found.short]["wrong"]
    tries = f"{wrong} wrong {'try' if wrong == 1 else 'tries'}"
    if right:
        words = f"★ Right, after {tries}. The trophy of lesson {found.short[1:]} has a star."
    else:
        words = f"✗ Not this. {words}".rstrip() + f" So far {tries}; trying costs nothing."
    return Opened(right, words, wrong, tuple(notes))


def _lesson(name: str) -> Lesson:
    from bdlab.exercises import lessons

    return lessons.lesson(name)


def _plots() -> Any:
    from bdlab import plots

    return plots


def _card(short: str, record: student.Record, title: str) -> Any:
    """The card of a lesson for which there is a trophy."""
    entry = record["trophies"][short]
    solved = record["boxes"].get(short, {}).get("solved", False)
    footer = " · ".join(part for part in (record["name"], _day(entry["date"]), "bdlab") if part)
    picture = _array(base64.b64decode(entry["picture"])) if entry["picture"] else None
    return _plots().Card(short[1:], title, picture, entry["numbers"], entry["points"], solved, footer)


def _wall(record: student.Record) -> Plot:
    from bdlab.exercises import lessons

    there, cards = {lesson.short: lesson.title for lesson in lessons.all_lessons()}, []
    places = {**there, **{f"l{place:02}": title for place, title in enumerate(TITLES)}}
    for short, title in sorted(places.items()):
        if short in record["trophies"]:
            cards.append(_card(short, record, title))
        else:
            cards.append((short[1:], title, "open" if short in there else "to come"))
    won = sum(not isinstance(one, tuple) for one in cards)
    stars = sum(box.get("solved", False) for box in record["boxes"].values())
    title = f"Trophies of {record['name']}" if record["name"] else "My trophies"
    boxes = f"{stars} mystery {'box' if stars == 1 else 'boxes'}"
    subtitle = f"Backdoors in neural networks · {won} of {len(places)} lessons · {boxes}"
    return _plots().trophy_wall(cards, title=title, subtitle=subtitle)


def _checked(name: str) -> str:
    text = " ".join(name.split()) if isinstance(name, str) else ""
    if not text or len(text) > 30 or not text.isprintable():
        raise ValueError(f"name must be a text of 1 to 30 characters, got {name!r}")
    return text


def _numbers(numbers: Mapping[str, Any]) -> dict[str, str]:
    if len(numbers) > 4:
        raise ValueError(f"numbers must be at most four, got {len(numbers)}: {', '.join(numbers)}; choose")
    texts = {label: value if isinstance(value, str) else f"{value:.3g}" for label, value in numbers.items()}
    for label, value in texts.items():
        if not label.strip() or not value.strip() or len(label) > 24 or len(value) > 12:
            raise ValueError(
                "numbers must have labels of 1 to 24 characters and values of 1 to 12, which fit on a card, "
                f"got {label!r}: {value!r}; shorten it"
            )
    return texts


def _last_result(lesson: Lesson) -> tuple[Any, Mapping[str, Any]]:
    """Picture and numbers of the lesson's 'Your ...' cell."""
    if lesson.short not in student.results:
        raise ValueError(
            f"lesson must be one whose own functions worked together since the kernel started, got {lesson.short!r}: run "
            "the setup cell, your answers and the cell in which you use them all, then this one. What was kept before "
            "stays: bdlab.trophies() shows it"
        )
    result = student.results[lesson.short]
    return result.picture, result.numbers


def _points(points: float | None, lesson: Lesson) -> str:
    if not lesson.exercises:
        return ""
    if points is None:
        from bdlab.exercises.checks import check_all

        with contextlib.redirect_stdout(io.StringIO()):
            points = check_all(lesson.short)
    most = lesson.points - lesson.essay
    if not 0 <= points <= most:
        raise ValueError(f"points must be in 0..{most:g}, what bdlab.check_all({lesson.short!r}) can give, got {points!r}")
    return f"{points:g} of {most:g} points"


def _png(picture: Any) -> bytes:
    """The picture as PNG, not wider than WIDTH."""
    from PIL import Image

    if isinstance(picture, bytes):
        stored = io.BytesIO(picture)
    elif hasattr(picture, "png"):
        stored = io.BytesIO(picture.png())
    else:
        stored = io.BytesIO()
        if hasattr(picture, "savefig"):
            picture.savefig(stored, format="png", dpi=150)
        else:
            Image.fromarray(_pixels(picture)).save(stored, format="png")
    image = Image.open(stored).convert("RGB")
    image.thumbnail((WIDTH, WIDTH))
    out = io.BytesIO()
    image.save(out, format="png", optimize=True)
    return out.getvalue()


def _pixels(image: Any) -> np.ndarray:
    """uint8 (H, W, 3) or (H, W) of a tensor or an array (C, H, W) or (H, W) in [0, 1]."""
    array = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image, dtype=float)
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0).squeeze()  # (H, W, 3) or (H, W)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise ValueError(f"picture must be one image (C, H, W) with C = 1 or 3, or (H, W), got shape {array.shape}")
    if not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(f"picture must hold values in [0, 1], got {array.min():g} to {array.max():g}")
    return (array * 255).round().astype(np.uint8)


def _array(png: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def _day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%B %Y}"


def _on_colab() -> tuple[str, ...]:
    """Colab forgets files when its machine goes."""
    if "google.colab" not in sys.modules and "COLAB_RELEASE_TAG" not in os.environ:
        return ()
    path = student.home() / student.FILE
    return (f'Colab forgets this. To keep it: from google.colab import files; files.download("{path}")',)
