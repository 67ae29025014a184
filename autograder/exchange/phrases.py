"""Comments that are written once: keys in formgrader's field for a comment become phrases of a file, and their points."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from autograder.exchange.tables import NUMBER, read
from autograder.gradebook import read as gradebook

KEY = re.compile(r"(?<!\S)/(\w+)(?!\S)")


@dataclass(frozen=True)
class Used:
    """What became of one comment.  points: of the cell, None where none were given; unknown: keys, then nothing was done."""

    student: str
    cell: str
    points: float | None
    text: str
    unknown: tuple[str, ...] = ()


def phrases(path: Path) -> dict[str, tuple[float | None, str]]:
    """Key -> (points or None, text), of a CSV file with the columns key, points, text."""
    table, found = read(path), dict[str, tuple[float | None, str]]()
    key, points, text = (table.needs(name) for name in ("key", "points", "text"))
    for row in table.rows:
        name, worth = row[key].strip().removeprefix("/"), row[points].strip().replace(",", ".")
        if not re.fullmatch(r"\w+", name) or name in found or (worth and not NUMBER.fullmatch(worth)):
            raise ValueError(f"{path.name} must have in each line a new key and a number or nothing as points, got {row}")
        found[name] = float(worth) if worth else None, row[text].strip()
    return found


def use(root: Path, lesson: str, name: str, path: Path) -> list[Used]:
    """Put the phrases in place of `/key` in every comment of the assignment `name`; their points are summed.

    Points that a human typed stay; a cell that gets points does not wait any more.
    """
    known, found = phrases(path), list[Used]()
    with gradebook.opened(gradebook.required(root, lesson, name)) as book, gradebook.together(book):
        for student, row in sorted(gradebook.submissions(book, book.find_assignment(name), whole=True).items()):
            grades = {grade.cell.name: grade for notebook in row.notebooks for grade in notebook.grades}
            for comment in (comment for notebook in row.notebooks for comment in notebook.comments):
                said, cell = comment.manual_comment or "", comment.cell.name
                keys, grade = KEY.findall(said), grades.get(cell)
                unknown = tuple(key for key in keys if key not in known)
                if unknown:
                    found.append(Used(student, cell, None, said, unknown))
                elif keys:
                    comment.manual_comment = KEY.sub(lambda match: known[match[1]][1], said)
                    worth = [points for points, _ in map(known.__getitem__, keys) if points is not None]
                    if worth and grade is not None and grade.manual_score is None:
                        grade.manual_score = min(max(sum(worth), 0.0), grade.max_score)
                        grade.needs_manual_grade = False
                    given = grade.manual_score if grade is not None else None
                    found.append(Used(student, cell, given, comment.manual_comment))
    return found
