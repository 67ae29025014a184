"""How nbgrader is run on a course folder, and by which settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from autograder.course.folder import ROOT

CONFIG = ROOT / "nbgrader_config.py"


def nbgrader(root: Path, *arguments: str | Path, settings: Path = CONFIG.parent) -> None:
    """Run `nbgrader ARGUMENTS` on the course folder `root`.  settings: the folder of the nbgrader_config.py that counts.

    Raises: `RuntimeError` with what it said when it fails.
    """
    command = [sys.executable, "-m", "nbgrader", *map(str, arguments), f"--CourseDirectory.root={root}"]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(root), cwd=settings)
    if done.returncode:
        raise RuntimeError(f"nbgrader {arguments[0]} failed:\n{_last(done.stderr or done.stdout)}")


def _environment(root: Path) -> dict[str, str]:
    """nbgrader makes a gradebook with `alembic`, by name: its folder must be on PATH.  One thread, nobody's own settings."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JUPYTER_CONFIG_DIR": str(root / ".jupyter")}
    return {**os.environ, **own}


def _last(text: str, lines: int = 12) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
