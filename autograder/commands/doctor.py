"""The command `doctor`; what tries the walls is imported inside, so that --help is fast."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import typer

from autograder.course.terminal import table


def doctor() -> None:
    """Whether this machine has what instructors need, and which walls stand: each is tried with hostile code.

    Example: `autograder doctor`
    """
    from autograder.warden import probes
    from autograder.warden.policy import DEFAULT_POLICY
    from autograder.warden.tiers import TIERS

    rows = []
    for name in ("nbgrader", "jupytext", "alembic"):
        found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
        rows.append((name, "ok" if found else "PROBLEM", found or "missing: pip install -e '.[teach]'"))
    table(rows, ("what", "", "found"), "autograder doctor")
    tried = {name: probes.try_tier(name) for name in TIERS}
    for name, probed in tried.items():
        table(
            [(row.what, "held" if row.held else "NOT HELD", row.detail) for row in probed],
            ("tried from inside a jail", "", "what came of it"),
            f"tier {name}" + (", which shows what the same code does without walls" if name == TIERS[-1] else ""),
        )
    best = next((name for name, probed in tried.items() if all(row.held for row in probed)), TIERS[-1])
    print(f"Grading here runs behind walls of tier {best}; the policy asks for {DEFAULT_POLICY} or better.")
    if TIERS.index(best) > TIERS.index(DEFAULT_POLICY) or any(row[1] != "ok" for row in rows):
        raise typer.Exit(1)
