"""No platform: a folder or a zip with `STUDENT/FILE`, `STUDENT/LESSON/FILE` (as nbgrader has it) or `STUDENT.ipynb`.

STUDENT is the student_id of the roster.  The time of a member is that of the hand-in, as far as whoever made the archive
kept it.
"""

from __future__ import annotations

from autograder.exchange.platforms.claim import Claim
from autograder.handin.read import NOTEBOOK

TELLS_TIME = True
"""Whether the time of a member is that of the hand-in."""
NUMBERED = False
"""Whether the platform puts a number behind the name of a file that is handed in again."""


def claims(name: str) -> list[Claim]:
    """Whose folder it stands in, or whose name it has."""
    student, _, rest = name.partition("/")
    if rest:
        return [Claim(student, "", rest.rpartition("/")[2], f"{student}/")]
    stem = NOTEBOOK.sub("", name)
    return [Claim(stem, "", name, f"{stem}/")] if stem != name else []


def feedback(claim: Claim, lesson: str) -> str:
    """STUDENT/LESSON.html"""
    return f"{claim.prefix}{lesson}.html"
