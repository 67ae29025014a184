"""What a hostile or unlucky hand-in is made of: a lesson's release, its right and wrong answers, and one attempt."""

from __future__ import annotations

import copy
import json
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.authoring.build import student_folder
from autograder.authoring.sources import mistakes as wrong_answers
from autograder.authoring.sources import references
from autograder.jail.limits import MB, Limits
from autograder.trials.invented.samples import Sample, handed_in
from bdlab.exercises import lessons
from bdlab.exercises.specification import Exercise

KINDS = (
    "kernel and display hooks", "transformers", "skipped or rewritten tests", "patched helpers", "objects that lie",
    "stack and gc inspection", "import hooks and shadowed files", "library delegation",
    "solutions, gradebook, other students", "forged messages", "forged credit", "threads, daemons, atexit",
    "environment and descriptors", "pickles", "time and seeds", "exhaustion", "malformed notebooks",
    "markup injection", "merely unlucky",
)  # fmt: skip
QUICK = Limits(call=2, cell=2, wall=8, cpu=5, memory=600 * MB, data=1024 * MB)
"""Limits under which what exhausts something ends soon."""
PATIENT = Limits(call=4, cell=5, wall=60, cpu=20, memory=600 * MB, data=1024 * MB)
"""Limits under which the rest of a hand-in is still graded after one answer has hung or died."""
OUTSIDE, MARK, PORT, COURSE = "@OUTSIDE@", "@MARK@", "@PORT@", "@COURSE@"
"""Stand in the text of a case for the folder outside of the jail, a word that nothing else holds, a port that is heard,
the folder of this course."""


@dataclass(frozen=True)
class Case:
    """One hand-in.  kind: one of KINDS; deserved: the most that it may get; write: puts it into a folder.

    exact: it must get no less either.  limits: None means the usual ones.  wild: it would harm a machine without walls.
    walled: only walls around files, connections and processes can hold it.
    """

    kind: str
    name: str
    deserved: float
    write: Callable[[Path, str], None] = field(repr=False)
    exact: bool = False
    limits: Limits | None = None
    wild: bool = False
    walled: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}")


@dataclass(frozen=True)
class Material:
    """What cases are made of.  home: the lesson's folder under solutions/."""

    home: Path

    @property
    def path(self) -> Path:
        """Of the notebook that students get."""
        return student_folder(self.home) / f"{self.home.name}.ipynb"

    @cached_property
    def release(self) -> NotebookNode:
        """The notebook that students get."""
        return nbformat.read(self.path, as_version=4)

    @cached_property
    def tasks(self) -> Sequence[Exercise]:
        """The lesson's exercises."""
        return lessons.lesson(self.home.name).exercises

    @cached_property
    def right(self) -> dict[str, str]:
        """Exercise -> the reference's source."""
        return {name: answer.source for name, answer in references(self.home).items()}

    @property
    def setup(self) -> str:
        """What the lesson's setup cell imports."""
        return lessons.lesson(self.home.name).setup

    @property
    def full(self) -> float:
        """All automatic points."""
        return float(sum(task.points for task in self.tasks))

    @property
    def first(self) -> Exercise:
        """The exercise into whose answer cell attempts are put."""
        return self.tasks[0]

    def wrong(self, value: str = "None") -> dict[str, str]:
        """Answers that deserve nothing: each returns `value`, an expression over args and named."""
        return {task.id: f"# [{task.id}]\n{self._wrong(task, value)}" for task in self.tasks}

    @staticmethod
    def _wrong(task: Exercise, value: str) -> str:
        """What an exercise asks for, each name by an expression over args and named."""
        made = {
            "function": "def {name}(*args, **named):\n    return {value}\n",
            "class": "class {name}:\n    def __init__(self, *args, **named): pass\n"
            "    def __call__(self, *args, **named):\n        return {value}\n",
            "value": "{name} = (lambda *args, **named: {value})()\n",
        }
        return "".join(made[one.kind].format(name=one.name, value=value) for one in task.signatures)

    def answering(self, body: str) -> dict[str, str]:
        """Answers that do `body`, statements over args and named, when they are asked; a plain value is asked at once.

        NAME and TASK stand for what the exercise asks for, and for the exercise.
        """
        answers = {}
        for task in self.tasks:
            code = textwrap.indent(textwrap.dedent(body).strip(), "    ").replace("NAME", repr(task.name))
            asked = f"def asked_{task.key}(*args, **named):\n{code.replace('TASK', repr(task.id))}\n"
            answers[task.id] = f"# [{task.id}]\n{asked}{self._wrong(task, f'asked_{task.key}(*args, **named)')}"
        return answers

    def mistakes(self, number: int = 0) -> tuple[dict[str, str], float]:
        """The `number`th mistake of every exercise, and what they deserve together."""
        answers, deserved = {}, 0.0
        for task in self.tasks:
            own = [answer for answer in wrong_answers(self.home) if answer.exercise == task.id]
            answers[task.id] = own[number % len(own)].source
            deserved += own[number % len(own)].points
        return answers, deserved

    def book(
        self, answers: Mapping[str, str], before: str = "", behind: str = "", own: Sequence[str] = ()
    ) -> NotebookNode:
        """A hand-in.  before and behind: code in the first answer cell; own: cells in front of the first answer."""
        answers = dict(answers)
        if before or behind:
            answers[self.first.id] = "\n".join((before, answers[self.first.id], behind))
        book = handed_in(self.release, Sample("", "", 0.0, answers))
        place = index(book, f"{self.first.id}_answer")
        book.cells[place:place] = [nbformat.v4.new_code_cell(source) for source in own]
        return book


def index(book: NotebookNode, grade_id: str) -> int:
    """Where the cell of this grade_id stands."""
    return next(n for n, cell in enumerate(book.cells) if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def text(book: Any) -> bytes:
    """The bytes of a notebook's file."""
    return json.dumps(book, indent=1).encode()


def notebook(content: NotebookNode | bytes, **files: str) -> Callable[[Path, str], None]:
    """Writes one notebook, and `files` beside it: name -> text, with '__' for a dot."""
    data = content if isinstance(content, bytes) else text(content)

    def write(folder: Path, name: str) -> None:
        (folder / name).write_bytes(data)
        for other, source in files.items():
            (folder / other.replace("__", ".")).write_text(source, encoding="utf-8")

    return write


def tried(code: str) -> str:
    """`code`, and whatever it raises is forgotten."""
    return f"try:\n{textwrap.indent(textwrap.dedent(code).strip(), '    ')}\nexcept BaseException:\n    pass\n"


def edited(book: NotebookNode, change: Callable[[NotebookNode], Any]) -> NotebookNode:
    """A copy of the notebook to which `change` was done."""
    book = copy.deepcopy(book)
    change(book)
    return book


def filled(folder: Path, words: Mapping[str, str]) -> None:
    """Put paths and words into what a case has written: into names, texts, and where links lead to."""
    for path in (folder, *folder.iterdir()) if not folder.is_symlink() and folder.is_dir() else (folder,):
        if path.is_symlink():
            target = _with(os.readlink(path), words)
            path.unlink()
            path.symlink_to(target)
        elif path.is_file():
            path.write_bytes(_with(path.read_bytes().decode("latin-1"), words).encode("latin-1"))
        if not path.is_symlink() and path != folder:
            path.rename(path.with_name(_with(path.name, words)))


def _with(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
