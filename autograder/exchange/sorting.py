"""What is to be collected, what became of it, and the members of an archive sorted by student."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from autograder.course import folder
from autograder.exchange import matching
from autograder.exchange.archives import Member, shown
from autograder.exchange.matching import HandIn, Owner, Unmatched
from autograder.exchange.platforms import moodle, platform
from autograder.exchange.platforms.claim import Claim
from autograder.exchange.roster import Student
from autograder.handin.read import LIMIT, NOTEBOOK, read
from autograder.handin.reader import ask


@dataclass(frozen=True)
class Plan:
    """What to collect.  lesson: of the notebook; name: of the assignment; zone: of times that name none."""

    root: Path
    lesson: str
    name: str
    archive: Path
    platform: str
    roster: Path
    worksheet: Path | None = None
    by_name: bool = False
    extensions: Path | None = None
    due: datetime | None = None
    time: datetime | None = None
    zone: ZoneInfo | None = None
    leave_out: bool = False


@dataclass
class Collected:
    """What happened, student by student.  late: student -> seconds, as nbgrader counts them."""

    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    retimed: list[str] = field(default_factory=list)
    unmatched: list[tuple[str, str]] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    none: list[tuple[str, str]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    late: dict[str, float] = field(default_factory=dict)
    untimed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    times: dict[str, int] = field(default_factory=dict)
    others: int = 0
    enrolled: int = 0
    due: datetime | None = None


def sort_out(
    plan: Plan,
    members: Sequence[Member],
    students: Mapping[str, Student],
    participants: Mapping[str, moodle.Participant],
    result: Collected,
) -> list[HandIn]:
    """The hand-ins in an archive; what is nobody's, or not certainly the last, is told in `result`."""
    owner: Owner = {
        "canvas": lambda: matching.of_canvas(students),
        "moodle": lambda: matching.of_moodle(students, participants, plan.by_name),
        "plain": lambda: matching.of_plain(students),
    }[plan.platform]()
    notebooks: list[Member] = []
    packed: list[Member] = []
    found: dict[str, list[tuple[Claim, Member, str]]] = {}
    for member in _of_lesson(plan, members, students):
        (notebooks if NOTEBOOK.search(member.last) else packed).append(member)
    if not notebooks:
        inside = [shown(member.name) for member in packed if member.is_archive]
        told = f"but {inside[0]!r}, which is not opened; unpack it and give that" if inside else "and nothing to collect"
        raise ValueError(f"{plan.archive.name} has no notebook in it {told}")
    for member in notebooks:
        try:
            claim, student, remark = owner(member.name)
            found.setdefault(student, []).append((claim, member, remark))
        except Unmatched as why:
            result.unmatched.append((shown(member.name), str(why)))
    ours = {cell.source.strip() for cell in read(folder.released(plan.root, plan.lesson, plan.name).read_bytes()).cells}

    def untouched(member: Member) -> bool:
        with suppress(ValueError, RuntimeError):  # what cannot be read is not the lesson
            return member.size <= LIMIT and set(ask("sources", member.load().decode("latin-1"))) <= ours
        return False

    hand_ins = []
    for student, theirs in sorted(found.items()):
        try:
            one = matching.choose(student, theirs, plan.lesson, platform(plan.platform).NUMBERED, untouched)
            hand_ins.append(one)
            result.told += [(student, line) for line in one.told]
        except Unmatched as why:
            result.duplicates.append((student, str(why)))
    _without(packed, owner, found, result)
    return hand_ins


def _without(packed: Iterable[Member], owner: Owner, found: Mapping[str, Any], result: Collected) -> None:
    """Whose files hold no notebook, and how many files are no notebooks."""
    theirs: dict[str, list[str]] = {}
    for member in packed:
        result.others += 1
        try:
            student = owner(member.name)[1]
        except Unmatched:
            continue
        if student not in found:
            theirs.setdefault(student, []).append(shown(member.last))
    result.none += [(student, ", ".join(names[:3])) for student, names in sorted(theirs.items())]


def _of_lesson(plan: Plan, members: Sequence[Member], students: Mapping[str, Student]) -> list[Member]:
    """Without a folder around everything, and without other lessons' folders, where folders are named by us."""
    if plan.platform != "plain":
        return list(members)
    tops = {member.name.partition("/")[0] for member in members}
    if len(tops) == 1 and not tops & set(students) and all("/" in member.name for member in members):
        members = [replace(member, name=member.name.partition("/")[2]) for member in members]
    own = (plan.name, plan.lesson)
    lessons = {path.name for path in (plan.root / "release").iterdir() if path.is_dir()} - {*own}
    return [one for one in members if not (one.name.count("/") > 1 and one.name.split("/")[1] in lessons)]
