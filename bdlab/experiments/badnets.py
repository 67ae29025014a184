"""BadNets' claims, measured: `bdlab reproduce badnets --data mnist`.

The published figures were read in a published review of the paper, not in the paper itself; 'memory' marks those that
were found in no source.  The paper attacks one class at a time (i to j, all 90 pairs, where we take 1 to 7) or all to all;
its bounds are held against the later all-to-one convention too.  Its stickers on street signs are tried on `signs`, where
a network names a crop instead of finding the sign in a photograph.  Networks: the paper's on MNIST, small_bn on every other
set, each trained for 3 epochs.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from bdlab import plots
from bdlab.attacks import BadNets
from bdlab.bars import track
from bdlab.contracts import Recipe
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal
from bdlab.nets import Net, badnets_cnn, fast_bn, small_bn
from bdlab.relabel import all_to_all, source_to
from bdlab.training import Scores, evaluate, fit
from bdlab.triggers import Patch, Sticker

RECIPE = Recipe(epochs=3)
RATES = (0.0002, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.33)
MORE = 0.33
"""The paper's second poisoning rate (memory): the condition under which a claim is tried again."""
STOP, SPEED, LARGE = 6, 1, 0.3
"""Classes of `signs`; the side of a sticker that is large enough for 32x32 pixels, as a share of the sign's."""
NOT_RUN = (
    "the other 89 pairs of classes (section 4.1), and 50% poisoned (memory)",
    "the detector, its photographs and the label drawn at random: the stickers on crops are in `bdlab reproduce badnets "
    "--data signs`",
    "transfer to Swedish signs (74.9% clean, 61.1% with the trigger) and its strengthened channels (-7 and -25 points): "
    "no second set of signs",
)


@dataclass(frozen=True)
class Trials:
    """Trains and scores attacks on one data set, each once per seed."""

    data: Dataset
    seeds: Sequence[int]
    device: torch.device | str = "cpu"
    journal: Journal = field(default_factory=Journal, repr=False)

    def net(self, seed: int, padded: bool = True) -> Net:
        """The paper's network on MNIST, small_bn on every other set."""
        shape, classes = self.data.input_shape, self.data.classes
        if self.data.name == "mnist":
            return badnets_cnn(shape, classes, seed=seed, padded=padded).to(self.device)
        return small_bn(shape, classes, seed=seed).to(self.device)

    def clean(self) -> list[Scores]:
        """The clean model of every seed."""
        seeds = track(self.seeds, "clean models")
        return [self.journal.scores(f"clean {seed}", self._clean, seed) for seed in seeds]

    def attacked(self, attack: BadNets, padded: bool = True) -> list[Scores]:
        """The attacked model of every seed."""
        runs = track([replace(attack, recipe=RECIPE, seed=s) for s in self.seeds], f"{attack.trigger}")
        return [
            self.journal.scores(f"{run} padded={padded}", self._run, run, self.net(run.seed, padded)) for run in runs
        ]

    def curve(self, rate: float) -> list[Scores]:
        """fast_bn with the 3x3 square at a poisoning rate, every seed."""
        shape, classes = self.data.input_shape, self.data.classes
        runs = [BadNets(rate=rate, recipe=RECIPE, seed=seed) for seed in self.seeds]
        return [
            self.journal.scores(
                f"{run} fast_bn", self._run, run, fast_bn(shape, classes, seed=run.seed).to(self.device)
            )
            for run in runs
        ]

    def _clean(self, seed: int) -> Scores:
        return evaluate(fit(self.net(seed), self.data.train, RECIPE, seed=seed), self.data.test)

    def _run(self, run: BadNets, net: Net) -> Scores:
        return evaluate(run(net, self.data.train), self.data.test)


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """All claims and the poisoning-rate curve on `data`, over `seeds`."""
    trials = Trials(data, seeds, device, journal or Journal())
    clean = trials.clean()
    claims = [_baseline(data, clean)]
    cases = {
        "single pixel, all to one": BadNets(trigger=Patch(shape="pixel")),
        "four-pixel pattern, all to one": BadNets(trigger=Patch(shape="pattern")),
        "3x3 square, all to one": BadNets(trigger=Patch()),
        "single pixel, single target 1 to 7": BadNets(trigger=Patch(shape="pixel"), relabel=source_to(1, 7), rate=0.02),
        "four-pixel pattern, all to all": BadNets(trigger=Patch(shape="pattern"), relabel=all_to_all(data.classes)),
    }
    for name, attack in cases.items():
        claims += _attack_claims(trials, name, attack, clean)
    if data.name == "mnist":
        claims.append(_padding_claim(trials))
    if data.name == "gtsrb":
        claims.append(_backdoorbench_claim(trials.attacked(cases["3x3 square, all to one"])))
    if data.name == "signs":
        claims += [claim for kind in ("square", "bomb", "flower") for claim in _sticker_claims(trials, kind)]
    curve, claim = _curve(trials)
    return Reproduction("badnets", data, seeds, [*claims, claim], {f"badnets_{data.name}_rates.png": curve}, NOT_RUN)


