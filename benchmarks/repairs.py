"""What pruning and fine-tuning leave of BadNets under other stops and recipes: `python -m benchmarks.repairs --data digits`.

For selection: nets learn on at most 5,000 training images, the defender has 1,000 others, and the scores are taken on
the calibration images.  No test image is looked at, but with `--test`.  small_bn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

import bdlab
from bdlab.attacks import BadNets, BlendedInjection
from bdlab.contracts import Backdoor, Recipe, Sanitizer, Split
from bdlab.data import Dataset
from bdlab.defenses.fine_pruning import PLAIN, FinePruning, FineTuning, Pruning
from bdlab.nets import small_bn
from bdlab.training import Scores, cross_entropy, evaluate, fit

TRAIN, CLEAN = 5_000, 1_000


def frozen_norm(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy while batch norm keeps the statistics that it has."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    return cross_entropy(model, x, y)


def still(model: nn.Module, clean: Split, seed: int) -> nn.Module:
    """Fine-pruning in which batch norm keeps its statistics."""
    pruned = Pruning(max_drop=0.15)(model, clean).model
    return fit(pruned, clean, PLAIN, seed=seed, loss=frozen_norm)


Remedy = Sanitizer | Callable[[nn.Module, Split, int], nn.Module]
BEFORE: dict[str, Remedy] = {
    "fine-tuning, before: rate .01, 10 epochs": FineTuning(recipe=PLAIN, shift=0, apart=0),
    "fine-pruning, before: the same, drop .04": FinePruning(max_drop=0.04, recipe=PLAIN, shift=0, apart=0),
}
NOW: dict[str, Remedy] = {"fine-tuning, now": FineTuning(), "fine-pruning, now": FinePruning()}
TRIED: dict[str, Remedy] = {
    "drop .15": FinePruning(recipe=PLAIN, shift=0, apart=0),
    "drop .15, batch norm frozen": still,
    "drop .15, weight decay .05": FinePruning(recipe=replace(PLAIN, weight_decay=0.05), shift=0, apart=0),
    "drop .15, rate .03": FinePruning(recipe=replace(PLAIN, lr=0.03), shift=0, apart=0),
    "drop .15, 3 epochs": FinePruning(recipe=replace(PLAIN, epochs=3), shift=0, apart=0),
    "drop .15, moved": FinePruning(recipe=PLAIN, apart=0),
    "drop .15, rate .004, 20 epochs": FinePruning(shift=0, apart=0),
    "drop .04, rate .004, 20 epochs, moved": FinePruning(max_drop=0.04, apart=0),
    "drop .08, rate .004, 20 epochs, moved": FinePruning(max_drop=0.08, apart=0),
    "drop .15, rate .004, 20 epochs, moved": FinePruning(apart=0),
    "drop .3, rate .004, 20 epochs, moved": FinePruning(max_drop=0.3, apart=0),
}
"""What else was tried of fine-pruning; 'moved': each image by up to two pixels."""
SETS: dict[str, dict[str, Remedy]] = {"defaults": BEFORE | NOW, "now": NOW, "tried": TRIED}


def repaired(remedy: Remedy, model: nn.Module, clean: Split, seed: int) -> nn.Module:
    """`model` after `remedy`."""
    if isinstance(remedy, Sanitizer):
        return replace(remedy, seed=seed)(model, clean).model
    return remedy(model, clean, seed)


KINDS = ("BadNets", "clean")


def net(kind: str, data: Dataset, seed: int, folder: Path, whole: bool) -> Backdoor:
    """BadNets, blend, or a clean net under BadNets' trigger: trained once and then read from `folder`."""
    path = folder / f"{data.name}-{seed}-{'whole' if whole else TRAIN}-{kind}.pt"
    if not path.exists():
        train, start = data.train if whole else data.train[:TRAIN], small_bn(data.input_shape, data.classes, seed=seed)
        recipe = Recipe(epochs=3 if len(train) > 20_000 else 5)
        if kind == "clean":
            model = fit(start, train, recipe, seed=seed)
            made = replace(net("BadNets", data, seed, folder, whole), model=model, shipped=model)
        else:
            attack = BadNets if kind == "BadNets" else BlendedInjection
            made = attack(seed=seed, recipe=recipe)(start, train)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(made, path)
    return torch.load(path, weights_only=False)  # type: ignore[no-any-return]


def main() -> None:
    """Print the table, a row for every net, seed and remedy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102, 103, 104])
    parser.add_argument("--nets", type=Path, required=True, help="folder that keeps the trained nets")
    parser.add_argument("--which", choices=tuple(SETS), default="defaults")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--test", action="store_true", help="score on test images")
    parser.add_argument("--whole", action="store_true", help="train on all images")
    parser.add_argument("--clean", type=int, default=CLEAN, help="how many of the held-out images the defender has")
    args = parser.parse_args()
    data = bdlab.load(args.data)
    clean, judges = data.held_out[: args.clean], data.test if args.test else data.calibration
    print("| data | seed | net | remedy | clean accuracy | ASR |\n|---|---|---|---|---|---|")
    for seed in args.seeds:
        for kind in args.kinds:
            made = net(kind, data, seed, args.nets, args.whole)
            scores = evaluate(made, judges)
            print(f"| {data.name} | {seed} | {kind} | none | {row(scores)} |", flush=True)
            for name, remedy in SETS[args.which].items():
                scores = evaluate(repaired(remedy, made.shipped, clean, seed), judges, made)
                print(f"| {data.name} | {seed} | {kind} | {name} | {row(scores)} |", flush=True)


def row(scores: Scores) -> str:
    """Clean accuracy and ASR."""
    return f"{scores.clean_accuracy:.3f} | {scores.asr:.3f}"


if __name__ == "__main__":
    main()
