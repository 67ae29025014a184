"""Grades cases through the whole chain, and says of each whether grading held."""

from __future__ import annotations

import math
import re
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from autograder.handin.reader import TooMuch, ask
from autograder.handin.rebuild import Rebuilt
from autograder.trials.hostile.case import Case, Material, filled
from autograder.trials.hostile.surroundings import Outside, family, settled
from autograder.verdict.grade import Master, grade, master, unwritten
from autograder.verdict.journal import CellGrade
from autograder.warden.pool import Warden

SECRET = b"hmac-of-the-course" * 2
ROUNDS = 2
"""What ended its process is tried once more, so that a hand-in may take its time twice."""
GRACE = 2.0
"""Seconds that a case may take beyond its limits."""
MEMORY = 700 << 20
"""Bytes that the trusted side may need for one case."""


@dataclass(frozen=True)
class Outcome:
    """What became of one case.  given: None where there was no grade; troubles: what must not be, a sentence each;
    doubts: what a human is asked to look at.
    """

    case: Case
    given: float | None
    seconds: float
    troubles: Sequence[str] = ()
    doubts: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        """'held', 'for a human' where points were given that a human is asked to look at, or 'not held'."""
        if self.troubles:
            return "not held"
        assert self.given is not None
        if self.given > self.case.deserved:
            return "for a human" if self.doubts else "not held"
        return "not held" if self.case.exact and self.given < self.case.deserved else "held"

    @property
    def told(self) -> str:
        """One line about it."""
        points = "no grade" if self.given is None else f"{self.given:g} of {self.case.deserved:g} deserved points"
        return "; ".join((points, *self.troubles))


def run(
    cases: Sequence[Case], warden: Warden, of: Material, lesson: Master | None = None, slack: float = GRACE
) -> Iterator[Outcome]:
    """Each case's outcome.  lesson: made once with `master`; slack: seconds beyond a case's own limits."""
    lesson = lesson or master(of.home, of.home.name, SECRET)
    usual = warden.limits
    with Outside(of) as outside:
        for case in cases:
            warden.limits = case.limits or usual
            try:
                yield _outcome(case, warden, of, lesson, outside, slack)
            finally:
                warden.limits = usual


def _outcome(case: Case, warden: Warden, of: Material, lesson: Master, outside: Outside, slack: float) -> Outcome:
    assert warden.server.process is not None
    before, troubles = family(warden.server.process.pid), []
    allowed = ROUNDS * warden.limits.wall
    grades: dict[str, CellGrade] = {}
    with TemporaryDirectory(prefix="handed-in-") as place:
        folder = Path(place) / "ben" / of.home.name
        folder.mkdir(parents=True)
        case.write(folder, f"{of.home.name}.ipynb")
        filled(folder, outside.words)
        begin, peak = time.monotonic(), _peak()
        try:
            with _alarm(allowed + slack + 60):
                grades = graded(folder, f"{of.home.name}.ipynb", lesson, warden, of.path)
        except Exception as error:  # whatever it is, it would have ended the run
            troubles.append(f"the run was aborted by {type(error).__name__}: {error}"[:200])
        seconds = time.monotonic() - begin
        more = _peak(False) - peak
        _remove(folder)
    if seconds > allowed + slack:
        troubles.append(f"took {seconds:.0f} s of at most {allowed:.0f}")
    if more > MEMORY:
        troubles.append(f"the trusted side needed {more >> 20} MB")
    troubles += _server(warden, before) + outside.troubles() + _told(grades, outside)
    given = sum(one.points for one in grades.values()) if grades else None
    return Outcome(case, given, seconds, troubles, [doubt for one in grades.values() for doubt in one.doubts])


def graded(folder: Path, name: str, lesson: Master, warden: Warden, release: Path) -> dict[str, CellGrade]:
    """Exercise -> its grade, of what lies in a student's folder; a reason where nothing can be read."""
    try:
        found = Rebuilt.of(ask("rebuild", str(folder), name, str(release), lesson.lesson.names))
    except TooMuch as refused:
        found = Rebuilt(refused=str(refused))
    if found.refused:
        return {task.id: unwritten(task, found.refused) for task in lesson.lesson.exercises}
    return grade(found.answers, lesson, warden)


def _server(warden: Warden, before: dict[int, str]) -> list[str]:
    """Whether the fork server is what it was, and every jail has ended."""
    assert warden.server.process is not None
    if warden.server.process.pid not in before:
        return ["the fork server had to be started again"]
    told = settled(warden.server.process.pid, before)
    return [told] if told else []


def _told(grades: dict[str, CellGrade], outside: Outside) -> list[str]:
    """Whether what is told to people is plain: finite points within their bounds, a reason each, no words of a student."""
    found = []
    for name, one in grades.items():
        words = "\n".join((*one.reasons, *one.doubts))
        if not one.reasons or not math.isfinite(one.points) or not 0 <= one.points <= one.maximum:
            found.append(f"{name} has no proper grade")
        own = (outside.mark, str(int(outside.mark[3:], 16)), str(outside.folder))
        if any(text in words for text in own) or re.search(r"<\w", words):
            found.append(f"{name}: a student's own words are told")
    return found


def _peak(anew: bool = True) -> int:
    """The most memory that this process has had, in bytes; anew: count from now on."""
    if anew:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    with suppress(OSError):
        return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raises `TimeoutError` after so long: a run that hangs must not hang its test."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"hung for {seconds:.0f} s")

    old: Callable[..., object] | int | None = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def _remove(folder: Path) -> None:
    """A folder that is a link would be followed by nobody."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)
