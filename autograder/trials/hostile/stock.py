"""The same cases through stock nbgrader, which runs students' code in a kernel with our rights.

For a machine that may be thrown away: nothing holds what these cases try.  Those that would use the machine up are left
out.  Every result is a line of JSON; a run that is started again goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from autograder.authoring.build import write_source
from autograder.course.nbgrader import nbgrader
from autograder.trials import STOCK
from autograder.trials.hostile.case import Case, Material, filled
from autograder.trials.hostile.surroundings import Outside
from autograder.trials.invented.samples import points

SECONDS = 120.0
"""How long nbgrader may take for one hand-in; then it is killed, with all that it has started."""


def stock(cases: Sequence[Case], of: Material, out: Path | None) -> int:
    """Grade the cases one by one, and write {kind, name, verdict, given} for each to the file `out`."""
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out and out.exists() else []
    known = {(line["kind"], line["name"]) for line in lines}
    with TemporaryDirectory(prefix="stock-") as place, Outside(of) as outside:
        root = Path(place)
        _shorter(write_source(root, of.home))
        nbgrader(root, "generate_assignment", of.home.name, settings=STOCK)
        for number, case in enumerate(cases):
            if (case.kind, case.name) in known:
                continue
            line = _line(case, root, f"student{number}", of, outside)
            print(json.dumps(line), flush=True)
            if out:
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
    return 0


def _line(case: Case, root: Path, student: str, of: Material, outside: Outside) -> dict[str, object]:
    about = {"kind": case.kind, "name": case.name, "deserved": case.deserved}
    if case.wild:
        return {**about, "verdict": "not run", "given": None}
    folder = root / "submitted" / student / of.home.name
    folder.mkdir(parents=True)
    case.write(folder, f"{of.home.name}.ipynb")
    filled(folder, outside.words)
    for path in [] if folder.is_symlink() else folder.glob("*.ipynb"):
        _shorter(path)
    begin = time.monotonic()
    ended = _autograde(root, student, of.home.name)
    given = points(root, of.home.name).get(student, (None, False))[0]
    troubles = outside.troubles()
    shutil.rmtree(root / "autograded" / student, ignore_errors=True)
    return {
        **about,
        "verdict": verdict(case, given, ended) + (", outside reached" if troubles else ""),
        "given": given,
        "troubles": troubles,
        "seconds": round(time.monotonic() - begin, 1),
    }


def _shorter(path: Path) -> None:
    """Take demonstrations and quizzes out of a notebook: they cost half a minute, and no points hang on them."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        book = json.loads(path.read_bytes()) if path.is_file() and not path.is_symlink() else {}
        roles = [cell["metadata"].get("bdlab", {}).get("role") for cell in book["cells"]]
        book["cells"] = [cell for cell, role in zip(book["cells"], roles, strict=True) if role not in ("demo", "quiz")]
        path.write_text(json.dumps(book, indent=1))


def verdict(case: Case, given: float | None, ended: bool) -> str:
    """One word or two for what stock nbgrader made of a case."""
    if not ended:
        return "hangs"
    if given is None:
        return "no score"
    if given > case.deserved or given != given:
        return "undeserved points"
    return "lost points" if case.exact and given < case.deserved else "as deserved"


def _autograde(root: Path, student: str, lesson: str) -> bool:
    """Run nbgrader on one student; whether it ended by itself in time."""
    command = [sys.executable, "-m", "nbgrader", "autograde", lesson, "--student", student]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    own = {"PATH": path, "OMP_NUM_THREADS": "1", "JUPYTER_CONFIG_DIR": str(root / ".jupyter")}
    process = subprocess.Popen(
        [*command, f"--CourseDirectory.root={root}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **own, "BDLAB_HOSTILE": "secret"},
        cwd=STOCK,
        start_new_session=True,
    )
    try:
        process.wait(SECONDS)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        _end(process, str(root))


def _end(process: subprocess.Popen[bytes], root: str) -> None:
    """Kill nbgrader, and the kernels that it started, which are in sessions of their own but work below the course."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{name}/cwd").startswith(f"{root}/"):
                os.kill(int(name), signal.SIGKILL)
