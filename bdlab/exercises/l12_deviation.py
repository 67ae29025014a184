"""The exercises `deviation_factor` and `family_cutoff` of lesson 12: how far below the others, and how far is too far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import raises, values
from bdlab.exercises.specification import Draw, Exercise, Mistake, images, made


def factor_draws(rng: RandomState) -> Iterator[Draw]:
    """Both kinds, odd and even numbers of classes, one row and several."""
    yield {"values": torch.tensor([[10.0, 12.0, 2.0, 8.0], [1.0, 2.0, 3.0, 8.0]]), "kind": "mean"}
    yield {"values": torch.tensor([[10.0, 12.0, 2.0, 8.0], [1.0, 2.0, 3.0, 8.0]]), "kind": "median"}
    yield {"values": torch.tensor([[10.0, 12.0, 2.0, 8.0, 11.0], [1.0, 2.0, 3.0, 8.0, 5.0]]), "kind": "median"}
    for number in range(20):
        shape = (1, 3, 2, 5)[number % 4], (10, 7, 43, 6, 9)[number % 5]
        yield {"values": 90 * images(rng, shape) + 10, "kind": ("mean", "median")[number % 2]}


def equal_draws(rng: RandomState) -> Iterator[Draw]:
    """Rows without spread, and some that have one: whether a row has one depends on the kind."""
    for number in range(12):
        rows = 20 * images(rng, (3, 6)) + 1
        if number % 4 == 1:
            rows[number % 3, : (4, 6)[number % 8 // 4]] = 5.0
        elif number % 4 == 2:
            rows[:] = 5.0
        elif number % 4 == 3:
            rows[0, :4] = 5.0
        yield {"values": rows, "kind": ("median", "mean")[number // 2 % 2]}


DEVIATION_FACTOR = Exercise(
    "deviation_factor(values, kind)", minutes=22, difficulty=3, importance=5,
    parts=[values(3, factor_draws, "23 draws: both kinds, odd and even numbers of classes, one row and several",
                  tolerance=1e-4),
           raises(1, equal_draws, "a ValueError where a row has no spread, and only there", after="values")],
    hints=(
        "Where is the middle of a row, and how far are its values from there usually? A small value shall get a large "
        "factor.",
        "Everything goes row by row: reduce over dim=1 and keep that axis. torch.median takes the lower of two middle "
        "values; quantile(0.5) takes their mean.",
        "`centre = values.quantile(0.5, dim=1, keepdim=True)`, spread = 1.4826 times the same quantile of |values - centre|;"
        " for 'mean' twice `.mean(1, keepdim=True)`. Return (centre - values) / spread.",
    ),
    mistakes={
        "upside_down": "Your sign is the other way round: a small value must get a large positive factor.",
        "two_sided": "You count both sides. Only a small trigger is suspicious: large values get a negative factor.",
        "no_constant": "1.4826 is missing in the median form: without it the spread is not that of a normal distribution.",
        "divided": "1.4826 multiplies the spread: you divide by it.",
        "constant_twice": "1.4826 belongs to the median form. The slide's form has no constant.",
        "lower_middle": "Your median is the lower of the two middle values. Take their mean: quantile(0.5) does.",
        "std": "You divide by the standard deviation. The slide takes the mean of |value - mean|.",
        "mean_spread": "In the median form your spread is the mean of the distances. Take their median.",
        "mean_centre": "In the median form your centre is the mean: the outlier pulls it along. Take the median.",
        "whole_table": "You take one centre and spread for the whole table. Each row is a model of its own.",
        "spread_of_table": "Your spread is that of the whole table. Each row is a model of its own.",
        "kinds_swapped": "The two kinds are swapped.",
        "no_error": "A row without spread gives inf or nan. Nothing can be said of it: raise a ValueError.",
        "only_all": "You raise only where all rows are without spread. One such row is enough.",
    },
    onward="find out which factor is large",
)  # fmt: skip


def cutoff_draws(rng: RandomState) -> Iterator[Draw]:
    """Seven classes to forty-three, both kinds, a rate of alarm that nobody knows beforehand."""
    for number in range(20):
        yield {
            "n": (10, 7, 16, 8, 43)[number % 5], "kind": ("median", "mean")[number % 2],
            "alpha": (0.3, 0.1, 0.2, 0.05)[number % 4] + rng.randint(30) / 1000,
            "generator": made("generator", int(rng.randint(1000))),
        }  # fmt: skip


def _near(draw: Draw, got: Any, expected: Any) -> bool:
    return isinstance(got, float) and abs(got / expected - 1) < 0.08


FAMILY_CUTOFF = Exercise(
    "family_cutoff(n, kind, alpha, generator)", minutes=18, difficulty=3, importance=5,
    parts=[values(3, cutoff_draws, "20 draws, 7 to 43 classes, both kinds", tolerance=5e-3)],
    hints=(
        "When does an honest model of n classes raise an alarm? Which one of its n factors decides that?",
        "4,000 rows of n normal numbers are 4,000 honest models. Of each take the largest factor; only `alpha` of these "
        "largest ones may lie above the cut-off.",
        "`deviation_factor(torch.randn(4000, n, generator=generator), kind).amax(1).quantile(1 - alpha)`, as a float. Your "
        "own function may be called, or written out again.",
    ),
    mistakes={
        "all_values": "Your quantile is over all classes. An alarm comes from a model's largest factor: take that first.",
        "alpha": "You take the quantile alpha. alpha of the honest models may lie above: it is 1 - alpha.",
        "two_sided": "You take the larger of both sides. Only small triggers raise an alarm.",
        "smallest": "You take the smallest factor of each model. The largest raises the alarm.",
        "wrong_axis": "You take the largest over the models. Wanted is the largest over the classes of each model.",
        "divided_alpha": "You share alpha among the classes, and take the largest besides: one of the two is enough.",
        "means": "You take the mean of the largest factors. Half of the honest models lie above that: take a quantile.",
        "top": "You take the largest of all. Then no honest model raises an alarm, and hardly a guilty one.",
        "uniform": "Your numbers are uniform. Honest ones are simulated as normal: torch.randn.",
        "always_mean": "You use the mean form for both kinds.",
        "always_median": "You use the median form for both kinds.",
        "as_tensor": Mistake(
            "A float is wanted, a tensor came back: float(...).",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.ndim == 0,
        ),
        "other_draws": Mistake(
            "You are near, but your honest models are others. Draw them at once: torch.randn(4000, n, generator=generator).",
            when=_near,
        ),
    },
    onward="put the inspector together",
)  # fmt: skip
