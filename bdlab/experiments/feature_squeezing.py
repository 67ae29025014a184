"""Feature squeezing, measured: `bdlab reproduce feature_squeezing --data mnist`.

First the study's table, evasion attacks on a clean network that was trained on all images, with the first seed: see
`squeezing_table`.  Then what the study never tried: backdoored networks and their triggers, the network itself and its
clean twin trained on the first 20,000 images and judged on the first 1,000 test images (300 in colour, where non-local
means are slow).  Seven triggers are tried with all seeds; all other registered attacks with the first seed, on sets of up to
20,000 images.  An AUROC below one half stays as it is: the trigger then makes an input look cleaner than clean ones.
Beside it stands a clean network's, for the same triggered images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isnan, nan
from statistics import fmean

import torch
from torch import Tensor

from bdlab import metrics, plots
from bdlab.attacks import BadNets, BlendedInjection, NatureInjection, Refool, SourceSpecific
from bdlab.bars import track
from bdlab.contracts import Attack, Backdoor, Split
from bdlab.data import Dataset
from bdlab.defenses.squeezers import parse
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.guarding import area_text
from bdlab.experiments.journal import Journal, Numbers
from bdlab.experiments.squeezing_table import FPR, RECIPE, Guards, Trials, left_out, study_claims
from bdlab.registry import registered
from bdlab.training import Suspicions, detection, evaluate, logits, triggered
from bdlab.triggers import Patch

ROWS = 20_000
"""Training images of the backdoored networks and their clean twin, at most."""
JUDGED, IN_COLOUR = 1000, 300
"""Test images, clean and again triggered, at most: grey ones, others."""
BACKDOORS: dict[str, Attack] = {
    "one pixel": BadNets(trigger=Patch(shape="pixel")),
    "four pixels": BadNets(trigger=Patch(shape="pattern")),
    "3x3 square": BadNets(),
    "blend": BlendedInjection(),
    "nature": NatureInjection(),
    "source-specific square, 1 to 7": SourceSpecific(),
    "refool": Refool(),
}
SURVIVES = {"one pixel": "bits", "3x3 square": "bits", "blend": "2x2"}
"""Triggers that a squeezer leaves in the image; 'bits' is the first bit depth of the table."""
CONTROL = 0.8
"""A clean network's AUROC, at most: our own bound, fitted to .78, which had been measured; no theory gives it.

Refool's is above it on MNIST, .93.
"""
NO_FIGURE = "no figure; the lectures offer it as a defence"
SHOWN = ("one pixel", "3x3 square", "blend")
NOT_RUN = (
    "the study's networks ('Carlini' CNN, 99.43% on MNIST; DenseNet, 94.84% on CIFAR-10): ours are badnets_cnn and small_bn",
    "ImageNet: neither data nor network are here",
    "the adaptive attacks that defeat it (He et al., WOOT 2017)",
    "CW through the adversarial-robustness-toolbox: bdlab/evasion/carlini.py stands in, and says why",
)


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """The study's table with the first of `seeds`, then backdoors over all of them, on `data`."""
    trials = Trials(data, device, journal or Journal())
    # Before the trials: too few images are an error.
    allowed = metrics.realised_rate_interval(FPR, data.calibration.sources, data.test.sources)
    claims = [*study_claims(trials, seeds[0]), _false_alarms(trials, seeds, allowed)]
    for name, attack in track(list(BACKDOORS.items()), "backdoors"):
        claims += _backdoor_claims(trials, name, [_of(attack, seed) for seed in seeds])
    rest, small = _others(), len(data.train) <= ROWS
    for name in track(rest if small else [], "other attacks"):
        claims += _backdoor_claims(trials, f"{name}, seed {seeds[0]}", [registered("attack")[name].make(seed=seeds[0])])
    line = f"{', '.join(rest)}: on sets of up to {ROWS} images only, `bdlab reproduce feature_squeezing --data digits`"
    figures = {
        f"feature_squeezing_{data.name}.png": _figure(trials, seeds[0]),
        f"feature_squeezing_{data.name}_images.png": _pictures(trials),
    }
    missing = (*NOT_RUN, *([] if small else [line]), *left_out(trials, seeds[0]))
    return Reproduction("feature_squeezing", data, seeds, claims, figures, missing)


