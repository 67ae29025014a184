"""From solutions/NN_topic/NN_topic.py to lessons/NN_topic/NN_topic.ipynb: the same bytes on every machine."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

import bdlab
from autograder.authoring.folders import homes
from autograder.authoring.sources import notebook, tasks
from autograder.authoring.wrong import REGION, values_of
from autograder.course.nbgrader import nbgrader
from autograder.course.settings import Course, course
from bdlab.exercises import lessons
from bdlab.exercises.names import DEMO, USE
from bdlab.exercises.specification import Exercise, Lesson

ROLES = ("setup", "demo", "use", "answer", "quiz", "essay")
"""What a cell of a source may be; check cells are the build's own."""
FIRST = {"demo": DEMO, "use": USE}
"""How the first line of such a cell begins."""
COLUMNS = 79
"""Of a code cell: more is clipped in a browser of 1280 pixels."""
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
SETUP = Path(__file__).with_name("setup_cell.txt")


def source_notebook(home: Path, settings: Course | None = None) -> NotebookNode:
    """The instructor's notebook of a lesson: its source, and what the declarations say that is typed nowhere else.

    Headers, points, tags, canaries, check cells and links come in here, and nbgrader's metadata.
    """
    lesson, book = lessons.lesson(home.name), notebook(home)
    _check_source(book, lesson, home)
    settings = settings or course()
    made: list[NotebookNode] = []
    for cell in book.cells:
        role = cell.metadata.get("role")
        if role == "answer":
            made += _answer(_of(home, cell), cell.source)
        elif "exercise" in cell.metadata:
            made.append(_cell("markdown", _header(_of(home, cell), lesson, cell.source)))
        elif role == "setup":
            made.append(_cell("code", setup_cell(settings, lesson), "setup", grade_id="setup", locked=True))
            made[-1].metadata["jupyter"] = {"source_hidden": True}
        elif role == "essay":
            name = f"{lesson.short}_essay"
            marked = _cell("markdown", cell.source, "essay", grade=True, solution=True, grade_id=name, points=lesson.essay)
            made.append(marked)
        else:
            made.append(_cell(cell.cell_type, cell.source, role))
        made[-1].update(_pictures(made[-1], home))
    _title(made[0], lesson, home, settings)
    made.append(_cell("markdown", _links(home)))
    if settings.repository:
        _address(made, home, settings)
    book.cells = made
    return normal(book)


def _of(home: Path, cell: NotebookNode) -> Exercise:
    return tasks(home)[cell.metadata["exercise"]]


def _cell(kind: str, source: str, role: str | None = None, exercise: str = "", **marks: Any) -> NotebookNode:
    """A cell of the notebook, with nbgrader's metadata where `marks` are given."""
    about = {"role": role, "exercise": exercise} if exercise else {"role": role}
    metadata: dict[str, Any] = {"bdlab": about} if role else {}
    if marks:
        metadata["nbgrader"] = {
            "schema_version": 3, "task": False, "grade": False, "solution": False, "locked": False, **marks,
        }  # fmt: skip
    return NotebookNode(cell_type=kind, source=source, metadata=NotebookNode(nbformat.from_dict(metadata)))


def _pictures(cell: NotebookNode, home: Path) -> dict[str, Any]:
    """What the cell shows as `![what it shows](attachment:NAME.png)`: files beside the source, put into the notebook."""
    names = re.findall(r"\]\(attachment:([\w.-]+\.png)\)", cell.source) if cell.cell_type == "markdown" else []
    held = {name: {"image/png": base64.b64encode((home / name).read_bytes()).decode()} for name in names}
    return {"attachments": held} if held else {}


def _answer(task: Exercise, source: str) -> list[NotebookNode]:
    """The answer cell with its tag and canaries, and the check cell behind it."""
    tag = f"# [{task.id}]\n"
    answer = REGION.sub(lambda found: _with_canary(found, task), source + "\n").rstrip("\n")
    return [
        _cell("code", tag + answer, "answer", task.id, solution=True, grade_id=f"{task.id}_answer"),
        _cell("code", f'{tag}bdlab.check("{task.id}")', "check", task.id, grade=True, locked=True, grade_id=task.id,
              points=task.points),
    ]  # fmt: skip


