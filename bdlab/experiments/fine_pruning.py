"""Fine-pruning's table 1 rebuilt in kind: `bdlab reproduce fine_pruning --data signs` (or gtsrb, speech, mnist, digits).

Published: table 1 of Liu, Dolan-Gavitt, Garg 2018 as the slides print it.  Its set-ups are from memory, not verified: US
signs under Faster R-CNN and an untargeted attack; an AlexNet on ten spoken digits, i to i + 1 with a noise trigger.
Ours are small_bn on pictures of signs (a white square, all to one) and on log-mel pictures of spoken digits (noise
shines through, i to i + 1).  A figure is compared by its side of one half: whether most triggered images still obey.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import torch

from bdlab import plots
from bdlab.attacks.badnets import BadNets
from bdlab.attacks.pruning_aware import PruningAware
from bdlab.bars import track
from bdlab.channels import last_conv, mean_activation
from bdlab.contracts import Backdoor, Recipe, Sanitizer
from bdlab.data import Dataset
from bdlab.defenses.fine_pruning import PLAIN, FinePruning, FineTuning, Pruning
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.curves import pruned_scores
from bdlab.experiments.journal import Journal, Numbers
from bdlab.experiments.trials import SeededTrials
from bdlab.nets import Net
from bdlab.relabel import all_to_all
from bdlab.training import Scores, evaluate
from bdlab.triggers import Blend

SHORT = Recipe(epochs=10)
"""A round of the pruning-aware attack's retraining where an epoch has twenty steps."""
REPAIRS: dict[str, Sanitizer | None] = {
    "none": None,
    "pruning": Pruning(),
    "fine-tuning": FineTuning(recipe=PLAIN, shift=0, apart=0),
    "fine-pruning": FinePruning(max_drop=0.04, recipe=PLAIN, shift=0, apart=0),
}
"""Four points and a short, plain tuning, as these tables were made; what the defaults do stands in docs/repairs.md."""
ATTACKS = ("baseline", "pruning-aware")
PUBLISHED = {
    "faces": ((0.978, 1.0), (0.978, 0.0), (0.978, 0.0), (0.974, 0.998), (0.978, 0.0), (0.977, 0.0)),
    "speech": ((0.990, 0.770), (0.990, 0.435), (0.988, 0.020), (0.988, 0.780), (0.988, 0.520), (0.986, 0.0)),
    "traffic signs": ((0.849, 0.991), (0.857, 0.921), (0.873, 0.288), (0.820, 0.899), (0.872, 0.419), (0.874, 0.366)),
}
"""Table 1: (clean accuracy, ASR) for no defence, fine-tuning, fine-pruning; baseline attack, then pruning-aware."""
GTSRB = {"none": (0.9724, 0.5925), "fine-tuning": (0.9873, 0.0509), "fine-pruning": (0.9821, 0.0009)}
"""BackdoorBench, GTSRB, PreAct-ResNet18, BadNets: (clean accuracy, ASR).  Without defence it looks like a broken run."""
COLUMNS = [(attack, repair) for attack in ATTACKS for repair in ("none", "fine-tuning", "fine-pruning")]
NOT_RUN = (
    "table 1, faces: DeepID on YouTube Faces, not here",
    "table 1, speech: the authors' AlexNet and recordings, not here; ours is small_bn on the Free Spoken Digit Dataset",
    "table 1, traffic signs: Faster R-CNN on US signs, untargeted (memory), not here",
)