def _of(attack: Attack, seed: int) -> Attack:
    """The same with this seed."""
    return replace(attack, seed=seed)  # type: ignore[type-var]


def _others() -> list[str]:
    """The registered attacks that are not in BACKDOORS."""
    tried = {type(attack) for attack in BACKDOORS.values()}
    return [name for name, entry in registered("attack").items() if entry.make not in tried]


def _false_alarms(trials: Trials, seeds: Sequence[int], allowed: metrics.Interval) -> Claim:
    """How often clean networks' clean inputs are flagged."""
    data, (low, high) = trials.data, allowed
    runs = [
        trials.journal.numbers(
            f"clean {trials.net.__name__} {trials.data.name} {seed} {RECIPE} {ROWS}", _alarms, trials, seed
        )
        for seed in seeds
    ]
    return Claim(
        f"clean networks, {len(data.train[:ROWS])} training images: {trials.table.joint} at a nominal {FPR:.0%} flags, of "
        f"{len(data.test)} clean test images",
        "3.98% on MNIST, 4.93% on CIFAR-10 (memory)",
        [run["frr"] or 0.0 for run in runs],
        lambda v: low <= v <= high,
        f"{low:.2%} to {high:.2%}",
        every=True,
    )


def _alarms(trials: Trials, seed: int) -> Numbers:
    guards = Guards.of(trials, trials.clean(seed, ROWS))
    scores = guards.scores(trials.data.test.x)["joint"]
    return {"frr": metrics.frr_far(scores, torch.empty(0), guards.fitted("joint").threshold(FPR))[0]}


def _backdoor_claims(trials: Trials, name: str, attacks: Sequence[Attack]) -> list[Claim]:
    """Does it find the trigger: the joint detector, else each squeezer alone; a clean network's row; what survives."""
    images, test = len(trials.data.train[:ROWS]), len(_judged(trials))
    setting = f"{trials.net.__name__} {trials.data.name} {images} {test}"
    runs = [trials.journal.numbers(f"{name}: {attack} {setting}", judge, trials, attack) for attack in attacks]

    def values(key: str) -> list[float]:
        return [nan if value is None else value for value in (run[key] for run in runs)]

    def claim(what: str, paper: str, key: str, holds: Callable[[float], bool], bound: str) -> Claim:
        return Claim(f"{name}{what}", paper, values(f"{key} auroc"), holds, bound, "{:.3f}".format)

    far, bad = fmean(values("joint far")), f"{fmean(values('bad images')):.0f}"
    flagged = f"too few images fool the network, {bad}" if isnan(far) else f"{1 - far:.1%} of {bad} flagged at {FPR:.0%}"
    found = f" ({images} training images, ASR {fmean(values('asr')):.3f}): {trials.table.joint} finds it, {flagged}"
    finds = claim(f"{found}; {test} clean images; AUROC", NO_FIGURE, "joint", lambda v: v >= 0.9, ">= 0.900")
    alone = {f"{squeezer} alone": values(f"{squeezer} auroc") for squeezer in trials.table.alone}
    claims = [
        replace(finds, changed=alone),
        claim(": a clean network, all triggered images; AUROC", "-", "control", lambda v: v <= CONTROL,
              f"<= {CONTROL:.3f} (ours, fitted to a measured .78)"),
    ]  # fmt: skip
    if name in SURVIVES:
        kept = trials.table.alone[0] if SURVIVES[name] == "bits" else SURVIVES[name]
        what = f" survives {kept}, and looks cleaner than clean images; AUROC of {kept} alone"
        claims.append(claim(what, "no figure", kept, lambda v: v < 0.5, "< 0.500"))
    return claims


