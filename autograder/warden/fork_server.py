"""The trusted end of one fork server: starts it in its own root, asks it for processes behind walls, and ends it.

It needs no torch, so that the fork server and this process import it at the same time.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from autograder.jail import usage
from autograder.jail.server import KILLED
from autograder.warden import edition, tiers
from autograder.warden.tiers import WALLS, A, Refused

START = 120
"""Seconds until torch must have been imported."""
ENDING = 5
"""Seconds that a process may take to end."""


class ForkServer:
    """Starts when it is entered and is waited for when it is needed.  Its methods may be called from several threads.

    tier: A, B or none.  handle: a pidfd, -1 while it is starting.  starts: how often it was started; whoever sees that
    change knows that it had ended.
    """

    def __init__(self, tier: str = A) -> None:
        if tier not in WALLS:
            raise ValueError(f"tier must be one of {', '.join(WALLS)}, got {tier!r}")
        self.tier = tier
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.handle, self.starts = -1, 0

    def __enter__(self) -> ForkServer:
        if self.process is not None:
            raise RuntimeError("this fork server is at work; enter it once")
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

    def wait(self) -> None:
        """Until it can fork.  Raises: `Refused` where its walls do not stand."""
        with self.lock:
            self._wait()

    def fork(self, number: int, slot: int, limits: Mapping[str, float], link: int) -> int:
        """A handle (pidfd) to a new process that has `link`.  A fork server that has ended is started again.

        Raises: `OSError` or `EOFError` where there is none; ask again.
        """
        request = {"op": "fork", "id": number, "slot": slot, "limits": dict(limits)}
        with self.lock:
            self._wait()
            try:
                socket.send_fds(self.control, [json.dumps(request).encode()], [link])
                reply, handles, _, _ = socket.recv_fds(self.control, 1 << 16, 1)
            except OSError:
                self._stop()  # a late reply would be taken for another's
                raise
        if not handles:
            raise EOFError(json.loads(reply)["failed"] if reply else "the fork server has ended")
        return handles[0]

    def forget(self, number: int) -> None:
        """Nobody will ask for this process again."""
        with self.lock, contextlib.suppress(OSError):
            if self.process is not None:
                self.control.send(json.dumps({"op": "end", "id": number}).encode())

    def cause(self, number: int) -> str:
        """Why a process ended; empty where it has not."""
        with self.lock:
            try:
                self.control.send(json.dumps({"op": "cause", "id": number}).encode())
                return str(json.loads(self.control.recv(1 << 16))["cause"])
            except ValueError:  # nothing came: the fork server has ended, and the jail with it
                return KILLED
            except OSError:
                self._stop()
                return KILLED

    def spared(self, number: int) -> float:
        """Seconds for which a process could not run, since the machine was busy with others."""
        with self.lock, contextlib.suppress(OSError, ValueError):
            self.control.send(json.dumps({"op": "spared", "id": number}).encode())
            return float(json.loads(self.control.recv(1 << 16))["spared"])
        return 0.0

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START)
        self.control: socket.socket = ours
        seen = tiers.EDITION if self.tier == A else str(self.folder / "edition")
        settings = {
            "control": theirs.fileno(),
            "walls": WALLS[self.tier],
            "readable": [*tiers.python(), *tiers.SYSTEM, seen],
            "scratch": str(self.folder / "scratch"),
        }
        self.starts += 1
        root = tiers.root(self.tier, self.folder / "edition")
        self.told: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (until it has started)
        with theirs:
            self.process = subprocess.Popen(
                [*root, *tiers.interpreter(seen), json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.told,
                env=tiers.environment(),
                pass_fds=[theirs.fileno()],
                cwd="/",
                start_new_session=True,
            )

    def _wait(self) -> None:
        if self.process is None or (self.handle >= 0 and select.select([self.handle], [], [], 0)[0]):  # it has ended
            self._stop()
            self._start()
        if self.handle >= 0:
            return
        handles: list[int] = []
        with contextlib.suppress(OSError):
            _, handles, _, _ = socket.recv_fds(self.control, 1 << 16, 1)
        if handles:
            self.handle = handles[0]
            self.told.close()
            return
        assert self.process is not None
        killed = False  # from outside; bubblewrap tells of it by its exit status
        with contextlib.suppress(subprocess.TimeoutExpired):
            killed = self.process.wait(5) in (-signal.SIGKILL, 128 + signal.SIGKILL)
        self.told.seek(0)
        words = self.told.read().decode(errors="replace").split("\n")
        self._stop()
        if killed:
            raise EOFError("the fork server was killed as it started")
        last = next((line for line in reversed(words) if line.strip()), "it said nothing")
        raise Refused(f"tier {self.tier}: the fork server did not start: {last:.300}")

    def _stop(self) -> None:
        """The fork server ends its jails and itself when we hang up; one that does not is killed."""
        if self.process is None:
            return
        self.control.close()
        self.told.close()
        if self.handle >= 0:
            if not select.select([self.handle], [], [], ENDING)[0]:
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
            os.close(self.handle)
            self.handle = -1
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(ENDING)
        self.process.kill()
        self.process.wait()
        self.process = None
        for left in (self.folder / "scratch").iterdir():  # by one that was killed
            usage.remove(str(left))
