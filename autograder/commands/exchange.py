"""The commands of what comes in and goes out: collect, export.

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
from autograder.course.terminal import listed

if TYPE_CHECKING:
    from autograder.exchange.sorting import Collected


def collect(
    archive: Annotated[Path, typer.Argument(help="The zip that was downloaded, or a folder.")],
    lesson: LessonArgument,
    roster: Annotated[Path, typer.Option(help="CSV: student_id, and first_name, last_name, email, canvas_id ...")],
    source: Annotated[str, typer.Option("--from", help="moodle, canvas or plain (STUDENT/FILE).")] = "plain",
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
    home, zone = folder(lesson), arrival.timezone(timezone)
    plan = Plan(
        closed(course), home.name, name or home.name, archive, source, roster, worksheet, by_name, extensions,
        arrival.moment(due, zone) if due else None, arrival.moment(time, zone) if time else None, zone, leave_out,
    )  # fmt: skip
    with alone(plan.root):
        found = run(plan)
    print("\n".join(_told(found, plan.name)))


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
    yield from listed("late", [(student, _lateness(seconds)) for student, seconds in sorted(found.late.items())])
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


def _lateness(seconds: float) -> str:
    if not seconds:
        return "the platform says so, but it came before our due date"
    if seconds == 1:
        return "the platform says so, not by how much: one second is noted; `handed_in` in --extensions tells it"
    return f"{seconds / 86400:.1f} days" if seconds >= 86400 else f"{seconds / 3600:.1f} hours"


def export(
    lesson: LessonArgument,
    to: Annotated[str, typer.Option("--to", help="moodle, canvas or csv.")] = "csv",
    template: Annotated[Path | None, typer.Option(help="Moodle's grading worksheet or Canvas's export, to fill.")] = None,
    assignment: Annotated[str | None, typer.Option(help="Canvas's title of it, 'Lesson 3 (4711)'.")] = None,
    with_pending: Annotated[bool, typer.Option("--with-pending", help="Also marks that wait for a human.")] = False,
    feedback: Annotated[bool, typer.Option(help="Also pack the feedback pages.")] = True,
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
    from autograder.gradebook import enter

    if to not in ("moodle", "canvas", "csv"):
        raise ValueError(f"--to must be moodle, canvas or csv; got {to!r}")
    if to != "csv" and template is None:
        raise ValueError(
            f"--template must be given for {to}: its grading worksheet or gradebook export, to be filled in"
        )
    home, root = folder(lesson), closed(course)
    with alone(root):
        book = marks.book(root, home.name, name or home.name)
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
        packed = exports.pack(root, home.name, book.name, "plain" if to == "csv" else to, sent.marks) if feedback else None
        print(f"{book.name}: {len(sent.marks)} marks in {place(target / sent.file, sent.text)}")
        if packed is not None and len(packed[1]) < len(sent.marks):
            path = place(target / f"{book.name}-{to}-feedback.zip", packed[0])
            print(f"{len(sent.marks) - len(packed[1])} feedback pages in {path}")
        sent.without += packed[1] if packed is not None else []
        for line in (*sent.told, *listed("without a mark or page", sent.without)):
            print(line)
