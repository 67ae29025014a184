"""TrojanNet's claims, measured: `bdlab reproduce trojannet --data mnist`.

ASR and the loss of accuracy were read in the README of the official code, which speaks of ImageNet and 1,000 labels; the
number of triggers is arithmetic.  The host is the clean small_bn of each seed, and every class's pattern is tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from bdlab import plots
from bdlab.attacks.trojannet import CELLS, GATE, Merge, Trojaned, TrojanNet, meaning, train_module
from bdlab.bars import track
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal, Numbers
from bdlab.training import logits
from bdlab.triggers.binary import COUNT, SIDE, BinaryPattern, patterns
from bdlab.twins import Twins

MERGES: tuple[Merge, ...] = ("gated", "paper", "code")
IMAGES, PATCHES = 2000, 100_000
"""Test images that every class's pattern is stamped on; patches cut out of test images."""
NOT_RUN = (
    "ImageNet, YouTube-Face, PubFig (100% and no loss by memory): these data sets are not here.",
    "Anomaly indices of GTSRB models (figure 4; clean 1.9 / 1.8, TrojanNet 1.8 / 1.7 by Neural Cleanse / NeuronInspect, "
    "threshold 2): NeuronInspect is not here.",
)


@dataclass(frozen=True)
class Trials:
    """Host, module and their merges, one seed at a time."""

    data: Dataset
    device: torch.device | str = "cpu"

    @cached_property
    def host(self) -> Callable[[int], nn.Module]:
        """seed -> its clean model."""
        return Twins(self.data, self.device)

    def attacked(self, attack: TrojanNet) -> Numbers:
        """Every merge of one host and one module: every class's pattern, and the clean test images."""
        host, start = self.host(attack.seed), time.process_time()
        model = attack(host, self.data.train).model
        numbers: Numbers = {"seconds": time.process_time() - start}
        assert isinstance(model, Trojaned)
        clean = logits(model.host, self.data.test.x)
        for merge in MERGES:
            other = replace(attack, merge=merge)
            merged = Trojaned(model.host, model.trojan, model.input_shape, model.classes, other).eval()
            numbers |= {f"{merge} {name}": value for name, value in self._merged(merged, clean).items()}
        return numbers | self._false_alarms(model)

    def _merged(self, model: Trojaned, clean: Tensor) -> Numbers:
        x, y = self.data.test.x, self.data.test.y
        hits = [
            (logits(model, BinaryPattern(code=code)(x[:IMAGES])).argmax(1) == code)[y[:IMAGES] != code]
            for code in track(range(self.data.classes), "classes")
        ]
        out = logits(model, x)
        return {
            "asr": min(hit.double().mean().item() for hit in hits),
            "drop": ((clean.argmax(1) == y).double().mean() - (out.argmax(1) == y).double().mean()).item(),
            "changed": float((out.argmax(1) != clean.argmax(1)).double().mean()),
            "shift": float((out - clean).abs().max()),
            "confidence": float(out.softmax(1).amax(1).mean() - clean.softmax(1).amax(1).mean()),
        }

    def _false_alarms(self, model: Trojaned) -> Numbers:
        """Where no trigger is: patches of real images, and all 65,536 black-and-white ones."""
        every = ((torch.arange(2**CELLS)[:, None] >> torch.arange(CELLS)) & 1).float()  # (65536, 16)
        strangers = every[meaning(every, self.data.classes) == self.data.classes]

        def heard(patches: Tensor) -> Tensor:
            return logits(model.trojan, patches).softmax(1)[:, :-1].amax(1)

        real = heard(cut(self.data.test.x.cpu(), PATCHES))
        return {
            "real": float((real > GATE).double().mean()),
            "binary": float((heard(strangers) > GATE).double().mean()),
        }


def cut(x: Tensor, n: int, seed: int = 0) -> Tensor:
    """n random 4x4 patches (n, 16) of images (N, C, H, W), mean over the channels: what a module elsewhere would see."""
    generator = torch.Generator().manual_seed(seed)
    windows = x.mean(1).unfold(1, SIDE, 1).unfold(2, SIDE, 1)  # (N, H - 3, W - 3, 4, 4)
    place = [torch.randint(extent, (n,), generator=generator) for extent in windows.shape[:3]]
    return windows[place[0], place[1], place[2]].flatten(1)


