"""Landlock (kernel >= 5.13): which files may be read and written, no TCP, no signals and abstract sockets to outside.

The package `landlock` of PyPI is an alpha that knows neither ports nor signals; these are three system calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

from autograder.jail.walls import PR_SET_NO_NEW_PRIVS, libc, must

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
    must(rules, "landlock_create_ruleset")
    for paths, rights in ((readable, READ), (writable, every)):
        for path in filter(os.path.exists, paths):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = rights & every if os.path.isdir(path) else rights & every & FILE
            must(libc.syscall(ADD, rules, 1, struct.pack("<Qi", allowed, place), 0), f"landlock {path}")
            os.close(place)
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    silent = 1 if version >= 7 else 0  # what is refused is no entry in the machine's audit log, which it would fill
    must(libc.syscall(RESTRICT, rules, silent), "landlock_restrict_self")
    os.close(rules)
