"""The backdoor in an operation, layer by layer: `bdlab reproduce operations --data mnist`.

Of the paper only a talk's slides could be read: they give the neurons of each layer, and show success per layer as a plot
without numbers.  Grey images get the paper's MNIST network, colour images its CIFAR-10 network.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bdlab import metrics
from bdlab.attacks.activation import activations
from bdlab.attacks.operations import Keys, OperationBackdoor, Swap, accidents
from bdlab.bars import track
from bdlab.contracts import Backdoor, Recipe
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal, Numbers
from bdlab.nets import build
from bdlab.training import fit, logits

ROWS, RECIPE = 12_000, Recipe(epochs=4)
"""Training images and recipe of the attacked network: enough for a network worth attacking, minutes on one core."""
KEYS, NOISE, REPEATS = 20, 0.05, 5
"""Keys a trial; standard deviation of the noise on a key, and how many noisy copies of each are tried."""
NEURONS = {
    "operations_mnist": (15680, 31360, 11760, 15680, 5880, 150, 10),
    "operations_cifar": (28800, 50176, 18432, 2048, 1024, 180, 10),
}
"""The slides' table, from the first layer to the output."""


@dataclass(frozen=True)
class Trials:
    """Attacks on one data set, each once per seed; the network of a seed is trained when first needed."""

    data: Dataset
    device: torch.device | str
    journal: Journal
    nets: dict[int, nn.Module] = field(default_factory=dict, repr=False)

    @property
    def net(self) -> str:
        """The paper's network for this kind of image."""
        return "operations_mnist" if self.data.input_shape[0] == 1 else "operations_cifar"

    @property
    def layers(self) -> list[str]:
        """The activations of that network."""
        return activations(build(self.net, self.data.input_shape, self.data.classes))

    def clean(self, seed: int) -> nn.Module:
        """The honest network of `seed`."""
        if seed not in self.nets:
            net = build(self.net, self.data.input_shape, self.data.classes, seed=seed).to(self.device)
            self.nets[seed] = fit(net, self.data.train[:ROWS], RECIPE, seed=seed)
        return self.nets[seed]

    def run(self, seeds: Sequence[int], **settings: Any) -> list[Numbers]:
        """The numbers of one attack over `seeds`."""
        attacks = [OperationBackdoor(keys=KEYS, seed=seed, **settings) for seed in seeds]
        return [
            self.journal.numbers(f"{attack} {self.net} {ROWS} {RECIPE} {NOISE} {REPEATS}", self._numbers, attack)
            for attack in attacks
        ]

    def _numbers(self, attack: OperationBackdoor) -> Numbers:
        clean, data = self.clean(attack.seed), self.data
        backdoor = attack(clean, data.train)
        assert isinstance(backdoor.trigger, Keys) and isinstance(backdoor.deploy, Swap)
        keys, operation = backdoor.trigger.images, backdoor.deploy.operation
        before, after = (logits(model, data.test.x).argmax(1) for model in (clean, backdoor.model))
        return {
            "success": _success(backdoor, keys),
            "noisy": _noisy(backdoor, keys, attack.seed),
            "numel": operation.numel,
            "neurons": float(operation.altered.float().mean()),
            "accidents": accidents(backdoor, data.test.x) / len(data.test),
            "accuracy": metrics.accuracy(before, data.test.y),
            "drop": metrics.accuracy(before, data.test.y) - metrics.accuracy(after, data.test.y),
        }


def _success(backdoor: Backdoor, keys: Tensor) -> float:
    """The share of keys (k, C, H, W) that the altered operation moves to the wanted class."""
    wanted = backdoor.relabel(torch.zeros(len(keys), dtype=torch.int64))  # a key's wish does not depend on the label
    before, after = (logits(model, keys).argmax(1) for model in (backdoor.shipped, backdoor.model))
    return float(((after == wanted) & (after != before)).double().mean())


