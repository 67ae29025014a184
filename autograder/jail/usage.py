"""What a jail uses of this machine, as /proc and its folder tell it; read by the fork server, believed by nobody inside."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys

from autograder.jail.walls import INODES

PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
DEEP = 1000
"""Characters of a path; a jail that nests its folders deeper is stopped before no path reaches them."""


def children() -> dict[int, list[int]]:
    """Process -> its children, of all that we can see."""
    found: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as told:
            found.setdefault(int(told.read().rpartition(b")")[2].split()[1]), []).append(int(name))
    return found


def family(pid: int, of: dict[int, list[int]]) -> list[int]:
    """`pid`, its children, theirs, and so on."""
    found = [pid]
    for member in found:  # grows on the way
        found += of.get(member, ())
    return found


def spent(pid: int) -> tuple[int, float, int]:
    """(bytes of memory that no file holds, seconds of processor time with those of collected children, threads).

    Nobody in a jail has memory that is of no file and yet shared: see `calls.REFUSED`.
    """
    try:
        with open(f"/proc/{pid}/statm", "rb") as memory, open(f"/proc/{pid}/stat", "rb") as told:
            words = told.read().rpartition(b")")[2].split()
            resident, shared = map(int, memory.read().split()[1:3])
            return (resident - shared) * PAGE, sum(map(int, words[11:15])) / TICKS, int(words[17])
    except (OSError, ValueError):
        return 0, 0.0, 0


def scheduled(pids: list[int]) -> tuple[float, float]:
    """Seconds that all threads of these processes have run, and that they have waited for a core."""
    ran = waited = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat", "rb") as told:
                    words = told.read().split()
                    ran, waited = ran + int(words[0]), waited + int(words[1])
    return ran / 1e9, waited / 1e9


def data() -> int:
    """Bytes that RLIMIT_DATA counts of this process."""
    with open("/proc/self/statm", encoding="ascii") as memory:
        return int(memory.read().split()[5]) * PAGE


def tasks() -> int:
    """Processes and threads of this user that we can see."""
    found = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            about = os.stat(f"/proc/{name}/task")
            found += (about.st_nlink - 2) * (about.st_uid == os.getuid())
    return found


def disk(folder: str, pid: int) -> float:
    """Bytes below `folder`, with the files that have no name any more; infinite where it cannot be told."""
    used, count, waiting = 0, 0, [folder]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except FileNotFoundError:  # it is at work there
            continue
        except OSError:  # it has locked us out
            return float("inf")
        count += len(entries)
        if count > INODES or any(len(entry.path) > DEEP for entry in entries):
            return float("inf")
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                about = entry.stat(follow_symlinks=False)
                used += about.st_blocks * 512
                if stat.S_ISDIR(about.st_mode):
                    waiting.append(entry.path)
    return used + _nameless(pid)


def _nameless(pid: int) -> int:
    used = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                about = os.stat(entry.path)
                if stat.S_ISREG(about.st_mode) and not about.st_nlink:
                    used += about.st_blocks * 512
    return used


def remove(folder: str) -> None:
    """The folder of a jail that has ended, however deep and however locked."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            subprocess.run([*command, "--", folder], stdout=subprocess.DEVNULL, stderr=sys.stderr, check=False)
