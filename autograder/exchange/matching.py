"""Whose a member of an archive is, and which of a student's notebooks counts.  What is not told is not guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autograder.exchange.archives import Member, shown
from autograder.exchange.platforms import canvas, moodle, plain
from autograder.exchange.platforms.claim import Claim
from autograder.exchange.roster import Student
from autograder.handin.read import NOTEBOOK

Owner = Callable[[str], tuple[Claim, str, str]]
"""Name of a member -> (claim, student, remark); it raises `Unmatched`."""
AGAIN = re.compile(r"(.*?)(?:-(\d{1,6}))?")
"""A file's name without its suffix, and the number that Canvas puts behind it for a later attempt."""


class Unmatched(Exception):
    """It is nobody's for certain; the text says why."""


@dataclass(frozen=True)
class HandIn:
    """What one student handed in.  files: name in their folder -> member; told: what was done, and what to know."""

    student: str
    claim: Claim
    files: Mapping[str, Member]
    late: bool = False
    told: tuple[str, ...] = field(default=())


def of_canvas(students: Mapping[str, Student]) -> Owner:
    """Whose a file of Canvas is."""
    known = {one.canvas: one for one in students.values() if one.canvas}
    if not known:
        raise ValueError("the roster must have the column canvas_id to collect from Canvas; a gradebook export has it as ID")

    def owner(name: str) -> tuple[Claim, str, str]:
        claims = canvas.claims(name)
        if not claims:
            hidden = "anonymous grading is on" if "anon_" in name else "it is not named as Canvas names files"
            raise Unmatched(hidden)
        found = [claim for claim in claims if claim.key in known]
        if not found:
            raise Unmatched(f"no student of the roster has the canvas_id {claims[0].key}")
        (claim, one) = (found[0], known[found[0].key])
        theirs = {canvas.sortable(one.first, one.last), canvas.sortable(one.last, one.first)}
        alike = not one.name or claim.name in theirs
        if len(found) > 1 or (claim is not claims[0] and not (one.name and alike)):
            raise Unmatched("its name reads in more than one way: somebody has numbers in their name")
        return claim, one.student, "" if alike else f"Canvas calls them {shown(claim.name)!r}, the roster {one.name!r}"

    return owner


def of_moodle(students: Mapping[str, Student], participants: Mapping[str, moodle.Participant], by_name: bool) -> Owner:
    """The same for Moodle.  participants: the grading worksheet; by_name: go by full names where it does not tell."""
    if not participants and not by_name:
        raise ValueError(
            "--worksheet must be the assignment's grading worksheet: in Moodle's zip a file has a number that only the "
            "worksheet explains; --by-name goes by full names that nobody else has"
        )
    if participants and not any(line.name for line in participants.values()):
        raise ValueError(
            "--worksheet has no names: marking is anonymous. In Moodle: Reveal student identities, then download zip and "
            "worksheet again"
        )
    groups = {moodle.cleaned(line.group) for line in participants.values()} - {""}
    index: dict[tuple[str, str], list[str]] = {}
    for one in students.values():
        for key in ("email", "username", "number"):
            index.setdefault((key, getattr(one, key).casefold()), []).append(one.student)
        index.setdefault(("name", moodle.cleaned(one.name)), []).append(one.student)

    def owner(name: str) -> tuple[Claim, str, str]:
        for claim in moodle.claims(name):
            line = participants.get(claim.key)
            if line is None and groups and (moodle.cleaned(claim.name) in groups or claim.key == "0"):
                raise ValueError(
                    f"{shown(claim.name)!r} is a group, whose hand-ins are not taken: unpack the zip, make a folder "
                    "STUDENT/FILE for each member, and give that with --from plain"
                )
            if participants:
                _same_person(claim, line)
            said = {("email", line.email), ("username", line.username), ("number", line.id_number)} if line else set()
            keys = {(key, value.casefold()) for key, value in said if value}
            found = {student for key in keys for student in index.get(key, [])}
            remark = ""
            if not found and by_name:
                found, remark = set(index.get(("name", moodle.cleaned(claim.name)), [])), "found by the full name"
            if len(found) == 1:
                return claim, found.pop(), remark
            if found:
                raise Unmatched(f"it fits {len(found)} students of the roster: {', '.join(sorted(found))}")
            name_too = " or full name" if by_name else ""
            raise Unmatched(f"nobody in the roster has this address, username, ID number{name_too}")
        raise Unmatched("it is not named as Moodle names files")

    return owner


