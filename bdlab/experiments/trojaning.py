"""Trojaning's claims, measured: `bdlab reproduce trojaning --data mnist`.

The published figures were read in the paper; they are those of its face recogniser (VGG-Face, 2,622 people), success on
the original test images with the trigger ('Orig+Tri').  Data and network differ here, so that the comparisons are held by
their sign: which of two choices is better.  The first four rows are held by their value, with opaque triggers: the paper's
square is 70 % transparent there and covers 7 % (its Table VIII gives the same 95.5 % for the apple-shaped mask).  The paper
does not say at which transparency it compared shapes and numbers of neurons; its 86.8% for one neuron and for the square is
also its figure for 30%, hence 30% here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import nn

from bdlab import plots
from bdlab.attacks.trojaning import Trojaning, design, retrain, retraining_images
from bdlab.bars import track
from bdlab.contracts import Backdoor, Cost, Recipe, Split
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal
from bdlab.inversion import descend
from bdlab.nets import small_bn
from bdlab.relabel import all_to_one
from bdlab.running import frozen
from bdlab.training import Scores, evaluate, fit
from bdlab.triggers.masks import square
from bdlab.triggers.overlay import Crafted

PAPERS_OWN = Trojaning(retrain_on="inverted")
"""No training data, as in the paper; that the best driven of 8 neurons is taken is ours."""
FAINT = replace(PAPERS_OWN, transparency=0.3)
SHOWN = {
    "square": PAPERS_OWN,
    "square, random neuron": replace(PAPERS_OWN, by="random"),
    "random patch": replace(PAPERS_OWN, steps=0),
    "watermark": replace(PAPERS_OWN, mask="watermark"),
}
NOT_RUN = (
    "VGG-Face, speech, age, attitude and driving models: neither data nor weights are here",
    "Table VIII, the apple-shaped mask (95.5%): no drawing of it",
    "'Ext+Tri', success on images of another data set (100%): no second set of the same classes",
    "Table VI, layers FC7 to Conv: only the output layer is tried",
)


@dataclass(frozen=True)
class Trials:
    """Attacks one clean model a seed; clean models and inverted images are made once."""

    data: Dataset
    seeds: Sequence[int]
    device: torch.device | str = "cpu"
    journal: Journal = field(default_factory=Journal, repr=False)
    made: dict[object, object] = field(default_factory=dict, repr=False)

    def model(self, seed: int) -> nn.Module:
        """The clean small_bn of `seed`: 5 epochs, 3 on sets of more than 20,000 images."""
        if seed not in self.made:
            recipe = Recipe(epochs=3 if len(self.data.train) > 20_000 else 5)
            net = small_bn(self.data.input_shape, self.data.classes, seed=seed).to(self.device)
            self.made[seed] = fit(net, self.data.train, recipe, seed=seed)
        return self.made[seed]  # type: ignore[return-value]

    def clean(self) -> list[Scores]:
        """The clean model of every seed."""
        return [self.journal.scores(f"clean {seed}", self._clean, seed) for seed in track(self.seeds, "clean models")]

    def attacked(self, attack: Trojaning) -> list[Scores]:
        """The attacked model of every seed."""
        runs = track([replace(attack, seed=seed) for seed in self.seeds], "attacks")
        return [self.journal.scores(f"{run}", self._run, run) for run in runs]

    def untouched(self) -> list[Scores]:
        """No retraining: the clean model under a square that drives the output of the target class itself."""
        return [self.journal.scores(f"output layer {seed}", self._untouched, seed) for seed in self.seeds]

    def _clean(self, seed: int) -> Scores:
        return evaluate(self.model(seed), self.data.test)

    def _images(self, attack: Trojaning) -> Split:
        key = attack.seed, attack.retrain_on, attack.images, attack.smooth
        if key not in self.made:
            self.made[key] = retraining_images(attack, self.model(attack.seed), self.data.train)
        return self.made[key]  # type: ignore[return-value]

    def _run(self, attack: Trojaning) -> Scores:
        model = self.model(attack.seed)
        trigger = design(attack, model, self.data.input_shape).trigger
        victim = retrain(attack, model, self._images(attack), trigger)
        return self._scores(victim, trigger)

    def _untouched(self, seed: int) -> Scores:
        model, (_, height, width) = self.model(seed), self.data.input_shape
        net, mask, attack = frozen(model), square(height, width), PAPERS_OWN
        start = torch.rand(1, *self.data.input_shape, generator=torch.Generator().manual_seed(seed)).to(self.device)
        image = descend(
            lambda x: (attack.goal - net(x)[:, attack.target]) ** 2,
            start,
            steps=attack.steps,
            lr=attack.step,
            mask=mask,
        )
        return self._scores(model, Crafted(pattern=image[0].cpu(), mask=mask))

    def _scores(self, victim: nn.Module, trigger: Crafted) -> Scores:
        return evaluate(
            Backdoor(victim, victim, trigger, all_to_one(PAPERS_OWN.target), Cost(0, 0, 0, 0)), self.data.test
        )


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """All claims on `data`, over `seeds`, and a picture of the triggers and the inverted images."""
    trials = Trials(data, seeds, device, journal or Journal())
    claims = [
        *_headline(trials, "square, 8%", PAPERS_OWN, ("95.5% (Table IV, 7%, transparency 70%)", 0.955),
                   ("2.6 points (Table IV)", 0.026)),
        *_headline(trials, "watermark", replace(PAPERS_OWN, mask="watermark"), ("59.1% (Table VIII)", 0.591),
                   ("3.2 points (Table VIII)", 0.032)),
        _ordered(
            trials, "neuron: best connected, random", "Table V: 91.6 (chosen), 47.4",
            replace(FAINT, candidates=1), replace(FAINT, by="random", candidates=1),
        ),
        _ordered(trials, "trigger: generated, random patch", "no figure", FAINT, replace(FAINT, steps=0)),
        _ordered(trials, "mask: square, watermark", "Table VIII: 86.8, 59.1", FAINT, replace(FAINT, mask="watermark")),
        _ordered(
            trials, "size: 10, 7, 4%", "Table VIII: 100, 98.8, 71.5",
            *(replace(PAPERS_OWN, share=share) for share in (0.1, 0.07, 0.04)),
        ),
        _ordered(
            trials, "transparency: 0, 30, 50, 70%", "Table VIII: 98.8, 86.8, 59.2, 36.2",
            *(replace(PAPERS_OWN, transparency=share) for share in (0.0, 0.3, 0.5, 0.7)),
        ),
        _ordered(
            trials, "neurons: one, two, all", "Table VIII: 86.8, 81.3, 53.4",
            FAINT, replace(FAINT, neurons=2), replace(FAINT, neurons=None),
        ),
        _denoising(trials),
        _output_layer(trials),
    ]  # fmt: skip
    return Reproduction("trojaning", data, seeds, claims, {f"trojaning_{data.name}.png": _figure(trials)}, NOT_RUN)


def _asr(runs: Sequence[Scores]) -> list[float]:
    return [run.asr or 0.0 for run in runs]


def _clean(runs: Sequence[Scores]) -> list[float]:
    return [run.clean_accuracy for run in runs]


def _drops(runs: Sequence[Scores], clean: Sequence[Scores]) -> list[float]:
    return [base.clean_accuracy - run.clean_accuracy for run, base in zip(runs, clean, strict=True)]


def _less(more: Sequence[float], less: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(more, less, strict=True)]


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _shares(rows: Sequence[Sequence[float]]) -> str:
    return ", ".join(f"{100 * sum(row) / len(row):.1f}" for row in rows)


def _headline(trials: Trials, name: str, own: Trojaning, asr: tuple[str, float], fall: tuple[str, float]) -> list[Claim]:
    """Success and loss without any training image; the same with 300 of them."""
    clean, inverted, real = trials.clean(), trials.attacked(own), trials.attacked(replace(own, retrain_on="real"))
    instead = "300 real images instead of inverted ones"
    return [
        Claim(
            f"{name}, opaque, inverted images only: ASR", asr[0], _asr(inverted),
            lambda v: v >= asr[1], f">= {asr[1]:.1%}", changed={instead: _asr(real)},
        ),
        Claim(
            f"{name}, opaque, inverted images only: clean accuracy falls by", fall[0], _drops(inverted, clean),
            lambda v: v <= fall[1], f"<= {100 * fall[1]:.1f} points", _points, {instead: _drops(real, clean)},
        ),
    ]  # fmt: skip


def _ordered(trials: Trials, what: str, paper: str, *attacks: Trojaning) -> Claim:
    """ASR falls from each attack to the next, or clean accuracy does.

    Here ASR is near 100% whatever the trigger, and a poor trigger is paid for in clean accuracy: so that is tried too.
    """
    runs = [trials.attacked(attack) for attack in attacks]
    asr, clean = [_asr(row) for row in runs], [_clean(row) for row in runs]
    return Claim(
        f"{what}: ASR {_shares(asr)} (clean accuracy {_shares(clean)}); least fall, points",
        paper,
        _least_fall(asr),
        lambda v: v > 0,
        "each is better than the next",
        _points,
        changed={"clean accuracy is compared": _least_fall(clean)},
    )


def _least_fall(rows: Sequence[Sequence[float]]) -> list[float]:
    """Of the falls from row to row (one value a seed) those of the pair that falls least on average."""
    return min((_less(a, b) for a, b in pairwise(rows)), key=sum)


def _denoising(trials: Trials) -> Claim:
    runs = trials.attacked(PAPERS_OWN), trials.attacked(replace(PAPERS_OWN, smooth=0.0))
    clean = [_clean(row) for row in runs]
    return Claim(
        f"inverted images with or without denoising: clean accuracy {_shares(clean)}; better by, points",
        "Table I: 1.7 points (its text: 2.7)",
        _less(*clean),
        lambda v: v > 0,
        "> 0",
        _points,
    )


def _output_layer(trials: Trials) -> Claim:
    return Claim(
        "output layer chosen, so that nothing is left to retrain: ASR",
        "Table VI: 18.7%",
        _asr(trials.untouched()),
        lambda v: v <= 0.187,
        "<= 18.7%",
    )


def _figure(trials: Trials) -> plots.Plot:
    """Test images under four triggers, and inverted images of as many classes."""
    seed, n = trials.seeds[0], min(8, trials.data.classes)
    model, x = trials.model(seed), trials.data.test.x[:n]
    attacks = {name: replace(attack, seed=seed) for name, attack in SHOWN.items()}
    inverted = retraining_images(replace(PAPERS_OWN, seed=seed), model, trials.data.train).x[:n]
    shape = trials.data.input_shape
    rows = [(name, design(attack, model, shape).trigger(x)) for name, attack in attacks.items()]
    rows.append(("inverted", inverted))
    return plots.images(
        rows,
        title=f"Trojaning, {trials.data.name}, small_bn, seed {seed}",
        alt=f"{n} test images of {trials.data.name} under a trigger crafted for a chosen neuron, for a random neuron, a "
        f"random patch and a watermark; below them {n} images made from the network alone, one a class.",
    )
