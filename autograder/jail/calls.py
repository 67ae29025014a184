"""seccomp: which system calls there are.  Two filters: libseccomp's for the calls that we know, ours for those to come.

The rules are made once, in the fork server; a jail only loads them.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import Any

from autograder.jail.walls import PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, libc, must

REFUSED = (
    # other processes: their memory, descriptors, signals
    "ptrace process_vm_readv process_vm_writev kcmp pidfd_send_signal move_pages migrate_pages mbind set_mempolicy "
    # mounts, namespaces, devices, the machine
    "mount umount2 pivot_root chroot unshare setns mknod mknodat name_to_handle_at open_by_handle_at vhangup "
    "reboot swapon swapoff quotactl syslog acct settimeofday clock_settime clock_adjtime adjtimex sethostname "
    "setdomainname ioperm iopl modify_ldt personality kexec_load kexec_file_load init_module finit_module "
    "delete_module lookup_dcookie nfsservctl uselib ustat sysfs "
    # where attacks on a kernel begin
    "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register io_setup fanotify_init "
    "inotify_init inotify_init1 inotify_add_watch keyctl add_key request_key vmsplice "
    # a place behind all others, where it would seem to wait for a core
    "setpriority sched_setscheduler sched_setparam sched_setattr setrlimit "
    # other users
    "setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups "
    # memory that no limit counts: of no process and of no file system of the jail
    "memfd_create shmget shmat shmctl semget semctl msgget msgctl mq_open mq_unlink"
)
"""What no answer needs; they give EPERM."""
NEWER = {
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
    "landlock_create_ruleset": 444, "memfd_secret": 447, "process_mrelease": 448,
}  # fmt: skip
"""The same, by their numbers, which are the same on every processor: an old libseccomp does not know the names."""
SOCKETS = "socket bind connect listen accept accept4"
"""Refused besides where a jail could reach another by the name of a UNIX socket; a pair of sockets is all it gets."""
ALONE = (
    "fork vfork execve execveat kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo ioprio_set "
    "chmod fchmod fchmodat chown fchown lchown fchownat utime utimes utimensat futimesat truncate "
    "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr"
)
"""Refused besides where a jail shares processes, files and perhaps its user with others; Landlock sees none of them."""
FCHMODAT2 = 452
OF_OTHERS = "prlimit64 sched_setaffinity"
"""There, these take no process id but 0."""
LAST = 456
"""Of the calls with higher numbers nobody has thought here; the C library takes ENOSYS for an older kernel."""
NAMESPACES = 0x7E020000
"""Every CLONE_NEW flag."""
CLONE_THREAD = 0x00010000
LOW = 0xFFFFFFFF
"""An argument that the kernel cuts to 32 bits must be compared so: else 1 << 32 | 1 passes for something else."""
SIGNALS_BY_FILE = {"fcntl": (8, 10, 15), "ioctl": (0x8901, 0x8902, 0x5412)}
"""F_SETOWN, F_SETSIG, F_SETOWN_EX; FIOSETOWN, SIOCSPGRP, TIOCSTI: a descriptor that signals whom one likes."""


def rules(processes: bool, sockets: bool) -> Any:
    """libseccomp's filter.  processes: whether the code may start others and may signal; needs a namespace of its own.

    sockets: whether it may have UNIX sockets with names; needs Landlock's scope.  There are none of other families.
    """
    import pyseccomp as seccomp  # ctypes over libseccomp, which knows the processors' numbers

    no, lacking = seccomp.ERRNO(errno.EPERM), seccomp.ERRNO(errno.ENOSYS)
    made = seccomp.SyscallFilter(seccomp.ALLOW)

    def refuse(call: str | int, *arguments: Any, how: int = no) -> None:
        made.add_rule(how, call, *arguments)

    def masked(place: int, mask: int, value: int) -> Any:
        return seccomp.Arg(place, seccomp.MASKED_EQ, mask, value)

    for names in (REFUSED, "" if processes else ALONE, "" if sockets else SOCKETS):
        for name in names.split():
            refuse(name)
    for number in [*NEWER.values(), *([] if processes else [FCHMODAT2])]:
        refuse(number)
    for name in ("socket", "socketpair") if sockets else ("socketpair",):
        refuse(name, seccomp.Arg(0, seccomp.NE, 1))
    for kind in () if sockets else (2, 3, 4, 5):  # all but SOCK_STREAM: a datagram can name whom it goes to
        refuse("socketpair", masked(1, 0xF, kind))
    refuse("prctl", masked(0, LOW, PR_SET_PDEATHSIG))
    refuse("prlimit64", seccomp.Arg(2, seccomp.NE, 0))  # who lowers a limit of its own would end as if killed by others
    for name, commands in SIGNALS_BY_FILE.items():
        for command in commands:
            refuse(name, masked(1, LOW, command))
    refuse("mmap", masked(3, 0x21, 0x21))  # shared and of no file: see REFUSED
    for flag in (1 << bit for bit in range(32) if NAMESPACES >> bit & 1):
        refuse("clone", masked(0, flag, flag))
    refuse("clone3", how=lacking)  # its flags lie in memory; the C library falls back to clone
    if not processes:
        refuse("clone", masked(0, CLONE_THREAD, 0))
        for name in OF_OTHERS.split():
            refuse(name, seccomp.Arg(0, seccomp.NE, 0))
    return made


def load(made: Any) -> None:
    """Both filters, for good: no call that `made` refuses, none above `LAST`."""
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    steps = (  # classic BPF: load the number; where it is above LAST, ENOSYS; else allow
        (0x20, 0, 0, 0),
        (0x25, 0, 1, LAST),
        (0x06, 0, 0, 0x00050000 | errno.ENOSYS),
        (0x06, 0, 0, 0x7FFF0000),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HP", len(steps), ctypes.addressof(code))
    must(libc.prctl(22, 2, program, 0, 0), "prctl(PR_SET_SECCOMP)")
    made.load()
