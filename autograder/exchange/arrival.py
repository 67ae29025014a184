"""When something was handed in, and who says so: the worksheet, a person, the platform, or the archive."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from autograder.exchange.matching import HandIn
from autograder.exchange.platforms import moodle, platform

if TYPE_CHECKING:
    from autograder.exchange.sorting import Plan


def moment(text: str, zone: ZoneInfo | None = None) -> datetime:
    """'2026-01-05 12:00', with ' UTC' or '+01:00' behind it, else in `zone` (this machine's): UTC, without saying so."""
    try:
        found = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
    except ValueError:
        raise ValueError(f"a time must be like '2026-01-05 12:00' or '2026-01-05 12:00 UTC', got {text!r}") from None
    first, second = (utc(found.replace(fold=fold), zone) for fold in (0, 1))
    if first != second:
        told = f"{text!r} is in the hour that daylight saving skips or doubles"
        raise ValueError(f"{told}; give '{first:%Y-%m-%d %H:%M} UTC' or '{second:%Y-%m-%d %H:%M} UTC'")
    return first


def timezone(name: str | None) -> ZoneInfo | None:
    """'Europe/Berlin'; None is this machine's.  Raises: `ValueError` for no such place."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"--timezone must be like 'Europe/Berlin' or 'UTC', got {name!r}") from None


def utc(found: datetime, zone: ZoneInfo | None) -> datetime:
    """The same moment in UTC, without saying so, as nbgrader keeps times."""
    found = found.replace(tzinfo=zone) if zone and found.tzinfo is None else found
    return found.astimezone(UTC).replace(tzinfo=None)


class Times:
    """When something was handed in, and who says so."""

    def __init__(self, plan: Plan, participants: Mapping[str, moodle.Participant], personal: Mapping[str, str]) -> None:
        self.plan, self.participants = plan, participants
        self.personal = {student: moment(text, plan.zone) for student, text in personal.items()}
        self.tells = platform(plan.platform).TELLS_TIME

    def of(self, one: HandIn, due: datetime | None) -> tuple[datetime | None, str]:
        """(UTC or None, who says so).  due: that of this student.

        The times in a zip of Moodle or Canvas are those of the download: they can show that something was in time, not
        that it was late.  Canvas says whether it was late, not by how much: that counts as one second.
        """
        if one.student in self.personal:
            return self.personal[one.student], "--extensions"
        said = self._of_worksheet(one)
        if said is not None:
            return said, "the worksheet"
        if self.plan.time is not None:
            return self.plan.time, "--time"
        dates = [utc(member.time, self.plan.zone) for member in one.files.values() if member.time is not None]
        at = max(dates, default=None)
        if self.tells or at is None or due is None or at <= due:
            return at, "the archive" if self.tells else "the download"
        if self.plan.platform == "canvas":
            return (due + timedelta(seconds=1), "Canvas: late") if one.late else (due, "Canvas: in time")
        return None, "nobody"

    def _of_worksheet(self, one: HandIn) -> datetime | None:
        line = self.participants.get(one.claim.key)
        if self.plan.platform != "moodle" or line is None:
            return None
        try:
            found = moodle.time(line.time)
        except ValueError:
            if self.plan.time is None:
                raise
            return None
        return None if found is None else utc(found, self.plan.zone)
