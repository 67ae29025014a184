"""Undetectable backdoors, both forms, measured: `bdlab reproduce undetectable --data mnist`.

What the paper has are theorems, so the rows are properties that must hold exactly, or as far as n trials can tell.  None of
them is evidence for the hardness assumptions, which no experiment of this size can test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from bdlab.attacks.fourier import FourierBackdoor, examine
from bdlab.attacks.undetectable import Guarded, SignatureBackdoor
from bdlab.bars import track
from bdlab.channels import last_conv, split
from bdlab.data import Dataset
from bdlab.experiments.claims import Claim, Reproduction
from bdlab.experiments.journal import Journal, Numbers
from bdlab.nets import Net
from bdlab.training import evaluate, logits
from bdlab.triggers.signature import BITS, Signature, message_and_bits, secret_from, verified
from bdlab.twins import Twins

RANDOM = 10_000
NOT_RUN = (
    "Undetectability itself (signature: black-box, from unforgeability; Fourier: white-box, from continuous learning with "
    "errors): theorems, not measurements.",
    "The random ReLU form (white-box, from sparse PCA) is not built.",
    "Obfuscated networks (Kalavasis et al. 2024, arXiv 2406.05660): theory; no practical indistinguishability obfuscation.",
)


@dataclass(frozen=True)
class Trials:
    """Both forms on the clean model of a seed."""

    data: Dataset
    device: torch.device | str = "cpu"

    @cached_property
    def host(self) -> Callable[[int], nn.Module]:
        """seed -> its clean model."""
        return Twins(self.data, self.device)

    def signature(self, attack: SignatureBackdoor) -> Numbers:
        """Differences from the host with and without the key."""
        host, x = self.host(attack.seed), self.data.test.x
        backdoor = attack(host, self.data.train)
        model = backdoor.model
        assert isinstance(model, Guarded)
        signed = backdoor.trigger(x)
        noise = torch.rand(RANDOM, *x.shape[1:], generator=torch.Generator().manual_seed(attack.seed))
        levels = (x * 255).round() / 255
        stranger = Signature(secret=secret_from(attack.seed + 1))
        return {
            "asr": evaluate(backdoor, self.data.test).asr,
            "moved": float((signed - levels).abs().max() * 255),
            "clean": _differing(model, host, x),
            "random": _differing(model, host, noise),
            "replayed": float(verified(replay(signed), bytes(model.public.tolist())).sum()),
            "other key": float(verified(stranger(x), bytes(model.public.tolist())).sum()),
        }

    def fourier(self, attack: FourierBackdoor) -> Numbers:
        """The key and the control on what the head of the clean model sees."""
        host = self.host(attack.seed)
        assert isinstance(host, Net)
        trunk = split(host, last_conv(host))[0]
        x, z = (logits(trunk, part.x).flatten(1) for part in (self.data.train, self.data.test))  # (N, d), (M, d)
        mean, std = x.mean(0), x.std(0).clamp(min=0.1)
        x, z = (x - mean) / std, (z - mean) / std
        planted = attack(x, self.data.train.y, self.data.classes)
        return asdict(examine(planted, z, self.data.test.y, seed=attack.seed))


def _differing(model: nn.Module, host: nn.Module, x: Tensor) -> float:
    return float((logits(model, x) != logits(host, x)).any(1).sum())


def replay(signed: Tensor) -> Tensor:
    """Every image (N, C, H, W) with the signature of the next one in its last bits."""
    messages, bits = message_and_bits(signed)  # (N, D), (N, D)
    values = torch.from_numpy(messages).clone()
    values[:, :BITS] |= torch.from_numpy(bits).roll(-1, 0)[:, :BITS]
    return values.reshape(signed.shape).float() / 255


def reproduce(
    data: Dataset, seeds: Sequence[int], device: torch.device | str = "cpu", journal: Journal | None = None
) -> Reproduction:
    """All properties of both forms on `data`, over `seeds`."""
    journal, trials = journal or Journal(), Trials(data, device)
    signatures, fouriers = [], []
    for seed in track(list(seeds), "seeds"):
        signature, fourier = SignatureBackdoor(seed=seed), FourierBackdoor(seed=seed)
        signatures.append(journal.numbers(f"{signature} small_bn, {RANDOM} random", trials.signature, signature))
        fouriers.append(journal.numbers(f"{fourier} small_bn", trials.fourier, fourier))
    claims = [*_signature_claims(len(data.test), signatures), *_fourier_claims(fouriers)]
    return Reproduction("undetectable", data, seeds, claims, {}, NOT_RUN)


def _values(runs: Sequence[Numbers], key: str) -> list[float]:
    return [run[key] or 0.0 for run in runs]


def _signature_claims(n: int, runs: Sequence[Numbers]) -> list[Claim]:
    none = "none can be found (theorem)"
    rows = (("clean", f"of {n} test images", none), ("random", f"of {RANDOM:,} random images", none))
    fired = (("replayed", "with another image's signature", "none: non-replicable (theorem)"),
             ("other key", "signed with another key", none))  # fmt: skip
    return [
        Claim("signature: ASR", "any input (theorem)", _values(runs, "asr"), lambda v: v >= 1, "= 100%"),
        Claim("signature: largest change of an 8-bit value, in levels", "a slight perturbation",
              _values(runs, "moved"), lambda v: v <= 1 + 1e-3, "<= 1", show="{:.2f}".format),
        *(Claim(f"signature: outputs that differ from the host's, {what}", paper, _values(runs, key),
                lambda v: v == 0, "= 0", show="{:.0f}".format) for key, what, paper in rows),
        *(Claim(f"signature: {n} test images {what} that fire", paper, _values(runs, key),
                lambda v: v == 0, "= 0", show="{:.0f}".format) for key, what, paper in fired),
    ]  # fmt: skip


def _fourier_claims(runs: Sequence[Numbers]) -> list[Claim]:
    """A reconstruction: the bounds are ours."""
    number, lost = "{:+.3f}".format, [(r["honest_accuracy"] or 0) - (r["accuracy"] or 0) for r in runs]
    return [
        Claim("Fourier: clean accuracy lost to tampering", "-", lost, lambda v: abs(v) <= 0.01, "within 1 point"),
        Claim("Fourier: correlation of the logits before and after the key", "-", _values(runs, "correlation"),
              lambda v: v < -0.9, "< -0.9", show=number),
        Claim("Fourier: decisions that the key changes", "-", _values(runs, "changed"), lambda v: v >= 0.99, ">= 99%"),
        Claim("Fourier: the same correlation, random step as long as the key", "-", _values(runs, "random_correlation"),
              lambda v: abs(v) < 0.2, "within 0.2 of 0", show=number),
        Claim("Fourier: decisions that the random step changes", "-", _values(runs, "random_changed"),
              lambda v: v <= 0.1, "<= 10% (would make it a small change)"),
        Claim("Fourier: coordinates whose frequencies a KS test at 1% refuses", "-", _values(runs, "axes"),
              lambda v: v <= 0.02, "<= 2%"),
        Claim("Fourier: std of a coordinate's frequencies over the honest one", "-", _values(runs, "std_ratio"),
              lambda v: abs(v - 1) <= 0.005, "within 0.005 of 1", show="{:.4f}".format),
        Claim("Fourier: coherence along the secret direction (honest coins: about 0.02)", "-", _values(runs, "coherence"),
              lambda v: v > 0.9, "> 0.9: who knows the key sees it", show="{:.3f}".format),
    ]  # fmt: skip
