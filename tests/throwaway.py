"""The throw-away lessons 97_open and 99_probe: they come and go without a line of the project knowing them."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import bdlab.exercises
import bdlab.lessons
from autograder.authoring import build, folders, frozen
from autograder.course import nbgrader
from autograder.course.folder import ROOT

PROBE, OPEN = "99_probe", "97_open"
HERE = Path(__file__).with_name("probe")
HOME = Path(tempfile.mkdtemp(prefix="bdlab-probe-"))
"""A checkout of their own: what is made from them lies there."""


def install():
    """From now on they are lessons like all others, in this process."""
    shutil.copytree(HERE, HOME, dirs_exist_ok=True)
    atexit.register(shutil.rmtree, HOME, ignore_errors=True)
    bdlab.exercises.__path__.append(str(HOME / "exercises"))
    folders.HOMES.append(HOME / "solutions")


def known():
    """The lines by which another process knows them, as they are here."""
    return f"import bdlab.exercises\nbdlab.exercises.__path__.append({str(HOME / 'exercises')!r})"


def in_nbgrader(patch):
    """The kernels that nbgrader starts know them, too.  patch: pytest's monkeypatch."""
    site, environment = HOME / "site", nbgrader._environment
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(known())
    paths = os.pathsep.join((str(site), str(ROOT)))
    patch.setattr(nbgrader, "_environment", lambda root: {**environment(root), "PYTHONPATH": paths})


@cache
def made():
    """Their frozen outcomes and student notebooks, made once a process."""
    for name in (OPEN, PROBE):
        frozen.refresh(folders.folder(name))
        build.build(folders.folder(name))
