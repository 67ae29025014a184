"""Editing a lesson in JupyterLab: its source as an ignored notebook, and back into the .py."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path

import jupytext

from autograder.authoring.sources import notebook


def _paths(home: Path) -> tuple[Path, Path]:
    return home / f"{home.name}.py", home / f"{home.name}.edit.ipynb"


def write(home: Path) -> Path:
    """Write the lesson as a notebook that git ignores; it remembers from which text it was made."""
    source, target = _paths(home)
    if target.exists():
        raise ValueError(f"{target.name} exists already: take it back with --from-notebook, or delete it")
    book = notebook(home)
    book.metadata["bdlab_source"] = hashlib.sha256(source.read_bytes()).hexdigest()
    jupytext.write(book, target, fmt="ipynb")
    return target


def take_back(home: Path) -> Path:
    """Write the edited notebook into the .py and remove it; refuses with a diff when the .py changed meanwhile."""
    source, edited = _paths(home)
    if not edited.exists():
        raise ValueError(f"{edited.name} is not there: write it with --notebook first")
    book = jupytext.read(edited)
    made_from = book.metadata.pop("bdlab_source", "")
    book.metadata = {key: value for key, value in book.metadata.items() if key == "jupytext"}
    text = jupytext.writes(book, fmt="py:percent")
    text = text[text.index("# %%") :]
    old = source.read_text(encoding="utf-8")
    if hashlib.sha256(old.encode()).hexdigest() != made_from:
        changes = difflib.unified_diff(old.splitlines(), text.splitlines(), source.name, edited.name, lineterm="", n=1)
        raise ValueError(
            f"{source.name} changed since {edited.name} was written; nothing was taken back:\n" + "\n".join(changes)
        )
    source.write_text(text, encoding="utf-8")
    edited.unlink()
    return source