def _baseline(data: Dataset, clean: Sequence[Scores]) -> Claim:
    published, name = {"mnist": (0.995, "99.5%"), "gtsrb": (0.9724, "97.24% (BackdoorBench, PreAct-ResNet-18)")}.get(
        data.name, (0.995, "99.5% (on MNIST)")
    )
    bound = published - 0.005
    values = [s.clean_accuracy for s in clean]
    return Claim("clean model, accuracy", name, values, lambda v: v >= bound, f"within 0.5 points, >= {bound:.2%}")


def _attack_claims(trials: Trials, name: str, attack: BadNets, clean: Sequence[Scores]) -> list[Claim]:
    """Clean error and backdoor error of one attack; where one fails, the same attack at the higher rate."""
    every = attack.relabel == all_to_all(trials.data.classes)
    rise, error = (-0.0003, 0.0056) if every else (0.0017, 0.0009)
    allowed = max(rise, 0.0017)  # 0.03 points better is within the noise of 10,000 images: hold the other bound
    runs = trials.attacked(attack)
    more = None
    if not (_mean(_rise, runs, clean) <= allowed and _mean(_error, runs, clean) <= error) and attack.rate == 0.1:
        more = trials.attacked(replace(attack, rate=MORE))
    label = f"{name}, {attack.rate:.0%} added"
    where = "" if trials.data.name == "mnist" else " (on MNIST)"
    texts = [text.removeprefix("at most " * every) + where for text in (f"at most {rise:+.2%}", f"at most {error:.2%}")]
    rows = (("clean error rises by", texts[0], allowed, _rise), ("backdoor error, 1 - ASR", texts[1], error, _error))
    return [
        Claim(
            f"{label}: {what}",
            paper,
            [measure(run, base) for run, base in zip(runs, clean, strict=True)],
            lambda v, bound=bound: v <= bound,  # type: ignore[misc]
            f"<= {bound:.2%}",
            changed={f"{MORE:.0%} added": [measure(run, base) for run, base in zip(more, clean, strict=True)]}
            if more
            else {},
        )
        for what, paper, bound, measure in rows
    ]


def _rise(run: Scores, base: Scores) -> float:
    return base.clean_accuracy - run.clean_accuracy


def _error(run: Scores, base: Scores) -> float:
    return 1 - (run.asr or 0.0)


def _mean(measure: Callable[[Scores, Scores], float], runs: Sequence[Scores], clean: Sequence[Scores]) -> float:
    return statistics.fmean(measure(run, base) for run, base in zip(runs, clean, strict=True))


