"""docs/lessons.md: what every lesson and exercise is, from the exercises' declarations."""

from __future__ import annotations

from pathlib import Path

from autograder.course.folder import ROOT
from bdlab.exercises import lessons
from bdlab.exercises.specification import Lesson

PAGE = ROOT / "docs" / "lessons.md"
HEAD = """# Lessons and exercises

Written by `autograder build` from the declarations in `bdlab/exercises/`. A part gives all of its points or none.
A mistake is a wrong answer that the tests hold: it must lose points, and it is answered with a message of its own.
"""


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(one) for one in lessons.all_lessons())])


def _section(lesson: Lesson) -> str:
    if not lesson.points:
        return f"## {lesson.id}: {lesson.title}\n\nNothing to hand in. {lesson.minutes} minutes.\n"
    automatic = lesson.points - lesson.essay
    rows = [
        f"| `{task.id}` | `{task.name}` | {task.points:g} | {task.minutes} | {task.difficulty}/5 | {task.importance}/5 "
        f"| {', '.join(f'{part.name} {part.points:g}' for part in task.parts)} | {len(task.mistakes)} |"
        for task in lesson.exercises
    ]
    return "\n".join([
        f"## {lesson.id}: {lesson.title}", "",
        f"{lesson.points:g} points: {automatic:g} automatic, {lesson.essay:g} for the essay. {lesson.minutes} minutes.", "",
        "| exercise | function | points | minutes | difficulty | importance | parts | mistakes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |", *rows, "",
    ])  # fmt: skip


def write() -> Path:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")
    return PAGE


def stale() -> list[str]:
    """Whether the page is another than the declarations make."""
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text()
    return [] if same else ["docs/lessons.md: is not what the declarations make"]
