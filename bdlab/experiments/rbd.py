"""RBD-R beside STRIP: `bdlab reproduce rbd --data digits` (or signs, mnist, gtsrb).

Of the paper the abstract is known: source-specific backdoors are found, every online baseline is beaten, at least 97 % of
the computation is saved.  It gives no other figure, and RBD-R is a reconstruction, so that the bounds below are our own.
Networks are small_bn, 5 epochs, 3 on sets of more than 20,000 images.  Calibrated and judged is with the first 400
images of each kind at most; those of GTSRB's calibration are taken from all its tracks.  'Better' is a difference of means;
no test of significance is made.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from math import nan

import torch

from bdlab import metrics, plots
from bdlab.attacks import BadNets, BlendedInjection, SourceSpecific
from bdlab.attacks.poisoning import DataPoisoning
from bdlab.contracts import Backdoor, Cost, Detector, Fitted, Split
from bdlab.data import Dataset
from bdlab.defenses.rbd import FittedRbd, Rbd
from bdlab.defenses.strip import Strip
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.guarding import Case, area_text, auroc, judged, passes, scored
from bdlab.experiments.journal import Journal, Numbers
from bdlab.experiments.trials import SeededTrials
from bdlab.nets import badnets_cnn
from bdlab.training import evaluate, logits, triggered
from bdlab.views import activation_map

ATTACKS: dict[str, type[DataPoisoning]] = {
    "badnets": BadNets,
    "blend": BlendedInjection,
    "source-specific": SourceSpecific,
}
CLEAN = "clean model"
CONTROLS = {CLEAN: "badnets"} | {f"{CLEAN}, {name}": name for name in ATTACKS if name != "badnets"}
"""The clean model under the trigger of each attack."""
CASES = (*ATTACKS, *CONTROLS)
IMAGES = 400
"""Clean, triggered and calibration images: at most so many of each; STRIP makes 100 passes for every one."""
FPR = 0.05
OTHERS = {
    "batch norm in training mode": Rbd(batch_norm="train"),
    "lesson 'reverse'": Rbd(lesson="reverse", weight=0.0),
    "lesson 'shift'": Rbd(lesson="shift", weight=0.0),
    "lr 1e-3, weight 1": Rbd(lr=1e-3, weight=1.0),
}
"""Other settings of RBD-R, tried on the source-specific backdoor; only their AUROC is kept."""
WITHOUT = ("blend", "source-specific")
"""The backdoors for which a network without batch norm is trained too, for the first seed."""
NOT_RUN = (
    "the paper's own loss, layers, networks, baselines and figures: its text was not at hand",
    "the lectures' triggers Troj-WM, Troj-SQ, l0-inv, l2-inv and Nature, which may be its own: RBD-R is tried on a patch, a "
    "blend and one source class",
)


class Trials(SeededTrials):
    """Attacked and clean models of one data set, each trained once a seed, and what the detectors make of them."""

    def rows(self, name: str) -> list[Numbers]:
        """Of every seed: what RBD-R and STRIP make of `name`, one of CASES."""
        known = f"{self.recipe} {Rbd()} {Strip()} {OTHERS} {IMAGES}"
        return self.each(f"{name}, seeds", lambda seed: f"{name} {seed} {known}", self._row, name)

    def without_batch_norm(self, name: str) -> Numbers:
        """The first seed's badnets_cnn, which has none."""
        seed = self.seeds[0]
        return self.journal.numbers(f"badnets_cnn {name} {seed} {self.recipe} {Rbd()}", self._bare, name, seed)

    def case(self, name: str, seed: int) -> Case:
        """The model and the images of `name`."""
        return self.once((name, seed), self._case, name, seed)

    def _case(self, name: str, seed: int) -> Case:
        attack = self._attack(name, seed)
        if name in CONTROLS:
            model = self.clean(seed)
            return self._shown(Backdoor(model, model, attack.at_test(), attack.relabel, Cost(0, 0, 0, 0)), obeys=False)
        return self._shown(self.attacked(attack, seed))

    def _attack(self, name: str, seed: int) -> DataPoisoning:
        return ATTACKS[CONTROLS.get(name, name)](seed=seed, recipe=self.recipe)

    def _shown(self, backdoor: Backdoor, obeys: bool = True) -> Case:
        """The images that a model is judged on: of the triggered ones those that it obeys, where it `obeys` at all."""
        test = self.data.test
        marked, wanted = triggered(test, backdoor.trigger, backdoor.relabel)
        attacked = wanted != test.y
        if obeys:
            attacked &= logits(backdoor.model, marked).argmax(1) == wanted
        return Case(backdoor.model, backdoor, test.x[:IMAGES], marked[attacked][:IMAGES])

    def guard(self, detector: Detector, case: Case) -> Fitted:
        """`detector`, fitted once to a model, with the held-out images and at most 400 calibration images."""
        return self.once((detector, case.model), detector.fit, case.model, self.data.held_out, some(self.data.calibration))

    def _row(self, name: str, seed: int) -> Numbers:
        case = self.case(name, seed)
        scores = evaluate(case.backdoor, self.data.test)
        numbers: Numbers = {"asr": scores.asr, "clean accuracy": scores.clean_accuracy}
        numbers |= {"clean images": len(case.clean), "bad images": len(case.bad)}
        mine, strip = (
            self.guard(Rbd(seed=seed), case),
            self.guard(Strip(seed=seed, early_stopping=False), case),
        )
        numbers |= {f"RBD-R {key}": v for key, v in judged(mine, case, FPR).items()}
        numbers |= {f"STRIP {key}": v for key, v in judged(strip, case, FPR).items()}
        assert isinstance(mine, FittedRbd)
        numbers["passes"] = passes(mine, (mine.model, mine.shadow), case.clean[:10])
        numbers["STRIP passes"] = passes(strip, (case.model,), case.clean[:10])
        numbers["activation"] = auroc(_by_activation(mine, self.data), case)
        if name == "source-specific":
            numbers |= self._others(case, seed)
        return numbers

    def _others(self, case: Case, seed: int) -> Numbers:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the shadow still knows")  # some of these are meant to fail
            return {name: auroc(self.guard(replace(rbd, seed=seed), case), case) for name, rbd in OTHERS.items()}

    def _bare(self, name: str, seed: int) -> Numbers:
        case = self._shown(self.attacked(self._attack(name, seed), seed, badnets_cnn))
        return {"auroc": auroc(self.guard(Rbd(seed=seed, without_batch_norm="allow"), case), case)}


