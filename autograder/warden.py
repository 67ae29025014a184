"""The trusted end: starts the fork server in its own root, asks it for jails, and speaks with what is inside.

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
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from autograder import edition, tiers
from autograder.jail import usage
from autograder.jail.limits import Limits
from autograder.jail.server import HELLO, KILLED
from autograder.tiers import NONE, WALLS, A, B, Refused
from bdlab.submission import Line, Remote

__all__ = ["NONE", "WALLS", "A", "B", "Jailed", "Refused", "Warden"]
START = 120
"""Seconds until torch must have been imported."""
ENDING = 5
"""Seconds that a process may take to end."""
ATTEMPTS = 3


class Warden:
    """One fork server.  tier: A, B or none.  Use as a context; `jail` may be called from several threads.

    extra: more folders that jails may read, such as a cache of data.  Raises: `Refused` where the walls do not stand.
    """

    def __init__(self, tier: str = A, limits: Limits | None = None, extra: Sequence[Path] = ()) -> None:
        if tier not in WALLS:
            raise ValueError(f"tier must be one of {', '.join(WALLS)}, got {tier!r}")
        self.tier, self.limits, self.extra = tier, limits or Limits(), tuple(map(str, extra))
        self.lock = threading.Lock()
        self.slots = deque(range(1000))  # the longest unused first: its last jail has gone
        self.numbers = itertools.count(1)
        self.process: subprocess.Popen[bytes] | None = None
        self.server = -1

    def __enter__(self) -> Warden:
        if self.process is not None:
            raise RuntimeError("this warden is at work; enter it once")
        self.folder = Path(tempfile.mkdtemp(prefix="warden-"))
        try:
            self.folder.chmod(0o755)
            edition.write(self.folder / "edition")
            (self.folder / "scratch").mkdir(mode=0o711)
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self._stop()
        usage.remove(str(self.folder))

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
                handle = self._ask_for(number, slot, theirs.fileno())
            refused = _hello(ours)
            if refused:
                raise Refused(f"tier {self.tier}: {refused}")
        except BaseException:
            self._end(ours, handle, number, slot)
            raise
        ours.setblocking(False)

        def cause() -> str:
            select.select([handle], [], [], 1)  # it hangs up a moment before it has ended
            return self._cause(number) or "ProtocolError"

        return Line(ours.fileno(), ours.fileno(), lambda: self._end(ours, handle, number, slot), cause)

    def _ask_for(self, number: int, slot: int, link: int) -> int:
        """A handle (pidfd) to the new jail that has `link`."""
        request = {"op": "fork", "id": number, "slot": slot, "limits": self.limits.plain()}
        with self.lock:
            if self.process is None or select.select([self.server], [], [], 0)[0]:  # it has ended
                self._stop()
                self._start()
            try:
                socket.send_fds(self.control, [json.dumps(request).encode()], [link])
                reply, handles, _, _ = socket.recv_fds(self.control, 1 << 16, 1)
            except OSError:
                self._stop()  # a late reply would be taken for another's
                raise
        if not handles:
            raise EOFError(json.loads(reply)["failed"] if reply else "the fork server has ended")
        return handles[0]

    def _end(self, link: socket.socket, handle: int, number: int, slot: int) -> None:
        """Kill a jail, and with it all of its namespace, and forget it."""
        if handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
        link.close()
        with self.lock, contextlib.suppress(OSError):
            if self.process is not None:
                self.control.send(json.dumps({"op": "end", "id": number}).encode())
        self.slots.append(slot)

    def _cause(self, number: int) -> str:
        """Why a jail ended; empty where it has not."""
        with self.lock:
            try:
                self.control.send(json.dumps({"op": "cause", "id": number}).encode())
                return str(json.loads(self.control.recv(1 << 16))["cause"])
            except ValueError:  # nothing came: the fork server has ended, and the jail with it
                return KILLED
            except OSError:
                self._stop()
                return KILLED

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START)
        self.control = ours
        seen = tiers.EDITION if self.tier == A else str(self.folder / "edition")
        settings = {
            "control": theirs.fileno(),
            "walls": WALLS[self.tier],
            "readable": [*tiers.python(), *tiers.SYSTEM, seen, *self.extra],
            "scratch": str(self.folder / "scratch"),
        }
        with theirs, tempfile.TemporaryFile() as told:
            self.process = subprocess.Popen(
                [
                    *tiers.root(self.tier, self.folder / "edition", self.extra),
                    *tiers.interpreter(seen),
                    json.dumps(settings),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=told,
                env=tiers.environment(),
                pass_fds=[theirs.fileno()],
                cwd="/",
                start_new_session=True,
            )
            theirs.close()
            handles: list[int] = []
            with contextlib.suppress(OSError):
                _, handles, _, _ = socket.recv_fds(ours, 1 << 16, 1)
            if not handles:
                told.seek(0)
                words = told.read().decode(errors="replace").split("\n")
                if _killed(self.process):
                    self._stop()
                    raise EOFError("the fork server was killed as it started")
                self._stop()
                last = next((line for line in reversed(words) if line.strip()), "it said nothing")
                raise Refused(f"tier {self.tier}: the fork server did not start: {last:.300}")
        self.server = handles[0]

    def _stop(self) -> None:
        """The fork server ends its jails and itself when we hang up; one that does not is killed."""
        if self.process is None:
            return
        self.control.close()
        if self.server >= 0:
            if not select.select([self.server], [], [], ENDING)[0]:
                signal.pidfd_send_signal(self.server, signal.SIGKILL)
            os.close(self.server)
            self.server = -1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING)
        self.process.kill()
        self.process.wait()
        self.process = None
        for left in (self.folder / "scratch").iterdir():  # by one that was killed
            usage.remove(str(left))


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


def _killed(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process that hung up was killed from outside; bubblewrap tells of it by its exit status."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(5) in (-signal.SIGKILL, 128 + signal.SIGKILL)
    return False


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
