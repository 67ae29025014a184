"""Times bdlab beside other libraries: `make bench`, or `python benchmarks/run.py --help`.

CPU seconds on one thread; parties run in turn, and what is held is the median ratio of these pairs.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import row_cleanse
import row_pruning
import row_strip
import rows
import torch
from common import environment
from peers import interpreter, together
from table import Line

ROWS = {
    "poison": "poison 10 % of 50,000 images of CIFAR-10's size (random tensors, float32)",
    "mnist": "BadNets on all of MNIST, seeds 0-2, one epoch of fast_bn",
    "strip": "STRIP, 1,000 inputs x 100 overlays, BadNets' network on MNIST",
    "pruning": "a whole pruning curve, 10,000 images of MNIST, small_bn",
    "cleanse": "Neural Cleanse, per class and 100 steps, batch 128, small_bn on MNIST",
    "cleanse_goal": "Neural Cleanse until mask norm and success are the official schedule's, backdoored small_bn on MNIST",
}


def main() -> int:
    """Run the rows that were asked for, each in a process of its own; 1 where one is not held."""
    options = _options()
    if options.in_place:
        return 0 if _run(options.rows, options.repeats) else 1
    if options.data:
        os.environ["BDLAB_DATA"] = options.data
    print(f"CPU seconds, one thread, {options.repeats} paired runs, {platform.machine()}", flush=True)
    failed = False
    for row in options.rows.split(","):
        command = [sys.executable, __file__, "--in-place", "--rows", row, "--repeats", str(options.repeats)]
        failed |= bool(subprocess.call(command, env=environment(keep_memory=row != "poison")))
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", default=",".join(ROWS), type=_rows, help=f"comma between, of {', '.join(ROWS)}")
    parser.add_argument("--repeats", default=5, type=int, help="paired runs; the median counts [default: 5]")
    parser.add_argument("--in-place", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--data", help="folder of the real data sets [default: $BDLAB_DATA]")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1, got {options.repeats}")
    return options


def _rows(text: str) -> str:
    unknown = [row for row in text.split(",") if row not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"rows must be among {', '.join(ROWS)}; got {', '.join(unknown)}")
    return text


def _run(row: str, repeats: int) -> bool:
    """Print one row; whether it is held.  A row that cannot run says why and counts as held."""
    torch.set_num_threads(1)
    print(f"\n{row}: {ROWS[row]}", flush=True)
    held = True
    try:
        with tempfile.TemporaryDirectory() as folder:
            for line in _lines(row, repeats, Path(folder)):
                print(line, flush=True)
                held = held and line.held
    except FileNotFoundError as absent:
        print(f"  not run: {absent}")
        return True
    missing = " as far as it ran, which is without the peers" if row != "mnist" and interpreter() is None else ""
    print(f"  {row}: {'held' if held else 'NOT HELD'}{missing}", flush=True)
    return held


WITH_PEERS = {
    "poison": rows.poison,
    "strip": row_strip.strip,
    "pruning": row_pruning.pruning,
    "cleanse": row_cleanse.cleanse,
    "cleanse_goal": row_cleanse.cleanse_goal,
}
"""What runs each row; mnist is the one that has no peer."""


def _lines(row: str, repeats: int, folder: Path) -> Iterator[Line]:
    if row not in WITH_PEERS:
        yield from rows.mnist(repeats)
        return
    with together() as peers:
        if not peers:
            print("  peers not run: make bench builds benchmarks/.venv for them")
        yield from WITH_PEERS[row](peers, repeats, folder)


if __name__ == "__main__":
    raise SystemExit(main())
