"""The exercise `frr_far` of lesson 09: where the line is drawn, and what it costs on either side."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Mistake


def _drawn(rng: RandomState, how: str, frr: float, number: int) -> Draw:
    """Benign entropies in [.3, 2), trojaned ones in [0, .9); in float64, so that no comparison hangs on rounding."""
    benign = torch.from_numpy(0.3 + 1.7 * rng.rand(9 + 4 * (number % 6)))
    trojan = torch.from_numpy(0.9 * rng.rand((7, 11, 1)[number % 3]))
    return {"benign": benign, "trojan": trojan, "frr": frr, "how": how}


def quantile_draws(rng: RandomState) -> Iterator[Draw]:
    """First numbers to follow by hand, with a benign input on the line; then shares whose place lies between two inputs."""
    yield {
        "benign": torch.tensor([0.5, 1.0, 2.0, 0.25, 1.5]), "trojan": torch.tensor([0.125, 0.75, 0.5, 0.25]), "frr": 0.25,
        "how": "quantile",
    }  # fmt: skip
    yield {
        "benign": torch.tensor([1.0, 0.5, 0.5, 2.0, 1.5]), "trojan": torch.tensor([0.25, 0.5, 0.0]), "frr": 0.25,
        "how": "quantile",
    }  # fmt: skip
    for number in range(20):
        yield _drawn(rng, "quantile", (0.13, 0.21, 0.07, 0.33)[number % 4], number)


def normal_draws(rng: RandomState) -> Iterator[Draw]:
    """First numbers to follow by hand; then also shares so small that the line lies below zero."""
    benign, trojan = torch.tensor([0.5, 1.0, 2.0, 0.25, 1.5]), torch.tensor([0.125, 0.75, 0.5, 0.25])
    yield {"benign": benign, "trojan": trojan, "frr": 0.25, "how": "normal"}
    yield {"benign": benign, "trojan": trojan, "frr": 0.02, "how": "normal"}
    for number in range(20):
        yield _drawn(rng, "normal", (0.21, 0.16, 0.002, 0.3)[number % 4], number)


FRR_FAR = Exercise(
    "frr_far(benign, trojan, frr, how)", minutes=20, difficulty=3, importance=5,
    parts=[values(2, quantile_draws, "22 draws, also ties and a benign input on the line", name="quantile"),
           values(2, normal_draws, "22 draws, also a line below zero", name="normal"),
           unchanged(1, quantile_draws, after="quantile")],
    hints=(
        "Whose entropies may decide where the line is? Which end of them is suspicious?",
        "Find the line first: by torch.quantile, or as mean plus z times standard deviation, where z is the normal "
        "distribution's value for `frr`, below 0 for a share below a half. Then count: benign ones below it, trojaned not.",
        "`statistics.NormalDist().inv_cdf(frr)` is z, and `benign.std(correction=0)` the deviation over N. A share is the "
        "mean of a comparison: `(benign < boundary).double().mean().item()`.",
    ),
    mistakes={
        "upper": "Your line lies at the upper end. Low entropy is suspicious: a share `frr` of benign inputs lies below it.",
        "from_trojan": "You draw the line from the trojaned inputs. Whoever guards a reader has none: it comes from benign "
        "ones.",
        "pooled": "You draw the line from both groups together. Whoever guards a reader has benign inputs only.",
        "flagged": "Your FAR is the share of trojaned inputs that are refused. It is the share that gets through.",
        "accepted": "Your FRR is the share of benign inputs that get through. It is the share that is refused.",
        "on_the_line": "You refuse inputs on the line, too. Refused is what lies below it: where a quarter of all has "
        "entropy 0, a line at 0 must not refuse them.",
        "swapped": "FRR and FAR have changed places: R is for benign inputs that are rejected, A for trojaned ones that are "
        "accepted.",
        "nominal": "You hand back the `frr` that was asked for. Wanted is the share that the line really refuses: the two "
        "differ, and that is worth knowing.",
        "of_all": "You divide by all inputs. Each share is of its own group: FRR of the benign, FAR of the trojaned ones.",
        "percent": Mistake(
            "Your FRR and FAR are per cent. All shares of the course go from 0 to 1.",
            when=lambda draw, got, expected: all(abs(got[key] / 100 - expected[key]) < 1e-6 for key in ("frr", "far")),
        ),
        "counts": "You count inputs. A share is asked for: divide by the number of inputs of the group.",
        "tensors": Mistake(
            "Your numbers are tensors. Wanted are Python floats: .item() makes them.",
            when=lambda draw, got, expected: any(isinstance(got[key], Tensor) and got[key].ndim == 0 for key in expected),
        ),
        "always_normal": "You fit a normal distribution also where `how` is 'quantile'.",
        "always_quantile": "You take the quantile also where `how` is 'normal'.",
        "sample": "Your standard deviation divides by N - 1. Here it divides by N: correction=0 in torch.",
        "variance": "You multiply z with the variance. The line is z standard deviations away from the mean.",
        "plus": "Your normal line lies above the mean. z is negative for a share below a half: add z times the deviation.",
        "one_z": "Your z is the one for 1 %, whatever `frr` says.",
        "at_zero": "You lift a line below zero to 0. Return it as the fit gives it: that it is negative is the warning.",
        "in_place": "The numbers are right, but benign or trojan has changed.",
    },
    onward="draw the paper's figure 8 with your own functions",
)  # fmt: skip
