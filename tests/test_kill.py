"""kill -9 of controller, fork server and jails at random moments: nothing lost, nothing twice, same points."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from grading_course import HOME, course, strongest

from autograder.verdict import assignment
from autograder.verdict.journal import Journal
from autograder.warden.pool import Warden
from autograder.warden.tiers import Refused

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jails need Linux")
MOMENTS = 20
RUN = f"""
import sys
from pathlib import Path
from autograder.authoring.folders import folder
from autograder.verdict import assignment
from autograder.warden.pool import Warden
work = assignment.assignment(Path(sys.argv[1]), folder({HOME.name!r}))
with Warden({strongest()!r}) as warden:
    print("begins", flush=True)
    assignment.run(work, warden, jobs=2)
print("ends", flush=True)
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """(course folder, student -> deserved points) with sixteen hand-ins."""
    root = tmp_path_factory.mktemp("kill") / "course"
    return root, course(root, copies=2)


def _points(work):
    return {student: record.points for student, record in Journal.open(work.journal).records.items()}


def _lines(path: Path):
    return Counter(json.loads(json.loads(line)["record"])["student"] for line in path.read_bytes().splitlines())


def _alive(marker):
    """Processes that have `marker` in their command line."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if marker in Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" "):
                found.append(int(name))
    return found


@pytest.mark.slow
def test_the_controller_is_killed_at_random_moments(kept, tmp_path):
    root, deserved = kept
    work = assignment.assignment(root, HOME)
    work.journal.unlink(missing_ok=True)
    chance, finished, marker = random.Random(1), 0, str(tmp_path).encode()
    own = {**os.environ, "TMPDIR": str(tmp_path)}  # the fork server's command line names its edition, which lies there
    for _ in range(MOMENTS):
        child = subprocess.Popen([sys.executable, "-c", RUN, str(root)], stdout=subprocess.PIPE, text=True, env=own)
        assert child.stdout.readline() == "begins\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0, 4))
        child.kill()
        child.wait()
        child.stdout.close()
        end = time.monotonic() + 10
        while _alive(marker) and time.monotonic() < end:
            time.sleep(0.05)
        assert not _alive(marker)
        if len(_points(work)) == len(deserved):
            finished += 1
            assert _points(work) == deserved and set(_lines(work.journal).values()) == {1}
            work.journal.unlink()
    subprocess.run([sys.executable, "-c", RUN, str(root)], check=True, capture_output=True, env=own)
    assert _points(work) == deserved and set(_lines(work.journal).values()) == {1}
    assert finished < MOMENTS, "no kill came in time"


@pytest.mark.slow
def test_a_request_to_end_leaves_nothing_behind(kept, tmp_path):
    root, _ = kept
    assignment.assignment(root, HOME).journal.unlink(missing_ok=True)
    command = [sys.executable, "-m", "autograder.cli", "grade", HOME.name, "--course", str(root), "--no-feedback"]
    child = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not _alive(str(tmp_path).encode()) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(tmp_path.glob("warden-*"))
    child.terminate()
    assert child.wait(60) == 128 + signal.SIGTERM
    assert not _alive(str(tmp_path).encode()) and not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["jail", "server"])
def test_a_jail_or_the_fork_server_is_killed_at_random_moments(victim, kept):
    root, deserved = kept
    work = assignment.assignment(root, HOME)
    chance, killed = random.Random(2), 0
    with Warden(strongest()) as warden:
        while killed < MOMENTS:
            work.journal.unlink(missing_ok=True)
            over = threading.Event()

            def kill(over=over):
                nonlocal killed
                while not over.wait(chance.uniform(0.3, 2)):
                    found = _alive(str(warden.server.folder).encode())
                    jails = [pid for pid in found if _parent(pid) in found and not _children(pid)]
                    targets = jails if victim == "jail" else [pid for pid in found if pid not in jails][-1:]
                    if targets and killed < MOMENTS:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(chance.choice(targets), signal.SIGKILL)
                            killed += 1

            thread = threading.Thread(target=kill)
            thread.start()
            try:
                with contextlib.suppress(Refused):  # it was killed three times as it started
                    assignment.run(work, warden, jobs=2)
            finally:
                over.set()
                thread.join()
            assignment.run(work, warden, jobs=2)  # the same command again
            assert _points(work) == deserved and set(_lines(work.journal).values()) == {1}


def _parent(pid):
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _children(pid):
    return [other for other in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(other) == pid]
