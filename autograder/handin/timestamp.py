"""When a hand-in came: the timestamp.txt that nbgrader puts beside it."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from autograder.handin.read import Unreadable, contents

WHEN = re.compile(r"[\d:.T -]{8,40}?(?: [A-Za-z]{1,6}| ?[+-][\d:]{4,6})?")
"""A time as nbgrader writes it.  dateutil would open a file that is named as the zone."""


def handed_in_at(folder: Path) -> datetime | None:
    """UTC without saying so, as nbgrader keeps times; None where the file says nothing."""
    from nbgrader.utils import parse_utc

    try:
        found = contents(folder / "timestamp.txt").decode("utf-8").strip()
        return parse_utc(found) if WHEN.fullmatch(found) else None
    except (Unreadable, ValueError, OverflowError, TypeError):  # dateutil raises the last three
        return None


def write(folder: Path, at: datetime | None) -> None:
    """At one stroke.  at: UTC, None: nobody knows, and there is no such file."""
    path, new = folder / "timestamp.txt", folder / ".timestamp.new"
    if at is None:
        path.unlink(missing_ok=True)
        return
    new.write_text(f"{at:%Y-%m-%d %H:%M:%S.%f} UTC\n", encoding="ascii")
    os.replace(new, path)


def span(seconds: float) -> str:
    """'5 min', '1.5 hours', '2.0 days'; '' for nothing."""
    if seconds < 3600:
        return f"{-(-seconds // 60):.0f} min" if seconds > 0 else ""
    return f"{seconds / 86400:.1f} days" if seconds >= 86400 else f"{seconds / 3600:.1f} hours"
