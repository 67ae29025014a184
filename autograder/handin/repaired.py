"""Repairs as files: of one notebook, of a student, of a class.  What was handed in is never touched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder.authoring.build import text
from autograder.course.folder import ROOT, handed_in, place, released
from autograder.handin.read import Unreadable
from autograder.handin.reader import TooMuch, ask
from autograder.handin.rebuild import Rebuilt
from autograder.handin.sanitize import is_student
from bdlab.exercises import lessons


@dataclass(frozen=True)
class Done:
    """What came of one hand-in.  remarks: what was mended; form: what costs nothing; refused: why nothing can be had."""

    student: str
    remarks: Sequence[str] = ()
    form: Sequence[str] = ()
    refused: str = ""
    path: Path | None = None
    written: bool = False

    @property
    def word(self) -> str:
        """'sound', 'repaired' or 'refused'."""
        return "refused" if self.refused else "repaired" if self.path is not None else "sound"

    def lines(self) -> list[str]:
        """For the lecturer."""
        if self.refused:
            return [f"refused: {self.refused}"]
        if self.path is None:
            return ["sound, nothing to repair"]
        end = f"Wrote {self.path}" if self.written else f"{self.path} holds the repair already"
        return [*self.remarks, *self.form, end]


def one(path: Path, home: Path, out: Path | None = None) -> Done:
    """Repair one notebook into `out`, or beside it.  Raises: `Unreadable`, a ValueError, for what is none."""
    target = out or path.with_name(f"{path.name.removesuffix('.ipynb')}.repaired.ipynb")
    if target.resolve() == path.resolve():
        raise ValueError(f"out must be another file than the notebook, which is kept; got {target}")
    if not os.path.lexists(path):
        raise ValueError(f"the notebook must be a file, there is no {path}")
    found = _mended("", str(path), "", ROOT / "lessons" / home.name / f"{home.name}.ipynb", target)
    if found.refused:
        raise Unreadable(found.refused)
    return found


def several(root: Path, home: Path, name: str, student: str | None = None) -> list[Done]:
    """Repair the hand-ins of the assignment `name` into repaired/STUDENT; of one student, or of all.

    Raises: `ValueError` where nobody of that name handed anything in.
    """
    path = released(root, home.name, name)
    students = [one for one in handed_in(root, name) if is_student(one) and student in (None, one)]
    if not students:
        raise ValueError(f"nothing was handed in: {root / 'submitted'} has no {student or 'STUDENT'}/{name}")
    found = []
    for one in students:
        target = root / "repaired" / one / name / path.name
        found.append(_mended(one, str(root / "submitted" / one / name), path.name, path, target))
        if found[-1].path is None:
            target.unlink(missing_ok=True)  # of an earlier hand-in
    return found


def _mended(student: str, where: str, name: str, release: Path, target: Path) -> Done:
    try:
        found = Rebuilt.of(ask("rebuild", where, name, str(release), lessons.lesson(release.stem).names))
    except TooMuch as why:
        return Done(student, refused=str(why))
    if found.notebook is None or not (found.remarks or found.form):
        return Done(student, refused=found.refused)
    data = _text(found.notebook).encode()
    new = not (target.is_file() and target.read_bytes() == data)
    if new:
        place(target, data)
    return Done(student, found.remarks, found.form, path=target, written=new)


def _text(book: NotebookNode) -> str:
    """The same for the same hand-in: cells of their own are numbered."""
    own = [cell for cell in book.cells if cell.metadata.get("bdlab", {}).get("role") == "own"]
    for number, cell in enumerate(own, 1):
        cell.id = f"own-{number}"
    return text(book)
