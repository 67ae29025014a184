"""The tiers, and the command that starts a fork server in each: what it and its jails can see of this machine."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

A, B, NONE = "A", "B", "none"
WALLS = {
    A: ("session", "world", "bounds", "user", "files", "calls"),
    B: ("session", "bounds", "user", "files", "calls"),
    NONE: ("session", "bounds"),
}
"""Tier -> its layers, by the names of `jail.server`.  A: namespaces and a root of its own by bubblewrap, and all of B's.
B: Landlock, seccomp, limits.  none: a process of its own and limits; scores cannot be forged there either, but files can be
read, connections made and processes killed."""
TIERS = (A, B, NONE)
"""The strongest first."""
SYSTEM = (
    *("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"),
    "/sys/devices/system/cpu",
)
"""What a Python needs besides its own folders."""
EDITION = "/edition"
"""Where bubblewrap shows the grading edition."""


class Refused(RuntimeError):
    """The fork server or a jail could not put up its walls; the text says which one and why."""


def root(tier: str, shown: Path) -> list[str]:
    """bubblewrap's command, where the tier has one: a root of Python, its libraries and the edition `shown`; no network."""
    if tier != A:
        return []
    from autograder.jail.walls import WORK  # only Linux has what that module needs

    program = shutil.which("bwrap")
    if program is None:
        raise Refused("tier A: bubblewrap (bwrap) is not installed")
    command = [program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.getuid() != 0:  # inside, an ordinary user has the rights that the walls need, over nothing but the inside
        command += ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
    command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", WORK, "--chdir", "/"]
    command += ["--ro-bind", str(shown), EDITION]
    for path in (*SYSTEM, *python()):
        if Path(path).is_symlink() and path in SYSTEM:
            command += ["--symlink", os.readlink(path), path]
        elif Path(path).exists():
            for parent in list(Path(path).parents)[-2::-1]:  # bubblewrap would make them for root alone
                command += ["--perms", "0755", "--dir", str(parent)]
            command += ["--ro-bind", path, path]
    for path in copies():
        command += ["--tmpfs", path, "--remount-ro", path]
    return [*command, "--remount-ro", "/", "--"]


def copies() -> list[str]:
    """Folders of an installed bdlab and autograder: no jail should import what its edition hides."""
    sites = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    return [path for site in sites for name in ("bdlab", "autograder") if Path(path := f"{site}/{name}").is_dir()]


def python() -> list[str]:
    """This Python and its packages: not the whole folder that an environment lies in, which may be the checkout."""
    parts = [
        f"{home}/{part}" for home in (sys.base_prefix, sys.prefix) for part in ("bin", "lib", "lib64", "pyvenv.cfg")
    ]
    own = [*parts, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    outer = [path for path in dict.fromkeys(own) if not path.startswith("/usr/") and Path(path).exists()]
    return [path for path in outer if not any(path != other and path.startswith(f"{other}/") for other in outer)]


def interpreter(folder: str) -> list[str]:
    """Isolated from this user's own packages and settings; the edition comes first."""
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from autograder.jail.server import main; main()"
    return [sys.executable, "-I", "-c", program, folder]


def environment() -> dict[str, str]:
    """All that the fork server knows of this machine."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp", "LANG": "C.UTF-8", **threads}
