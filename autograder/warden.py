"""The trusted end: starts the fork server in its own root, asks it for jails, and speaks with what is inside.

A jail is a `Remote` like the worker of the tests; the difference is what stands around it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder import edition
from autograder.jail.limits import Limits
from autograder.jail.server import CONTROL, HELLO
from autograder.jail.walls import WORK
from bdlab.submission import Line, Remote

A, B, NONE = "A", "B", "none"
WALLS = {
    A: ("session", "world", "bounds", "user", "files", "calls"),
    B: ("session", "bounds", "user", "files", "calls"),
    NONE: ("session", "bounds"),
}
"""Tier -> its layers, by the names of `jail.server`.  A: namespaces and a root of its own by bubblewrap, and all of B's.
B: Landlock, seccomp, limits.  none: a process of its own and limits; scores cannot be forged there either, but files can be
read, connections made and processes killed."""
MEANING = {A: "namespaces, Landlock, seccomp, limits", B: "Landlock, seccomp, limits", NONE: "limits only"}
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
"""What a Python needs besides its own folders."""
EDITION = "/edition"
"""Where bubblewrap shows the grading edition."""
START = 120


class Refused(RuntimeError):
    """The fork server or a jail could not put up its walls; the text says which one and why."""


class Warden:
    """One fork server.  tier: A, B or none.  Use as a context; `jail` may be called from several threads.

    extra: more folders that jails may read, such as a cache of data.  Raises: `Refused` where the walls do not stand.
    """

    def __init__(self, tier: str = A, limits: Limits | None = None, extra: Sequence[Path] = ()) -> None:
        self.tier, self.limits, self.extra = tier, limits or Limits(), tuple(map(str, extra))
        self.lock = threading.Lock()
        self.slots = list(reversed(range(1000)))
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Warden:
        self.folder = Path(tempfile.mkdtemp(prefix="edition-"))
        try:
            self.folder.chmod(0o755)
            edition.write(self.folder)
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def jail(self, cells: Sequence[str]) -> Jailed:
        """A new jail that has run `cells`."""
        return Jailed(self, cells)

    def fork(self) -> Line:
        """A line to a new process behind walls.  A fork server that was killed is started again."""
        for attempt in (1, 2, 3):
            with self.lock:
                try:
                    return self._fork()
                except (OSError, EOFError):
                    if attempt == 3:
                        raise
                    self._stop()
                    self._start()
        raise AssertionError

    def _fork(self) -> Line:
        ours, theirs = socket.socketpair()
        slot = self.slots.pop()
        try:
            with theirs:
                request = {"op": "fork", "slot": slot, "limits": self.limits.plain()}
                socket.send_fds(self.control, [json.dumps(request).encode()], [theirs.fileno()])
            reply, handles, _, _ = socket.recv_fds(self.control, 1 << 16, 1)
            if not reply:
                raise EOFError("the fork server has ended")
            pid, handle = json.loads(reply)["pid"], handles[0]
            refused = _hello(ours)
            if refused:
                raise Refused(f"tier {self.tier}: {refused}")
        except BaseException:
            ours.close()
            self.slots.append(slot)
            raise
        ours.setblocking(False)

        def end() -> None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)  # and with it, all of its namespace
            os.close(handle)
            ours.close()
            self._ask({"op": "cause", "pid": pid})
            self.slots.append(slot)

        return Line(ours.fileno(), ours.fileno(), end, lambda: self._ask({"op": "cause", "pid": pid}))

    def _ask(self, request: dict[str, Any]) -> str:
        """Why a jail ended; 'ProcessDied' where the fork server has ended itself."""
        with self.lock:
            try:
                self.control.send(json.dumps(request).encode())
                return str(json.loads(self.control.recv(1 << 16))["cause"])
            except (OSError, ValueError):
                return "ProcessDied"

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START)
        with theirs:
            settings = {"walls": WALLS[self.tier], "readable": [*_python(), *SYSTEM, str(self.folder), *self.extra]}
            command = [
                *self._root(),
                *_interpreter(EDITION if self.tier == A else str(self.folder)),
                json.dumps(settings),
            ]
            number = theirs.fileno()
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", f'exec "$@" {CONTROL}<&{number} {number}<&-', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_environment(),
                pass_fds=[number],
                cwd="/",
                start_new_session=True,
            )
        self.control = ours
        if not ours.recv(1 << 16):
            told = self.process.stderr.read().decode(errors="replace").strip() if self.process.stderr else ""
            raise Refused(f"tier {self.tier}: the fork server did not start: {told.splitlines()[-1] if told else ''}")

    def _root(self) -> list[str]:
        """bubblewrap's command: a root that holds Python, its libraries and the edition, read-only, and no network."""
        if self.tier != A:
            return []
        program = shutil.which("bwrap")
        if program is None:
            raise Refused("tier A: bubblewrap (bwrap) is not installed")
        command = [program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if os.getuid() != 0:  # inside, an ordinary user has the rights that the walls need, over nothing but the inside
            command += ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
        command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", WORK, "--chdir", "/"]
        command += ["--ro-bind", str(self.folder), EDITION]
        for path in (*SYSTEM, *_python(), *self.extra):
            if Path(path).is_symlink() and path in SYSTEM:
                command += ["--symlink", os.readlink(path), path]
            elif Path(path).exists():
                command += ["--ro-bind", path, path]
        return [*command, "--remount-ro", "/", "--"]

    def _stop(self) -> None:
        if self.process is not None:
            self.control.close()  # at which it kills its jails and ends
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.process.kill()
            self.process.wait()
            if self.process.stderr:
                self.process.stderr.close()
            self.process = None


class Jailed(Remote):
    """A submission in its jail."""

    def __init__(self, warden: Warden, cells: Sequence[str]) -> None:
        self.warden = warden
        limits = warden.limits
        super().__init__(cells, seconds=limits.call, cell=limits.cell, whole=limits.wall)

    def _open(self) -> Line:
        return self.warden.fork()


def _hello(link: socket.socket) -> str:
    """What a jail says before it has read a line of a student's code: why a wall does not stand, or nothing."""
    link.settimeout(30)
    words = b""
    while len(words) < HELLO:
        part = link.recv(HELLO - len(words))
        if not part:
            return "the jail ended before its walls stood"
        words += part
    return str(json.loads(words)["refused"])


def _python() -> list[str]:
    """The folders of this Python and its packages."""
    own = [sys.base_prefix, sys.prefix, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    outer = [path for path in dict.fromkeys(own) if not path.startswith("/usr/")]
    return [path for path in outer if not any(path != other and path.startswith(f"{other}/") for other in outer)]


def _interpreter(folder: str) -> list[str]:
    """Isolated from this user's own packages and settings; the edition comes first."""
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from autograder.jail.server import main; main()"
    return [sys.executable, "-I", "-c", program, folder]


def _environment() -> dict[str, str]:
    """All that the fork server knows of this machine."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp", "LANG": "C.UTF-8", **threads}
