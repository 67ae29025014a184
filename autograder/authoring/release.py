"""Lessons go out: into the live gradebook, and as the edition that students get."""

from __future__ import annotations

import shutil
from pathlib import Path

from autograder.authoring import judged_by
from autograder.authoring.build import source_notebook, stale, student_folder, student_text, write_source
from autograder.authoring.folders import homes
from autograder.course.folder import PRIVATE, ROOT, alone
from autograder.course.nbgrader import nbgrader
from autograder.gradebook import read
from bdlab.exercises import lessons

PUBLIC = (
    "bdlab",
    "lessons",
    "docs",
    "course.toml",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CITATION.cff",
)
"""What the students' edition consists of."""


def release(home: Path, name: str | None = None, root: Path = PRIVATE) -> Path:
    """Enter the lesson into the gradebook below `root`.

    Raises: `ValueError` where lessons/ is stale, or where cells or points differ from what students handed in already.
    """
    if not lessons.lesson(home.name).exercises:
        raise ValueError(f"{home.name} has no exercises: there is nothing to grade, and students take it from lessons/")
    old = stale(home)
    if old:
        raise ValueError("; ".join(old) + "; run `autograder build` first")
    name = name or home.name
    root.mkdir(mode=0o700, exist_ok=True)
    with alone(root):
        _refuse_changes(home, name, root)
        write_source(root, home, name=name)
        nbgrader(root, "generate_assignment", name, "--force")
        judged_by.keep(root, home, name)
    target = root / "release" / name / f"{home.name}.ipynb"
    if student_text(target) != (student_folder(home) / target.name).read_text(encoding="utf-8"):
        raise RuntimeError(f"the release of {home.name} differs from lessons/: run `autograder build --check`")
    return target


def _refuse_changes(home: Path, name: str, root: Path) -> None:
    """Raise a `ValueError` when the gradebook holds hand-ins of this lesson whose graded cells were others."""
    handed_in, cells = read.handed_in(root / "gradebook.db", home.name, name)
    if not handed_in:
        return
    marks = [cell.metadata.get("nbgrader", {}) for cell in source_notebook(home).cells]
    now = {mark["grade_id"]: float(mark["points"]) for mark in marks if mark.get("grade")}
    if cells != now:
        changed = ", ".join(sorted(key for key in cells.keys() | now.keys() if cells.get(key) != now.get(key)))
        raise ValueError(
            f"{name} has {handed_in} hand-ins and its graded cells or points changed ({changed}); release it beside the old "
            f"one: autograder release {home.name} --as {home.name}_v2"
        )


def publish(target: Path) -> Path:
    """Copy what students get to `target`.  Raises: `ValueError` where it is not empty, or a lesson is stale."""
    if target.exists() and any(target.iterdir()):
        raise ValueError(f"target must be a new or an empty folder, got {target}")
    old = [line for home in homes() for line in stale(home)]
    if old:
        raise ValueError("; ".join(old) + "; run `autograder build` first")
    target.mkdir(parents=True, exist_ok=True)
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", ".ipynb_checkpoints", ".*", "teach", "day_*")
    for name in PUBLIC:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=unwanted)
        else:
            shutil.copy(source, target / name)
    return target
