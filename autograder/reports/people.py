"""How a page names students: as they are, or by pseudonyms that only the course's secret can undo."""

from __future__ import annotations

import builtins
import hmac
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autograder.authoring.sources import alternatives, mistakes, references
from autograder.handin import shape
from autograder.handin.reader import ask

PURPOSE = b"bdlab pseudonyms\0"
FILE = re.compile(r"(^|[,;:])(\s*+)(?!expected )[^,;:]*\.ipynb\b(?!\))")
"""The name of a file that was handed in; students put their own into it."""
LINES = 60
"""Lines of an answer that are shown."""


@dataclass(frozen=True)
class Person:
    """One student.  names: first name, last name, e-mail, whatever else the gradebook has of them."""

    id: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class People:
    """Everyone in the course.  shown: id -> what a page calls them.

    words: identifiers that may stay in code that is shown anonymously; hidden: what finds a name in a text; None where
    names may be shown.
    """

    shown: Mapping[str, str]
    words: frozenset[str] = frozenset()
    hidden: re.Pattern[str] | None = field(default=None, repr=False)

    def line(self, text: str) -> str:
        """A remark or a reason; anonymously without names of people and files."""
        return text if self.hidden is None else self.hidden.sub("…", FILE.sub(r"\1\2the file", text))

    def code(self, source: str) -> str:
        """An answer without comments and docstrings; anonymously also without texts and identifiers of one's own."""
        found = _cut(ask("bare", source, None if self.hidden is None else sorted(self.words)))
        return found if self.hidden is None else self.hidden.sub("…", found)

    def handed_in(self, source: str) -> str:
        """An answer as it was handed in; anonymously as `code` has it."""
        return _cut(source) if self.hidden is None else self.code(source)


def people(known: Iterable[Person], secret: bytes, anonymous: bool, words: frozenset[str] = frozenset()) -> People:
    """How to name `known`.  Pseudonyms stay the same as long as the course's students do."""
    everyone = {person.id: person for person in known}
    if not anonymous:
        return People(
            {one.id: f"{one.id} ({' '.join(one.names)})" if one.names else one.id for one in everyone.values()}
        )
    order = sorted(everyone, key=lambda name: hmac.digest(secret, PURPOSE + name.encode(), "sha256"))
    shown = {name: f"student {number:03d}" for number, name in enumerate(order, 1)}
    return People(shown, words, _pattern(everyone.values()))


def _pattern(known: Iterable[Person]) -> re.Pattern[str]:
    """Finds ids, names and addresses, and their parts, wherever letters or digits do not go on."""
    texts = {text.strip() for person in known for text in (person.id, *person.names)} - {""}
    parts = {
        part for text in texts for part in (text, *re.split(r"[\s.,@+_-]+", text)) if len(part) > 1 or part == text
    }
    longest = sorted(map(re.escape, parts), key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(longest) or '(?!)'})(?![^\W_])", re.IGNORECASE)


def _cut(text: str) -> str:
    lines = text.strip("\n").split("\n")
    return "\n".join([*lines[:LINES], f"# [{len(lines) - LINES} more lines]"] if len(lines) > LINES else lines)


def words(home: Path) -> frozenset[str]:
    """Names that say nothing of a student: of Python, of torch, and of the answers under solutions/NN_topic."""
    import torch

    found = {"torch", "numpy", "np", "F", *keyword.kwlist, *dir(builtins)}
    for module in (torch, torch.Tensor, torch.nn, torch.nn.functional):
        found.update(dir(module))
    for answer in (*references(home).values(), *alternatives(home), *mistakes(home)):
        found |= shape.words(answer.source)
    return frozenset(found)
