"""The fork server: has torch loaded, holds no secret, and forks one jail for each submission.

It is started with an empty environment, in a root of its own where bubblewrap is there, reads the controller's requests
from one descriptor and never a byte of a jail's.  `python -m autograder.jail.server '{"control": 3, "walls": [...], ...}'`
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from select import select
from typing import Any

from autograder.jail import calls, landlock, usage, walls
from autograder.jail.limits import Limits

WATCH = 0.05
"""Seconds between two looks at what the jails use."""
HELLO = 512
"""Bytes of a jail's first words."""
DEVICES = ["/dev/null", "/dev/urandom", "/proc/cpuinfo"]
SCRATCH = [walls.WORK, "/tmp", "/dev/shm", "/dev/null"]
KILLED = "Killed"
"""Why a jail ended that somebody else has ended: neither its own code nor a limit."""
SUBREAPER = 36


@dataclass
class Jail:
    """A forked process.  work: its folder, where it has no file system of its own.  over: collected; left: not asked for."""

    pid: int
    limits: Limits
    work: str = ""
    cause: str = ""
    over: bool = False
    left: bool = False
    began: float = field(default_factory=time.monotonic)


@dataclass
class Server:
    """walls: names of the layers to put up.  readable: what Landlock lets a jail read.  scratch: where jails may write.

    jails: by the number that the controller gave them; no other fork server of its knows that number.
    """

    control: socket.socket
    walls: list[str]
    readable: list[str]
    scratch: str
    jails: dict[int, Jail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world, self.fenced = "world" in self.walls, "calls" in self.walls
        self.rules = calls.rules(self.world, self.world and landlock.landlock_version() >= 6) if self.fenced else None
        self.own_users = os.getuid() == 0 and _user_exists(walls.FIRST_USER) and all(map(_open_to_all, self.readable))
        self.pid = os.getpid()

    def run(self) -> None:
        """Until the controller hangs up; then every jail is killed."""
        self.base = usage.spent(self.pid)[0]
        self.home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        walls.must(walls.libc.prctl(SUBREAPER, 1, 0, 0, 0), "prctl")  # orphans of a jail come to us
        try:
            while True:
                if select([self.control], [], [], WATCH if self.jails or not self.fenced else None)[0]:
                    message, links, _, _ = socket.recv_fds(self.control, 1 << 16, 1)
                    if not message:
                        break
                    self._answer(json.loads(message), links)
                self._watch()
        finally:
            self._close()

    def _close(self) -> None:
        """Nothing that we have started outlives us."""
        while found := usage.children().get(self.pid):
            for pid in found:
                os.kill(pid, signal.SIGKILL)  # ours and not collected: the number is still its own
                os.waitpid(pid, 0)
        for jail in self.jails.values():
            usage.remove(jail.work) if jail.work else None

    def _answer(self, asked: dict[str, Any], links: list[int]) -> None:
        jail = self.jails.get(asked["id"])
        if asked["op"] == "fork":
            self._send(*self._fork(asked["id"], links[0], asked["slot"], Limits(**asked["limits"])))
            os.close(links[0])
        elif asked["op"] == "cause":  # of one that has ended; empty where it has not
            self._reap()
            self._send({"cause": KILLED if jail is None else jail.cause})
        elif asked["op"] == "spared":
            self._send({"spared": 0.0 if jail is None else self._spared(jail)})
        elif jail is not None:
            jail.left = True
            self._reap()

    def _send(self, words: dict[str, Any], handle: int | None = None) -> None:
        socket.send_fds(self.control, [json.dumps(words).encode()], [] if handle is None else [handle])
        if handle is not None:
            os.close(handle)

    def _fork(self, number: int, link: int, slot: int, limits: Limits) -> tuple[dict[str, Any], int | None]:
        """A jail and a handle to it, or why there is none."""
        work = ""
        try:
            if self.world:  # the next child begins a process namespace, and only that one
                walls.must(walls.libc.unshare(walls.CLONE_NEWPID), "unshare")
            else:
                work = tempfile.mkdtemp(dir=self.scratch)
                if self.own_users:
                    os.chown(work, walls.FIRST_USER + slot, walls.FIRST_USER + slot)
            taken = 0 if self.own_users else usage.tasks()
            pid = os.fork()
            if pid == 0:
                self._live(link, slot, limits, work, taken)
        except OSError as error:
            usage.remove(work) if work else None
            return {"failed": str(error)}, None
        finally:
            if self.world:
                walls.must(walls.libc.setns(self.home, walls.CLONE_NEWPID), "setns")
        self.jails[number] = Jail(pid, limits, work)
        return {"pid": pid}, os.pidfd_open(pid)

    def _live(self, link: int, slot: int, limits: Limits, work: str, taken: int) -> None:
        """The jail's own life: walls first, one line that says that they stand, then the student's code."""
        code = 1
        try:
            refused = self._enclose(link, slot, limits, work, taken)
            os.write(link, json.dumps({"refused": refused[:300]}).encode().ljust(HELLO)[:HELLO])
            if not refused:
                from bdlab.submission.worker import serve

                serve(link, link)
                code = 0
        finally:
            os._exit(code)

    def _enclose(self, link: int, slot: int, limits: Limits, work: str, taken: int) -> str:
        """Why a wall does not stand; empty where all do."""
        home = work or walls.WORK
        writable = SCRATCH if self.world else [work, "/dev/null"]
        layers = {
            "session": lambda: walls.own_session(link),
            "world": lambda: walls.own_world(limits),
            "bounds": lambda: walls.bounded(limits, taken, usage.data()),
            "user": lambda: walls.nobody(walls.FIRST_USER + slot if self.own_users else None, hidden=self.world),
            "files": lambda: landlock.only_these_files([*self.readable, *DEVICES], writable),
            "calls": lambda: calls.load(self.rules),
        }
        if work:
            os.chdir(work)
        os.environ.update(TMPDIR=home, HOME=home)
        tempfile.tempdir = None
        for name, put_up in layers.items():
            if name in self.walls:
                try:
                    put_up()
                except OSError as error:
                    return f"{name}: {error}"
        return "" if self.world or os.getppid() == self.pid else "the fork server has ended"

    def _watch(self) -> None:
        """Kill what uses more than it may; collect what has ended."""
        self._reap()
        lives = [jail for jail in self.jails.values() if not jail.cause]
        if self.fenced and not self.world:  # no jail can start a process: no need to look for any
            below: dict[int, list[int]] = {}
        else:
            below = usage.children() if lives or not self.fenced else {}
        for pid in set(below.get(self.pid, ())) - {jail.pid for jail in self.jails.values()}:
            os.kill(pid, signal.SIGKILL)  # an orphan, of a jail without a process namespace
        for jail in lives:
            if over := self._over(jail, usage.family(jail.pid, below)):
                jail.cause = over
                os.kill(jail.pid, signal.SIGKILL)

    def _over(self, jail: Jail, family: list[int]) -> str:
        """The limit that a jail has passed.  What its own process shares with us does not count; what others hold does."""
        used = [usage.spent(member) for member in family]
        memory, seconds, threads = map(sum, zip(*used, strict=True))
        crowd = threads > jail.limits.processes  # RLIMIT_NPROC does not bound root, under whatever number
        if memory - min(self.base, used[0][0]) > jail.limits.memory or crowd:
            return "MemoryLimit"
        if seconds > jail.limits.cpu:
            return "CpuLimit"
        return "DiskLimit" if jail.work and usage.disk(jail.work, jail.pid) > jail.limits.disk else ""

    def _spared(self, jail: Jail) -> float:
        """Seconds that no process of a jail could run in: it waited for a core, and has used none."""
        used, waited = usage.scheduled(usage.family(jail.pid, usage.children()))
        return max(0.0, min(waited, time.monotonic() - jail.began - used))

    def _reap(self) -> None:
        """Collect what has ended; forget what nobody will ask for again."""
        by_pid = {jail.pid: jail for jail in self.jails.values() if not jail.over}
        with contextlib.suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                if jail := by_pid.get(ended[0]):
                    spent = ended[2].ru_utime + ended[2].ru_stime
                    killed = os.WIFSIGNALED(ended[1]) and os.WTERMSIG(ended[1]) == signal.SIGKILL
                    cause = "CpuLimit" if spent > jail.limits.cpu else KILLED if killed else "ProcessDied"
                    jail.over, jail.cause = True, jail.cause or cause
                    usage.remove(jail.work) if jail.work else None
        for number in [number for number, jail in self.jails.items() if jail.over and jail.left]:
            del self.jails[number]


def _user_exists(user: int) -> bool:
    """Whether the user namespace that we are in has this user id."""
    with open("/proc/self/uid_map", encoding="ascii") as lines:
        return any(0 <= user - int(line.split()[0]) < int(line.split()[2]) for line in lines)


def _open_to_all(path: str) -> bool:
    """Whether any user may go through the folders above `path`: an interpreter below /root is root's alone."""
    above = os.path.realpath(path)
    while (above := os.path.dirname(above)) != "/":
        if os.path.exists(above) and not os.stat(above).st_mode & 1:
            return False
    return True


def prepare() -> None:
    """Import what every jail would import, once, and start no thread: one that ran here would be lost in the forks.

    A constructor of torch.optim imports torch._dynamo and, with it, triton: 1.4 processor seconds in every jail.
    """
    sys.modules["triton"] = None  # type: ignore[assignment]
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
    with socket.socket(fileno=settings.pop("control")) as control:
        server = Server(control, **settings)
        server._send({"ready": server.pid}, os.pidfd_open(server.pid))
        server.run()
    os._exit(0)  # to take torch down takes half a second


if __name__ == "__main__":
    main()
