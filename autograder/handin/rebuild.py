"""A hand-in as plain facts: the repaired notebook, what of it runs, the names that it reaches for.  `reader` runs this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.handin.read import Unreadable, contents, find, read
from autograder.handin.repair import repair
from autograder.handin.runnable import Answers, answers


@dataclass(frozen=True)
class Rebuilt:
    """One hand-in, put together from our own release and the student's text.

    remarks: what had to be mended; form: what was odd and costs nothing.  refused: why there is no notebook.
    """

    student: str = ""
    notebook: NotebookNode | None = field(default=None, repr=False)
    answers: Answers = field(default_factory=lambda: Answers((), {}), repr=False)
    remarks: Sequence[str] = ()
    form: Sequence[str] = ()
    refused: str = ""

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Rebuilt:
        """That of `plain`."""
        book = plain["notebook"]
        kept = {**plain, "notebook": book and nbformat.from_dict(book), "answers": Answers.of(plain["answers"])}
        return cls(**kept)

    def plain(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {**vars(self), "answers": self.answers.plain()}


def rebuild(place: str, name: str, release: str, names: Mapping[str, Sequence[str]]) -> Rebuilt:
    """What lies in a student's folder `place`, where it should be called `name`; '' where `place` is the notebook itself.

    release: the path of the released notebook; names: exercise -> the names that its answer makes.
    Raises: `OSError` where a file that is there cannot be had.
    """
    ours = _release(release, Path(release).stat().st_mtime_ns)
    try:
        path, found = find(Path(place), name) if name else (Path(place), [])
        submitted = read(contents(path), path.name)
    except Unreadable as refused:
        return Rebuilt(refused=str(refused))
    mended = repair(submitted, ours, names)
    counted = answers(mended.notebook, ours)
    return Rebuilt("", mended.notebook, counted, (*found, *mended.remarks), submitted.form)


@lru_cache(8)
def _release(path: str, changed: int) -> NotebookNode:
    return nbformat.reads(Path(path).read_text(encoding="utf-8"), as_version=4)