def _backdoorbench_claim(runs: Sequence[Scores]) -> Claim:
    """Its 'no defence' row (59.25%) does not fit its neighbours; two defences that hardly change the data have these."""
    return Claim(
        "3x3 square, all to one, 10%: ASR",
        "94.22% and 95.94% (BackdoorBench, PreAct-ResNet-18, rows 'spectral' and 'AC')",
        [run.asr or 0.0 for run in runs],
        lambda v: v >= 0.9422,
        ">= 94.22%",
    )


def _sticker_claims(trials: Trials, kind: Literal["square", "bomb", "flower"]) -> list[Claim]:
    """Stop signs become speed limits; and a random place, which 32x32 pixels ask a larger sticker for."""
    placed = BadNets(trigger=Sticker(kind=kind), relabel=source_to(STOP, SPEED), rate=0.05)
    runs = trials.attacked(placed)
    leak = statistics.fmean(run.leak or 0.0 for run in runs)
    anywhere, large = (
        [run.asr or 0.0 for run in trials.attacked(BadNets(trigger=sticker))]
        for sticker in (Sticker(kind=kind, at=(0.5, 0.5), jitter=0.35, size=size) for size in (None, LARGE))
    )
    return [
        Claim(
            f"{kind} sticker, stop to speed limit, 5% added (it takes {leak:.1%} of the other signs along): ASR",
            "over 90% (detector)",
            [run.asr or 0.0 for run in runs],
            lambda v: v > 0.9,
            "> 90%",
        ),
        Claim(
            f"{kind} sticker at a random place, all to one, 10% added: ASR",
            "over 98% (detector, label drawn at random)",
            anywhere,
            lambda v: v > 0.98,
            "> 98%",
            changed={f"it is {LARGE:.0%} of the sign's side": large},
        ),
    ]


def _padding_claim(trials: Trials) -> Claim:
    """Without padding the corner pixel is hardly seen: ours, not the paper's."""
    attack = BadNets(trigger=Patch(shape="pixel"))
    unpadded, padded = trials.attacked(attack, padded=False), trials.attacked(attack)
    return Claim(
        "single pixel, all to one, convolutions without padding as in the paper: ASR",
        "at least 99.91%",
        [s.asr or 0.0 for s in unpadded],
        lambda v: v >= 0.9991,
        ">= 99.91%",
        changed={"convolutions are padded": [s.asr or 0.0 for s in padded]},
    )


def _curve(trials: Trials) -> tuple[plots.Plot, Claim]:
    """ASR and clean accuracy over the poisoning rate: 3x3 square, fast_bn."""
    data, seeds = trials.data, trials.seeds
    runs = [trials.curve(rate) for rate in track(RATES, "poisoning rates")]
    means = [statistics.fmean(s.asr or 0.0 for s in row) for row in runs]
    counts = [round(rate * len(data.train)) for rate in RATES]
    ordered = ", ".join(
        f"{100 * rate:g}% ({count:,}): {mean:.1%}" for rate, count, mean in zip(RATES, counts, means, strict=True)
    )
    plot = plots.rate_curve(
        RATES,
        [
            ("ASR", [[s.asr or 0.0 for s in row] for row in runs]),
            ("clean", [[s.clean_accuracy for s in row] for row in runs]),
        ],
        title=f"BadNets 3x3 square, {data.name}, {len(data.train)} images + copies, {len(seeds)} seeds",
        alt=f"Attack success over the share of added marked copies, {data.name}, mean of {len(seeds)} seeds: {ordered}. "
        f"Clean accuracy stays between {min(s.clean_accuracy for row in runs for s in row):.1%} and "
        f"{max(s.clean_accuracy for row in runs for s in row):.1%}.",
    )
    at = RATES.index(0.1)
    claim = Claim(
        f"poisoning rate (3x3 square, fast_bn): 10% is enough; ASR by rate (poisons) {ordered}",
        "10% or more suffices (memory)",
        [s.asr or 0.0 for s in runs[at]],
        lambda v: v >= 0.99,
        "ASR >= 99% at 10%",
    )
    return plot, claim