def canary(task: Exercise) -> str:
    """A comment that stands in the solution of this exercise and nowhere else."""
    digest = hashlib.sha256(f"canary of {task.id}".encode()).hexdigest()[:8]
    return f"# canary {digest}-{task.id.replace('_', '-')}"


def _with_canary(found: re.Match[str], task: Exercise) -> str:
    indent = re.match(r" *", found["body"])
    return found[0].replace(found["body"], f"{indent[0] if indent else ''}{canary(task)}\n{found['body']}", 1)


def _header(task: Exercise, lesson: Lesson, source: str) -> str:
    """Number, title, points, then what the source says, then how it is checked."""
    title, _, text = source.partition("\n")
    number = [one.id for one in lesson.exercises].index(task.id) + 1
    about = (
        f"Difficulty {task.difficulty} of 5 · importance {task.importance} of 5 · {task.minutes} minutes · "
        f"{task.points:g} points"
    )
    parts = ", ".join(f"{part.name} {part.points:g}" for part in task.parts)
    last = f"Points: {parts}. Stuck? `bdlab.hint(\"{task.id}\")`"
    return "\n\n".join(filter(None, [f"### Exercise {number}: {title.strip()}", about, text.strip(), last]))


def _title(cell: NotebookNode, lesson: Lesson, home: Path, settings: Course) -> None:
    """The heading above the first cell's text; below it what the lesson takes and gives, and the badge."""
    points = f"{lesson.automatic:g} points by checks" if lesson.exercises else "no points"
    points += f", {lesson.essay:g} by a person" if lesson.essay else ""
    needs = f" · after {', '.join(lesson.needs)}" if lesson.needs else ""
    lines = [f"# {lesson.id[:2]} · {lesson.title}", cell.source, f"*{lesson.minutes} minutes · {points}{needs}*"]
    if settings.repository:
        address = f"https://colab.research.google.com/github/{settings.repository}/blob/{settings.ref}"
        lines.append(f"[Open this lesson in Colab]({address}/lessons/{home.name}/{home.name}.ipynb)")
    cell.source = "\n\n".join(lines)


def _links(home: Path) -> str:
    """To the lessons before and behind this one, as far as they exist."""
    names = [other.name for other in homes() if other.parent == home.parent]
    place = names.index(home.name)
    found = [("Before", names[place - 1])] if place else []
    found += [("Next", names[place + 1])] if place + 1 < len(names) else []
    title = {one.id: f"{one.id[:2]} {one.title}" for one in lessons.all_lessons()}
    links = [f"{word}: [{title[name]}](../{name}/{name}.ipynb)" for word, name in found if name in title]
    return " · ".join([*links, "[all lessons](../README.md)"])


def _address(cells: list[NotebookNode], home: Path, settings: Course) -> None:
    """Links to other files of the project get the course's address: in Colab, and beside nbgrader, the notebook is alone."""
    base = f"https://github.com/{settings.repository}/blob/{settings.ref}"

    def whole(found: re.Match[str]) -> str:
        return f"]({base}/{os.path.normpath(f'lessons/{home.name}/{found[1]}')})"

    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\.\./[^)\s]+)\)", whole, cell.source)


def setup_cell(settings: Course, lesson: Lesson) -> str:
    """The setup cell: version, repository, wheel and term of the course filled in, and what this lesson imports."""
    text = SETUP.read_text(encoding="utf-8").rstrip("\n")
    source = f"git+https://github.com/{settings.repository}@{settings.ref}" if settings.repository else ""
    for names, values in (
        ("LEAST, SOURCE", (bdlab.__version__, source)),
        ("WHEEL, SHA256", (settings.wheel, settings.sha256)),
        ("TERM", (settings.salt,)),
    ):
        filled = f"{names} = {', '.join(map(json.dumps, values))}"
        text = re.sub(rf"^{names} = .*?(?=  #|$)", filled.replace("\\", r"\\"), text, flags=re.M)
    return text.replace("IMPORTS", "\n".join(lesson.imports))


