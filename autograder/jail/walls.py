"""The walls around one jail, put up by the forked process itself before it reads a line of a student's code.

Each function is one layer and names the feature of the Linux kernel that it uses; `TIERS` says which of them make which
tier.  The order matters: a later layer takes away what an earlier one needs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import struct
from collections.abc import Sequence

from autograder.jail.limits import Limits

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID = 0x00020000, 0x04000000, 0x08000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 1, 24, 28, 38
NOROOT_LOCKED = 0b1111
"""Securebits: user id 0 means nothing to the kernel, and this cannot be undone."""
FIRST_USER = 64_000
"""The user id of slot 0, where the fork server runs as root."""
WORK = "/answers"
"""The folder that is a jail's own."""


def _must(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def own_session(keep: int) -> None:
    """setsid, and no file descriptor but `keep`; what the code reads is empty, what it prints goes nowhere."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.closerange(3, keep)
    os.closerange(keep + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def own_world(limits: Limits) -> None:
    """Mount and IPC namespaces: a /proc with this jail's processes only, and small file systems in memory to write to.

    Everything else was mounted read-only by bubblewrap.  The process namespace is there already: see `server`.
    """
    _must(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS), "unshare")
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)
    for place in (WORK, "/dev/shm", "/tmp"):
        if any(mount.startswith(f"{place}/") for mount in _mounts()):  # this Python may lie below /tmp
            _mount(None, place, None, MS_REMOUNT | MS_BIND | MS_RDONLY)
            continue
        _mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, f"size={limits.disk},nr_inodes=4096,mode=1777")
    _mount(None, "/dev", None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    os.chdir(WORK)


def _mounts() -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return [line.split()[4] for line in mounts]


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    _must(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), f"mount {target}")


def bounded(limits: Limits) -> None:
    """setrlimit: memory and processor time of a process, number of processes, open files, length of a file, no core."""
    for kind, bound in (
        (resource.RLIMIT_DATA, limits.data),
        (resource.RLIMIT_CPU, int(limits.cpu) + 1),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_FSIZE, limits.file),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(kind, (bound, bound))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too long is an OSError, not the end


def nobody(slot: int) -> None:
    """A user of its own where we are root, no group, no capability now or ever again (setresuid, capset, securebits)."""
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    if os.getuid() == 0:
        libc.prctl(PR_SET_SECUREBITS, NOROOT_LOCKED, 0, 0, 0)
    try:
        os.setgroups([])
        os.setresgid(FIRST_USER + slot, FIRST_USER + slot, FIRST_USER + slot)
        os.setresuid(FIRST_USER + slot, FIRST_USER + slot, FIRST_USER + slot)
    except OSError as refused:  # an ordinary user has one user id to give
        if refused.errno not in (errno.EPERM, errno.EINVAL):
            raise
    _must(libc.capset(struct.pack("<II", 0x20080522, 0), bytes(24)), "capset")
    _must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")  # a change of user has cleared it
    _must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


# --- Landlock (kernel >= 5.13): which files may be read and written, no TCP, no signals to outside ---
# The package `landlock` of PyPI is an alpha that knows neither ports nor signals; these are three system calls.

CREATE, ADD, RESTRICT = 444, 445, 446
READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, list a folder
FILE = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
"""The rights that a file, and not only a folder, can have."""
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""ABI -> every right over files that it knows."""


def landlock_version() -> int:
    """The kernel's Landlock ABI; 0 where it has none."""
    return max(0, int(libc.syscall(CREATE, None, ctypes.c_size_t(0), 1)))


def only_these_files(readable: Sequence[str], writable: Sequence[str]) -> None:
    """Landlock: reading below `readable`, writing below `writable`, all else is refused; needs no privilege."""
    version = landlock_version()
    if not version:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    every = RIGHTS[min(version, 5)]
    handled = struct.pack("<QQQ", every, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = libc.syscall(CREATE, handled, ctypes.c_size_t(size), 0)
    _must(rules, "landlock_create_ruleset")
    for paths, rights in ((readable, READ), (writable, every)):
        for path in filter(os.path.exists, paths):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = rights & every if os.path.isdir(path) else rights & every & FILE
            _must(libc.syscall(ADD, rules, 1, struct.pack("<Qi", allowed, place), 0), f"landlock {path}")
            os.close(place)
    _must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    _must(libc.syscall(RESTRICT, rules, 0), "landlock_restrict_self")
    os.close(rules)


# --- seccomp: which system calls there are ---

REFUSED = (
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd pidfd_send_signal mount "
    "umount2 move_mount open_tree fsopen fsmount fsconfig fspick mount_setattr pivot_root chroot unshare setns "
    "keyctl add_key request_key bpf perf_event_open userfaultfd io_uring_setup io_uring_enter "
    "io_uring_register kexec_load kexec_file_load init_module finit_module delete_module open_by_handle_at "
    "name_to_handle_at reboot swapon swapoff quotactl syslog acct settimeofday clock_settime clock_adjtime "
    "adjtimex sethostname setdomainname fanotify_init lookup_dcookie nfsservctl vhangup ioperm iopl modify_ldt "
    "personality mknod mknodat setuid setgid setreuid setregid setresuid setresgid setgroups "
    "landlock_create_ruleset move_pages migrate_pages mbind set_mempolicy memfd_secret"
)
"""What no answer needs and attacks on a kernel begin with; they give EPERM."""
NAMESPACES = 0x7E020000
"""Every CLONE_NEW flag."""
CLONE_THREAD = 0x00010000


def fewer_calls(processes: bool) -> None:
    """seccomp, by libseccomp: no tracing, mounting, namespaces, keys, kernel modules; sockets of the UNIX family only.

    processes: whether the code may start others; without namespaces of its own it may not, and signals only itself.
    """
    import pyseccomp as seccomp  # ctypes over libseccomp, which knows the processors' numbers

    no = seccomp.ERRNO(errno.EPERM)
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    for name in REFUSED.split():
        try:
            rules.add_rule(no, name)
        except (OSError, ValueError):  # a name that this version of libseccomp, or this processor, does not have
            continue
    rules.add_rule(no, "socket", seccomp.Arg(0, seccomp.NE, 1))
    rules.add_rule(no, "prctl", seccomp.Arg(0, seccomp.EQ, PR_SET_PDEATHSIG))
    rules.add_rule(no, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, 0x5412))  # TIOCSTI
    for flag in (1 << bit for bit in range(32) if NAMESPACES >> bit & 1):
        rules.add_rule(no, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags lie in memory; the C library falls back to clone
    if not processes:
        rules.add_rule(no, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0))
        for name in ("fork", "vfork", "execve", "execveat"):
            rules.add_rule(no, name)
        for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            rules.add_rule(no, name, seccomp.Arg(0, seccomp.NE, os.getpid()))
        rules.add_rule(no, "tkill")
    rules.load()
