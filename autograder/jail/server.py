"""The fork server: has torch loaded, holds no secret, and forks one jail for each submission.

It is started with an empty environment, in a root of its own where bubblewrap is there, reads the controller's requests
from descriptor 3 and never a byte of a jail's.  `python -m autograder.jail.server '{"walls": [...], ...}'`
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from select import select
from typing import Any

from autograder.jail import walls
from autograder.jail.limits import Limits

CONTROL = 3
WATCH = 0.05
"""Seconds between two looks at what the jails use."""
PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


@dataclass
class Jail:
    """A forked process that has not been collected yet.  work: its folder, where it has no file system of its own."""

    limits: Limits
    work: str = ""
    cause: str = ""


@dataclass
class Server:
    """walls: names of the layers to put up.  readable: what Landlock lets a jail read."""

    control: socket.socket
    walls: list[str]
    readable: list[str]
    jails: dict[int, Jail] = field(default_factory=dict)
    base: int = 0

    def run(self) -> None:
        """Until the controller hangs up; then every jail is killed."""
        self.base = _usage(os.getpid())[0]
        self.home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        while True:
            if select([self.control], [], [], WATCH if self.jails else None)[0]:
                message, links, _, _ = socket.recv_fds(self.control, 1 << 16, 1)
                if not message:
                    break
                self._answer(json.loads(message), links)
            self._watch()
        for pid in self.jails:
            self._kill(pid, "")

    def _answer(self, asked: dict[str, Any], links: list[int]) -> None:
        if asked["op"] == "fork":
            pid = self._fork(links[0], asked["slot"], Limits(**asked["limits"]))
            handle = os.pidfd_open(pid)
            socket.send_fds(self.control, [json.dumps({"pid": pid}).encode()], [handle])
            os.close(handle)
        elif asked["op"] == "cause":
            self._reap()
            jail = self.jails.pop(asked["pid"], None)
            self.control.send(json.dumps({"cause": (jail and jail.cause) or "ProcessDied"}).encode())

    def _fork(self, link: int, slot: int, limits: Limits) -> int:
        work = ""
        if "world" in self.walls:  # the next child begins a process namespace, and only that one
            _must(walls.libc.unshare(walls.CLONE_NEWPID))
        else:
            work = tempfile.mkdtemp(prefix="jail-")
            with contextlib.suppress(OSError):  # an ordinary user cannot give it away, and need not
                os.chown(work, walls.FIRST_USER + slot, walls.FIRST_USER + slot)
        pid = os.fork()
        if pid == 0:
            self._live(link, slot, limits, work)
        if "world" in self.walls:
            _must(walls.libc.setns(self.home, walls.CLONE_NEWPID))
        os.close(link)
        self.jails[pid] = Jail(limits, work)
        return pid

    def _live(self, link: int, slot: int, limits: Limits, work: str) -> None:
        """The jail's own life: walls first, one line that says that they stand, then the student's code."""
        code = 1
        try:
            refused = self._enclose(link, slot, limits, work)
            os.write(link, json.dumps({"refused": refused}).encode().ljust(HELLO))
            if not refused:
                from bdlab.submission.worker import serve

                serve(link, link)
                code = 0
        finally:
            os._exit(code)

    def _enclose(self, link: int, slot: int, limits: Limits, work: str) -> str:
        world = "world" in self.walls
        layers = {
            "session": lambda: walls.own_session(link),
            "world": lambda: walls.own_world(limits),
            "bounds": lambda: walls.bounded(limits),
            "user": lambda: walls.nobody(slot),
            "files": lambda: walls.only_these_files(
                ["/"] if world else self.readable, SCRATCH if world else [work, "/dev/null"]
            ),
            "calls": lambda: walls.fewer_calls(world),
        }
        if not world:
            os.chdir(work)
        os.environ.update(TMPDIR=work or walls.WORK, HOME=work or walls.WORK)
        tempfile.tempdir = None
        for name, put_up in layers.items():
            if name in self.walls:
                try:
                    put_up()
                except OSError as error:
                    return f"{name}: {error}"
        return ""

    def _watch(self) -> None:
        """Kill what uses more than it may; collect what has ended."""
        self._reap()
        if not any(not jail.cause for jail in self.jails.values()):
            return
        children = _children()
        for pid, jail in self.jails.items():
            if jail.cause:
                continue
            family = [pid]
            for member in family:  # grows on the way
                family += children.get(member, ())
            used = [_usage(member) for member in family]
            if sum(max(0, memory - self.base) for memory, _ in used) > jail.limits.memory:
                self._kill(pid, "MemoryLimit")
            elif sum(seconds for _, seconds in used) > jail.limits.cpu:
                self._kill(pid, "CpuLimit")
            elif jail.work and _size(jail.work) > jail.limits.disk:
                self._kill(pid, "DiskLimit")

    def _kill(self, pid: int, cause: str) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.jails[pid].cause = cause

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                jail = self.jails.get(pid)
                if jail is not None:
                    over = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
                    jail.cause = jail.cause or ("CpuLimit" if over else "ProcessDied")
                    shutil.rmtree(jail.work, ignore_errors=True) if jail.work else None


SCRATCH = [walls.WORK, "/tmp", "/dev/shm", "/dev/null"]
HELLO = 512
"""Bytes of a jail's first words."""


def _must(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _children() -> dict[int, list[int]]:
    """Process -> its children, of all that we can see."""
    found: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
            found.setdefault(int(stat.read().rpartition(b")")[2].split()[1]), []).append(int(name))
    return found


def _usage(pid: int) -> tuple[int, float]:
    """(bytes of memory, seconds of processor time with those of collected children)."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as memory, open(f"/proc/{pid}/stat", "rb") as stat:
            times = stat.read().rpartition(b")")[2].split()[11:15]
            return int(memory.read().split()[1]) * PAGE, sum(map(int, times)) / TICKS
    except (OSError, IndexError):
        return 0, 0.0


def _size(folder: str) -> int:
    with contextlib.suppress(OSError):
        return sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)
    return 0


def prepare() -> None:
    """Import what every jail would import, once, and start no thread: one that ran here would be lost in the forks.

    A constructor of torch.optim imports torch._dynamo and, with it, triton: 1.4 processor seconds in every jail.
    """
    sys.modules["triton"] = None  # type: ignore[assignment]
    import pyseccomp  # noqa: F401
    import torch
    import torch._dynamo

    import bdlab.submission.worker  # noqa: F401

    torch.set_num_threads(1)
    sys.argv[1:] = []
    gc.collect()
    gc.freeze()
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("a library has started a thread; a fork would lose it")


def main() -> None:
    """Import, say so, serve."""
    settings = json.loads(sys.argv[1])
    prepare()
    control = socket.socket(fileno=CONTROL)
    control.send(json.dumps({"ready": os.getpid()}).encode())
    Server(control, settings["walls"], settings["readable"]).run()


if __name__ == "__main__":
    main()
