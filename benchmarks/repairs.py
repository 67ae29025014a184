"""What pruning and fine-tuning leave of BadNets under other stops and recipes: `python -m benchmarks.repairs --data digits`.

For selection: nets learn on at most 5,000 training images, the defender has 1,000 others, and the scores are taken on
the calibration images.  No test image is looked at, but with `--test`, which trains on all images.  small_bn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

import bdlab
from bdlab.attacks.badnets import BadNets
from bdlab.contracts import Backdoor, Recipe, Sanitizer, Split
from bdlab.data import Dataset
from bdlab.defenses.fine_pruning import PLAIN, FinePruning, FineTuning, prune
from bdlab.nets import small_bn
from bdlab.training import Scores, cross_entropy, evaluate, fit

TRAIN, CLEAN = 5_000, 1_000


def frozen_norm(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy while batch norm keeps the statistics that it has."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    return cross_entropy(model, x, y)


def apart(model: nn.Module, clean: Split, seed: int) -> nn.Module:
    """Fine-pruning whose depth is judged by 300 of the images, and which tunes on the others."""
    model, _, _ = prune(model, clean[:300], None, 0.2)
    return FineTuning(recipe=PLAIN, shift=0, seed=seed)(model, clean[300:]).model


def still(model: nn.Module, clean: Split, seed: int) -> nn.Module:
    """Fine-pruning in which batch norm keeps its statistics."""
    model, _, _ = prune(model, clean, None, 0.2)
    return fit(model, clean, PLAIN, seed=seed, loss=frozen_norm)


Remedy = Sanitizer | Callable[[nn.Module, Split, int], nn.Module]
BEFORE: dict[str, Remedy] = {
    "fine-tuning, before: rate .01, 10 epochs": FineTuning(recipe=PLAIN, shift=0),
    "fine-pruning, before: the same, drop .04": FinePruning(max_drop=0.04, recipe=PLAIN, shift=0),
}
NOW: dict[str, Remedy] = {
    "fine-tuning, now: rate .003, 30 epochs, moved": FineTuning(),
    "fine-pruning, now: the same, drop .2": FinePruning(),
}
TRIED: dict[str, Remedy] = {
    "drop .2": FinePruning(recipe=PLAIN, shift=0),
    "drop .2, judged by 300 that tuning does not see": apart,
    "drop .2, batch norm frozen": still,
    "drop .2, weight decay .05": FinePruning(recipe=replace(PLAIN, weight_decay=0.05), shift=0),
    "drop .2, rate .03": FinePruning(recipe=replace(PLAIN, lr=0.03), shift=0),
    "drop .2, 3 epochs": FinePruning(recipe=replace(PLAIN, epochs=3), shift=0),
    "drop .2, moved": FinePruning(recipe=PLAIN),
    "drop .2, rate .003, 30 epochs": FinePruning(shift=0),
    "drop .04, rate .003, 30 epochs, moved": FinePruning(max_drop=0.04),
    "drop .1, rate .003, 30 epochs, moved": FinePruning(max_drop=0.1),
    "drop .3, rate .003, 30 epochs, moved": FinePruning(max_drop=0.3),
}
"""What else was tried of fine-pruning; 'moved': each image by up to two pixels."""
SETS: dict[str, dict[str, Remedy]] = {"defaults": BEFORE | NOW, "tried": BEFORE | TRIED | NOW}


def repaired(remedy: Remedy, model: nn.Module, clean: Split, seed: int) -> nn.Module:
    """`model` after `remedy`."""
    if isinstance(remedy, Sanitizer):
        return replace(remedy, seed=seed)(model, clean).model  # type: ignore[type-var]
    return remedy(model, clean, seed)


KINDS = ("BadNets", "clean")


def nets(data: Dataset, seed: int, folder: Path, whole: bool) -> dict[str, Backdoor]:
    """BadNets and a clean net under its trigger, trained once and then read from `folder`; 3 epochs on large sets."""
    path = folder / f"{data.name}-{seed}-{'whole' if whole else TRAIN}.pt"
    if not path.exists():
        train, start = data.train if whole else data.train[:TRAIN], small_bn(data.input_shape, data.classes, seed=seed)
        recipe = Recipe(epochs=3 if len(train) > 20_000 else 5)
        bad, clean = BadNets(seed=seed, recipe=recipe)(start, train), fit(start, train, recipe, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save({"BadNets": bad, "clean": replace(bad, model=clean, shipped=clean)}, path)
    return torch.load(path, weights_only=False)  # type: ignore[no-any-return]


def main() -> None:
    """Print the table, a row for every net, seed and remedy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102, 103, 104])
    parser.add_argument("--nets", type=Path, required=True, help="folder that keeps the trained nets")
    parser.add_argument("--which", choices=tuple(SETS), default="defaults")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--test", action="store_true", help="show: train on all images, score on test images")
    parser.add_argument("--clean", type=int, default=CLEAN, help="how many of the held-out images the defender has")
    args = parser.parse_args()
    data = bdlab.load(args.data)
    clean, judges = data.held_out[: args.clean], data.test if args.test else data.calibration
    print("| data | seed | net | remedy | clean accuracy | ASR |\n|---|---|---|---|---|---|")
    for seed in args.seeds:
        made = nets(data, seed, args.nets, args.test)
        for kind in args.kinds:
            scores = evaluate(made[kind], judges)
            print(f"| {data.name} | {seed} | {kind} | none | {row(scores)} |", flush=True)
            for name, remedy in SETS[args.which].items():
                scores = evaluate(repaired(remedy, made[kind].shipped, clean, seed), judges, made[kind])
                print(f"| {data.name} | {seed} | {kind} | {name} | {row(scores)} |", flush=True)


def row(scores: Scores) -> str:
    """Clean accuracy and ASR."""
    return f"{scores.clean_accuracy:.3f} | {scores.asr:.3f}"


if __name__ == "__main__":
    main()
