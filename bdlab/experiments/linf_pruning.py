"""l-infinity pruning and Grad-CAM, measured: `bdlab reproduce linf_pruning --data mnist`.

Of the paper the abstract is known and one figure 'as summarised elsewhere' (GTSRB, AlexNet: ASR 81.6 % before, 48.42 %
after, a minor loss of clean accuracy).  'In words' marks what has no figure.  'Real' is the attacker's own trigger, which
no defence has: it serves the analysis only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import torch
from torch import Tensor, nn

from bdlab import plots, views
from bdlab.attacks import BadNets
from bdlab.attacks.blend import BlendedInjection
from bdlab.bars import track
from bdlab.channels import last_conv, mean_norm
from bdlab.contracts import Backdoor, Recipe
from bdlab.data import Dataset
from bdlab.defenses.linf_pruning import ORDERS, LinfPruning, prune, rise
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal, Numbers
from bdlab.nets import Net, small_bn
from bdlab.training import evaluate, fit, logits, triggered

LEFT = 0.4842 / 0.816
"""The share of the ASR that the published figure leaves."""
GUARD = LinfPruning()
CASES = ("badnets", "blend", "clean")
NOT_RUN = (
    "GTSRB with AlexNet: our nets are small_bn; the summary's figure is compared by the share of the ASR that is left",
    "the paper's own tables and figures: its text was not at hand",
)


@dataclass(frozen=True)
class Trials:
    """A square, an owl shining through, and no attack, each once per seed."""

    data: Dataset
    seeds: Sequence[int]
    device: torch.device | str = "cpu"
    journal: Journal = field(default_factory=Journal, repr=False)
    made: dict[object, object] = field(default_factory=dict, repr=False)

    def backdoor(self, case: str, seed: int) -> Backdoor:
        """The attacked model; 'clean' is a clean net under the square."""
        if (case, seed) not in self.made:
            recipe = Recipe(epochs=3 if len(self.data.train) > 20_000 else 5)
            fresh = small_bn(self.data.input_shape, self.data.classes, seed=seed).to(self.device)
            if case == "clean":
                model = fit(fresh, self.data.train, recipe, seed=seed)
                self.made[case, seed] = replace(self.backdoor("badnets", seed), model=model, shipped=model)
            else:
                make = BadNets if case == "badnets" else BlendedInjection
                self.made[case, seed] = make(recipe=recipe, seed=seed)(fresh, self.data.train)
        return cast(Backdoor, self.made[case, seed])

    def numbers(self, case: str) -> list[Numbers]:
        """Everything measured on the model of every seed."""
        key = f"{case} {GUARD} small_bn"
        return [self.journal.numbers(f"{key} {seed}", self._numbers, case, seed) for seed in track(self.seeds, case)]

    def _numbers(self, case: str, seed: int) -> Numbers:
        data, backdoor, guard = self.data, self.backdoor(case, seed), replace(GUARD, seed=seed)
        net, clean = cast(Net, backdoor.shipped), self.data.held_out
        layer, found, before = last_conv(net), guard.recover(net, clean), evaluate(backdoor, data.test)
        wanted = backdoor.relabel(clean.y)
        real, attacked = triggered(clean, backdoor.trigger, backdoor.relabel, seed=seed)[0], wanted != clean.y
        others = clean.x[clean.y != found.suspect]
        pairs = {"recovered": (others, found(others)), "real": (clean.x[attacked], real[attacked])}
        out: Numbers = {"clean": before.clean_accuracy, "asr": before.asr, "size": float(found.mask.sum())}
        out["right"] = float((wanted[attacked] == found.suspect).all())
        for norm, p in ORDERS.items():
            usual = mean_norm(net, layer, clean.x, p)
            scores = {how: rise(net, layer, *pair, p) for how, pair in pairs.items()}
            for how, score in (scores | {"free": usual}).items():
                after = evaluate(prune(net, layer, score, clean, guard.max_drop), data.test, backdoor)
                out |= {f"{how} {norm} clean": after.clean_accuracy, f"{how} {norm} asr": after.asr}
            out |= {f"{how} {norm} bias": float(score.abs().sum() / usual.sum()) for how, score in scores.items()}
        return out | self._cam(case, seed)

    def _cam(self, case: str, seed: int) -> Numbers:
        """Share of Grad-CAM's mass inside the trigger's box, for the predicted class, without and with the trigger.

        An empty map counts 0: the head reads every position apart, so that mean gradients may be negative everywhere.
        """
        data, backdoor = self.data.test[:300], self.backdoor(case, seed)
        marked, wanted = triggered(data, backdoor.trigger, backdoor.relabel, seed=seed)
        rows, box = wanted != data.y, (marked != data.x).any(1).any(0)  # (N,), (H, W)
        shares = {}
        for name, x in (("plain", data.x[rows]), ("marked", marked[rows])):
            cam = cams(backdoor.model, x)  # (N, H, W)
            shares[f"cam {name}"] = float((cam[:, box].sum(1) / cam.sum((1, 2)).clamp(min=1e-12)).mean())
        return {**shares, "box": float(box.float().mean())}


def scaled(maps: Tensor) -> Tensor:
    """Maps (N, H, W), each with 1 as its maximum; an empty one stays empty."""
    return maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-12)


def cams(model: nn.Module, x: Tensor) -> Tensor:
    """Grad-CAM of the predicted classes of images (N, C, H, W) by the last convolution: (N, H, W)."""
    return views.grad_cam(model, last_conv(cast(Net, model)), x, logits(model, x).argmax(1))


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """Both readings, three norms, the bias of the activations, and where the networks look."""
    trials = Trials(data, seeds, device, journal or Journal())
    runs = {case: trials.numbers(case) for case in CASES}
    claims = [*_repair(runs), *_norms(runs["badnets"]), *_bias(runs["badnets"]), *_looks(runs), *_clean(runs["clean"])]
    return Reproduction(
        "linf_pruning", data, seeds, claims, {f"linf_pruning_{data.name}.png": _figure(trials)}, NOT_RUN
    )


def _values(runs: Sequence[Numbers], key: str) -> list[float]:
    return [run[key] or 0.0 for run in runs]


def _less(runs: Sequence[Numbers], more: str, less: str) -> list[float]:
    return [a - b for a, b in zip(_values(runs, more), _values(runs, less), strict=True)]


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _repair(runs: dict[str, list[Numbers]]) -> list[Claim]:
    """The summarised figure, for both readings; the square is a small trigger, the owl is as large as the image."""
    claims = []
    for case, name in (("badnets", "3x3 square"), ("blend", "owl, 20% everywhere")):
        rows = runs[case]
        what = f"{name}: the class with the cheapest patch is the attacker's"
        claims.append(Claim(what, "in words", _values(rows, "right"), lambda v: v == 1, "100%"))
        for how, text in (("recovered", "recovered patch"), ("free", "trigger-free reading")):
            left = [(row[f"{how} linf asr"] or 0) / (row["asr"] or 1) for row in rows]
            claims.append(Claim(f"{name}, {text}: share of the ASR that is left", "48.42% of 81.6% (secondary source)",
                                left, lambda v: v <= LEFT, f"<= {LEFT:.1%}"))  # fmt: skip
        lost = _less(rows, "clean", "recovered linf clean")
        claims.append(Claim(f"{name}, recovered patch: clean accuracy lost, points", "minor (secondary source)", lost,
                            lambda v: v <= 0.05, "<= 5.0", _points))  # fmt: skip
    return claims


def _norms(rows: Sequence[Numbers]) -> list[Claim]:
    """Does the l-infinity norm choose better channels than l1 and l2, at the same limit of clean accuracy?"""
    return [
        Claim(f"3x3 square, {how} trigger: ASR left by {norm} above that left by linf, points", "in words",
              _less(rows, f"{how} {norm} asr", f"{how} linf asr"), lambda v: v > 0, "> 0", _points)
        for how in ("recovered", "real") for norm in ("l1", "l2")
    ]  # fmt: skip


def _bias(rows: Sequence[Numbers]) -> list[Claim]:
    """bias_p = sum_c |n_c(triggered) - n_c(clean)| / sum_c n_c(clean), with n_c the mean l_p norm of channel c."""
    claims = []
    for how in ("real", "recovered"):
        means = ", ".join(f"{norm} {sum(_values(rows, f'{how} {norm} bias')) / len(rows):.2f}" for norm in ORDERS)
        for norm in ("l1", "l2"):
            what = f"3x3 square, {how} trigger: bias of linf above that of {norm} ({means})"
            values = _less(rows, f"{how} linf bias", f"{how} {norm} bias")
            claims.append(Claim(what, "in words", values, lambda v: v > 0, "> 0", "{:+.3f}".format))
    return claims


def _looks(runs: dict[str, list[Numbers]]) -> list[Claim]:
    """Grad-CAM in the paper's four settings: where the evidence for the predicted class lies."""
    box = runs["badnets"][0]["box"] or math.nan
    settings = [
        f"{net} net, {image} image {100 * sum(_values(runs[case], key)) / len(runs[case]):.1f}%"
        for case, net in (("clean", "clean"), ("badnets", "backdoored"))
        for key, image in (("cam plain", "clean"), ("cam marked", "triggered"))
    ]
    own = _values(runs["badnets"], "cam marked")
    return [
        Claim(f"share of Grad-CAM's mass inside the trigger, {box:.1%} of the image ({'; '.join(settings)}); here of the "
              "backdoored net, triggered image", "the trigger (in words)", own, lambda v: v >= 5 * box, f">= 5 x {box:.1%}"),
    ]  # fmt: skip


