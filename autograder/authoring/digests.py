"""Whether a lesson is still what it was when all of it was last run through: digests of its files and of the machinery."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from autograder.authoring.build import student_folder
from autograder.course.folder import ROOT
from bdlab.exercises import frozen, lessons
from bdlab.lessons import demos

PAGE = ROOT / "docs" / "quality.md"
BEGIN, END = "<!-- lessons: begin -->", "<!-- lessons: end -->"
MACHINERY = (
    "bdlab/exercises/*.py", "bdlab/lessons/demos.py", "bdlab/submission/*.py", "autograder/authoring/*",
    "autograder/handin/*.py", "autograder/verdict/*.py",
)  # fmt: skip
"""What every lesson is made, checked and graded with."""
ALLOWED = 12
"""Files of the machinery that may have changed since the page was written."""


def files(home: Path) -> list[Path]:
    """A lesson's own files: source, declarations, frozen outcomes, figures, cached demos, and what students get."""
    lesson = lessons.lesson(home.name)
    own, shown = frozen.place(lesson).parents[1], demos.home(lesson.short)
    found = [
        *home.iterdir(), *student_folder(home).iterdir(), *own.glob(f"{lesson.short}_*.py"), frozen.place(lesson),
        *shown.glob(f"{lesson.short}_*.py"), shown / "cache" / f"{lesson.short}.npz",
    ]  # fmt: skip
    return sorted(path for path in found if path.is_file() and path.suffix != ".pyc" and ".edit." not in path.name)


def digest(paths: Iterable[Path]) -> str:
    """Of names and contents, twelve hex digits; lines that end as on Windows are the same lines."""
    whole = hashlib.sha256()
    for path in paths:
        data = path.read_bytes()
        plain = data if path.suffix == ".npz" else data.replace(b"\r\n", b"\n")
        whole.update(f"{path.name} {hashlib.sha256(plain).hexdigest()}\n".encode())
    return whole.hexdigest()[:12]


def machinery() -> dict[str, str]:
    """Path below the checkout -> digest."""
    found = sorted(path for pattern in MACHINERY for path in ROOT.glob(pattern) if path.is_file())
    own = [path for path in found if not re.match(r"l\d\d_", path.name) and path.suffix in (".py", ".txt")]
    return {path.relative_to(ROOT).as_posix(): digest([path]) for path in own}


def kept(page: Path = PAGE) -> tuple[dict[str, str], dict[str, str]]:
    """(lesson -> digest, file of the machinery -> digest) as the page keeps them."""
    text = page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    of_lessons = re.findall(r"^\| (\d\d_\w+) \| `([0-9a-f]{12})` ", text, re.M)
    return dict(of_lessons), dict(re.findall(r"^(\S+\.(?:py|txt)) ([0-9a-f]{12})$", text, re.M))


def changed(page: Path = PAGE) -> list[str]:
    """Files of the machinery that are new, gone, or other than when the page was written."""
    then, now = kept(page)[1], machinery()
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def covered(home: Path, page: Path = PAGE) -> bool:
    """Whether the page tells of this very lesson, run with this very machinery."""
    return not changed(page) and kept(page)[0].get(home.name) == digest(files(home))