def some(split: Split) -> Split:
    """At most 400 images: the first; where these have too few sources for the rate, 400 from all over the split."""
    first = split[:IMAGES]
    if len(first) == len(split) or first.sources >= 1 / FPR:
        return first
    return split[torch.linspace(0, len(split) - 1, IMAGES).long()]


def _by_activation(fitted: FittedRbd, data: Dataset) -> FittedRbd:
    """The same shadow, judged by its activations."""
    other = replace(fitted, rbd=replace(fitted.rbd, by="activation"))
    return replace(other, calibration=other.score(some(data.calibration).x))


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """RBD-R and STRIP on three backdoors and a clean model of `data`, over `seeds`, and the activation maps."""
    trials = Trials(data, seeds, device, journal or Journal())
    # Before the trials: too few images are an error.
    allowed = metrics.realised_rate_interval(FPR, some(data.calibration).sources, data.test[:IMAGES].sources)
    rows = {name: trials.rows(name) for name in CASES}
    bare = {name: trials.without_batch_norm(name) for name in WITHOUT}
    claims = [_cost(rows["badnets"], trials.recipe.epochs)]
    for name in ATTACKS:
        claims += _detected(data, allowed, name, rows[name])
    claims += _negative_control(data, allowed, rows)
    claims += _settings(rows, bare, seeds[0])
    return Reproduction("rbd", data, seeds, claims, _figures(trials), NOT_RUN)


def _values(rows: Sequence[Numbers], key: str) -> list[float]:
    """NaN, with which nothing holds, where no triggered image fools the model."""
    return [nan if value is None else value for value in (row[key] for row in rows)]


def _mean(rows: Sequence[Numbers], key: str) -> float:
    return sum(_values(rows, key)) / len(rows)


def _cost(rows: Sequence[Numbers], epochs: int) -> Claim:
    mine, theirs = _values(rows, "passes"), _values(rows, "STRIP passes")
    return Claim(
        f"small_bn, {epochs} epochs; forward passes an input: RBD-R {mine[0]:g}, STRIP {theirs[0]:g}; saved",
        "at least 97% (abstract)",
        [1 - a / b for a, b in zip(mine, theirs, strict=True)], lambda v: v >= 0.97, ">= 97%",
    )  # fmt: skip


def _detected(data: Dataset, allowed: metrics.Interval, name: str, rows: Sequence[Numbers]) -> list[Claim]:
    asr, strip = _mean(rows, "asr"), {key: _mean(rows, f"STRIP {key}") for key in ("auroc", "fpr", "tpr")}
    ours, theirs = _values(rows, "RBD-R auroc"), _values(rows, "STRIP auroc")
    counts = f"{_mean(rows, 'clean images'):.0f} clean and {_mean(rows, 'bad images'):.0f} triggered images"
    return [
        Claim(
            f"{name} (ASR {asr:.1%}; {counts}): AUROC", "detected (abstract, no figure)", ours, lambda v: v >= 0.95,
            ">= 0.95", show="{:.3f}".format,
        ),
        Claim(
            f"{name}: AUROC of STRIP {strip['auroc']:.3f}; RBD-R is better by", "always better (abstract, no figure)",
            [a - b for a, b in zip(ours, theirs, strict=True)], lambda v: v > 0, "> 0", show="{:+.3f}".format,
        ),
        Claim(
            f"{name}: triggered inputs refused at a nominal 5% (STRIP {strip['tpr']:.1%})", "-",
            _values(rows, "RBD-R tpr"), lambda v: v >= 0.9, ">= 90.00%",
        ),
        _realised(data, allowed, name, rows),
    ]  # fmt: skip


