"""A verdict as a notebook: the released lesson with the student's text, made harmless, and one number for each check.

nbgrader takes the number of a check cell from its first `execute_result`; nothing else in these notebooks is an output.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbformat import NotebookNode
from nbformat.v4.rwbase import split_lines
from nbgrader.preprocessors import GetGrades

from autograder.gradebook import read
from autograder.handin import sanitize, timestamp
from autograder.handin.runnable import grade_id_of
from autograder.verdict.assignment import Assignment, Rebuilt
from autograder.verdict.journal import CellGrade, Record

UNSTYLED = re.compile(r'<span class="[npw]">([^<]*)</span>')
"""What no rule of a page's style is about, and is a third of it."""
NOT_YET = "not yet marked"
UNCHECKED = "this lesson has no such exercise; it is graded by hand"
OWN = 200
"""How many cells of their own are shown."""


def marked(work: Assignment, rebuilt: Rebuilt, record: Record) -> NotebookNode:
    """The notebook of one hand-in as autograded/ holds it.  Equal arguments give equal notebooks, to the byte."""
    book = work.release if rebuilt.notebook is None else rebuilt.notebook
    ours = {grade_id_of(cell): cell.source for cell in work.release.cells if grade_id_of(cell)}
    remarks = [f"About your file: {remark}" for remark in rebuilt.remarks]
    shown, own = [], 0
    for cell in map(NotebookNode, book.cells):  # what is set below is set in a copy
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if cell.metadata.get("bdlab", {}).get("role") == "own":
            own += 1
            cell.id, cell.source = f"own-{own}", sanitize.code(cell.source)
            if own > OWN:
                continue
        elif is_check(cell):
            cell.outputs = _outputs(_grade(cell, record), remarks)
            remarks = []
        elif grade_id_of(cell) and cell.source != ours[grade_id_of(cell)]:
            cell.source = (sanitize.code if cell.cell_type == "code" else sanitize.markdown)(cell.source)
        shown.append(cell)
    return NotebookNode({**book, "cells": shown})


def text(book: NotebookNode) -> str:
    """What the file holds: what nbconvert would write, without its copies and its second look at our own cells."""
    cells = [NotebookNode(cell) for cell in book.cells]
    for cell in cells:
        if cell.get("outputs"):
            cell.outputs = copy.deepcopy(cell.outputs)
    split = split_lines(NotebookNode({**book, "cells": cells}))
    return json.dumps(split, indent=1, sort_keys=True, ensure_ascii=False, separators=(",", ": ")) + "\n"


def is_check(cell: NotebookNode) -> bool:
    """Whether its points come from us: a graded cell of code that is not the student's to fill in."""
    marks = cell.metadata.get("nbgrader", {})
    return bool(marks.get("grade") and not marks.get("solution") and cell.cell_type == "code")


def flagged(book: NotebookNode, record: Record) -> list[str]:
    """The check cells that a human should look at, beside the number that they have."""
    checks = [cell for cell in book.cells if is_check(cell)]
    return [grade_id_of(cell) for cell in checks if record.refused or _grade(cell, record).doubts]


def _grade(cell: NotebookNode, record: Record) -> CellGrade:
    maximum = float(cell.metadata.nbgrader.points)
    return record.cells.get(grade_id_of(cell), CellGrade(0.0, maximum, (UNCHECKED,), (UNCHECKED,)))


def clamped(points: float, maximum: float) -> float:
    """`points` as a float in [0, maximum]; what is no number gives 0."""
    return 0.0 if math.isnan(points) else float(min(max(points, 0.0), maximum))


def _outputs(grade: CellGrade, remarks: list[str]) -> list[NotebookNode]:
    """The reasons as text, then the number.  Never stderr, never an error: nbgrader takes both for 0 points."""
    said = "".join(f"{sanitize.line(line)}\n" for line in (*grade.reasons, *remarks))
    number = repr(clamped(grade.points, grade.maximum))
    return [
        nbformat.from_dict({"output_type": "stream", "name": "stdout", "text": said}),
        nbformat.from_dict(
            {"output_type": "execute_result", "metadata": {}, "data": {"text/plain": number}, "execution_count": None}
        ),
    ]


def put_beside(work_source: Path, folder: Path, at: datetime | None) -> None:
    """What stands beside a notebook in autograded/: the files of the lesson and the time, nothing of the student's."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in work_source.rglob("*") if work_source.is_dir() else ():
        if path.is_file() and path.suffix != ".ipynb" and not {"__pycache__", ".ipynb_checkpoints"} & {*path.parts}:
            target = folder / path.relative_to(work_source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copyfile(path, target)
    timestamp.write(folder, at)


class Marks(GetGrades):
    """nbgrader's: what waits for a human and has no number of ours is not yet marked, which is not 0."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """See nbgrader."""
        nb, resources = super().preprocess(nb, resources)
        standing = _standing(resources)
        waiting = {cell for cell, ours, _, _, waits, *_ in standing if waits and ours is None}
        resources["nbgrader"]["waits"] = any(waits for *_, waits, _, _, _, _ in standing)
        resources["nbgrader"]["late"] = timestamp.span(max(late or 0.0 for *_, late in standing))
        for cell in nb.cells:
            if grade_id_of(cell) in waiting:
                cell.metadata.nbgrader["score"] = NOT_YET
        return nb, resources


def _standing(resources: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    about = resources["nbgrader"]
    return read.standing(Path(about["db_url"].removeprefix("sqlite:///")), about["assignment"], about["student"])


def written_by(standing: Sequence[tuple[Any, ...]]) -> str:
    """The last line of a page: it is another where the page would be."""
    return f"<!-- marks {hashlib.sha256(json.dumps(standing).encode()).hexdigest()[:16]} -->\n"


class FeedbackPage(HTMLExporter):
    """The page of feedback.html, without nbconvert's second parse of the whole, which is for pictures without description.

    Markdown and code that were rendered before are taken from memory.  One exporter renders a whole class.  What no one has
    marked yet reads so, and the last line tells by what marks the page was written.
    """

    def __init__(self, **options: Any) -> None:
        self.rendered: dict[tuple[str, str], str] = {}
        super().__init__(**options)
        self.raw_template = (Path(__file__).parent / "feedback.html").read_text(encoding="utf-8")
        self.register_filter("float", lambda value: value if value == NOT_YET else float(value))
        self.register_filter("round", lambda value, places: value if value == NOT_YET else round(value, places))

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **options: Any
    ) -> tuple[Any, dict[str, Any]]:
        """See nbconvert."""
        lexer = nb.metadata.get("language_info", {}).get("name")
        highlight = Highlight2HTML(pygments_lexer=lexer, parent=self)
        short = partial(UNSTYLED.sub, r"\1")
        self.register_filter("highlight_code", lambda source, metadata: short(self._once("code", source, highlight)))
        data_types = WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self, resources=resources)
        self.register_filter("filter_data_type", data_types)
        page, resources = TemplateExporter.from_notebook_node(self, nb, resources, **options)
        return f"{page}\n{written_by(_standing(resources))}", resources

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """See nbconvert.  The same text in a lesson has the same pictures attached."""
        return self._once("markdown", source, lambda text: HTMLExporter.markdown2html(self, context, text))

    def _once(self, kind: str, source: str, render: Callable[[str], Any]) -> str:
        key = kind, source
        if key not in self.rendered:
            self.rendered[key] = str(render(source))
        return self.rendered[key]
