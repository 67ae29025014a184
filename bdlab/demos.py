"""What a demo shows without computing it: arrays that are kept in the package, one file a lesson."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from bdlab.training import Scores

Arrays = dict[str, np.ndarray]

FOLDER = Path(__file__).parent / "exercises" / "cache"
"""Where the files lie: l03.npz is lesson 3's, and holds the array `key` of the demo `name` as 'name/key'."""


def cached(lesson: str, name: str) -> Arrays:
    """The arrays of the demo `name` of `lesson`, which is written like 'l03'.

    Raises: `FileNotFoundError` for a lesson without a file, `ValueError` for a name that its file does not have.
    """
    lessons = sorted(path.stem for path in FOLDER.glob("*.npz"))
    if lesson not in lessons:
        raise FileNotFoundError(
            f"lesson must be one of {', '.join(lessons) or '(none)'}, which have cached demos, got {lesson!r}; "
            "make its file with bdlab.demos.refresh"
        )
    with np.load(FOLDER / f"{lesson}.npz", allow_pickle=False) as stored:
        names = sorted({key.partition("/")[0] for key in stored.files})
        if name not in names:
            raise ValueError(
                f"name must be one of {', '.join(names)}, the cached demos of {lesson}, got {name!r}; "
                "a new one needs bdlab.demos.refresh"
            )
        return {key.removeprefix(f"{name}/"): stored[key] for key in stored.files if key.startswith(f"{name}/")}


def demo(lesson: str, name: str, compute: Callable[[], Scores]) -> Scores:
    """`compute()` for a person; the cached scores of that name while nbgrader grades, which need not train again."""
    if os.environ.get("NBGRADER_EXECUTION") != "autograde":
        return compute()
    arrays = cached(lesson, name)
    wanted = {field.name for field in fields(Scores)}
    if set(arrays) != wanted:
        raise ValueError(
            f"name must be that of cached Scores, got {name!r}, which holds {', '.join(sorted(arrays))}; "
            "read it with cached()"
        )
    values: dict[str, Any] = {key: None if np.isnan(array) else array.item() for key, array in arrays.items()}
    return Scores(**values)


def refresh(lesson: str, makers: Mapping[str, Callable[[], Arrays | Scores]]) -> Path:
    """Compute every demo of `lesson` (name -> what makes its arrays or scores) and write its file, which it returns.

    Equal arrays give equal bytes.  The file is replaced when all is computed, or not at all.
    """
    if not re.fullmatch(r"l\d\d", lesson):
        raise ValueError(f"lesson must be l and two digits, got {lesson!r}; write 'l03' for lesson 3")
    for name in makers:
        if not name.isidentifier():
            raise ValueError(f"makers must have names like 'first_attack', got {name!r}; use letters, digits and _")
    made = {name: _arrays(make()) for name, make in makers.items()}
    flat = {f"{name}/{key}": array for name, arrays in made.items() for key, array in arrays.items()}
    for key, array in flat.items():
        if array.dtype.hasobject:
            raise ValueError(f"{key} must hold numbers or text, got dtype {array.dtype}; objects would be pickled")
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{lesson}.npz"
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **{key: flat[key] for key in sorted(flat)})  # type: ignore[arg-type]
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _arrays(result: Arrays | Scores) -> Arrays:
    if isinstance(result, Scores):
        result = {key: np.array(np.nan if value is None else value) for key, value in result.as_dict().items()}
    return {key: np.asarray(value) for key, value in result.items()}