def _realised(data: Dataset, allowed: metrics.Interval, name: str, rows: Sequence[Numbers]) -> Claim:
    low, high = allowed
    return Claim(
        f"{name}: {len(data.test[:IMAGES])} clean inputs refused at a nominal 5% of {len(some(data.calibration))} (STRIP "
        f"{_mean(rows, 'STRIP fpr'):.1%})", "-", _values(rows, "RBD-R fpr"), lambda v: low <= v <= high,
        f"{low:.2%} to {high:.2%}", every=True,
    )  # fmt: skip


def _negative_control(data: Dataset, allowed: metrics.Interval, rows: dict[str, list[Numbers]]) -> list[Claim]:
    """A clean model under each attack's trigger: there is nothing to be found."""
    claims = [_realised(data, allowed, CLEAN, rows[CLEAN])]
    for control, name in CONTROLS.items():
        claims += _chance(f"clean model under the trigger of {name}", rows[control])
    return claims


def _chance(what: str, rows: Sequence[Numbers]) -> list[Claim]:
    refused = f"{_mean(rows, 'RBD-R tpr'):.1%} of the marked inputs refused at a nominal 5%, STRIP "
    refused += f"{_mean(rows, 'STRIP tpr'):.1%}, AUROC {_mean(rows, 'STRIP auroc'):.3f}"
    texts = {"RBD-R auroc": f"{what} ({refused}): AUROC", "activation": f"{what}: AUROC of the activation score"}
    return [
        Claim(text, "-", _values(rows, key), lambda v: 0.4 <= v <= 0.6, "0.4 to 0.6", show="{:.3f}".format, every=True)
        for key, text in texts.items()
    ]


def _settings(rows: dict[str, list[Numbers]], bare: dict[str, Numbers], seed: int) -> list[Claim]:
    """The other score, other settings, and the two ways to break the method."""

    def found(what: str, values: Sequence[float]) -> Claim:
        return Claim(f"{what}: AUROC", "-", values, lambda v: v >= 0.95, ">= 0.95", show="{:.3f}".format)

    return [
        *(found(f"{name}, activation score", _values(rows[name], "activation")) for name in ATTACKS),
        *(found(f"source-specific, {label}", _values(rows["source-specific"], label)) for label in OTHERS),
        *(
            found(f"{name}, no batch norm (badnets_cnn, seed {seed})", _values([run], "auroc"))
            for name, run in bare.items()
        ),
    ]


def _figures(trials: Trials) -> dict[str, plots.Plot]:
    """Scores of clean and triggered images, and activation maps, for the source-specific backdoor of the first seed."""
    seed, name = trials.seeds[0], trials.data.name
    case = trials.case("source-specific", seed)
    fitted = trials.guard(Rbd(seed=seed), case)
    assert isinstance(fitted, FittedRbd)
    (clean, bad), where = scored(fitted, case), f"{name}, source-specific 1 to 7, small_bn, seed {seed}"
    histogram = plots.scores(
        [(where, clean, bad)], [("threshold, FPR 5%", fitted.threshold(FPR))],
        label="the shadow's probability of the model's answer",
        alt=f"RBD-R's scores of {len(clean)} clean and {len(bad)} triggered images of {name}: {area_text(clean, bad)}.",
    )  # fmt: skip
    return {f"rbd_{name}.png": histogram, f"rbd_{name}_maps.png": _maps(fitted, case, where)}


def _maps(fitted: FittedRbd, case: Case, where: str) -> plots.Plot:
    """Benign images on the left, triggered ones on the right where any fools the model; a row has one scale."""
    n, m = 4, len(case.bad[:4])
    x = torch.cat((case.clean[:n], case.bad[:n]))
    maps = [activation_map(net, fitted.layer, x) for net in (case.model, fitted.shadow)]  # (n + m, h, w) each
    benign, marked = ([float(each[half].mean()) for each in maps] for half in (slice(n), slice(n, None)))
    means = f"triggered {marked[0]:.3g} and {marked[1]:.3g}" if m else "triggered: none fools it"
    return plots.heat(
        [("images", x), ("suspicious\nmodel", maps[0]), ("shadow", maps[1])],
        title=f"Mean activation of {fitted.layer}, {n} benign and {m} triggered images\n{where}",
        alt=f"{n} benign and {m} triggered images with their activation maps in the model and in the shadow. Means: benign "
        f"{benign[0]:.3g} in the model and {benign[1]:.3g} in the shadow, {means}.",
    )
