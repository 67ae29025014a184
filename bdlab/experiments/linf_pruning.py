"""l-infinity pruning and Grad-CAM, measured: `bdlab reproduce linf_pruning --data mnist`.

Of the paper the abstract is known and one figure 'as summarised elsewhere' (GTSRB, AlexNet: ASR 81.6 % before, 48.42 %
after, a minor loss of clean accuracy).  'In words' marks what the abstract says without a figure.  'Real' is the attacker's
own trigger, which no defence has: it serves the analysis only.

Grad-CAM weighs a channel by its mean gradient over the positions.  That is exact where the head averages over them, so
`averaged` has such a head.  small_bn's head reads every position apart: its mean gradients are negative nearly everywhere,
and most of the maps of triggered images under BadNets are empty; a row tells how many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from bdlab import plots, views
from bdlab.attacks import BadNets
from bdlab.attacks.blend import BlendedInjection
from bdlab.channels import curve, last_conv, mean_norm
from bdlab.contracts import Backdoor, Shape
from bdlab.data import Dataset
from bdlab.defenses.linf_pruning import ORDERS, LinfPruning, prune, rise
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.curves import along
from bdlab.experiments.journal import Journal, Numbers
from bdlab.experiments.trials import SeededTrials
from bdlab.nets import Net, seeded, small_bn
from bdlab.training import evaluate, logits, triggered

LEFT = 0.4842 / 0.816
"""The share of the ASR that the published figure leaves."""
GUARD = LinfPruning()
LEVELS = (1, 2, 4, 8, 16, 32)
"""Channels pruned, at which the ASR stands beside that at the end point."""
ATTACKED = {"badnets": "3x3 square", "blend": "owl, 20% everywhere"}
CASES = (*ATTACKED, "clean")


def averaged(input_shape: Shape, classes: int, *, seed: int = 0) -> Net:
    """small_bn with a head that averages each channel over its positions before the linear layer."""
    body = small_bn(input_shape, classes, seed=seed)
    with seeded(seed):
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))
    return Net(input_shape, classes, **dict(list(body.named_children())[:-1]), head=head)


NETS: dict[str, Callable[..., Net]] = {"averaged": averaged, "small_bn": small_bn}
HEADS = {
    "averaged": "small_bn with average pooling in its head",
    "small_bn": "small_bn, whose head reads every position apart",
}
NOT_RUN = (
    "GTSRB with AlexNet: our nets are small_bn; the summary's figure is compared by the share of the ASR that is left",
    "the paper's own tables and figures: its text was not at hand; histograms of the activations are not drawn",
)


class Trials(SeededTrials):
    """A square, an owl shining through, and no attack, each once per seed."""

    def backdoor(self, case: str, seed: int, net: str = "small_bn") -> Backdoor:
        """The attacked model, a net of NETS; 'clean' is a clean net under the square."""
        if case != "clean":
            make = BadNets if case == "badnets" else BlendedInjection
            return self.attacked(make(recipe=self.recipe, seed=seed), seed, NETS[net])
        model = self.clean(seed, NETS[net])
        return replace(self.backdoor("badnets", seed, net), model=model, shipped=model)

    def numbers(self, case: str) -> list[Numbers]:
        """Everything measured on the model of every seed."""
        return self.each(case, lambda seed: f"{case} {GUARD} small_bn {seed} {LEVELS}", self._numbers, case)

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
            if norm == "linf":
                order = scores["recovered"].argsort(descending=True, stable=True)  # (channels,)
                out |= along(backdoor, layer, order, data.test, LEVELS, seed=seed)
                out["stop"] = float(curve(net, layer, order, clean).stop(guard.max_drop))
        return out

    def looks(self, net: str) -> list[Numbers]:
        """Where the clean and the backdoored `net` of every seed look, see `_looks`."""
        return self.each(net, lambda seed: f"looks {net} {seed}", self._looks, net)

    def _looks(self, net: str, seed: int) -> Numbers:
        """Share of Grad-CAM's mass inside the trigger's box, for the predicted class, without and with the trigger.

        An empty map counts 0.  box: its share of the image; empty: the share of empty maps, backdoored net and triggered
        images; accuracy, asr: of the backdoored net.
        """
        data, backdoor = self.data.test[:300], self.backdoor("badnets", seed, net)
        marked, wanted = triggered(data, backdoor.trigger, backdoor.relabel, seed=seed)
        rows, box = wanted != data.y, (marked != data.x).any(1).any(0)  # (N,), (H, W)
        scores = evaluate(backdoor, self.data.test)
        out: Numbers = {"box": float(box.float().mean()), "accuracy": scores.clean_accuracy, "asr": scores.asr}
        for case in ("clean", "badnets"):
            for image, x in (("plain", data.x[rows]), ("marked", marked[rows])):
                cam = cams(self.backdoor(case, seed, net).model, x)  # (N, H, W)
                mass = cam.sum((1, 2))  # (N,)
                out[f"{case} {image}"] = float((cam[:, box].sum(1) / mass.clamp(min=1e-12)).mean())
        return out | {"empty": float((mass < 1e-9).float().mean())}  # of the last: badnets, marked


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
    claims = [*_repair(runs), *_norms(runs), *_bias(runs["badnets"], runs["clean"])]
    claims += [*_looks(trials), *_clean(runs["clean"])]
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
    for case, name in ATTACKED.items():
        rows = runs[case]
        what = f"{name}: the class with the cheapest patch is the attacker's"
        claims.append(Claim(what, "- (the search is ours)", _values(rows, "right"), lambda v: v == 1, "100%"))
        for how, text in (("recovered", "recovered patch"), ("free", "trigger-free reading")):
            left = [(row[f"{how} linf asr"] or 0) / (row["asr"] or 1) for row in rows]
            claims.append(Claim(f"{name}, {text}: share of the ASR that is left",
                                "48.42% of 81.6%, GTSRB, AlexNet (secondary source)", left,
                                lambda v: v <= LEFT, f"<= {LEFT:.1%}"))  # fmt: skip
        claims.append(_along(name, rows))
        lost = _less(rows, "clean", "recovered linf clean")
        claims.append(Claim(f"{name}, recovered patch: clean accuracy lost, points",
                            "minor, GTSRB, AlexNet (secondary source)", lost,
                            lambda v: v <= 0.05, "<= 5.0", _points))  # fmt: skip
    return claims


def _along(name: str, rows: Sequence[Numbers]) -> Claim:
    """ASR over the channels pruned: does the drop go where it was spent on the attack, or on channels that all share?"""
    mean = {key: sum(_values(rows, key)) / len(rows) for key in rows[0]}
    levels = ", ".join(f"{k}: {mean[f'asr {k}']:.1%} ({mean[f'clean {k}']:.1%})" for k in LEVELS)
    stops = ", ".join(f"{stop:.0f}" for stop in _values(rows, "stop"))
    left = [(row["asr 4"] or 0) / (row["asr"] or 1) for row in rows]
    what = (
        f"{name}, recovered patch: share of the ASR that is left when 4 channels have fallen (ASR and clean accuracy at"
    )
    return Claim(f"{what} {levels}; the rule stops at {stops})", "-", left, lambda v: v <= 0.5, "<= 50.0%")


def _norms(runs: dict[str, list[Numbers]]) -> list[Claim]:
    """Does the l-infinity norm choose better channels than l1 and l2, at the same limit of clean accuracy?

    Less than a tenth of a point is no difference.
    """
    return [
        Claim(f"{name}, {how} trigger: ASR left by {norm} above that left by linf, points", "no figure",
              _less(runs[case], f"{how} {norm} asr", f"{how} linf asr"), lambda v: v >= 0.001, ">= 0.1", _points)
        for case, name in ATTACKED.items() for how in ("recovered", "real") for norm in ("l1", "l2")
    ]  # fmt: skip


def _bias(rows: Sequence[Numbers], clean: Sequence[Numbers]) -> list[Claim]:
    """bias_p = sum_c |n_c(triggered) - n_c(clean)| / sum_c n_c(clean), with n_c the mean l_p norm of channel c.

    The difference is over images of the other classes, the sum below the line over all clean ones.  The control is a clean
    net under the same square, or under the patch recovered from it: a small bright patch may raise the maximum of a map more
    than its mean without any backdoor.
    """
    claims, show = [], "{:+.3f}".format
    for how in ("real", "recovered"):
        means, controls = (
            ", ".join(f"{norm} {sum(_values(runs, f'{how} {norm} bias')) / len(runs):.2f}" for norm in ORDERS)
            for runs in (rows, clean)
        )
        for norm in ("l1", "l2"):
            what = f"3x3 square, {how} trigger: bias of linf above that of {norm}"
            ours, control = (_less(runs, f"{how} linf bias", f"{how} {norm} bias") for runs in (rows, clean))
            more = [a - b for a, b in zip(ours, control, strict=True)]
            claims += [
                Claim(f"{what} ({means})", "in words", ours, lambda v: v > 0, "> 0", show),
                Claim(f"{what}, backdoored net less clean net (clean net: {controls})", "in words: by the attack", more,
                      lambda v: v > 0, "> 0", show),
            ]  # fmt: skip
    return claims


def _looks(trials: Trials) -> list[Claim]:
    """Grad-CAM in the paper's four settings: where the evidence for the predicted class lies; a clean net as control."""
    claims, paper = [], "studied, no outcome in the abstract"
    for net, text in HEADS.items():
        rows = trials.looks(net)
        mean = {key: sum(_values(rows, key)) / len(rows) for key in rows[0]}
        box = mean["box"]
        settings = ", ".join(f"{what} {mean[key]:.1%}" for what, key in (
            ("backdoored net, clean image", "badnets plain"), ("clean net, clean image", "clean plain"),
            ("empty maps", "empty"), ("clean accuracy", "accuracy"), ("ASR", "asr")))  # fmt: skip
        what = f"Grad-CAM by the last convolution, {text}: share of its mass inside the trigger, {box:.1%} of the image"
        claims += [
            Claim(f"{what}; backdoored net, triggered image ({settings})", paper, _values(rows, "badnets marked"),
                  lambda v, box=box: v >= 5 * box, f">= 5 x {box:.1%}"),  # type: ignore[misc]
            Claim(f"{what}; clean net, triggered image", "-", _values(rows, "clean marked"),
                  lambda v, box=box: v <= 2 * box, f"<= 2 x {box:.1%}"),  # type: ignore[misc]
        ]  # fmt: skip
    return claims


def _clean(rows: Sequence[Numbers]) -> list[Claim]:
    """The negative control: a net without a backdoor has a cheapest class as well, and pays for it."""
    lost = _less(rows, "clean", "recovered linf clean")
    return [
        Claim(
            "clean net, recovered patch: clean accuracy lost, points", "-", lost, lambda v: v <= 0.05, "<= 5.0", _points
        )
    ]


def _figure(trials: Trials) -> plots.Plot:
    """Grad-CAM of a clean and a backdoored `averaged` net, each map divided by its maximum, on three kinds of images."""
    seed, data = trials.seeds[0], trials.data
    backdoor, clean = (trials.backdoor(case, seed, "averaged") for case in ("badnets", "clean"))
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
        title=f"Grad-CAM of the predicted class by conv3, {data.name}, {HEADS['averaged']}, seed {seed}",
        alt=f"Eight test images of {data.name}, clean, with the trigger and with the patch that the defence recovered; "
        "below each kind Grad-CAM of a clean and of a backdoored network whose heads average over the positions.",
    )