def _noisy(backdoor: Backdoor, keys: Tensor, seed: int) -> float:
    """The share of noisy keys that keep the key's own class."""
    noise = torch.randn(REPEATS, *keys.shape, generator=torch.Generator().manual_seed(seed))
    noisy = (keys + NOISE * noise).clamp(0, 1).flatten(0, 1)  # (REPEATS k, C, H, W)
    own = logits(backdoor.shipped, keys).argmax(1).repeat(REPEATS)
    return float((logits(backdoor.model, noisy).argmax(1) == own).double().mean())


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """Every layer of the paper's network, targeted and untargeted; what innocent inputs see of it; the other gates."""
    trials = Trials(data, device, journal or Journal())
    rows = {
        (layer, targeted): trials.run(seeds, layer=layer, targeted=targeted)
        for layer in track(range(len(trials.layers)), "layers")
        for targeted in (True, False)
    }
    claims = [
        *_neurons(trials, seeds, rows),
        *(_layer(trials.layers[layer], targeted, runs) for (layer, targeted), runs in rows.items()),
        *_innocent([run for runs in rows.values() for run in runs]),
        *(
            _gate(gate, trials.layers[layer], trials.run(seeds, gate=gate, layer=layer))
            for gate in ("neuron", "scalar")
            for layer in (0, -1)
        ),
    ]
    return Reproduction("operations", data, seeds, claims, {}, _not_run(trials))


def _not_run(trials: Trials) -> tuple[str, ...]:
    other = {"operations_mnist": "CIFAR-10", "operations_cifar": "MNIST"}[trials.net]
    fewer = f"networks trained on all training images: here on the first {ROWS:,}, {RECIPE.epochs} epochs"
    return (
        *([fewer] if len(trials.data.train) > ROWS else []),
        "success per layer as the talk shows it: a plot, of which the slides hold no number",
        f"the paper's {other} network, which needs images of another shape",
    )


def _neurons(
    trials: Trials, seeds: Sequence[int], rows: dict[tuple[int, bool], list[Numbers]]
) -> list[Claim]:  # fmt: skip
    """The slides' table of layers, where the images have the paper's size."""
    if trials.data.input_shape[1:] != {"operations_mnist": (28, 28), "operations_cifar": (32, 32)}[trials.net]:
        return []
    counted = [[_number(run, "numel") for run in rows[layer, True]] for layer in range(len(trials.layers))]
    counted.append([float(trials.data.classes)] * len(seeds))
    names = [*trials.layers, "output"]
    return [
        Claim(
            f"{trials.net}, neurons of {name}",
            f"{paper} (slides)",
            ours,
            lambda v, paper=paper: v == paper,  # type: ignore[misc]
            "equal",
            "{:.0f}".format,
        )
        for name, paper, ours in zip(names, NEURONS[trials.net], counted, strict=True)
        if name != "output" or trials.data.classes == paper
    ]


def _layer(name: str, targeted: bool, runs: Sequence[Numbers]) -> Claim:
    neurons, numel = statistics.fmean(_number(run, "neurons") for run in runs), _number(runs[0], "numel")
    return Claim(
        f"{name}, {'targeted' if targeted else 'untargeted'}: keys of {KEYS} that fire; a key takes {neurons:.1f} of "
        f"{numel:.0f} neurons, {neurons / numel:.2%}",
        "a plot without numbers",
        [_number(run, "success") for run in runs],
        lambda v: v >= 0.95,
        ">= 95.00%",
    )


def _innocent(runs: Sequence[Numbers]) -> list[Claim]:
    """What the other inputs see, over all layers and both goals (the values are trials, not seeds)."""
    accuracy = statistics.fmean(_number(run, "accuracy") for run in runs)
    rows = (
        ("test images with other logits", "accidents", 0.0, "none"),
        (f"clean accuracy ({accuracy:.2%}) falls by", "drop", 0.0, "exactly 0"),
        (f"keys with noise of {NOISE} that lose their class", "noisy", 0.05, "<= 5.00%"),
    )
    return [
        Claim(
            f"every layer and goal: {what}",
            "only the key is affected",
            [1 - _number(run, key) if key == "noisy" else _number(run, key) for run in runs],
            lambda v, most=most: v <= most,  # type: ignore[misc]
            bound,
        )
        for what, key, most, bound in rows
    ]


def _gate(gate: str, name: str, runs: Sequence[Numbers]) -> Claim:
    """The readings that need no common condition: what they cost the innocent."""
    keys = statistics.fmean(_number(run, "success") for run in runs)
    accidents = statistics.fmean(_number(run, "accidents") for run in runs)
    return Claim(
        f"{name}, gate '{gate}': clean accuracy falls by ({keys:.0%} of the keys fire, {accidents:.1%} of the test "
        "images get other logits)",
        "only the key is affected",
        [_number(run, "drop") for run in runs],
        lambda v: v <= 0.005,
        "<= 0.50%",
    )


def _number(run: Numbers, key: str) -> float:
    value = run[key]
    assert value is not None
    return value
