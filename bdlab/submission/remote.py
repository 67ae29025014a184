"""The trusted end of a line to a student's code in another process: deadlines, restarts, replayed cells."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bdlab.submission.frames import decode, encode, read
from bdlab.submission.submission import Raised, Submission, request

START = 120.0
"""Seconds until a new process must be there: torch may have to be imported."""
PATIENCE = 20
"""Times its limit that an answer is waited for on a machine that gives it no time to run."""


@dataclass(frozen=True)
class Line:
    """Two file descriptors, to read from and to write to, and how to end the process behind them for good.

    end: kills and closes.  cause: what is known of why it ended, as a class name.  spared: seconds for which it could not
    run, since the machine was busy with others: they are not its own.
    """

    source: int
    target: int
    end: Callable[[], None]
    cause: Callable[[], str] | None = None
    spared: Callable[[], float] = float


class Remote:
    """A process that runs `cells` and answers; `_open` starts one.  One that answers too late or dies is killed.

    Its request raises then, and `renew` starts another, which runs the cells again without those that ended the first.
    seconds: how long one answer may take; cell: how long one cell may run; whole: how long all of it, after which every
    request raises.  starved: whether an answer was given up that had no chance to run: nobody can say how long it takes.
    """

    detail = printed = ""
    starved = False
    spared = before = 0.0

    def __init__(
        self, cells: Sequence[str] = (), *, seconds: float = 10.0, cell: float = 20.0, whole: float = float("inf")
    ) -> None:
        self.seconds, self.cell, self.whole = seconds, cell, whole
        self.line: Line | None = None
        self.run(cells)

    def _open(self) -> Line:
        raise NotImplementedError

    def __call__(self, frame: bytes) -> bytes:
        """One exchange; never raises: what goes wrong is the reply."""
        asked = decode(frame)
        try:
            if self._ended():
                raise EOFError
            return self._exchange(frame, self.cell if asked["op"] == "more" else self.seconds)
        except (OSError, EOFError, ValueError) as error:
            name = "TimeoutError" if isinstance(error, TimeoutError) or self._left() <= 0 else self._cause()
            self.close()
            return encode({"id": asked["id"], "raised": name})

    def renew(self) -> None:
        """Start a process where none runs."""
        if self._ended():
            self._start()

    def run(self, cells: Sequence[str]) -> list[str | None]:
        """Other code: an empty namespace, then `cells`; the class names of what they raised, or None."""
        self.cells, self.fatal = list(cells), set[int]()
        self.raised: list[str | None] = [None] * len(self.cells)
        self.deadline = self.now() + self.whole
        if self._ended() or not self._load():
            self._start()
        return self.raised

    def allow(self, seconds: float) -> None:
        """From now on everything may take `seconds` more, in place of what was left."""
        self.deadline = self.now() + seconds

    def now(self) -> float:
        """Seconds, of which only those count that the code here could have used."""
        return time.monotonic() - self.before - self.spared

    def close(self) -> None:
        """Kill the process."""
        if self.line is not None:
            self.line.end()
            self.line = None
            self.before, self.spared = self.before + self.spared, 0.0

    def _ended(self) -> bool:
        """Whether there is no process, or it has gone, or it said what nobody asked for."""
        return self.line is None or bool(select.select([self.line.source], [], [], 0)[0])

    def _cause(self) -> str:
        return self.line.cause() if self.line is not None and self.line.cause is not None else "ProcessDied"

    def _left(self) -> float:
        return self.deadline - self.now()

    def _start(self) -> None:
        """A process that has run every cell but those that end it.  Raises: what ended it, where three do not even begin."""
        failed = 0
        while self._left() > 0:
            self.close()
            self.line = self._open()
            try:
                self._exchange(request(0, "load", [[]]), START)
            except (OSError, EOFError, ValueError):
                failed += 1
                self.close()
                if failed == 3 and self._left() > 0:
                    raise
                continue
            if self._load():
                return

    def _load(self) -> bool:
        """Run the cells one by one; whether the process is still there behind the last."""
        sub = Submission(self)
        try:
            sub.load([])
        except Raised:
            return False
        for number, source in enumerate(self.cells):
            if number in self.fatal:
                continue
            try:
                self.raised[number] = sub.more(source, number + 1)
            except Raised as raised:
                self.raised[number] = raised.name
                self.fatal.add(number)
                return False
        return True

    def _exchange(self, frame: bytes, seconds: float) -> bytes:
        assert self.line is not None
        line, end, given_up = self.line, min(self.now() + seconds, self.deadline), time.monotonic() + PATIENCE * seconds
        left = memoryview(frame)
        while left:
            self._wait(line, end, given_up, [], [line.target])
            left = left[os.write(line.target, left[:65536]) :]

        def some(count: int) -> bytes:
            self._wait(line, end, given_up, [line.source], [])
            return os.read(line.source, count)

        return read(some)

    def _wait(self, line: Line, end: float, given_up: float, sources: list[int], targets: list[int]) -> None:
        """Until one of them is ready.  Raises: `TimeoutError` where that takes too long."""
        while not any(select.select(sources, targets, [], max(0.0, min(end - self.now(), given_up - time.monotonic())))):
            self.spared = max(self.spared, line.spared())
            self.starved |= time.monotonic() > given_up
            if self.starved or self.now() >= end:
                raise TimeoutError
