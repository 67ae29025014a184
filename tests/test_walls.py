"""The walls around a jail: hostile code behind them can do nothing, the same code without them can."""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

if sys.platform != "linux":
    pytest.skip("jails need Linux", allow_module_level=True)

from autograder.jail import calls, landlock, server, usage, walls
from autograder.jail.limits import MB, Limits
from autograder.warden import edition, policy, probes, tiers
from autograder.warden.pool import Warden
from autograder.warden.tiers import NONE, A, B, Refused
from bdlab import zoo
from bdlab.submission import Piped, Raised, Submission, remote

MARKER = secrets.token_hex(16)
"""What the controller knows and no fork server may."""
HAVE = {A: shutil.which("bwrap") is not None and landlock.landlock_version() > 0, B: landlock.landlock_version() > 0}
ONLY_LINUX = "tier A needs bubblewrap, tiers A and B a kernel with Landlock"
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
CODE = (
    probes.CODE
    + """
import struct, threading

def nap(seconds):
    time.sleep(seconds)
    return "awake"

def leave(status):
    os._exit(status)

def number():
    return 7

def link():
    for number in range(3, 1024):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return number
        except OSError:
            continue

def announce(text, blob):
    os.write(link(), struct.pack("<II", text, blob))
    time.sleep(30)

def speak():
    os.write(link(), b"x" * 64)

def system_call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return [result, ctypes.get_errno()]

def leave_behind(path):
    with open(path, "w") as file:
        file.write("mine")
    return os.path.realpath(path)

def nested(count):
    for _ in range(count):
        os.mkdir("d")
        os.chdir("d")
    time.sleep(2)

def many(count):
    for number in range(count):
        open(str(number), "w").close()
    time.sleep(5)

def nameless(count, size):
    held = []
    for number in range(count):
        held.append(open("file", "wb"))
        held[-1].write(bytes(size))
        held[-1].flush()
        os.unlink("file")
    time.sleep(5)

def shared(size):
    import mmap
    return len(mmap.mmap(-1, size))

def threads(count):
    held = [threading.Thread(target=time.sleep, args=(0.5,)) for _ in range(count)]
    for thread in held:
        thread.start()
    return len(held)

def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
"""
)


def _started(tier):
    if not HAVE.get(tier, True):
        pytest.skip(ONLY_LINUX)
    return Warden(tier, probes.small())


@pytest.fixture(scope="module")
def wardens():
    """wardens(tier): one fork server for all tests."""
    with contextlib.ExitStack() as stack:
        made = {}

        def get(tier):
            if tier not in made:
                made[tier] = stack.enter_context(_started(tier))
            return made[tier]

        yield get


@pytest.fixture(params=[A, B])
def walled(request, wardens):
    return wardens(request.param)


@pytest.fixture
def jail(walled):
    """A jail that knows CODE, and a Submission that speaks with it."""
    jail = walled.jail([CODE])
    yield jail, Submission(jail)
    jail.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The same code in a plain process, which sees our environment; and what it may harm."""
    with pytest.MonkeyPatch.context() as patch, probes.bait() as bait:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("plain")))
        piped = Piped([CODE])
        yield Submission(piped), bait
        piped.close()


def _pid(handle):
    """The process behind a pidfd."""
    about = Path(f"/proc/self/fdinfo/{handle}").read_text(encoding="ascii")
    return int(re.search(r"^Pid:\s*(\d+)", about, re.M)[1])


def _below(pid):
    """`pid` and every process below it."""
    return usage.family(pid, usage.children())


def _alive(pids):
    """Those that run; a zombie has ended."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            found += [pid] if state not in "ZX" else []
    return found


