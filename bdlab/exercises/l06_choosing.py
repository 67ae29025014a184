"""Lesson 06: the exercises `ssim_like` and `choose`, by which the attacker picks what is mirrored."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import unchanged, values
from bdlab.exercises.specification import Draw, Exercise, Mistake, images

SHAPES = ((2, 3, 4, 5), (1, 1, 6, 2), (3, 3, 3, 4), (4, 2, 2, 3))
"""Colour, grey, one picture, not square."""


def pair_draws(rng: RandomState) -> Iterator[Draw]:
    """Unlike pictures, dimmed ones, and the same twice."""
    small = [[[[0.0, 1.0, 0.5]]], [[[0.2, 0.6, 0.1]]]], [[[[1.0, 0.0, 0.5]]], [[[0.1, 0.9, 0.2]]]]
    yield dict(zip(("x", "x2"), map(torch.tensor, small), strict=True))
    for number in range(20):
        x = images(rng, SHAPES[number % 4]) * (0.05 if number % 7 == 6 else 1)
        x2 = torch.lerp(0.7 * x, images(rng, SHAPES[number % 4]), (0.2, 0.5, 0.9)[number % 3])
        yield {"x": x, "x2": x.clone() if number % 5 == 4 else x2}


SSIM_LIKE = Exercise(
    "ssim_like(x, x2)", minutes=15, difficulty=2, importance=3,
    parts=[values(1, pair_draws, "21 draws, grey and colour, one picture, the same one twice", tolerance=2e-5),
           unchanged(1, lambda rng: list(pair_draws(rng))[:7])],
    hints=(
        "Over which axes must be averaged, so that one number an image is left?",
        "`x.flatten(1)` puts all pixels of an image into one row, (N, P). Means, variances and the covariance are means "
        "along it.",
        "`((a - m[:, None]) * (b - m2[:, None])).mean(1)` is the covariance of two such tables with means m and m2. The "
        "variance is the same with one table twice.",
    ),
    mistakes={
        "unbiased": "Your variances divide by one pixel less (torch's default), your covariance does not. For one "
        "picture twice the result must be 1: take `correction=0`.",
        "all_unbiased": "Your variances and your covariance divide by one pixel less, as `torch.cov` does. Here all three "
        "are means: take `correction=0`.",
        "first_unbiased": "The variance of x divides by one pixel less, that of x2 does not. Both are means: "
        "`correction=0` in both.",
        "second_unbiased": "The variance of x2 divides by one pixel less, that of x does not. Both are means: "
        "`correction=0` in both.",
        "sums": "Your variances and your covariance are sums over the pixels. They are means: beside sums the constant "
        ".03^2 is nothing.",
        "lost_bracket": "You multiply by v + v2 + .03^2 where you should divide: `/ (p) * (q)` divides by p alone. Put "
        "brackets around both factors.",
        "no_constants": "Your two constants, .01^2 and .03^2, are missing. Dark pictures differ by chance, flat ones "
        "divide 0 by 0.",
        "scale_255": "Your two constants are those of pixel values up to 255. Here pixels end at 1: 0.01^2 and 0.03^2.",
        "no_squares": "Your constants are 0.01 and 0.03, not their squares. Dark pictures all become alike.",
        "constants_swapped": "The two constants are swapped: 0.01^2 stands with the means, 0.03^2 with the spreads.",
        "whole_batch": "You average over the whole batch. Each picture has its own means and spreads: one number an image.",
        "deviations": "You take standard deviations where variances stand: a square is missing, or a root too much.",
        "no_means": "Only the spreads are compared. The first factor, that of the means, is missing: a picture and its "
        "dimmed copy would pass as equal.",
        "no_spreads": "Only the means are compared. A picture and its mirror image would pass as equal: the second "
        "factor is missing.",
        "not_centred": "Your covariance is the mean of the product of the pixels. Take the means off first.",
        "no_twos": "The factors 2 in the numerator are missing. For one picture twice the result must be 1.",
        "no_two_light": "The 2 before m m2 is missing. For one picture twice the result must be 1.",
        "no_two_form": "The 2 before c is missing. For one picture twice the result must be 1.",
        "channels_averaged": "You compare channel by channel and average the results. Means, variances and covariance are "
        "those of all pixels of all channels: one row a picture.",
        "no_column": Mistake(
            "Your code stops for every batch of more than one picture. Do means of shape (N,) meet a table of shape "
            "(N, P)? `m[:, None]` makes a column of them.",
            when=lambda draw, got, expected: got == {"raised": "RuntimeError"} and len(draw["x"]) > 1, part="values",
        ),
        "over_pictures": Mistake(
            "You return one number a pixel: the averages were taken over the pictures, axis 0. Each picture gets one "
            "number, (N,).",
            when=lambda draw, got, expected: got.numel() == draw["x"][0].numel() != len(expected), part="values",
        ),
        "in_place": Mistake(
            "The result is right, but your function writes into a picture: `flatten` gives the same memory by another name. "
            "Write `a = a - ...`, not `a -= ...`.",
            when=lambda draw, got, failing: bool(failing), part="unchanged",
        ),
        "by_channel": Mistake(
            "You return one number a channel. All pixels of an image, of all channels, give one: the result is (N,).",
            when=lambda draw, got, expected: isinstance(got, Tensor) and got.shape == draw["x"].shape[:2] != expected.shape,
        ),
        "one_number": Mistake(
            "You return one number for the whole batch. Each picture gets its own: the result is (N,).",
            when=lambda draw, got, expected: isinstance(got, float) or (isinstance(got, Tensor) and got.ndim == 0),
        ),
    },
    onward="choose among candidates by it",
)  # fmt: skip

# --- choose ---


def _candidates(rng: RandomState, count: int, k: int, bounds: tuple[float, float] = (0.25, 0.75)) -> Draw:
    """Two lie on the bounds, with the best scores of all."""
    similarity = torch.from_numpy(rng.permutation(count).astype("float32")) / count
    score = torch.from_numpy(rng.permutation(count).astype("float32"))
    rows = rng.permutation(count)[:2]
    similarity[rows], score[rows] = torch.tensor(bounds), torch.tensor([count + 1.0, count + 2.0])
    return {"similarity": similarity, "score": score, "bounds": bounds, "k": k}


def choice_draws(rng: RandomState) -> Iterator[Draw]:
    """More candidates pass than are wanted; no two scores are equal."""
    similarity, score = [0.9, 0.5, 0.6, 0.1, 0.4, 0.25, 0.75], [9.0, 3.0, 7.0, 8.0, 5.0, 10.0, 11.0]
    yield {"similarity": torch.tensor(similarity), "score": torch.tensor(score), "bounds": (0.25, 0.75), "k": 2}
    for number in range(20):
        yield _candidates(rng, 12 + number, 2 + number % 3)


def few_draws(rng: RandomState) -> Iterator[Draw]:
    """Fewer pass than are wanted, none passes, or scores are equal."""
    for number in range(20):
        drawn = _candidates(rng, 8 + 2 * number, (30, 3, 60)[number % 3])
        if number % 3 == 1:
            drawn["score"] = (drawn["score"] / 6).floor()
        if number % 5 in (2, 4):
            drawn["bounds"] = (2.0, 3.0)
        if number % 5 == 2:  # exactly one passes
            drawn["similarity"][number // 2] = 2.5
        yield drawn


def _equals_exchanged(draw: Draw, got: Tensor, expected: Tensor) -> bool:
    """Whether `got` names candidates that pass, whose scores are those of `expected` in the same order."""
    low, high = draw["bounds"]
    passes = bool(((low < draw["similarity"][got]) & (draw["similarity"][got] < high)).all())
    return passes and len(set(got.tolist())) == len(got) and torch.equal(draw["score"][got], draw["score"][expected])


CHOOSE = Exercise(
    "choose(similarity, score, bounds, k)", minutes=20, difficulty=3, importance=4,
    parts=[values(1, choice_draws, "21 draws, also with candidates on the very bounds"),
           values(1, few_draws, "fewer pass than k, one or none passes, equal scores", name="few or equal", after="values"),
           unchanged(1, lambda rng: list(choice_draws(rng))[:7])],
    hints=(
        "Which comes first: the filter, or the k best? What would the other order cost?",
        "`torch.nonzero(mask).flatten()` gives the numbers of those that pass. Sort their scores, and carry the numbers "
        "along.",
        "With `passed` as those numbers and `order = score[passed].argsort(descending=True, stable=True)`, what is "
        "`passed[order]`, and how many of it are wanted?",
    ),
    mistakes={
        "smallest": "You take the lowest scores. A score is how many images a scene sends to the target: the highest "
        "are wanted.",
        "positions": "You return places in the filtered list, not numbers of candidates. Carry the numbers along: "
        "`passed[order]`.",
        "sorted_numbers": "The right candidates, but in the order of their numbers. The best comes first.",
        "unfiltered": "Your filter refuses nobody: candidates that hide the sign, or that nobody can see, are among "
        "yours. Both conditions must hold: join them with `&`.",
        "nobody": "Your result is empty, though some candidates pass. Are low and high swapped, or the two signs `<`?",
        "filter_last": "You take the k best and filter then: fewer are left. First the filter, then the k best.",
        "outside": "You keep those that the filter should refuse: a candidate passes between the bounds.",
        "low_only": "Only the lower bound is held: candidates that nobody can see are among yours.",
        "high_only": "Only the upper bound is held: candidates that hide the sign are among yours.",
        "on_the_bound": "A candidate that lies on a bound is among yours. It passes between them: low < similarity < high.",
        "on_the_lower": "A candidate that lies on the lower bound is among yours. It passes between them: low < "
        "similarity < high.",
        "on_the_upper": "A candidate that lies on the upper bound is among yours. It passes between them: low < "
        "similarity < high.",
        "first_ones": "Yours are the first k that pass, whatever their scores. The highest scores are wanted.",
        "reversed": "The right candidates, but the best comes last. The highest score comes first.",
        "by_similarity": "You sort by similarity. The filter uses it; the order is that of the scores.",
        "one_more": "You return one more, or one less, than k.",
        "floats": Mistake(
            "The right numbers, but as floats. Nobody can index with these: return int64.",
            when=lambda draw, got, expected: got.is_floating_point() and torch.equal(got.long(), expected), part="values",
        ),
        "scores": Mistake(
            "You return scores. Asked for are the numbers of the candidates, int64: who they are, not how good.",
            when=lambda draw, got, expected: got.is_floating_point() and torch.equal(got, draw["score"][expected]),
            part="values",
        ),
        "unstable": Mistake(
            "Candidates of equal score stand in another order, or another of them was taken: the lower number comes first. "
            "`topk`, `sort` without `stable=True`, and a rising order turned round do not keep that.",
            when=_equals_exchanged, part="few or equal",
        ),
        "refuses": Mistake(
            "Your function stops in a case where fewer than k pass. `topk(k)` wants k of them, `squeeze()` leaves no axis "
            "where exactly one passes: take a slice, and `flatten()`.",
            when=lambda draw, got, expected: "raised" in got and len(expected) < draw["k"], part="few or equal",
        ),
        "filled_up": Mistake(
            "Where fewer than k pass, your result is longer than their number. Return those that pass, and nothing else.",
            when=lambda draw, got, expected: len(got) > len(expected) < draw["k"], part="few or equal",
        ),
        "in_place": "The result is right, but your function writes into score. Whoever chooses with other bounds next gets "
        "another answer: write into a clone, or into nothing.",
    },
    onward="see what your choice is worth",
)  # fmt: skip
