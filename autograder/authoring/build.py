"""From solutions/NN_topic/NN_topic.py to lessons/NN_topic/NN_topic.ipynb: the same bytes on every machine."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.authoring.sources import REGION, notebook
from autograder.course.folder import ROOT
from autograder.course.nbgrader import nbgrader
from autograder.course.settings import Course, course
from bdlab.exercises import lessons
from bdlab.exercises.names import DEMO
from bdlab.exercises.specification import Lesson

ROLES = ("setup", "demo", "answer", "check", "quiz", "essay")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
SETUP = Path(__file__).with_name("setup_cell.txt")


def source_notebook(home: Path, settings: Course | None = None) -> NotebookNode:
    """The instructor's notebook of a lesson: its source with nbgrader's metadata from the exercises' declarations."""
    lesson, book = lessons.lesson(home.name), notebook(home)
    _check_source(book, lesson, home)
    for cell in book.cells:
        about = dict(cell.metadata)
        cell.metadata = NotebookNode()
        role = about.get("role")
        if role:
            cell.metadata["bdlab"] = {key: about[key] for key in ("role", "exercise") if key in about}
        marks = _marks(role, about, lesson)
        if marks:
            cell.metadata["nbgrader"] = {"schema_version": 3, "task": False, **marks}
        if role == "setup":
            cell.source = setup_cell(settings or course())
        if role == "quiz":  # its source says which answer is right: JupyterLab folds it, and Colab, given a title
            cell.metadata.update(jupyter={"source_hidden": True}, cellView="form")
    _badge(book, home, settings or course())
    return normal(book)


def _marks(role: str | None, about: dict[str, Any], lesson: Lesson) -> dict[str, Any]:
    """nbgrader's metadata of a cell; empty where nbgrader has no business."""
    if role == "setup":
        return {"grade": False, "solution": False, "locked": True, "grade_id": "setup"}
    if role == "answer":
        return {"grade": False, "solution": True, "locked": False, "grade_id": f"{about['exercise']}_answer"}
    if role == "check":
        points = lessons.find(about["exercise"]).points
        return {"grade": True, "solution": False, "locked": True, "grade_id": about["exercise"], "points": points}
    if role == "essay":
        return {"grade": True, "solution": True, "locked": False, "grade_id": about["id"], "points": lesson.essay}
    return {}


def setup_cell(settings: Course) -> str:
    """The setup cell: the same in every lesson, with the course's wheel filled in."""
    text = SETUP.read_text(encoding="utf-8").rstrip("\n")
    wheel = f"WHEEL, SHA256 = {json.dumps(settings.wheel)}, {json.dumps(settings.sha256)}"
    return re.sub(r"^WHEEL, SHA256 = .*?(?=  #|$)", lambda _: wheel, text, flags=re.M)


def _badge(book: NotebookNode, home: Path, settings: Course) -> None:
    if settings.repository:
        address = f"https://colab.research.google.com/github/{settings.repository}/blob/{settings.ref}"
        first = book.cells[0]
        first.source += f"\n\n[Open this lesson in Colab]({address}/lessons/{home.name}/{home.name}.ipynb)"


def _check_source(book: NotebookNode, lesson: Lesson, home: Path) -> None:
    """Raise a `ValueError` where the source is not what the build can work with; it names the cell."""
    for number, cell in enumerate(book.cells, 1):
        role, where = cell.metadata.get("role"), f"cell {number} of {home.name}.py"
        if (role is not None and role not in ROLES) or (role is None and cell.cell_type == "code"):
            raise ValueError(f"role of {where} must be one of {', '.join(ROLES)}, got {role!r}")
        if role in ("answer", "check") and not cell.source.startswith(f"# [{cell.metadata['exercise']}]\n"):
            raise ValueError(f"{where} must begin with the line '# [{cell.metadata['exercise']}]'")
        if role == "answer" and not REGION.search(cell.source + "\n"):
            raise ValueError(f"{where} must have its solution between ### BEGIN SOLUTION and ### END SOLUTION")
        if role == "quiz" and not cell.source.startswith("# @title "):
            raise ValueError(
                f"{where}: a quiz begins with '# @title ' and a title, which Colab shows instead of the source"
            )
        if (role == "demo") != cell.source.startswith(DEMO) and cell.cell_type == "code":
            raise ValueError(f"{where}: a demo cell, and no other, begins with '{DEMO}'")
    for role in ("answer", "check"):
        there = [cell.metadata["exercise"] for cell in book.cells if cell.metadata.get("role") == role]
        wanted = [task.id for task in lesson.exercises]
        if there != wanted:
            raise ValueError(
                f"{home.name}.py must have one {role} cell each for {', '.join(wanted)}; got {', '.join(there)}"
            )


def normal(book: NotebookNode) -> NotebookNode:
    """The notebook with nothing in it that differs between machines: ids from content, no outputs, fixed metadata."""
    book = copy.deepcopy(book)
    book.metadata = NotebookNode(kernelspec=dict(KERNEL), language_info={"name": "python"})
    book.nbformat, book.nbformat_minor = 4, 5
    taken: set[str] = set()
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        mark = cell.metadata.get("nbgrader", {}).get("grade_id")
        own = mark or hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        cell["id"] = next(name for name in _names(own) if name not in taken)
        taken.add(cell["id"])
    return book


def _names(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def text(book: NotebookNode) -> str:
    """The notebook as the bytes of its file."""
    nbformat.validate(book)
    return json.dumps(book, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def released(home: Path, settings: Course | None = None) -> str:
    """The students' notebook of a lesson, made by nbgrader in a scratch course with a gradebook that is thrown away."""
    with scratch_course(home, settings) as root:
        nbgrader(root, "generate_assignment", home.name, "--force")
        return student_text(root / "release" / home.name / f"{home.name}.ipynb")


@contextmanager
def scratch_course(home: Path, settings: Course | None = None) -> Iterator[Path]:
    """A course folder that holds the instructor's notebook of one lesson and nothing else."""
    with tempfile.TemporaryDirectory(prefix="bdlab-course-") as folder:
        write_source(Path(folder), home, settings)
        yield Path(folder)


def write_source(root: Path, home: Path, settings: Course | None = None, name: str | None = None) -> Path:
    """Put the instructor's notebook of a lesson below the course folder `root`, as the assignment `name`."""
    path = root / "source" / (name or home.name) / f"{home.name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(source_notebook(home, settings)), encoding="utf-8")
    return path


def student_text(path: Path) -> str:
    """A released notebook in its normal form."""
    return text(normal(nbformat.read(path, as_version=4)))


def build(home: Path, out: Path = ROOT / "lessons", settings: Course | None = None) -> Path:
    """Write lessons/NN_topic anew, as a whole or not at all."""
    content = released(home, settings)
    new, old = out / f".{home.name}.new", out / f".{home.name}.old"
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir(parents=True)
    (new / f"{home.name}.ipynb").write_text(content, encoding="utf-8")
    target = out / home.name
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target


def stale(home: Path, out: Path = ROOT / "lessons") -> list[str]:
    """What of lessons/NN_topic is not what the build makes."""
    target, wanted = out / home.name, f"{home.name}.ipynb"
    there = {path.name for path in target.iterdir()} if target.is_dir() else set()
    found = [f"lessons/{home.name}/{name}: the build does not make it" for name in sorted(there - {wanted})]
    if wanted not in there:
        return [*found, f"lessons/{home.name}/{wanted}: is missing"]
    if (target / wanted).read_text(encoding="utf-8") != released(home):
        found.append(f"lessons/{home.name}/{wanted}: is not what its source makes")
    return found
