"""What lies around the jails while cases run: files to find, lines to connect to, and what of it has changed afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import secrets
import signal
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from autograder.course.folder import ROOT
from autograder.trials.hostile.case import COURSE, MARK, OUTSIDE, PORT, Material, text

SEGMENT = 0x42444C41
"""The key of the shared memory that a case leaves behind."""


class Outside:
    """A folder that no case may read or change, a socket and a port that none may reach, a word that none may leave.

    Use as a context.  words: what stands in for the words of `case`.
    """

    def __init__(self, of: Material) -> None:
        self.of = of

    def __enter__(self) -> Outside:
        self._folder = TemporaryDirectory(prefix="hostile-")
        self.folder = Path(self._folder.name)
        self._furnish()
        self.sockets = []
        for kind, address in (
            (socket.SOCK_STREAM, str(self.folder / "agent.sock")),
            (socket.SOCK_DGRAM, str(self.folder / "notify.sock")),
        ):
            self.sockets.append(socket.socket(socket.AF_UNIX, kind))
            self.sockets[-1].bind(address)
            Path(address).chmod(0o777)
        self.sockets.append(socket.create_server(("127.0.0.1", 0)))
        self.sockets[0].listen()
        for each in self.sockets:
            each.setblocking(False)
        self.mark = f"bdh{secrets.token_hex(4)}"
        port = str(self.sockets[-1].getsockname()[1])
        self.words = {OUTSIDE: str(self.folder), MARK: self.mark, PORT: port, COURSE: str(ROOT)}
        self.before = self._seen()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.sockets:
            each.close()
        self.folder.chmod(0o700)
        self._folder.cleanup()

    def _furnish(self) -> None:
        """Solutions, a gradebook, and another student's right answers, readable and writable for everyone."""
        sources = [self.of.setup, *self.of.right.values()]
        other = self.folder / "submitted" / "ada"
        other.mkdir(parents=True)
        (self.folder / "solutions.py").write_text("\n".join(sources))
        (self.folder / "gradebook.db").write_bytes(b"points")
        (other / "answers.ipynb").write_text(json.dumps({"cells": [{"source": source} for source in sources]}))
        for name in ("right.ipynb", f"{self.of.home.name}.ipynb"):
            (other / name).write_bytes(text(self.of.book(self.of.right)))
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o777)

    def _seen(self) -> dict[str, object]:
        found: dict[str, object] = {".": self.folder.stat().st_mode}
        for path in self.folder.rglob("*"):
            about = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path.relative_to(self.folder))] = (about.st_mode, about.st_uid, about.st_mtime_ns, content)
        return found

    def troubles(self) -> list[str]:
        """What a case has left behind or reached; all of it is put back in order."""
        self.folder.chmod(0o777)
        found = self._changes() + self._reached()
        processes = self.survivors()
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if processes:
            found.append(f"{len(processes)} processes survived")
        if _segment():
            found.append("a memory segment survived")
        return found

    def _changes(self) -> list[str]:
        now = self._seen()
        changed = sorted(name for name in {*now, *self.before} if now.get(name) != self.before.get(name))
        if changed:
            self.before = now
        return [f"outside the jail changed: {', '.join(changed)}"] if changed else []

    def _reached(self) -> list[str]:
        found = []
        for each, what in zip(self.sockets, ("a socket of this machine", "a service", "a port"), strict=True):
            with contextlib.suppress(OSError):
                each.recv(100) if each.type == socket.SOCK_DGRAM else each.accept()[0].close()
                found.append(f"{what} was reached")
        return found

    def survivors(self) -> list[int]:
        """Processes that carry the word in their name, their command line or their environment."""
        found, word = [], self.mark.encode()
        for name in filter(str.isdigit, os.listdir("/proc")):
            for place in ("comm", "cmdline", "environ"):
                with contextlib.suppress(OSError):
                    if word in Path("/proc", name, place).read_bytes():
                        found.append(int(name))
                        break
        return found


def _segment() -> bool:
    """Whether the memory segment of a case is still there; removed if so."""
    libc = ctypes.CDLL(None)
    number = libc.shmget(SEGMENT, 0, 0)
    if number >= 0:
        libc.shmctl(number, 0, None)
    return bool(number >= 0)


def family(pid: int) -> dict[int, str]:
    """A process and all that it has started: pid -> its limits and priority."""
    parents: dict[int, list[int]] = {}
    about: dict[int, str] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] == b"Z":
                continue
            parents.setdefault(int(fields[1]), []).append(int(name))
            about[int(name)] = Path("/proc", name, "limits").read_text() + str(fields[16])
    members = [pid]
    for member in members:  # grows on the way
        members += parents.get(member, ())
    return {member: about[member] for member in members if member in about}


def settled(pid: int, before: dict[int, str], seconds: float = 3.0) -> str:
    """What differs in the family of `pid` after it had time to end what it ends: a sentence, or nothing."""
    end = time.monotonic() + seconds
    while (now := family(pid)) != before:
        if time.monotonic() > end:
            gone, new = set(before) - set(now), set(now) - set(before)
            if not gone and not new:
                return "the fork server's limits or priority changed"
            return "the fork server ended" if gone else f"{len(new)} processes survived in the jail"
        time.sleep(0.05)
    return ""