def _same_person(claim: Claim, line: moodle.Participant | None) -> None:
    """The number alone could be that of a group, or of another assignment."""
    if line is None:
        raise Unmatched(f"the worksheet has no participant {claim.key}: is it that of this assignment, with no groups?")
    if moodle.cleaned(line.name) != moodle.cleaned(claim.name):
        raise Unmatched(f"the worksheet calls participant {claim.key} {shown(line.name) or 'nothing'!r}")


def of_plain(students: Mapping[str, Student]) -> Owner:
    """The same for folders that are named after students."""

    def owner(name: str) -> tuple[Claim, str, str]:
        claims = plain.claims(name)
        if not claims or claims[0].key not in students:
            raise Unmatched("no student of the roster is called so")
        return claims[0], claims[0].key, ""

    return owner


def choose(
    student: str,
    found: Sequence[tuple[Claim, Member, str]],
    lesson: str,
    numbered: bool,
    untouched: Callable[[Member], bool] = lambda member: False,
) -> HandIn:
    """The notebooks of one student that go into their folder: `lesson`.ipynb counts when it is graded.

    One of another name is put there under the right one.  Several of other names keep them: grading asks a human.
    numbered: the platform puts -1, -2 ... behind what is handed in again; untouched: whether it is the lesson as released:
    that never counts while there is another.
    Raises: `Unmatched` where it cannot be known which one is the last.
    """
    if len({(claim.key, claim.name) for claim, _, _ in found}) > 1:
        raise Unmatched(f"{len(found)} notebooks claim to be theirs, under several names or numbers: {_listed(found)}")
    told = tuple(dict.fromkeys(remark for _, _, remark in found if remark))
    late, wanted = any(claim.late for claim, _, _ in found), f"{lesson}.ipynb"
    newest, attempts = _newest(found, numbered)
    told += attempts
    if lesson in newest or len(newest) == 1:
        claim, member = newest.get(lesson) or next(iter(newest.values()))
        if len(found) > 1 and untouched(member) and not all(untouched(other) for _, other, _ in found):
            told += (f"{shown(claim.file)} is the lesson as released, beside others: grading leaves it to a human",)
            kept = enumerate(((NOTEBOOK.sub("", one.file)[:150], other) for one, other, _ in found), 1)
            files = {_safe(f"{stem} - {number}.ipynb"): other for number, (stem, other) in kept}
            return HandIn(student, claim, files, late, told)
        if claim.file != wanted:
            told += (f"handed in as {shown(claim.file)}",)
        if len(newest) > 1:
            told += (f"{len(newest) - 1} more notebooks were left in the archive",)
        return HandIn(student, claim, {wanted: member}, late, told)
    told += (f"{len(newest)} notebooks, none called {wanted}: grading leaves it to a human",)
    claim = min((one for one, _ in newest.values()), key=lambda one: one.file)
    files = {_safe(one.file): member for one, member in newest.values()}
    if len({name.casefold() for name in files}) < len(newest):
        raise Unmatched(f"{len(newest)} notebooks have names that differ by signs or capitals alone: {_listed(found)}")
    return HandIn(student, claim, files, late, told)


def _newest(
    found: Sequence[tuple[Claim, Member, str]], numbered: bool
) -> tuple[dict[str, tuple[Claim, Member]], tuple[str, ...]]:
    """Name without suffix and number -> the last attempt of that name; and a line where there were several."""
    groups: dict[str, dict[int, tuple[Claim, Member]]] = {}
    told: tuple[str, ...] = ()
    for claim, member, _ in found:
        stem, number = NOTEBOOK.sub(lambda match: match[1] or "", claim.file), 0
        match = AGAIN.fullmatch(stem)
        if numbered and match:
            stem, number = match[1], int(match[2] or 0)
        if number in groups.setdefault(stem, {}):
            raise Unmatched(f"notebooks of one name, and nothing tells which is the last: {_listed(found)}")
        groups[stem][number] = claim, member
    newest = {stem: attempts[max(attempts)] for stem, attempts in groups.items()}
    for stem, attempts in groups.items():
        if len(attempts) > 1:
            told += (f"{len(attempts)} attempts, the last by its number counts: {shown(newest[stem][0].file)}",)
    return newest, told


def _listed(found: Sequence[tuple[Claim, Member, str]]) -> str:
    return ", ".join(shown(member.name) for _, member, _ in found)


def _safe(name: str) -> str:
    """A file name for our own disk: letters, digits and a few signs."""
    return re.sub(r"[^\w .()-]", "_", NOTEBOOK.sub("", name)).strip(". ") + ".ipynb"
