"""STRIP's three ways to lay images over each other, beside what clean data say of them: `python -m benchmarks.strip_modes`.

Is there a choice from clean data alone?  A row for every net and mode: what the defender can know (mean and spread of the
clean entropies, their lowest hundredth, the share of values that are cut at 1), then what it cannot (AUROC, FAR at FRR
1 %).  small_bn on at most 5,000 training images (`--whole`: all), scored on calibration images (`--test`: on test images).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import bdlab
from bdlab.contracts import Backdoor, Split
from bdlab.data import Dataset
from bdlab.defenses.strip import Mode, Strip
from bdlab.training import detection, suspicions
from benchmarks.repairs import net

MODES: tuple[Mode, ...] = ("add_clip", "add", "mean")
FEW, OVERLAYS = 400, 50


def row(made: Backdoor, mode: Mode, clean: Split, judges: Split, seed: int) -> str:
    """The numbers of one net and mode."""
    fitted = Strip(mode=mode, overlays=OVERLAYS, seed=seed).fit(made.model, clean)
    own = fitted.calibration.mean(1)  # (m,), bits
    x = clean.x[:100]
    cut = (x[:, None] + fitted.overlays > 1).float().mean() if mode == "add_clip" else torch.zeros(())
    found = detection(fitted, suspicions(fitted, made.model, judges, made, seed=seed), 0.01)
    known = f"{own.mean():.3f} | {own.std():.3f} | {own.quantile(0.01):.3f} | {cut:.2f}"
    return f"{known} | {found.auroc or float('nan'):.3f} | {found.far if found.far is not None else float('nan'):.3f}"


def some(split: Split, count: int, seed: int) -> Split:
    """`count` rows of `split`, drawn."""
    return split[torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]]


def table(data: Dataset, seed: int, args: argparse.Namespace) -> None:
    """Print the rows of one data set and seed."""
    clean, judges = some(data.held_out, 2 * FEW, seed), some(data.test if args.test else data.calibration, FEW, seed)
    for kind in ("BadNets", "blend"):
        made = net(kind, data, seed, args.nets, args.whole)
        for mode in MODES:
            print(f"| {data.name} | {seed} | {kind} | {mode} | {row(made, mode, clean, judges, seed)} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["digits"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--nets", type=Path, required=True, help="folder that keeps the trained nets")
    parser.add_argument("--test", action="store_true", help="score on test images")
    parser.add_argument("--whole", action="store_true", help="train on all images")
    args = parser.parse_args()
    print("| data | seed | attack | mode | mean | spread | lowest 1 % | cut | AUROC | FAR at 1 % |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in args.data:
        for seed in args.seeds:
            table(bdlab.load(name), seed, args)


if __name__ == "__main__":
    main()
