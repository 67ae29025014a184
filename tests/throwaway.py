"""The throw-away lessons 97_open and 99_probe: they come and go without a line of the project knowing them.

They lie in a folder of this run, which the processes of pytest-xdist share: what is made once there is made for both.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock

import bdlab.exercises
import bdlab.lessons
from autograder.authoring import build, folders, frozen

PROBE, OPEN = "99_probe", "97_open"
HERE = Path(__file__).with_name("probe")
WORKER = "PYTEST_XDIST_WORKER" in os.environ
HOME = Path(tempfile.gettempdir()) / f"bdlab-tests-{os.getppid() if WORKER else os.getpid()}"
"""A checkout of their own: what is made from them lies there."""


def once(name, make):
    """HOME/name, which `make(path)` has made: by the first process that asks, the others wait for it."""
    path, done = HOME / name, HOME / f"{name}.done"
    with FileLock(HOME / f"{name}.lock"):
        if not done.exists():
            make(path)
            done.touch()
    return path


def install():
    """From now on they are lessons like all others, in this process."""
    HOME.mkdir(mode=0o700, exist_ok=True)
    if not WORKER:
        atexit.register(shutil.rmtree, HOME, ignore_errors=True)
    for name in ("exercises", "solutions"):
        once(name, lambda path: shutil.copytree(HERE / path.name, path))
    bdlab.exercises.__path__.append(str(HOME / "exercises"))
    folders.HOMES.append(HOME / "solutions")


def known():
    """The lines by which another process knows them, as they are here."""
    return f"import bdlab.exercises\nbdlab.exercises.__path__.append({str(HOME / 'exercises')!r})"


def in_nbgrader(patch):
    """The kernels that nbgrader starts know them, too.  patch: pytest's monkeypatch."""
    site = HOME / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(known())
    patch.setenv("PYTHONPATH", str(site))


@cache
def made():
    """Their frozen outcomes and student notebooks."""
    once("made", lambda _: [_make(folders.folder(name)) for name in (OPEN, PROBE)])


def _make(home):
    frozen.refresh(home)
    build.build(home)
