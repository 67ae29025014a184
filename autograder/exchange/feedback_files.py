"""Feedback pages in one zip, each named as the platform takes it back: nobody's page under another's name."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from autograder.exchange.collected import notes
from autograder.exchange.platforms import platform
from autograder.exchange.platforms.claim import Claim
from autograder.handin.read import Unreadable, contents

WHEN = (1980, 1, 1, 0, 0, 0)
"""The time of every member: equal pages make equal zips."""


def pack(root: Path, lesson: str, name: str, to: str, students: Iterable[str]) -> tuple[bytes, list[tuple[str, str]]]:
    """The zip, and (student, why there is no page of theirs).  to: 'moodle', 'canvas' or 'plain'."""
    known, kind = notes(root, name), platform(to)
    out, without, used = io.BytesIO(), [], set()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for student in students:
            note = known.get(student)
            if to != "plain" and (note is None or note.platform != to):
                without.append((student, f"was not collected from {to}, so its name there is not known"))
                continue
            claim = note.claim if note is not None and to != "plain" else Claim(student, "", "", f"{student}/")
            page, member = root / "feedback" / student / name / f"{lesson}.html", kind.feedback(claim, name)
            try:
                data = contents(page)
            except (Unreadable, OSError):
                without.append((student, "has no feedback page; `autograder grade` writes it"))
                continue
            if member in used:
                raise ValueError(f"two feedback pages would be called {member!r}; collect again")
            used.add(member)
            archive.writestr(zipfile.ZipInfo(member, WHEN), data, zipfile.ZIP_DEFLATED, 1)
    return out.getvalue(), without
