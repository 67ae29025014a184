"""Who a student is, and what texts may call them."""

from __future__ import annotations

import difflib
import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autograder.gradebook import read


@dataclass(frozen=True)
class Person:
    """A student.  exact: what is theirs alone, id and e-mail; names: what texts may call them."""

    id: str
    exact: frozenset[str]
    names: frozenset[str]

    def names_in(self, text: str) -> bool:
        """Whether `text` has one of their names, as a word; 'ada' is not in 'ada_b' or 'ada@example.org'."""
        spelled = {form for name in self.names - {self.id} for form in (name, html.escape(name))}
        words = [rf"(?<![^\W_]){re.escape(name)}(?![^\W_])" for name in spelled]
        own = rf"(?<![\w.@+-]){re.escape(self.id)}(?![\w@+-]|\.(?!ipynb|html|csv|zip)\w)"
        return any(re.search(word, text) for word in (own, *words))


def person(root: Path, student: str) -> Person:
    """`student`, with the names that the gradebook and the notes of `autograder collect` know."""
    path = root / "gradebook.db"
    first, last, email, number = read.person(path, student) if path.is_file() else ("",) * 4
    names = {student, email, number if len(number) > 2 else ""}
    if first and last:
        names |= {f"{first} {last}", f"{last}, {first}", re.sub(r"\W", "", f"{last}{first}").lower()}
    for path in (root / "collected").glob("*.json"):
        try:
            names.add(str(json.loads(path.read_text(encoding="utf-8"))[student]["claim"]["prefix"]).strip("_/"))
        except (ValueError, KeyError, TypeError):
            continue
    return Person(student, frozenset({student, email} - {""}), frozenset(names - {""}))


def difficulty(root: Path, student: str, folders: Iterable[str]) -> str:
    """'; did you mean ...?' where there are names like it."""
    known = {path.name for top in folders for path in (root / top).glob("*")}
    if (root / "gradebook.db").is_file():
        known |= set(read.names(root / "gradebook.db"))
    near = difflib.get_close_matches(student, known, 3) or [name for name in known if name.lower() == student.lower()]
    return f"; did you mean {' or '.join(near)}?" if near else ""