def _check_source(book: NotebookNode, lesson: Lesson, home: Path) -> None:
    """Raise a `ValueError` where the source is not what the build can work with; it names the cell."""
    for number, cell in enumerate(book.cells, 1):
        _check_cell(cell, f"cell {number} of {home.name}.py", home)
    there = [cell.metadata["exercise"] for cell in book.cells if cell.metadata.get("role") == "answer"]
    wanted = list(tasks(home))
    if there != wanted:
        raise ValueError(f"{home.name}.py must have one answer cell each for {', '.join(wanted)}; got {', '.join(there)}")
    essays = sum(cell.metadata.get("role") == "essay" for cell in book.cells)
    if essays != bool(lesson.essay):
        raise ValueError(f"{home.name}.py must have {int(bool(lesson.essay))} essay cells, got {essays}")


def _check_cell(cell: NotebookNode, where: str, home: Path) -> None:
    role, code = cell.metadata.get("role"), cell.cell_type == "code"
    if (role is not None and role not in ROLES) or (role is None and code):
        raise ValueError(f"role of {where} must be one of {', '.join(ROLES)}, got {role!r}")
    key = cell.metadata.get("exercise")
    if (role == "answer") != (key is not None and code) or (key is not None and key not in tasks(home)):
        raise ValueError(f"exercise of {where} must be one of {', '.join(tasks(home)) or '(none)'}, got {key!r}")
    if role == "answer" and not REGION.search(cell.source + "\n"):
        raise ValueError(f"{where} must have its solution between ### BEGIN SOLUTION and ### END SOLUTION")
    regions = list(REGION.finditer(cell.source + "\n"))
    if role == "answer" and not all(found["indent"] or values_of(found) for found in regions):
        raise ValueError(f"{where}: a solution at the top level must assign a value; the line with def is no part of it")
    hidden = [name for found in regions for name in re.findall(r"^(?:def|class) (\w+)", found["body"], re.M)]
    if role == "answer" and hidden:
        raise ValueError(f"{where}: {hidden[0]} begins inside a solution, where no student sees it; end that one before it")
    asked = re.fullmatch(r'bdlab\.quiz\("(\w+)"\)', cell.source) if role == "quiz" else None
    if role == "quiz" and not asked:
        raise ValueError(f"{where}: a quiz is one line, bdlab.quiz(...) with the name of a question")
    if asked:
        lessons.question(asked[1])
    if code and (FIRST.get(role or "", "") != next((f for f in FIRST.values() if cell.source.startswith(f)), "")):
        raise ValueError(f"{where}: a demo cell, and no other, begins with '{DEMO}', a use cell with '{USE}'")
    wide = next((line for line in cell.source.splitlines() if code and len(line) > COLUMNS), "")
    if wide:
        raise ValueError(f"{where}: a line of code must have at most {COLUMNS} characters, {len(wide)} are in {wide!r}")


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
    if not lessons.lesson(home.name).exercises:  # nothing for nbgrader to see to
        return text(source_notebook(home, settings))
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


def student_folder(home: Path) -> Path:
    """lessons/NN_topic of solutions/NN_topic."""
    return home.parents[1] / "lessons" / home.name


def build(home: Path, out: Path | None = None, settings: Course | None = None) -> Path:
    """Write lessons/NN_topic anew, as a whole or not at all.  out: in place of the folder lessons."""
    content, out = released(home, settings), out or student_folder(home).parent
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


def stale(home: Path) -> list[str]:
    """What of lessons/NN_topic is not what the build makes."""
    target, wanted = student_folder(home), f"{home.name}.ipynb"
    there = {path.name for path in target.iterdir()} if target.is_dir() else set()
    found = [f"lessons/{home.name}/{name}: the build does not make it" for name in sorted(there - {wanted})]
    if wanted not in there:
        return [*found, f"lessons/{home.name}/{wanted}: is missing"]
    if (target / wanted).read_text(encoding="utf-8") != released(home):
        found.append(f"lessons/{home.name}/{wanted}: is not what its source makes")
    return found
