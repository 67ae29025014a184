"""Hands out jails: processes behind walls, forked by a fork server, each with one student's code in it.

A jail is a `Remote` like the worker of the tests; the difference is what stands around it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import socket
from collections import deque
from collections.abc import Sequence

from autograder.jail.limits import Limits
from autograder.jail.server import HELLO, KILLED
from autograder.warden.fork_server import ForkServer
from autograder.warden.tiers import A, Refused
from bdlab.submission import Line, Remote

ATTEMPTS = 3


class Warden:
    """Jails of one fork server.  tier: A, B or none.  Use as a context; `jail` may be called from several threads.

    server: one that its owner has started and will end, in place of a new one.
    Raises: `Refused` where the walls do not stand.
    """

    def __init__(self, tier: str = A, limits: Limits | None = None, server: ForkServer | None = None) -> None:
        self.own, self.server, self.limits = server is None, server or ForkServer(tier), limits or Limits()
        self.tier = self.server.tier
        self.slots = deque(range(1000))  # the longest unused first: its last jail has gone
        self.numbers = itertools.count(1)

    def __enter__(self) -> Warden:
        if self.own:
            self.server.__enter__()
        try:
            self.server.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.own:
            self.server.__exit__()

    def jail(self, cells: Sequence[str]) -> Jailed:
        """A new jail that has run `cells`."""
        return Jailed(self, cells)

    def fork(self) -> Line:
        """A line to a new process behind walls.  A fork server that was killed is started again."""
        why: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                return self._fork()
            except (OSError, EOFError, ValueError) as error:
                why = error
        raise Refused(f"tier {self.tier}: no jail in {ATTEMPTS} attempts: {why}")

    def _fork(self) -> Line:
        ours, theirs = socket.socketpair()
        slot, number = self.slots.popleft(), next(self.numbers)
        handle = -1
        try:
            with theirs:
                handle = self.server.fork(number, slot, self.limits.plain(), theirs.fileno())
            refused = _hello(ours)
            if refused:
                raise Refused(f"tier {self.tier}: {refused}")
        except BaseException:
            self._end(ours, handle, number, slot)
            raise
        ours.setblocking(False)

        def cause() -> str:
            select.select([handle], [], [], 1)  # it hangs up a moment before it has ended
            return self.server.cause(number) or "ProtocolError"

        def end() -> None:
            self._end(ours, handle, number, slot)

        return Line(ours.fileno(), ours.fileno(), end, cause, lambda: self.server.spared(number))

    def _end(self, link: socket.socket, handle: int, number: int, slot: int) -> None:
        """Kill a jail, and with it all of its namespace, and forget it."""
        if handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
        link.close()
        self.server.forget(number)
        self.slots.append(slot)


class Jailed(Remote):
    """A submission in its jail.  disturbed: somebody else ended it, or the fork server: what it then got is not its own."""

    disturbed = False

    def __init__(self, warden: Warden, cells: Sequence[str]) -> None:
        self.warden = warden
        limits = warden.limits
        super().__init__(cells, seconds=limits.call, cell=limits.cell, whole=limits.wall)

    def _open(self) -> Line:
        return self.warden.fork()

    def _start(self) -> None:
        for attempt in range(ATTEMPTS):
            try:
                return super()._start()
            except (OSError, EOFError):  # it ended before a student's line was read
                if attempt == ATTEMPTS - 1:
                    raise

    def _cause(self) -> str:
        name = super()._cause()
        self.disturbed |= name == KILLED
        return "ProcessDied" if name == KILLED else name


def _hello(link: socket.socket) -> str:
    """What a jail says before it has read a line of a student's code: why a wall does not stand, or nothing."""
    link.settimeout(30)
    words = b""
    while len(words) < HELLO:
        part = link.recv(HELLO - len(words))
        if not part:
            raise EOFError("it ended before its walls stood")
        words += part
    return str(json.loads(words)["refused"])
