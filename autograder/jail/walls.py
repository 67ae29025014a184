"""The walls around one jail, put up by the forked process itself before it reads a line of a student's code.

Each function is one layer and names the feature of the Linux kernel that it uses; `landlock` and `calls` hold the last two.
`tiers.WALLS` says which of them make which tier.  The order matters: a later layer takes away what an earlier one needs.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct

from autograder.jail.limits import Limits

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 28, 38
NOROOT_LOCKED = 0b1111
"""Securebits: user id 0 means nothing to the kernel, and this cannot be undone."""
FIRST_USER = 64_000
"""The user id of slot 0, where the fork server runs as root."""
WORK = "/answers"
"""The folder that is a jail's own."""
STACK = 8 << 20
INODES = 4096
"""Files and folders that a jail may have."""
DESCRIPTORS = 1 << 20
"""No process has more than these."""


def must(result: int, what: str) -> None:
    """Raises `OSError` where a call into the C library has failed."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def own_session(keep: int) -> None:
    """setsid, and no file descriptor but `keep`; what the code reads is empty, what it prints goes nowhere.

    The jail ends with the fork server (PR_SET_PDEATHSIG).
    """
    os.setsid()
    must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.closerange(3, keep)
    os.closerange(keep + 1, DESCRIPTORS)  # close_range; the limit may be "infinity", which is -1


def own_world(limits: Limits) -> None:
    """Mount and IPC namespaces: a /proc with this jail's processes only, one small file system in memory to write to.

    Everything else was mounted read-only by bubblewrap.  The process namespace is there already: see `server`.
    """
    must(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC), "unshare")
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        mounts = [line.split()[4] for line in lines]
    _mount("tmpfs", WORK, "tmpfs", MS_NOSUID | MS_NODEV, f"size={limits.disk},nr_inodes={INODES},mode=1777")
    for place in ("/dev/shm", "/tmp"):  # all of them are WORK: one size for all
        if any(mount.startswith(f"{place}/") for mount in mounts):  # this Python may lie below /tmp
            _mount(None, place, None, MS_REMOUNT | MS_BIND | MS_RDONLY)
        else:
            _mount(WORK, place, None, MS_BIND)
    _mount(None, "/dev", None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    os.chdir(WORK)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    must(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), f"mount {target}")


def bounded(limits: Limits, tasks: int = 0, data: int = 0) -> None:
    """setrlimit: memory and processor time of a process, number of processes, open files, length of a file, no core.

    The kernel also counts what is there already: `tasks` of this user, where the jail shares its user, and `data`.
    """
    for kind, bound in (
        (resource.RLIMIT_DATA, data + limits.data),
        (resource.RLIMIT_CPU, int(limits.cpu) + 1),
        (resource.RLIMIT_NPROC, tasks + limits.processes),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_FSIZE, limits.file),
        (resource.RLIMIT_STACK, STACK),
        (resource.RLIMIT_CORE, 1),  # 0 would still start the program that core_pattern names; 1 byte does not
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 256),
    ):
        most = resource.getrlimit(kind)[1]
        kept = bound if most == resource.RLIM_INFINITY else min(bound, most)
        resource.setrlimit(kind, (kept, kept))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too long is an OSError, not the end


def nobody(user: int | None, hidden: bool = True) -> None:
    """The user id `user`, if any; no group, no capability now or ever again (setresuid, capset, securebits).

    hidden: no core is written of it and nobody reads its memory (PR_SET_DUMPABLE); then the fork server of an ordinary
    user cannot see its open files either.
    """
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    if user is not None:
        must(libc.prctl(PR_SET_SECUREBITS, NOROOT_LOCKED, 0, 0, 0), "prctl")
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    elif os.getuid() == 0:
        libc.prctl(PR_SET_SECUREBITS, NOROOT_LOCKED, 0, 0, 0)
    must(libc.capset(struct.pack("<II", 0x20080522, 0), bytes(24)), "capset")
    must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")  # a change of user has cleared it
    if hidden:
        must(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl")
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