def _judged(trials: Trials) -> Split:
    return trials.data.test[: JUDGED if trials.data.input_shape[0] == 1 else IN_COLOUR]


def backdoored(trials: Trials, attack: Attack) -> Backdoor:
    """What `attack` makes of the fresh network of its seed, or of the clean one where it wants that; made once."""
    train, seed = trials.data.train[:ROWS], _seed(attack)
    start = trials.fresh(seed) if attack.starts_from == "fresh" else trials.clean(seed, ROWS)
    made: Backdoor = trials.once(repr(attack), lambda: attack(start, train))
    return made


def _seed(attack: Attack) -> int:
    return int(attack.seed)  # type: ignore[attr-defined]


def judge(trials: Trials, attack: Attack) -> Numbers:
    """ASR; by each detector AUROC and FAR of the triggered images that fool the network; AUROC of a clean network's."""
    backdoor, judged = backdoored(trials, attack), _judged(trials)
    marked, wanted = triggered(judged, backdoor.trigger, backdoor.relabel)
    attacked = wanted != judged.y
    fooled = attacked & (logits(backdoor.model, marked).argmax(1) == wanted)
    guards, (control, own) = Guards.of(trials, backdoor.model), _control(trials, _seed(attack))
    numbers: Numbers = {"asr": evaluate(backdoor, trials.data.test).asr, "bad images": int(fooled.sum())}
    clean, bad = guards.scores(judged.x), guards.scores(marked[fooled])
    for name in guards.sets:
        found = detection(guards.fitted(name), Suspicions(clean[name], bad[name], judged.sources), FPR)
        numbers |= {f"{name} auroc": found.auroc, f"{name} far": found.far}
    return {**numbers, "control auroc": metrics.auroc(own, control.scores(marked[attacked])["joint"])}


def _control(trials: Trials, seed: int) -> tuple[Guards, Tensor]:
    """The guards of the clean network of `seed` and their joint scores of the clean images; made once."""

    def make() -> tuple[Guards, Tensor]:
        guards = Guards.of(trials, trials.clean(seed, ROWS))
        return guards, guards.scores(_judged(trials).x)["joint"]

    made: tuple[Guards, Tensor] = trials.once(f"control {seed}", make)
    return made


def _figure(trials: Trials, seed: int) -> plots.Plot:
    """Scores of the joint detector under three triggers."""
    panels, texts = [], []
    for name in SHOWN:
        backdoor = backdoored(trials, _of(BACKDOORS[name], seed))
        guards, judged = Guards.of(trials, backdoor.model), _judged(trials)
        marked, wanted = triggered(judged, backdoor.trigger, backdoor.relabel)
        fooled = (wanted != judged.y) & (logits(backdoor.model, marked).argmax(1) == wanted)
        clean, bad = guards.scores(judged.x)["joint"], guards.scores(marked[fooled])["joint"]
        panels.append((f"{trials.data.name}, {name}, seed {seed}", clean, bad))
        texts.append(f"{name}: {area_text(clean, bad)}")
    return plots.scores(
        panels,
        [],
        label=f"largest l1 distance ({trials.table.joint})",
        alt=f"Feature squeezing's scores of clean and triggered {trials.data.name} images: {'; '.join(texts)}.",
    )


def _pictures(trials: Trials) -> plots.Plot:
    """Triggered images, and what each squeezer of the joint set leaves of the trigger."""
    x, rows = trials.data.test.x[:6], []
    for name in SHOWN:
        marked = BACKDOORS[name].trigger(x)  # type: ignore[attr-defined]
        rows += [(name, marked), *((s.name, s(marked)) for s in parse(trials.table.joint))]
    return plots.images(
        rows,
        title=f"{trials.data.name}: triggers and what squeezing leaves of them",
        alt=f"Six test images of {trials.data.name} with one pixel, a 3x3 square and a faint picture as trigger, each above "
        f"its squeezed copies ({trials.table.joint}).",
    )
