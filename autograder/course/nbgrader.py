"""How nbgrader is run on a course folder, and by which settings."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from autograder.course.folder import ROOT

CONFIG = ROOT / "nbgrader_config.py"


def nbgrader(root: Path, *arguments: str | Path, settings: Path = CONFIG.parent) -> None:
    """Run `nbgrader ARGUMENTS` on the course folder `root`.  settings: the folder of the nbgrader_config.py that counts.

    Raises: `RuntimeError` with what it said when it fails.
    """
    with plain(root) as course:
        _run(course, arguments, settings)


@contextmanager
def plain(root: Path) -> Iterator[Path]:
    """The course folder, or a link to it where nbgrader would take its name for a pattern."""
    if not set("[]*?") & set(str(root)):
        yield root
        return
    with tempfile.TemporaryDirectory() as place:
        link = Path(place) / "course"
        link.symlink_to(root.resolve(), target_is_directory=True)
        yield link


def _run(root: Path, arguments: Sequence[str | Path], settings: Path) -> None:
    command = [sys.executable, "-m", "nbgrader", *map(str, arguments), f"--CourseDirectory.root={root}"]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))  # it calls `alembic` by name
    modules = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    own = {"PATH": path, "PYTHONPATH": modules, "OMP_NUM_THREADS": "1", "JUPYTER_CONFIG_DIR": str(root / ".jupyter")}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own}, cwd=settings)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-12:]
        raise RuntimeError("\n".join([f"nbgrader {arguments[0]} failed:", *last]))