def _soon(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


# --- every wall, and its negative control ---


def test_every_wall_holds(jail):
    with probes.bait() as bait:
        rows = list(probes.walls(jail[1], bait))
        assert [row for row in rows if not row.held] == []
        assert {row.what for row in rows} >= {what for what, _, _ in probes.WALLS}
        assert sorted(path.name for path in bait.folder.iterdir()) == ["secret"]
        assert (bait.folder / "secret").read_text(encoding="utf-8") == "secret"
        assert _alive([bait.victim]) == [bait.victim]


def _cannot_anyway():
    """What this machine allows nobody."""
    if os.getuid() and YAMA.exists() and YAMA.read_text(encoding="ascii").strip() != "0":
        yield from ("trace a process of ours", "read the memory of a process of ours")
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode:
        yield "make a user namespace"


def test_the_same_code_without_walls_can_do_everything(plain):
    sub, bait = plain
    held = {row.what for row in probes.walls(sub, bait) if row.held}
    assert held == set(_cannot_anyway())
    assert (bait.folder / "secret").read_text(encoding="utf-8") == "written"
    assert (bait.folder / "made").exists() and _alive([bait.victim]) == []


def test_the_same_code_without_limits_passes_all_of_them(plain):
    sub, _ = plain
    rows = {row.what: row for row in probes.limits(sub, spin=False)}
    assert [row.what for row in rows.values() if row.held] == []


def test_a_jail_sees_neither_another_nor_its_files(walled):
    first, second = walled.jail([CODE]), walled.jail([CODE])
    try:
        one, two = Submission(first), Submission(second)
        path = one.call("leave_behind", "mine")
        assert one.call("read", path) == "mine"
        with pytest.raises(Raised, match=r"FileNotFoundError|PermissionError"):
            two.call("read", path)
        if walled.tier == A:
            with pytest.raises(Raised, match="PermissionError"):
                two.call("listing", "/proc")
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize(
    ("what", "number", "arguments", "error"),
    [
        ("a call that is newer than the list", 457, (), 38),
        ("an argument that the kernel cuts to 32 bits", 157, (1 << 32 | 1, 0), 1),
        ("a namespace by clone", 56, (0x10000000 | 17, 0, 0, 0, 0), 1),
        ("clone3, whose flags lie in memory", 435, (0, 0), 38),
        ("keys", 250, (0, 0), 1),
        ("tracing", 101, (0, 0), 1),
        ("a limit of its own, set anew", 302, (0, 0, 1, 0), 1),
        ("a place behind all others", 141, (0, 0, 19), 1),
    ],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
def test_system_calls_that_are_refused(jail, what, number, arguments, error):
    assert jail[1].call("system_call", number, *arguments) == [-1, error], what


# --- limits: each costs its own request only ---

NAMES = {
    "call": {A: "TimeoutError", B: "TimeoutError"},
    "cpu": {A: "CpuLimit", B: "CpuLimit"},
    "memory": {A: "MemoryLimit", B: "MemoryLimit"},
    "data": {A: "MemoryError", B: "MemoryError"},
    "shared memory": {A: "PermissionError", B: "PermissionError"},
    "files": {A: "OSError", B: "OSError"},
    "file": {A: "OSError", B: "OSError"},
    "disk": {A: "OSError", B: "DiskLimit"},
    "disk without names": {A: "OSError", B: "DiskLimit"},
    "many files": {A: "OSError", B: "DiskLimit"},
    "deep folders": {A: None, B: "DiskLimit"},
    "reply": {A: "ProtocolError", B: "ProtocolError"},
    "half a reply": {A: "TimeoutError", B: "TimeoutError"},
    "exit": {A: "ProcessDied", B: "ProcessDied"},
    "fork": {A: None, B: "PermissionError"},
}
CALLS = {
    "call": ("nap", 30),
    "cpu": ("spin",),
    "memory": ("memory", 560 * MB),
    "data": ("memory", 800 * MB),
    "shared memory": ("shared", MB),
    "files": ("files", 300),
    "file": ("disk", 1, 12 * MB),
    "disk": ("disk", 8, 4 * MB),
    "disk without names": ("nameless", 8, 4 * MB),
    "many files": ("many", 5000),
    "deep folders": ("nested", 1500),
    "reply": ("announce", 1 << 21, 0),
    "half a reply": ("announce", 100, 0),
    "exit": ("leave", 3),
    "fork": ("daemon",),
}


@pytest.mark.parametrize("limit", NAMES)
def test_a_limit_costs_its_own_call_only(jail, limit, monkeypatch):
    jail, sub = jail
    if limit in ("call", "half a reply"):
        jail.seconds = 0.5
    if limit == "cpu":
        jail.close()
        monkeypatch.setattr(jail.warden, "limits", replace(jail.warden.limits, cpu=1))
        sub.renew()
    name = NAMES[limit][jail.warden.tier]
    with pytest.raises(Raised) if name else contextlib.nullcontext() as raised:
        sub.call(*CALLS[limit])
    assert name is None or raised.value.name == name
    assert jail.disturbed is False
    sub.renew()
    assert sub.call("number") == 7  # the definitions are there again


def test_processes_are_counted(jail):
    started = jail[1].call("processes", 100)
    most = probes.small().processes
    assert most / 2 < started < most if jail[0].warden.tier == A else started == 0
    with pytest.raises(Raised):
        jail[1].call("threads", 200)


def test_what_answers_need_is_there(jail):
    assert jail[1].call("threads", 10) == 10
    assert jail[1].call("disk", 2, 4 * MB, 0) == 8 * MB
    assert jail[1].call("memory", 200 * MB, 0) == 200 * MB


def test_a_cell_that_ends_its_process_costs_no_other(walled, monkeypatch):
    monkeypatch.setattr(walled, "limits", replace(walled.limits, cell=1.0))
    cells = [
        "def f():\n    return 1",
        "import os\nos._exit(0)",
        "import time\ntime.sleep(60)",
        "def g():\n    return f()",
    ]
    jail = walled.jail(cells)
    assert jail.raised == [None, "ProcessDied", "TimeoutError", None]
    assert Submission(jail).call("g") == 1
    jail.close()


def test_a_submission_has_its_time_and_no_more(walled, monkeypatch):
    monkeypatch.setattr(walled, "limits", replace(walled.limits, wall=1.5))
    jail = walled.jail([CODE])
    with pytest.raises(Raised, match="TimeoutError"):
        Submission(jail).call("nap", 30)
    with pytest.raises(Raised, match="TimeoutError"):
        Submission(jail).call("number")
    jail.close()


WORK = """
import threading, time
def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def beside(seconds):
    thread = threading.Thread(target=burn, args=(seconds,))
    thread.start()
    thread.join()
    return "done"

def nap(seconds):
    time.sleep(seconds)
"""


@contextlib.contextmanager
def _busy(count):
    """So many processes that take all that they can get."""
    command = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(command, start_new_session=True) for _ in range(count)]  # a kernel shares by sessions
    try:
        yield
    finally:
        for one in loops:
            one.kill()
            one.wait()


def test_time_that_others_took_is_nobodys_own(walled, monkeypatch):
    """A thread of a jail needs .25 of .4 s and gets a third of a core; sleeping and burning cost what they cost."""
    monkeypatch.setattr(walled, "limits", replace(walled.limits, call=0.4))
    with _busy(3 * len(os.sched_getaffinity(0))):
        jail = walled.jail([WORK])
        sub, begin = Submission(jail), time.monotonic()
        assert sub.call("beside", 0.25) == "done" and time.monotonic() - begin > 0.4 and not jail.starved
        for what in ("nap", "beside"):
            jail.run([WORK])
            with pytest.raises(Raised, match="TimeoutError"):
                sub.call(what, 5)
        assert not jail.starved
        jail.close()


def test_who_never_gets_to_run_is_told_apart(walled, monkeypatch):
    monkeypatch.setattr(walled, "limits", replace(walled.limits, call=0.2))
    monkeypatch.setattr(remote, "PATIENCE", 2)
    jail = walled.jail([WORK])
    monkeypatch.setattr(walled.server, "spared", lambda number: 1000.0)
    with pytest.raises(Raised, match="TimeoutError"):
        Submission(jail).call("nap", 30)
    assert jail.starved
    jail.close()


def test_nobody_asked_for_these_words(jail):
    jail, sub = jail
    with pytest.raises(Raised, match=r"ProtocolError|ProcessDied"):
        sub.call("speak")
        sub.call("number")
    sub.renew()
    assert sub.call("number") == 7


# --- the fork server ---


def test_the_fork_server_is_bare(walled):
    pid = _pid(walled.server.handle)
    own = Path(f"/proc/{pid}")
    assert len(list((own / "task").iterdir())) == 1
    names = {word.split(b"=")[0].decode() for word in (own / "environ").read_bytes().split(b"\0") if word}
    assert names <= {*tiers.environment(), "PWD", "LC_CTYPE"}
    kinds = [re.sub(r"[:\[/(].*", "", os.readlink(path).removeprefix("/")) for path in (own / "fd").iterdir()]
    assert sorted(kinds) == ["dev", "dev", "pid", "socket", "tmp"], "stdin, stdout, its namespace, controller, stderr"


def _holds(pid, *needles):
    """Which of `needles` the writable memory of a process holds."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            start, end = (int(number, 16) for number in place.split("-"))
            if rights.startswith("rw"):
                with contextlib.suppress(OSError, OverflowError):
                    memory.seek(start)
                    held = memory.read(end - start)
                    found |= {needle for needle in needles if needle in held}
    return found


def test_the_fork_server_knows_no_secret(walled):
    secret, known = MARKER.encode(), str(walled.server.folder / "scratch").encode()
    try:
        assert _holds(_pid(walled.server.handle), secret, known) == {known}
    except PermissionError:
        pytest.skip("this machine lets nobody read the memory of another process")


def test_a_jail_that_somebody_else_kills_is_told_apart(jail):
    jail, sub = jail
    assert sub.call("number") == 7
    (pid,) = usage.children()[_pid(jail.warden.server.handle)]
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Raised, match="ProcessDied"):
        sub.call("number")
    assert jail.disturbed is True
    sub.renew()
    assert sub.call("number") == 7


def _kill_server(warden, jail):
    old = _pid(warden.server.handle)
    os.kill(old, signal.SIGKILL)
    sub = Submission(jail)
    with pytest.raises(Raised, match="ProcessDied"):
        sub.call("nap", 5)
    assert jail.disturbed is True
    sub.renew()
    assert sub.call("number") == 7
    assert _pid(warden.server.handle) != old and not _alive([old])


@pytest.mark.slow
def test_the_submission_goes_on_when_the_fork_server_is_killed(wardens):
    jail = wardens(B).jail([CODE])
    _kill_server(wardens(B), jail)
    jail.close()


@pytest.mark.slow
def test_the_same_with_bubblewrap(wardens):
    """The fork server, then the process that bubblewrap started it from, then bubblewrap's first one."""
    jail = wardens(A).jail([CODE])
    _kill_server(wardens(A), jail)
    inner = _parent(_pid(wardens(A).server.handle))
    os.kill(inner, signal.SIGKILL)  # the first process of its namespace
    assert _soon(lambda: jail._ended())
    Submission(jail).renew()
    os.kill(wardens(A).server.process.pid, signal.SIGKILL)  # outside: nobody inside needs it
    assert Submission(jail).call("number") == 7
    jail.close()


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def test_several_threads_share_a_fork_server(walled):
    found = []

    def work():
        jail = walled.jail([CODE])
        found.append(Submission(jail).call("number"))
        jail.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [7] * 4
    assert len(walled.slots) == 1000


def test_a_closed_jail_leaves_nothing(walled):
    jail = walled.jail([CODE])
    if walled.tier == A:
        Submission(jail).call("daemon")
    pids = [pid for pid in _below(_pid(walled.server.handle)) if pid != _pid(walled.server.handle)]
    assert len(pids) >= 1
    jail.close()
    assert _soon(lambda: not _alive(pids))
    walled.jail([]).close()
    assert _soon(lambda: len(list((walled.server.folder / "scratch").iterdir())) <= 1)


def test_a_warden_is_entered_once(wardens):
    with pytest.raises(RuntimeError, match="enter it once"):
        wardens(B).__enter__()
    with pytest.raises(ValueError, match="tier must be one of A, B, none, got 'C'"):
        Warden("C")


# --- networks of the zoo ---

LISTED = """
import os

def nets():
    import bdlab
    return sorted(os.listdir(os.path.join(os.path.dirname(bdlab.__file__), "zoo", "nets")))

def loaded():
    import bdlab.zoo
    return bdlab.zoo.load("signs-badnets")
"""


@pytest.mark.parametrize("tier", [A, B])
def test_a_jail_holds_the_networks_of_the_zoo_that_exercises_use_and_no_other(tier, monkeypatch):
    """As a fixture; the zoo itself does not work there, whose cards tell the attack."""
    monkeypatch.setattr(edition, "used_nets", lambda exercises: {"signs-badnets"})
    x = torch.rand(2, 3, 32, 32)
    with _started(tier) as warden:
        jail = warden.jail([LISTED])
        sub = Submission(jail)
        assert sub.call("nets") == ["signs-badnets.json", "signs-badnets.safetensors"]
        ref = sub.fixture("model", "zoo:signs-badnets")
        assert torch.allclose(sub.invoke(ref, x), zoo.load("signs-badnets")(x), atol=1e-5)
        for ask, why in (
            (lambda: sub.call("loaded"), "RuntimeError"),  # HiddenWhileGrading
            (lambda: sub.value(sub.fixture("model", "zoo:signs-clean")), "FileNotFoundError"),
        ):
            with pytest.raises(Raised) as told:
                ask()
            assert told.value.name == why
        jail.close()


def test_the_networks_that_exercises_use_are_read_from_their_text(tmp_path):
    (tmp_path / "l98_a.py").write_text('net = made("model", "zoo:signs-badnets")\nmade("model", "tiny")')
    (tmp_path / "l99_b.py").write_text("made('model', 'zoo:digits-clean', state=None), 'zoo:', 'zoo: no', \"a zoo:x\"")
    assert edition.used_nets(tmp_path) == {"signs-badnets", "digits-clean"}
    own = {path.stem for path in edition.write(tmp_path / "edition").glob("bdlab/zoo/nets/*")}
    assert own == edition.used_nets(Path(edition.bdlab.__file__).parent / "exercises")


# --- walls that do not stand ---


def _broken(monkeypatch, module, name):
    """The edition in which one layer fails."""
    write = edition.write

    def patched(target):
        write(target)
        with (target / "autograder" / "jail" / f"{module}.py").open("a", encoding="utf-8") as source:
            source.write(f"\n\ndef {name}(*_, **__):\n    raise OSError(38, 'not on this machine')\n")

    monkeypatch.setattr(edition, "write", patched)


LAYERS = {
    "session": (walls, "own_session"),
    "world": (walls, "own_world"),
    "bounds": (walls, "bounded"),
    "user": (walls, "nobody"),
    "files": (landlock, "only_these_files"),
    "calls": (calls, "load"),
}


def test_every_layer_has_a_name_that_the_fork_server_knows():
    assert set(LAYERS) == {name for layers in tiers.WALLS.values() for name in layers}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_wall_that_does_not_stand_is_named(layer, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise OSError(38, "not on this machine")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", "")
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(*LAYERS[layer], fail)
    monkeypatch.setattr(calls, "rules", lambda *_: None)
    asked = server.Server(None, [layer], [], str(tmp_path))
    asked.pid = os.getppid()
    assert asked._enclose(0, 0, Limits(), str(tmp_path), 0) == f"{layer}: [Errno 38] not on this machine"
    asked.walls = []
    assert asked._enclose(0, 0, Limits(), str(tmp_path), 0) in ("", "the fork server has ended")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tier", "module", "name", "layer"),
    [
        (B, "calls", "load", "calls"),
        (B, "landlock", "only_these_files", "files"),
        (B, "walls", "nobody", "user"),
        (B, "walls", "bounded", "bounds"),
        (A, "walls", "own_world", "world"),
    ],
)
def test_no_code_runs_where_a_wall_does_not_stand(monkeypatch, tmp_path, tier, module, name, layer):
    _broken(monkeypatch, module, name)
    with _started(tier) as broken:
        with pytest.raises(Refused, match=rf"tier {tier}: {layer}: \[Errno 38\] not on this machine"):
            broken.jail([f"open({str(tmp_path / 'ran')!r}, 'w')"])
        assert _soon(lambda: not usage.children().get(_pid(broken.server.handle)))
    assert list(tmp_path.iterdir()) == []


def test_a_fork_server_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setattr(tiers, "interpreter", lambda folder: [sys.executable, "-c", "raise SystemExit('no torch')"])
    with pytest.raises(Refused, match="tier B: the fork server did not start: no torch"):
        Warden(B).__enter__()
    monkeypatch.setattr(tiers.shutil, "which", lambda name: None)
    with pytest.raises(Refused, match=r"bubblewrap \(bwrap\) is not installed"):
        Warden(A).__enter__()


def test_an_environment_in_the_checkout_does_not_show_the_checkout(monkeypatch, tmp_path):
    for part in ("bin", "lib", "solutions"):
        (tmp_path / part).mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    shown = [path for path in tiers.python() if path.startswith(str(tmp_path))]
    assert shown == [f"{tmp_path}/bin", f"{tmp_path}/lib"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="tier A needs bubblewrap")
def test_an_installed_copy_of_the_library_is_covered_up(monkeypatch, tmp_path):
    """Beside other packages, which are seen; the folder on the way is open to everybody, as site-packages are."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        for name in ("bdlab", "autograder", "other"):
            (Path(place) / name).mkdir()
            (Path(place) / name / "answers.py").write_text("")
        path = sysconfig.get_path
        monkeypatch.setattr(tiers.sysconfig, "get_path", lambda name: place if name == "platlib" else path(name))
        code = "import os\ndef seen(*names):\n    return [os.listdir(os.path.join(*name)) for name in names]"
        with Warden(A, probes.small()) as warden:
            jail = warden.jail([code])
            found = Submission(jail).call("seen", *([place, name] for name in ("other", "bdlab", "autograder")))
            jail.close()
    assert found == [["answers.py"], [], []]


def test_a_locked_or_deep_folder_is_removed_and_never_small(tmp_path):
    home = tmp_path / "jail"
    home.mkdir()
    assert usage.disk(str(home), os.getpid()) < MB
    old = os.getcwd()
    os.chdir(home)
    try:
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        Path("file").write_text("x", encoding="utf-8")
    finally:
        os.chdir(old)
    (home / "locked").mkdir(mode=0)
    assert usage.disk(str(home), os.getpid()) == float("inf")
    usage.remove(str(home))
    assert not home.exists()


def test_limits_are_positive():
    with pytest.raises(ValueError, match="cpu must be above 0, got 0"):
        Limits(cpu=0)


# --- probes ---


def _tier(*arguments, **named):
    with policy.guarded(*arguments, **named) as warden:
        return warden.tier


def test_the_policy_decides(monkeypatch):
    reached = {"A": False, "B": False}
    row = probes.Row("read a file of ours", False, "it could")
    found = lambda name: [] if reached.get(name, True) else [row]  # noqa: E731
    monkeypatch.setattr(policy, "_started", lambda name, *_: (SimpleNamespace(tier=name), found(name)))
    with pytest.raises(RuntimeError, match=r"tier B: read a file of ours: it could.*--i-trust-these-submissions"):
        _tier("B")
    assert _tier("none", trusted=True) == _tier("B", trusted=True) == "none"
    reached["B"] = True
    assert _tier() == "B"
    with pytest.raises(RuntimeError, match="policy asks for tier A or better"):
        _tier("A")
    reached["A"] = True
    assert _tier() == "A"
    with pytest.raises(ValueError, match=r"policy none has no walls at all: .*--i-trust-these-submissions"):
        _tier("none")
    with pytest.raises(ValueError, match="policy must be one of A, B, none, got 'D'"):
        _tier("D")


def test_another_system_is_told_what_walls_need(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert probes.try_tier(A) == [probes.Row("start", False, "this is darwin: walls need Linux")]


SCRIPT = """
import json
from autograder.warden import probes, tiers
print(json.dumps({tier: [[row.what, row.held, row.detail] for row in probes.try_tier(tier)] for tier in tiers.TIERS}))
"""
AS_USER = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--uid", "1000", "--gid", "1000", "--"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap makes the ordinary user")
@pytest.mark.parametrize("prefix", [[], AS_USER], ids=["as we are", "as an ordinary user"])
def test_every_tier_is_tried(prefix, tmp_path):
    tmp_path.chmod(0o777)
    env = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*prefix, sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=env, check=True,
        cwd=Path(probes.CHECKOUT),
    )  # fmt: skip
    tiers = json.loads(done.stdout)
    assert [(name, row) for name in (A, B) for row in tiers[name] if not row[1]] == []
    could = {what for what, held, _ in tiers[NONE] if not held}
    assert could >= {what for what, _, _ in probes.WALLS} - set(_cannot_anyway())


CONTROLLER = """
import os, sys, time
from autograder.warden import probes
from autograder.warden.pool import Warden
from bdlab.submission import Submission
with Warden(sys.argv[1], probes.small()) as warden:
    jail = warden.jail([sys.argv[2]])
    sub = Submission(jail)
    if sys.argv[1] != "B":
        sub.call("daemon")
    (told,) = [line for line in open(f"/proc/self/fdinfo/{warden.server.handle}") if line.startswith("Pid:")]
    print(warden.server.folder, told.split()[1], flush=True)
    sub.call("nap", 300)
"""


@pytest.mark.slow
@pytest.mark.parametrize("tier", [A, B, NONE])
@pytest.mark.parametrize("victim", ["controller", "fork server"])
def test_nothing_outlives_the_controller_or_the_fork_server(tier, victim, tmp_path):
    if not HAVE.get(tier, True):
        pytest.skip(ONLY_LINUX)
    if (tier, victim) == (NONE, "fork server"):
        pytest.skip("without walls a daemon of a jail outlives a killed fork server")
    env = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CONTROLLER, tier, CODE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as controller:
        folder, server = controller.stdout.readline().split()
        started = [pid for pid in _below(controller.pid) if pid != controller.pid]
        daemons = [pid for pid in _named(folder) if pid not in started and pid != controller.pid]
        assert len(started) >= 2
        if victim == "controller":
            controller.kill()
        else:
            assert int(server) in started
            os.kill(int(server), signal.SIGKILL)
        assert _soon(lambda: not _alive(started + daemons))
        controller.kill()
    assert _soon(lambda: _named(folder) == [])


def _named(folder):
    """Processes whose command line names `folder`: a fork server and all that it forked."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if folder.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
    return found
