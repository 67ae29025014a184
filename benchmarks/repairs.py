"""What pruning and fine-tuning leave of BadNets under other stops and recipes: `python benchmarks/repairs.py --data digits`.

Selection only: nets learn on at most 5,000 training images, the defender has 1,000 others, and the scores are taken on
the calibration images.  No test image is looked at.  small_bn, a table row for every net, seed and remedy.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

import bdlab
from bdlab.attacks.badnets import BadNets
from bdlab.contracts import Backdoor, Recipe, Split
from bdlab.data import Dataset
from bdlab.defenses.fine_pruning import TUNING, prune
from bdlab.nets import small_bn
from bdlab.training import cross_entropy, evaluate, fit

TRAIN, CLEAN = 5_000, 1_000
LOUD = replace(TUNING, lr=0.03)


def frozen_norm(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy while batch norm keeps the statistics that it has."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    return cross_entropy(model, x, y)


REMEDIES: dict[str, tuple[float | None, bool, Recipe, bool]] = {
    "fine-tuning": (None, False, TUNING, False),
    "fine-tuning, lr .003": (None, False, replace(TUNING, lr=0.003), False),
    "fine-tuning, batch norm frozen": (None, False, TUNING, True),
    "fine-pruning": (0.04, False, TUNING, False),
    "fine-pruning, stop on 300 unseen": (0.04, True, TUNING, False),
    "fine-pruning, max_drop .2": (0.2, False, TUNING, False),
    "fine-pruning, max_drop .2, lr .03": (0.2, False, LOUD, False),
    "fine-pruning, weight decay .01": (0.04, False, replace(TUNING, weight_decay=0.01), False),
}
"""Name -> max_drop (None: nothing is pruned), whether 300 of the images judge the stop alone, recipe, batch norm frozen."""


def repaired(model: nn.Module, clean: Split, remedy: str, seed: int) -> tuple[nn.Module, int]:
    """`model` after `remedy`, and how many channels fell."""
    drop, apart, recipe, still = REMEDIES[remedy]
    judges, tuning = (clean[:300], clean[300:]) if apart else (clean, clean)
    fallen = 0
    if drop is not None:
        model, _, fallen = prune(model, judges, None, drop)
    return fit(model, tuning, recipe, seed=seed, loss=frozen_norm if still else cross_entropy), fallen


def nets(data: Dataset, seed: int, folder: Path) -> dict[str, Backdoor]:
    """BadNets and a clean net under its trigger, trained once and then read from `folder`."""
    path = folder / f"{data.name}-{seed}.pt"
    if not path.exists():
        train, start = data.train[:TRAIN], small_bn(data.input_shape, data.classes, seed=seed)
        bad, clean = BadNets(seed=seed)(start, train), fit(start, train, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save({"BadNets": bad, "clean": replace(bad, model=clean, shipped=clean)}, path)
    return torch.load(path, weights_only=False)


def main() -> None:
    """Print the table, a row for every net, seed and remedy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--nets", type=Path, required=True, help="folder that keeps the trained nets")
    args = parser.parse_args()
    data = bdlab.load(args.data)
    print("| data | seed | net | remedy | channels fallen | clean accuracy | ASR |\n|---|---|---|---|---|---|---|")
    for seed in args.seeds:
        for name, net in nets(data, seed, args.nets).items():
            scores = evaluate(net, data.calibration)
            before = f"{name} | none | - | {scores.clean_accuracy:.3f} | {scores.asr:.3f}"
            print(f"| {data.name} | {seed} | {before} |", flush=True)
            for remedy in REMEDIES:
                model, fallen = repaired(net.shipped, data.held_out[:CLEAN], remedy, seed)
                scores = evaluate(model, data.calibration, net)
                row = f"{name} | {remedy} | {fallen} | {scores.clean_accuracy:.3f} | {scores.asr:.3f}"
                print(f"| {data.name} | {seed} | {row} |", flush=True)


if __name__ == "__main__":
    main()
