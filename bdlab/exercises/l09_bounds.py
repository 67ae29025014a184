"""The exercise `frr_far` of lesson 09: where the line is drawn, and what it costs on either side."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Mistake


def _drawn(rng: RandomState, how: str, frr: float, number: int) -> Draw:
    """Honest entropies in [.3, 2), marked ones in [0, .9); in float64, so that no comparison hangs on rounding."""
    benign = torch.from_numpy(0.3 + 1.7 * rng.rand(9 + 4 * (number % 6)))
    trojan = torch.from_numpy(0.9 * rng.rand((7, 11, 1)[number % 3]))
    return {"benign": benign, "trojan": trojan, "frr": frr, "how": how}


def quantile_draws(rng: RandomState) -> Iterator[Draw]:
    """First numbers to follow by hand, with an honest input on the line; then shares whose place lies between two inputs."""
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


NORMAL = NormalDist()


def _among(draw: Draw, got: dict[str, float], expected: dict[str, float]) -> bool:
    """Whether the line is one of the benign entropies, and a wrong one."""
    on = (draw["benign"].double() - got["boundary"]).abs().min() < 1e-6
    return bool(on) and abs(got["boundary"] - expected["boundary"]) > 1e-6


def _z_is(draw: Draw, got: dict[str, float], z: float) -> bool:
    """Whether the line lies z deviations, over N or N - 1, above or below the mean."""
    benign = draw["benign"].double()
    away = abs(got["boundary"] - benign.mean().item())
    return any(abs(away - abs(z) * benign.std(correction=over).item()) < 1e-4 * away for over in (0, 1))


FRR_FAR = Exercise(
    "frr_far(benign, trojan, frr, how)", minutes=30, difficulty=3, importance=5,
    parts=[values(2, quantile_draws, "22 draws, also ties and an honest input on the line", name="quantile"),
           values(2, normal_draws, "22 draws, also a line below zero", name="normal"),
           unchanged(1, quantile_draws, after="quantile")],
    hints=(
        "Whose entropies may decide where the line is? Which end of them is suspicious?",
        "Find the line first: by torch.quantile, or as mean plus z times standard deviation, where z is the normal "
        "distribution's value for `frr`, below 0 for a share below a half. Then count: honest ones below it, marked ones "
        "not.",
        "`statistics.NormalDist().inv_cdf(frr)` is z, and `benign.std(correction=0)` the deviation over N. A share is the "
        "mean of a comparison: `(benign < boundary).double().mean().item()`.",
    ),
    mistakes={
        "upper": "Your line lies at the upper end. Low entropy is suspicious: a share `frr` of honest inputs lies below it.",
        "upper_quantile": "Your quantile lies at the upper end. Low entropy is suspicious: a share `frr` of honest inputs "
        "lies below it.",
        "from_trojan": "You draw the line from the marked inputs. Whoever guards a reader has none: it comes from honest "
        "ones.",
        "pooled": "You draw the line from both groups together. Whoever guards a reader has honest inputs only.",
        "ways_swapped": "The two ways have changed places: 'quantile' takes torch.quantile, 'normal' mean and deviation.",
        "reversed": "Both comparisons are reversed: your FRR are the honest inputs that get through, your FAR the marked "
        "ones that are refused.",
        "flagged": "Your FAR is the share of marked inputs that are refused. It is the share that gets through.",
        "accepted": "Your FRR is the share of honest inputs that get through. It is the share that is refused.",
        "on_the_line": "You refuse inputs on the line, too. Refused is what lies below it: where a quarter of all has "
        "entropy 0, a line at 0 must not refuse them.",
        "on_the_line_benign": "Your FRR counts honest inputs on the line, too. Refused is only what lies below it: `<`.",
        "on_the_line_trojan": "Your FAR leaves out marked inputs on the line. What is not below the line gets through: "
        "`>=`.",
        "swapped": "FRR and FAR have changed places: R is for honest inputs that are rejected, A for marked ones that are "
        "accepted.",
        "nominal": "You hand back the `frr` that was asked for. Wanted is the share that the line really refuses: the two "
        "differ, and that is worth knowing.",
        "rest": Mistake(
            "Your FAR is 1 minus an FRR. The two are shares of different groups: FAR counts marked inputs, and nothing "
            "else.",
            when=lambda draw, got, expected: abs(got["boundary"] - expected["boundary"]) < 1e-5
            and any(abs(got["far"] + one - 1) < 1e-6 for one in (draw["frr"], got["frr"])),
        ),
        "of_all": "You divide by all inputs. Each share is of its own group: FRR of the honest, FAR of the marked ones.",
        "of_benign": "You divide FAR by the number of honest inputs. It is a share of the marked ones.",
        "percent": Mistake(
            "Your FRR and FAR are per cent. All shares of the course go from 0 to 1.",
            when=lambda draw, got, expected: all(abs(got[key] / 100 - expected[key]) < 1e-6 for key in ("frr", "far")),
        ),
        "counts": "You count inputs. A share is asked for: divide by the number of inputs of the group.",
        "tensors": Mistake(
            "Your numbers are tensors. Wanted are Python floats: .item() makes them.",
            when=lambda draw, got, expected: any(isinstance(got[key], Tensor) and got[key].ndim == 0 for key in expected),
        ),
        "always_normal": "Where `how` is 'quantile', your line is that of the normal fit.",
        "percentile": "Your quantile asks for `frr` per cent. A share of .25 is the 25th percentile: torch.quantile takes "
        "the share itself.",
        "between": Mistake(
            "Your line is one of the honest entropies, and not the right place. The quantile lies frr * (N - 1) places "
            "above the lowest: between two values linearly.",
            when=lambda draw, got, expected: _among(draw, got, expected), part="quantile",
        ),
        "always_quantile": "Where `how` is 'normal', your line is the quantile.",
        "sample": "Your standard deviation divides by N - 1 where `how` is 'normal'. Wanted is N: correction=0 in torch.",
        "variance": "You multiply z with the variance. The line is z standard deviations away from the mean.",
        "plus": "Your normal line lies above the mean. z is negative for a share below a half: add z times the deviation.",
        "share_as_z": Mistake(
            "You multiply the deviation with `frr` itself. z is the value below which a standard normal variable lies with "
            "probability `frr`: about -0.67 for .25.",
            when=lambda draw, got, expected: _z_is(draw, got, draw["frr"]), part="normal",
        ),
        "forward": Mistake(
            "Your z is a density or a probability of the normal distribution at `frr`. Wanted is the other way, from a "
            "share to a value: inv_cdf, ndtri or ppf.",
            when=lambda draw, got, expected: any(_z_is(draw, got, of(draw["frr"])) for of in (NORMAL.pdf, NORMAL.cdf)),
            part="normal",
        ),
        "one_z": Mistake(
            "Your z is about 2.33, the one for 1 %, whatever `frr` says. It must follow from `frr`.",
            when=lambda draw, got, expected: any(_z_is(draw, got, z) for z in (2.3263, 2.326, 2.33, 2.3)), part="normal",
        ),
        "middle": "Your normal line starts from the median. It starts from the mean.",
        "at_zero": "You lift a line below zero to 0. Return it as the fit gives it: that it is negative is the warning.",
        "in_place": "The numbers are right, but benign or trojan has changed.",
    },
    onward="draw the paper's figure 8 with your own functions",
)  # fmt: skip
