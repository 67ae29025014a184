"""Which walls stand on this machine: hostile code is run behind them, and what it could do is told.

Nothing is inferred from the name of the system.  The same code runs behind tier 'none' too, where most of it succeeds:
a probe that fails everywhere would prove nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bdlab.submission import Raised, Submission

if TYPE_CHECKING:
    from autograder.warden.pool import Warden

MB = 1 << 20
MARK = "BDLAB_PROBE"
"""A variable of the environment that no jail must see."""
CODE = Path(__file__).with_name("probe_code.py").read_text(encoding="utf-8")
"""What a jail runs."""


@dataclass(frozen=True)
class Row:
    """What was tried, whether the wall held, and what came of it."""

    what: str
    held: bool
    detail: str


@dataclass(frozen=True)
class Bait:
    """Things of ours, outside, that no jail may touch; everyone else on this machine could."""

    folder: Path
    port: int
    name: str
    victim: int


@contextlib.contextmanager
def bait() -> Iterator[Bait]:
    """A file, a listener on loopback, one on an abstract UNIX socket, a process, a variable of the environment."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bait-")))
        folder.chmod(0o777)
        (folder / "secret").write_text("secret", encoding="utf-8")
        (folder / "secret").chmod(0o666)
        tcp, unix = (stack.enter_context(socket.socket(kind)) for kind in (socket.AF_INET, socket.AF_UNIX))
        name = f"bait-{os.getpid()}-{folder.name}"
        tcp.bind(("127.0.0.1", 0))
        unix.bind(f"\0{name}")
        tcp.listen()
        unix.listen()
        victim = stack.enter_context(subprocess.Popen(["sleep", "600"]))
        stack.callback(victim.kill)
        os.environ[MARK] = "1"
        stack.callback(os.environ.pop, MARK, None)
        yield Bait(folder, tcp.getsockname()[1], name, victim.pid)


Probe = tuple[str, str, Callable[[Bait], Sequence[Any]]]
CHECKOUT = str(Path(__file__).resolve().parents[1])
WALLS: tuple[Probe, ...] = (
    ("read a file of ours", "read", lambda b: (str(b.folder / "secret"),)),
    ("write a file of ours", "write", lambda b: (str(b.folder / "secret"),)),
    ("make a file outside", "write", lambda b: (str(b.folder / "made"),)),
    ("change who may read a file of ours", "mode", lambda b: (str(b.folder / "secret"),)),
    ("list the code that grades", "listing", lambda b: (CHECKOUT,)),
    ("connect to loopback", "connect", lambda b: (b.port,)),
    ("connect to an abstract UNIX socket", "abstract", lambda b: (b.name,)),
    ("hold memory in no process (shmget)", "shared_memory", lambda b: (MB,)),
    ("hold memory in no process (memfd)", "hidden_memory", lambda b: ()),
    ("trace a process of ours", "trace", lambda b: (b.victim,)),
    ("read the memory of a process of ours", "memory_of", lambda b: (b.victim,)),
    ("change the limits of a process of ours", "bound", lambda b: (b.victim,)),
    ("kill a process of ours by a file's signal", "kill_by_file", lambda b: (b.victim,)),
    ("kill a process of ours", "kill", lambda b: (b.victim,)),
    ("make a user namespace", "namespace", lambda b: ()),  # the last: in one of its own it could do less
)
"""(what, function of CODE, its arguments): held where it raises."""


def walls(sub: Submission, bait: Bait) -> Iterator[Row]:
    """Try every act that a wall must stop."""
    for what, name, arguments in WALLS:
        try:
            got = sub.call(name, *arguments(bait))
        except Raised as raised:
            yield Row(what, True, raised.name)
        else:
            yield Row(what, False, "it could" if got is None else f"it could: {got!r:.60}")
    names = sub.call("environment")
    yield Row("see our environment", MARK not in names, f"it sees {', '.join(sorted(names))}")
    open_files = sub.call("descriptors")
    yield Row("use a descriptor of ours", open_files == ["socket"], f"besides /dev/null it has {open_files}")


def limits(sub: Submission, spin: bool = True) -> Iterator[Row]:
    """Try to pass every limit of `small`.  spin: also that of processor time."""
    for what, name, arguments, most in (
        ("start 100 processes", "processes", (100,), small().processes),
        ("use 560 MB of memory", "memory", (560 * MB,), 0),
        ("take 800 MB at once", "memory", (800 * MB,), 0),
        ("write 32 MB", "disk", (8, 4 * MB), 0),
        ("write a file of 12 MB", "disk", (1, 12 * MB), 0),
        ("open 300 files", "files", (300,), 0),
        *([("compute without an end", "spin", (), 0)] if spin else []),
    ):
        try:
            got = sub.call(name, *arguments)
            yield Row(what, got <= most, f"{got} of {arguments[0]}")
        except Raised as raised:
            yield Row(what, True, raised.name)
        sub.renew()


def small() -> Any:
    """Limits that are soon passed."""
    from autograder.jail.limits import Limits

    return Limits(
        call=20, wall=120, cpu=8, memory=512 * MB, data=640 * MB, file=8 * MB, disk=16 * MB, processes=24, files=128
    )


def probed(warden: Warden, whole: bool = False) -> list[Row]:
    """Try the walls of one of its jails.  whole: its limits, too, which must be `small`."""
    jail = warden.jail([CODE])
    try:
        with bait() as ours:
            return [*walls(sub := Submission(jail), ours), *(limits(sub) if whole else ())]
    finally:
        jail.close()


def try_tier(name: str) -> list[Row]:
    """Start a fork server behind the walls of this tier and run every probe in a jail."""
    if sys.platform != "linux":
        return [Row("start", False, f"this is {sys.platform}: walls need Linux")]
    from autograder.warden.pool import Warden
    from autograder.warden.tiers import Refused

    try:
        with Warden(name, small()) as warden:
            return probed(warden, whole=True)
    except (Refused, OSError) as refused:
        return [Row("start", False, str(refused))]
