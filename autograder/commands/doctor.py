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
    tiers = probes.try_tiers()
    for tier in tiers:
        table(
            [(row.what, "held" if row.held else "NOT HELD", row.detail) for row in tier.rows],
            ("tried from inside a jail", "", "what came of it"),
            f"tier {tier.name}"
            + (", which shows what the same code does without walls" if tier.name == TIERS[-1] else ""),
        )
    best = next((tier.name for tier in tiers if tier.ok), TIERS[-1])
    print(f"Grading here runs behind walls of tier {best}; the policy asks for {DEFAULT_POLICY} or better.")
    if best not in TIERS[: TIERS.index(DEFAULT_POLICY) + 1]:
        print(probes.RECIPE)
        raise typer.Exit(1)
    if any(row[1] != "ok" for row in rows):
        raise typer.Exit(1)