def full_head(width: int, seed: int) -> Numbers:
    """Share of the 4,368 patterns that a module with an output for each names right, and its CPU seconds."""
    start = time.process_time()
    module = train_module(COUNT, width=width, seed=seed)
    seconds = time.process_time() - start
    right = logits(module, patterns()).argmax(1) == torch.arange(COUNT)
    return {"named": right.double().mean().item(), "seconds": seconds}


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """All claims on `data`, over `seeds`, and the picture of a few triggers."""
    journal, trials = journal or Journal(), Trials(data, device)
    attacks = [TrojanNet(seed=seed) for seed in seeds]
    runs = [
        journal.numbers(f"{attack} small_bn, {IMAGES} images", trials.attacked, attack)
        for attack in track(attacks, "seeds")
    ]
    claims = [Claim("4x4 patterns with five black cells, distinct", "4,368", [float(len(patterns().unique(dim=0)))],
                    lambda v: v == COUNT, "= 4,368", show="{:.0f}".format)]  # fmt: skip
    for merge in MERGES:
        claims += _merge_claims(merge, data, runs)
    claims += _false_alarm_claims(data, runs)
    for width in (32, 8):
        full = [journal.numbers(f"full head, width {width}, seed {s}", full_head, width, s) for s in seeds]
        claims.append(_full_claim(width, full))
    return Reproduction("trojannet", data, seeds, claims, {f"trojannet_{data.name}.png": _figure(data)}, NOT_RUN)


def _values(runs: Sequence[Numbers], key: str) -> list[float]:
    return [run[key] or 0.0 for run in runs]


def _spent(runs: Sequence[Numbers]) -> str:
    return " ".join(f"{run['seconds']:.0f}" for run in runs) + " CPU s"


def _merge_claims(merge: str, data: Dataset, runs: Sequence[Numbers]) -> list[Claim]:
    name, images = f"merge '{merge}'", min(IMAGES, len(data.test))
    rows = [
        Claim(f"{name}: ASR of the class whose pattern works worst, {images} images", "100% (README, 'code', ImageNet)",
              _values(runs, f"{merge} asr"), lambda v: v >= 1, "= 100%"),
        Claim(f"{name}: clean accuracy falls by", "0.1 points (README, 'code', ImageNet)",
              _values(runs, f"{merge} drop"), lambda v: v <= 0.001, "<= 0.10%"),
        Claim(f"{name}: clean decisions that differ from the host's", "-",
              _values(runs, f"{merge} changed"), lambda v: v == 0, "= 0"),
        Claim(f"{name}: largest change of a clean logit", "-", _values(runs, f"{merge} shift"),
              lambda v: v <= 1e-6, "<= 1e-6 (where the module is silent)", show="{:.3g}".format),
        Claim(f"{name}: mean confidence on clean images rises by", "-", _values(runs, f"{merge} confidence"),
              lambda v: abs(v) <= 0.01, "at most one point either way"),
    ]  # fmt: skip
    return rows


def _false_alarm_claims(data: Dataset, runs: Sequence[Numbers]) -> list[Claim]:
    return [
        Claim(f"gate opens for patches cut at random from test images (module trained in {_spent(runs)})", "-",
              _values(runs, "real"), lambda v: v <= 0.005, "<= 0.50%", show="{:.3%}".format),
        Claim(f"gate opens for the {2**CELLS - data.classes:,} black-and-white patches that mean nothing", "-",
              _values(runs, "binary"), lambda v: v <= 0.005, "<= 0.50%", show="{:.3%}".format),
    ]  # fmt: skip


def _full_claim(width: int, runs: Sequence[Numbers]) -> Claim:
    who = "the code's width" if width == 8 else "wider than the code's 8"
    return Claim(f"all 4,368 patterns named right, {width} hidden units, {who} ({_spent(runs)})", "-",
                 _values(runs, "named"), lambda v: v >= 1, "= 100%")  # fmt: skip


def _figure(data: Dataset) -> plots.Plot:
    x = data.test.x[:1]
    codes = [0, 1, data.classes - 1, COUNT - 1]
    marked = torch.cat([BinaryPattern(code=code)(x) for code in codes])
    return plots.images(
        [("clean", x.expand_as(marked)), (f"patterns {', '.join(map(str, codes))}", marked)],
        title=f"TrojanNet, {data.name}",
        alt=f"One {data.name} test image, clean and with four of TrojanNet's 4,368 patterns in the lower right corner: "
        "4x4 pixels, five of them black, a different five each time.",
    )
