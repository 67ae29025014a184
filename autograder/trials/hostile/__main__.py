"""python -m autograder.trials.hostile LESSON [--tier A|B|none]: grades the hostile and unlucky hand-ins of a lesson.

--out FILE.jsonl keeps what became of each; --out PAGE.md enters the table into a page.  --stock grades them by stock
nbgrader, on a machine that may be thrown away.  --table PAGE.md LABEL=FILE.jsonl ... enters a table of earlier results.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from autograder.authoring.folders import folder
from autograder.trials.hostile import table
from autograder.trials.hostile.case import Material
from autograder.trials.hostile.cases import cases, in_turn
from autograder.trials.hostile.running import run
from autograder.warden.pool import Warden
from autograder.warden.tiers import NONE


def main() -> int:
    """Run the cases, print a line for each that is not held, then the counts; 0 where none is 'not held'."""
    options = _options()
    if options.table:
        page, *pairs = options.table
        columns = dict(pair.split("=", 1) for pair in pairs)
        table.enter(Path(page), {label: table.read(Path(path)) for label, path in columns.items()})
        return 0
    home = folder(options.lesson)
    of = Material(home)
    chosen = [case for case in cases(home) if options.only in f"{case.kind}: {case.name}"]
    if options.stock:
        from autograder.trials.hostile.stock import stock

        return stock(in_turn(chosen), of, options.out)
    if options.tier == NONE:
        chosen = [case for case in chosen if not case.wild]
    found: list[dict[str, Any]] = []
    with Warden(options.tier) as warden:
        for outcome in run(chosen, warden, of, slack=options.slack):
            found.append(table.line(outcome))
            if outcome.verdict != "held" or options.all:
                told = f"{outcome.verdict}: {outcome.case.kind}: {outcome.case.name}: {outcome.told}"
                print(f"{told} ({outcome.seconds:.1f} s)", flush=True)
    print(table.summary(found, f"tier {options.tier}"))
    if options.out and options.out.suffix == ".md":
        table.enter(options.out, {f"tier {options.tier}": found})
    elif options.out:
        table.write(options.out, found)
    return int(any(each["verdict"] == "not held" for each in found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m autograder.trials.hostile", description=__doc__.splitlines()[0])
    parser.add_argument("lesson")
    parser.add_argument("--tier", default="A", choices=("A", "B", "none"))
    parser.add_argument("--out", type=Path, help="FILE.jsonl for what became of each case, PAGE.md for the table")
    parser.add_argument("--stock", action="store_true", help="grade by stock nbgrader instead, without walls")
    parser.add_argument("--only", default="", help="cases whose class and name hold this")
    parser.add_argument("--all", action="store_true", help="a line for every case")
    parser.add_argument("--slack", type=float, default=2.0, help="seconds that a case may take beyond its limits")
    parser.add_argument(
        "--table", nargs="+", metavar="PAGE", help="enter earlier results: PAGE.md LABEL=FILE.jsonl ..."
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