def _clean(rows: Sequence[Numbers]) -> list[Claim]:
    """The negative control: a net without a backdoor has a cheapest class as well, and pays for it."""
    lost = _less(rows, "clean", "recovered linf clean")
    return [
        Claim(
            "clean net, recovered patch: clean accuracy lost, points", "-", lost, lambda v: v <= 0.05, "<= 5.0", _points
        )
    ]


def _figure(trials: Trials) -> plots.Plot:
    """Grad-CAM of a clean and a backdoored net for clean, triggered and patched images, each map divided by its maximum."""
    seed, data = trials.seeds[0], trials.data
    backdoor, clean = trials.backdoor("badnets", seed), trials.backdoor("clean", seed)
    x = data.test.x[backdoor.relabel(data.test.y) != data.test.y][:8]
    patch = replace(GUARD, seed=seed).recover(backdoor.shipped, data.held_out)
    kinds = {"clean": x, "triggered": backdoor.trigger(x), "recovered patch": patch(x)}
    rows = [
        row
        for name, images in kinds.items()
        for row in (
            (name, images),
            ("clean net", scaled(cams(clean.model, images))),
            ("backdoored net", scaled(cams(backdoor.model, images))),
        )
    ]
    return plots.heat(
        rows,
        title=f"Grad-CAM of the predicted class, {data.name}, small_bn, seed {seed}",
        alt=f"Eight test images of {data.name}, clean, with the trigger and with the patch that the defence recovered; "
        "below each kind Grad-CAM of a clean and of a backdoored network.",
    )
