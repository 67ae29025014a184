"""The commands of what comes in and goes out: roster, collect, phrases, export.

What they need is imported inside: nbgrader takes seconds, and `--help` should not.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.authoring.folders import folder
from autograder.commands.options import CourseOption, LessonArgument, NameOption
from autograder.course.folder import PRIVATE, alone, closed, place
from autograder.course.terminal import listed, table
from autograder.handin import timestamp

ROSTER = "roster.csv"
"""In the course folder."""

if TYPE_CHECKING:
    from autograder.exchange.sorting import Collected


def roster(
    file: Annotated[Path, typer.Argument(help="Moodle's list of participants, or Canvas's export of the gradebook.")],
    source: Annotated[str, typer.Option("--from", help="moodle or canvas.")] = "moodle",
    by: Annotated[str, typer.Option(help="Its column that names a student here [default: login, ID number, address].")] = "",
    course: CourseOption = PRIVATE,
) -> None:
    """Make the course's roster from a platform's own list; `collect` and `export` take it from there.

    Example: `autograder roster participants.csv --from moodle`
    """
    from autograder.exchange import roster as rosters
    from autograder.exchange.tables import read

    wanted = {"moodle": ("Email address", "E-Mail-Adresse"), "canvas": ("SIS Login ID",)}
    if source not in wanted:
        raise ValueError(f"--from must be moodle or canvas, got {source!r}")
    read(file).needs(*wanted[source])
    found, root = rosters.roster(file, by), closed(course)
    path = place(root / ROSTER, rosters.text(found.values()).encode("utf-8-sig"))
    print(f"{len(found)} students in {path}; check the first ones:")
    for one in list(found.values())[:3]:
        print(f"  {one.student}: {one.name or 'no name'}, {one.email or 'no address'}")
    print("Next: `autograder release 03`, then `autograder collect ARCHIVE 03 --from " + source + "`.")


def _roster(given: Path | None, root: Path) -> Path:
    if given is None and not (root / ROSTER).is_file():
        raise ValueError(f"--roster must be given, or made for {root}: `autograder roster FILE --from moodle` or canvas")
    return given or root / ROSTER


def collect(
    archive: Annotated[Path, typer.Argument(help="The zip that was downloaded, or a folder.")],
    lesson: LessonArgument,
    source: Annotated[str, typer.Option("--from", help="moodle, canvas or plain (STUDENT/FILE).")] = "plain",
    roster: Annotated[Path | None, typer.Option(help="The platform's list or a CSV [default: the course's.]")] = None,
    course: CourseOption = PRIVATE,
    name: NameOption = None,
    worksheet: Annotated[Path | None, typer.Option(help="Moodle's grading worksheet: whose number, and when.")] = None,
    by_name: Annotated[bool, typer.Option("--by-name", help="Moodle: full names where nothing else tells.")] = False,
    due: Annotated[str | None, typer.Option(help="'2026-01-05 12:00'; goes into the gradebook.")] = None,
    extensions: Annotated[Path | None, typer.Option(help="CSV: student_id, extension (2d, 36h, 0), handed_in.")] = None,
    time: Annotated[str | None, typer.Option(help="When it was handed in, where the platform does not tell.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Of times that name none [default: this machine's].")] = None,
    leave_out: Annotated[bool, typer.Option("--leave-out", help="Go on without members that are refused.")] = False,
) -> None:
    """Take a class's hand-ins from the archive of a learning platform; the roster goes into the gradebook.

    Nothing is guessed: what is nobody's, twice there or late is listed.  Again with a newer archive it takes what changed.

    Example: `autograder collect submissions.zip 03_badnets --from canvas --roster roster.csv --due "2026-01-05 12:00"`
    """
    from autograder.exchange import arrival
    from autograder.exchange.collect import collect as run
    from autograder.exchange.platforms import platform
    from autograder.exchange.sorting import Plan

    platform(source)
    home, zone, root = folder(lesson), arrival.timezone(timezone), closed(course)
    plan = Plan(
        root, home.name, name or home.name, archive, source, _roster(roster, root), worksheet, by_name, extensions,
        arrival.moment(due, zone) if due else None, arrival.moment(time, zone) if time else None, zone, leave_out,
    )  # fmt: skip
    with alone(plan.root):
        found = run(plan)
    print("\n".join(_told(found, plan.name)))
    raise typer.Exit(not any((found.new, found.replaced, found.unchanged, found.retimed)))


def _told(found: Collected, name: str) -> Iterable[str]:
    """What a lecturer should know after collecting."""
    total = sum(map(len, (found.new, found.replaced, found.unchanged, found.retimed)))
    yield (
        f"{name}: {total} hand-ins: {len(found.new)} new, {len(found.replaced)} replaced, {len(found.unchanged)} unchanged"
        + (f", {len(found.retimed)} with another time" if found.retimed else "")
        + f"; {found.enrolled} students new in the gradebook."
    )
    yield "Times come from: " + (", ".join(f"{by} ({n})" for by, n in sorted(found.times.items())) or "nowhere") + "."
    due = f"due {found.due:%Y-%m-%d %H:%M} UTC" if found.due else "no due date is set; --due sets it"
    yield f"{len(found.late)} late ({due})."
    before = "it came before our due date" if found.due else "no due date is set here"
    late = {who: _lateness(seconds) or f"the platform says so, but {before}" for who, seconds in sorted(found.late.items())}
    yield from listed("late", list(late.items()))
    yield from listed("replaced", [(student, "another file than before") for student in found.replaced])
    yield from listed("with another time", [(student, "timestamp.txt was corrected") for student in found.retimed])
    yield from listed("nobody's, not taken", found.unmatched)
    yield from listed("more than one, none taken", found.duplicates)
    yield from listed("no notebook in it, nothing taken", found.none)
    yield from listed("refused and left out", [(line, "") for line in found.refused])
    unknown = "no time is known, so not late; --worksheet or --time tells it"
    yield from listed("without a time", [(student, unknown) for student in found.untimed])
    yield from listed("to know", found.told)
    if found.others:
        yield f"{found.others} other files stay in the archive: grading reads the notebook alone."
    yield from listed("not in this archive, kept as they were", [(student, "") for student in found.kept])
    yield from listed("handed in nothing", [(student, "") for student in found.missing])
    gone = "in the gradebook, not in this roster; `export --roster` leaves them out"
    yield from listed("left the course", [(student, gone) for student in found.left])


def _lateness(seconds: float) -> str:
    if seconds == 1:
        return "the platform says so, not by how much: one second is noted; `handed_in` in --extensions tells it"
    return timestamp.span(seconds)


def export(
    lesson: LessonArgument,
    to: Annotated[str, typer.Option("--to", help="moodle, canvas or csv.")] = "csv",
    template: Annotated[Path | None, typer.Option(help="Moodle's grading worksheet or Canvas's export, to fill.")] = None,
    assignment: Annotated[str | None, typer.Option(help="Canvas's title of it, 'Lesson 3 (4711)'.")] = None,
    with_pending: Annotated[bool, typer.Option("--with-pending", help="Also marks that wait for a human.")] = False,
    zeros: Annotated[bool, typer.Option("--zeros", help="0 for who handed in nothing; else no mark.")] = False,
    feedback: Annotated[bool, typer.Option(help="Also pack the feedback pages.")] = True,
    roster: Annotated[Path | None, typer.Option(help="Who is in the course; others are left out and listed.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to; else exported/ in the course folder.")] = None,
    course: CourseOption = PRIVATE,
    name: NameOption = None,
) -> None:
    """Write the marks as Moodle or Canvas imports them, and the feedback as it takes them back.

    Who waits for a human is listed and gets no mark yet, nor feedback; --with-pending sends what there is.

    Example: `autograder export 03_badnets --to canvas --template gradebook.csv --assignment "Lesson 3 (4711)"`
    """
    from autograder.exchange import export as exports
    from autograder.exchange import marks
    from autograder.exchange import roster as rosters
    from autograder.gradebook import enter

    if to not in ("moodle", "canvas", "csv"):
        raise ValueError(f"--to must be moodle, canvas or csv; got {to!r}")
    if to != "csv" and template is None:
        raise ValueError(f"--template must be given for {to}: its grading worksheet or gradebook export, to be filled in")
    home, root = folder(lesson), closed(course)
    with alone(root):
        there = None if roster is None else rosters.roster(roster)
        book = marks.book(root, home.name, name or home.name, zeros, there)
        if template is None or to == "csv":
            sent = exports.to_csv(book, with_pending)
        elif to == "moodle":
            sent = exports.to_moodle(book, with_pending, root, template)
        else:
            sent = exports.to_canvas(book, with_pending, template, assignment)
        target = out or root / "exported"
        if feedback:
            old = enter.old_pages(root, home.name, book.name, sent.marks)
            if old:
                print(f"{len(old)} feedback pages are older than their marks and are written anew.")
                enter.feedback(root, book.name, old)
        nothing = [one.student for one in book.marks if one.graded and not one.points and one.student in sent.marks]
        paged = [student for student in sent.marks if student not in nothing]
        packed = exports.pack(root, home.name, book.name, "plain" if to == "csv" else to, paged) if feedback else None
        print(f"{book.name}: {len(sent.marks)} marks in {place(target / sent.file, sent.text)}")
        if packed is not None and len(packed[1]) < len(paged):
            path = place(target / f"{book.name}-{to}-feedback.zip", packed[0])
            print(f"{len(paged) - len(packed[1])} feedback pages in {path}")
        sent.without += packed[1] if packed is not None else []
        zeroed = listed("0 points for who handed in nothing", [(student, "") for student in nothing])
        left = listed("left the course, left out", [(who, "") for who in book.left])
        for line in (*sent.told, *left, *zeroed, *listed("without a mark or page", sent.without)):
            print(line)
        if waiting := sum(bool(one.pending) and one.student not in sent.marks for one in book.marks):
            print(
                f"{waiting} wait for a human.  To go on: mark them in formgrader (Manual Grading), then run this again; "
                "--with-pending sends what there is."
            )


def phrases(
    lesson: LessonArgument,
    file: Annotated[Path | None, typer.Argument(help="CSV: key, points, text [default: the course's phrases.csv].")] = None,
    course: CourseOption = PRIVATE,
    name: NameOption = None,
) -> None:
    """Comments that are written once: `/key` in formgrader's field for a comment becomes its phrase and its points.

    Example: `autograder phrases 03_badnets`
    """
    from autograder.exchange import phrases as phrasing

    home, root = folder(lesson), closed(course)
    with alone(root):
        found = phrasing.use(root, home.name, name or home.name, file or root / "phrases.csv")
    done = [one for one in found if not one.unknown]
    table([(one.student, one.cell, "" if one.points is None else f"{one.points:g}", one.text) for one in done],
          ("student", "cell", "points", "comment"), f"{home.name}: {len(done)} comments")  # fmt: skip
    left = [(one.student, f"{one.cell} has /{', /'.join(one.unknown)}") for one in found if one.unknown]
    for line in listed("no such phrase, left as it is", left):
        print(line)
