"""What a demo shows without computing it: arrays that are kept in the package, one file a lesson."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from bdlab.training import Scores

Arrays = dict[str, np.ndarray]
Maker = Callable[[], Arrays | Scores]
MADE_BY = "made by"
"""Under 'name/made by' stands what the demo's arrays depend on; see `_about`."""


class Unusable(Exception):
    """What a student's function gave cannot be used further.  part: the function; why: what it did, as in 'gave three images'."""

    def __init__(self, part: Any, why: str) -> None:
        super().__init__(why)
        self.part = part


def grading() -> bool:
    """Whether nbgrader grades the notebook: what is shown then comes from the cache."""
    return os.environ.get("NBGRADER_EXECUTION") == "autograde"


def home(lesson: str) -> Path:
    """Where the module and the cached demos of a lesson, 'l03', lie: a folder of `bdlab.lessons`."""
    folders = [Path(path) for path in sys.modules[__package__].__path__]
    return next((folder for folder in folders if any(folder.glob(f"{lesson}_*.py"))), folders[0])


def cached(lesson: str, name: str) -> Arrays:
    """The arrays of the demo `name` of `lesson`, which is written like 'l03'.

    Raises: `FileNotFoundError` for a lesson without a file, `ValueError` for a name that its file does not have.
    """
    path = home(lesson) / "cache" / f"{lesson}.npz"
    if not path.exists():
        there = sorted(other.stem for other in (home(lesson) / "cache").glob("*.npz"))
        raise FileNotFoundError(
            f"lesson must be one of {', '.join(there) or '(none)'}, which have cached demos, got {lesson!r}; "
            "make its file with `autograder build --refresh`"
        )
    with np.load(path, allow_pickle=False) as stored:
        names = sorted({key.partition("/")[0] for key in stored.files})
        if name not in names:
            raise ValueError(
                f"name must be one of {', '.join(names)}, the cached demos of {lesson}, got {name!r}; "
                "a new one needs `autograder build --refresh`"
            )
        own = [key for key in stored.files if key.startswith(f"{name}/") and key != f"{name}/{MADE_BY}"]
        return {key.removeprefix(f"{name}/"): stored[key] for key in own}


def demo(lesson: str, name: str, compute: Callable[[], Scores]) -> Scores:
    """`compute()` for a person; the cached scores of that name while nbgrader grades, which need not train again."""
    if not grading():
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


def makers(lesson: str) -> dict[str, Maker]:
    """The `MAKERS` of the module of a lesson '03_badnets' in `bdlab.lessons`; none where it has no module."""
    try:
        module = importlib.import_module(f"bdlab.lessons.l{lesson}")
    except ModuleNotFoundError as error:
        if error.name != f"bdlab.lessons.l{lesson}":
            raise
        return {}
    return dict(getattr(module, "MAKERS", {}))


def refresh(lesson: str, makers: Mapping[str, Maker], everything: bool = True) -> list[Path]:
    """Compute the demos of `lesson` (name -> what makes its arrays or scores) and write its file, which it returns.

    everything: or else only demos whose maker, with all of its module that it uses, is not what it was.
    Equal arrays give equal bytes.  The file is replaced when all is computed, or not at all.
    """
    if not re.fullmatch(r"l\d\d", lesson):
        raise ValueError(f"lesson must be l and two digits, got {lesson!r}; write 'l03' for lesson 3")
    for name in makers:
        if not name.isidentifier():
            raise ValueError(f"makers must have names like 'first_attack', got {name!r}; use letters, digits and _")
    path = home(lesson) / "cache" / f"{lesson}.npz"
    old = {} if everything or not path.exists() else dict(np.load(path, allow_pickle=False))
    flat: Arrays = {}
    for name, make in makers.items():
        about = np.array(_about(make))
        kept = {key: array for key, array in old.items() if key.partition("/")[0] == name}
        fresh = f"{name}/{MADE_BY}" in kept and kept[f"{name}/{MADE_BY}"] == about
        made = kept if fresh else {f"{name}/{key}": array for key, array in _arrays(make()).items()}
        flat |= {**made, f"{name}/{MADE_BY}": about}
    for key, array in flat.items():
        if array.dtype.hasobject:
            raise ValueError(f"{key} must hold numbers or text, got dtype {array.dtype}; objects would be pickled")
    if not flat or (old.keys() == flat.keys() and all(_same(old[key], flat[key]) for key in flat)):
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **{key: flat[key] for key in sorted(flat)})  # type: ignore[arg-type]
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return [path]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def _about(make: Maker) -> str:
    """A digest of the source of `make` and of whatever it uses of its own module."""
    module = inspect.getmodule(make)
    tree = ast.parse(inspect.getsource(module)) if module else ast.Module([], [])
    own = {name: node for node in tree.body for name in _names(node)}
    waiting, seen = [getattr(make, "__name__", "")], dict[str, str]()
    while waiting:
        name = waiting.pop()
        if name in own and name not in seen:
            seen[name] = ast.dump(own[name])
            waiting += [node.id for node in ast.walk(own[name]) if isinstance(node, ast.Name)]
    return hashlib.sha256("\n".join(f"{name} {seen[name]}" for name in sorted(seen)).encode()).hexdigest()[:16]


def _names(node: ast.stmt) -> list[str]:
    """What a statement of a module defines."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    named = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    return named + [target.id for target in targets if isinstance(target, ast.Name)]


def _arrays(result: Arrays | Scores) -> Arrays:
    if isinstance(result, Scores):
        result = {key: np.array(np.nan if value is None else value) for key, value in result.as_dict().items()}
    return {key: np.asarray(value) for key, value in result.items()}