class Trials(SeededTrials):
    """The plain attack, the pruning-aware one and no attack, each once per seed, each under every repair."""

    def attack(self, name: str, seed: int) -> BadNets | PruningAware:
        """The attack called `name`; speech has the paper's wish and kind of trigger, all else the defaults."""
        if self.data.name != "speech":
            return BadNets(recipe=self.recipe, seed=seed) if name == "baseline" else PruningAware(seed=seed)
        noise, wish = Blend(image="noise", alpha=0.3), all_to_all(self.data.classes)
        if name == "baseline":
            return BadNets(trigger=noise, relabel=wish, recipe=self.recipe, seed=seed)
        return PruningAware(trigger=noise, relabel=wish, recipe=SHORT, min_asr=0.6, max_drop=0.04, seed=seed)

    @property
    def recipe(self) -> Recipe:
        """Of the clean and the plainly attacked net: 5 epochs, 3 on sets of more than 20,000 images, 12 on speech."""
        return Recipe(epochs=12) if len(self.data.train) < 4_000 else super().recipe

    def backdoor(self, name: str, seed: int) -> Backdoor:
        """What the attack `name` makes; 'clean' stands for the clean net under the baseline's trigger."""
        if name != "clean":
            return self.attacked(self.attack(name, seed), seed)
        model = self.clean(seed)
        return replace(self.backdoor("baseline", seed), model=model, shipped=model)

    def repaired(self, name: str, repair: str) -> list[Scores]:
        """Every seed's model of the attack `name` after `repair`, as its victim runs it."""
        seeds = track(self.seeds, f"{name}, {repair}")
        return [
            self.journal.scores(self._key(name, seed, REPAIRS[repair]), self._run, name, repair, seed) for seed in seeds
        ]

    def curves(self, name: str) -> tuple[list[list[float]], list[list[float]]]:
        """Clean accuracy and ASR on the test images over the channels pruned, in the defender's order; a list a seed."""
        runs = self.each(f"{name}, curve", lambda seed: self._key(name, seed, "curve"), self._curve, name)
        rows = [
            [[run[f"{what} {k}"] or 0.0 for k in range(len(run) // 2)] for run in runs] for what in ("clean", "asr")
        ]
        return rows[0], rows[1]

    def _key(self, name: str, seed: int, what: object) -> str:
        attack = None if name == "clean" else self.attack(name, seed)
        return f"{name} {seed} {attack} {self.recipe} small_bn {what}"

    def _run(self, name: str, repair: str, seed: int) -> Scores:
        backdoor, method = self.backdoor(name, seed), REPAIRS[repair]
        if method is None:
            return evaluate(backdoor, self.data.test)
        seeded = replace(method, seed=seed)  # type: ignore[type-var]
        return evaluate(seeded(backdoor.shipped, self.data.held_out), self.data.test, backdoor)

    def _curve(self, name: str, seed: int) -> Numbers:
        data, backdoor = self.data, self.backdoor(name, seed)
        net = cast(Net, backdoor.shipped)
        layer = last_conv(net)
        order = mean_activation(net, layer, data.held_out.x).argsort(stable=True)  # (channels,), the defender's
        clean, asr = pruned_scores(net, layer, order, data.test, backdoor.trigger, backdoor.relabel, seed=seed)
        return {
            **{f"clean {level}": share for level, share in enumerate(clean)},
            **{f"asr {level}": share for level, share in enumerate(asr)},
        }


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """Both attacks and a clean net x no defence, pruning, fine-tuning, fine-pruning; the pruning curves."""
    trials = Trials(data, seeds, device, journal or Journal())
    own = _gtsrb(trials) if data.name == "gtsrb" else []
    claims = [*_table1(trials), *own, *_pruning(trials), *_accuracy(trials), *_clean(trials)]
    return Reproduction(
        "fine_pruning", data, seeds, claims, {f"fine_pruning_{data.name}.png": _figure(trials)}, NOT_RUN
    )


def _asr(runs: Sequence[Scores]) -> list[float]:
    return [run.asr or 0.0 for run in runs]


def _less(more: Sequence[float], less: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(more, less, strict=True)]


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _table1(trials: Trials) -> list[Claim]:
    """The ASR of its six columns: most triggered images obey, or most do not."""
    own = "speech" if trials.data.name == "speech" else "traffic signs"
    claims = []
    for column, (attack, repair) in enumerate(COLUMNS):
        paper = PUBLISHED[own][column][1]
        others = ", ".join(f"{name} {row[column][1]:.3f}" for name, row in PUBLISHED.items() if name != own)
        said = " (the slide: 'not work')" if (attack, repair) == ("baseline", "fine-tuning") else ""
        holds, bound = _side(paper)
        runs = trials.repaired(attack, repair)
        what = f"{attack} attack, {repair}{said}: ASR{_beside(runs)}"
        claims.append(Claim(what, f"{paper:.3f} (slides, {own}; {others})", _asr(runs), holds, bound))
    return claims


def _gtsrb(trials: Trials) -> list[Claim]:
    """The same nets beside the figures that are published for GTSRB itself; of fine-tuning they contradict table 1.

    That without defence looks like a broken run, and the benchmark's fine-pruning has two bugs: it stops by the test set,
    one channel off.  Both rows say so.
    """
    source = "BackdoorBench, GTSRB, PreAct-ResNet18, BadNets"
    doubts = {"none": "; a broken run?", "fine-pruning": "; its code stops by the test set"}
    claims = []
    for repair, (accuracy, paper) in GTSRB.items():
        runs = trials.repaired("baseline", repair)
        what = f"baseline attack, {repair}, beside another source: ASR{_beside(runs)}"
        figure = f"{paper:.3f} at clean accuracy {accuracy:.1%} ({source}{doubts.get(repair, '')})"
        claims.append(Claim(what, figure, _asr(runs), *_side(paper)))
    return claims


def _beside(runs: Sequence[Scores]) -> str:
    return f" (clean accuracy {sum(run.clean_accuracy for run in runs) / len(runs):.1%})"


def _side(paper: float) -> tuple[Callable[[float], bool], str]:
    return (lambda v: v >= 0.5, ">= 50%") if paper >= 0.5 else (lambda v: v < 0.5, "< 50%")


def _pruning(trials: Trials) -> list[Claim]:
    """Pruning alone, which table 1 leaves out, and the order of the three repairs."""
    runs = {(a, r): trials.repaired(a, r) for a in ATTACKS for r in REPAIRS}
    asr = {column: _asr(row) for column, row in runs.items()}
    alone = [
        Claim(
            f"{attack} attack, pruning alone: ASR{_beside(runs[attack, 'pruning'])}",
            paper,
            asr[attack, "pruning"],
            *_side(side),
        )
        for attack, paper, side in (
            ("baseline", "removed (slides, in words)", 0.0),
            ("pruning-aware", "stays (slides, in words)", 1.0),
        )
    ]
    order = [
        Claim(f"{attack} attack: ASR after {worse} above that after {better}, points", paper,
              _less(asr[attack, worse], asr[attack, better]), lambda v: v > 0, "> 0", _points)
        for attack, worse, better, paper in (
            ("baseline", "fine-tuning", "pruning", "no figure"),
            ("baseline", "pruning", "fine-pruning", "no figure"),
            ("baseline", "fine-tuning", "fine-pruning", "63.3 (traffic signs; speech 41.5, faces 0)"),
            ("pruning-aware", "fine-tuning", "fine-pruning", "5.3 (traffic signs; speech 52.0, faces 0)"),
        )
    ]  # fmt: skip
    return alone + order


def _accuracy(trials: Trials) -> list[Claim]:
    """What a repair costs: 0.2 points of clean accuracy at most in table 1."""
    published = {name: [cl for cl, _ in row] for name, row in PUBLISHED.items()}
    claims = []
    for column, (attack, repair) in enumerate(COLUMNS):
        if repair != "none":
            first = column - column % 3
            paper = ", ".join(f"{name} {100 * (row[first] - row[column]):+.1f}" for name, row in published.items())
            runs = trials.repaired(attack, "none"), trials.repaired(attack, repair)
            lost = _less(*([run.clean_accuracy for run in row] for row in runs))
            what = f"{attack} attack, {repair}: clean accuracy lost, points"
            claims.append(Claim(what, paper, lost, lambda v: v <= 0.005, "<= 0.5", _points))
    return claims


def _clean(trials: Trials) -> list[Claim]:
    """The negative control: a net without a backdoor under the same repairs."""
    whole = [run.clean_accuracy for run in trials.repaired("clean", "none")]
    claims = []
    for repair, bound in (("pruning", 0.05), ("fine-tuning", 0.01), ("fine-pruning", 0.01)):
        runs = trials.repaired("clean", repair)
        what = f"clean net, {repair}: clean accuracy lost, points (ASR {100 * sum(_asr(runs)) / len(runs):.1f}%)"
        lost = _less(whole, [run.clean_accuracy for run in runs])
        claims.append(Claim(what, "-", lost, lambda v, b=bound: v <= b, f"<= {100 * bound:.1f}", _points))  # type: ignore[misc]
    return claims


def _figure(trials: Trials) -> plots.Plot:
    names = ("clean", *ATTACKS)
    curves = [(f"{name} net" if name == "clean" else f"{name} attack", *trials.curves(name)) for name in names]
    return plots.pruning_curve(
        curves,
        title=f"Pruning, {trials.data.name}, small_bn, seeds {', '.join(map(str, trials.seeds))}",
        alt=f"Clean accuracy and ASR on {trials.data.name} test images over the number of channels pruned from the last "
        "convolution, the most dormant first, for a clean net, the baseline attack and the pruning-aware attack.",
    )
