"""Where the lessons' sources lie: folders NN_topic below solutions/."""

from __future__ import annotations

from pathlib import Path

from autograder.course.folder import ROOT

HOMES = [ROOT / "solutions"]
"""Folders that hold lessons' sources; tests add one."""


def homes() -> list[Path]:
    """The folders of all lessons, in their order."""
    found = (path for root in HOMES for path in root.glob("[0-9][0-9]_*") if path.is_dir())
    return sorted(found, key=lambda path: path.name)


def folder(lesson: str) -> Path:
    """solutions/03_badnets of the lesson '03_badnets', '03' or 'l03'.  Raises: `ValueError` where there is none."""
    for home in homes():
        if lesson in (home.name, home.name[:2], f"l{home.name[:2]}"):
            return home
    raise ValueError(f"lesson must be one of {', '.join(home.name for home in homes())}; got {lesson!r}")
