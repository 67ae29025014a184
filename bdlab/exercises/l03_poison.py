"""The parts of the exercise `l03_poison`: which rows are poisoned is a free choice, so all of them have judges."""

from __future__ import annotations

from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.specification import Draw, Part, Wrong, images
from bdlab.submission import Submission


def _poison_draws(rng: RandomState) -> list[Draw]:
    """Sizes and rates whose product is never a half: the rounding is the same for everyone.  First all allowed rows."""
    every = {
        "x": images(rng, (12, 1, 6, 7)),
        "y": torch.tensor([0, 1, 2] * 4),
        "target": 0,
        "rate": 8 / 12,
        "wanted": 8,
    }
    draws: list[Draw] = [{**every, "seed": 5, "at": [1, 2]}]
    for number in range(20):
        count, classes = rng.randint(20, 40), rng.randint(2, 6)
        wanted = rng.randint(1, 6)
        y = torch.from_numpy(rng.randint(classes, size=count))
        y[:7] = torch.tensor([1, 0, 1, 0, 1, 0, 1])  # enough rows of two classes
        rate = (wanted + (0.3, -0.3)[number % 2]) / count  # 3.3 rows are 3, 2.7 are 3 too
        draws.append(
            {"x": images(rng, (count, 1 + 2 * (number % 2), 6, 7)), "y": y, "target": rng.randint(2), "rate": rate,
             "wanted": wanted, "seed": rng.randint(1000), "at": [rng.randint(4), rng.randint(5)]}
        )  # fmt: skip
    return draws


def _poisoned(sub: Submission, draw: Draw, seed: int, x: Any, y: Any) -> tuple[Any, Any, Any]:
    trigger = sub.fixture("patch", draw["at"], 2, 1.0)
    result = sub.call("poison", x, y, trigger, draw["target"], draw["rate"], sub.fixture("generator", seed))
    if not isinstance(result, list | tuple) or len(result) != 3:
        raise Wrong(
            "poison must return three tensors: x2, y2, idx" + ("; is a return missing?" if result is None else "")
        )
    return tuple(result)


def _run_poison(sub: Submission, draw: Draw) -> Any:
    x, y = sub.fixture("tensor", draw["x"]), sub.fixture("tensor", draw["y"])
    x2, y2, idx = _poisoned(sub, draw, draw["seed"], x, y)
    if isinstance(x2, Tensor) and x2.ndim < 2:
        raise Wrong("the first of the three results must be the images x2: the order is x2, y2, idx")
    if not isinstance(idx, Tensor) or idx.dtype != torch.int64 or idx.ndim != 1:
        raise Wrong("idx must be an int64 tensor of shape (n,)")
    return {"x2": x2, "y2": y2, "idx": idx, "x": sub.value(x), "y": sub.value(y)}


def _judge_rows(draw: Draw, got: dict[str, Any]) -> dict[str, bool]:
    idx, count = got["idx"], len(draw["y"])
    inside = bool(((idx >= 0) & (idx < count)).all())
    return {
        "idx holds numbers outside 0..N-1": inside,
        "idx holds rows that are of the target class already": inside
        and bool((draw["y"][idx] != draw["target"]).all()),
        "some row stands in idx twice": len(idx.unique()) == len(idx),
        f"idx holds {len(idx)} rows, round(rate * N) is {draw['wanted']}": len(idx) == draw["wanted"],
    }


def _judge_contents(draw: Draw, got: dict[str, Any]) -> dict[str, bool]:
    x, y, idx = draw["x"], draw["y"], got["idx"].clamp(0, len(draw["y"]) - 1)
    (row, column), chosen = draw["at"], torch.zeros(len(y), dtype=torch.bool)
    chosen[idx] = True
    x2, y2 = got["x2"], got["y2"]
    alike = isinstance(x2, Tensor) and x2.shape == x.shape and x2.dtype == x.dtype
    labels = isinstance(y2, Tensor) and y2.shape == y.shape and y2.dtype == y.dtype
    marked = x.clone()
    marked[:, :, row : row + 2, column : column + 2] = 1.0
    return {
        "idx is empty, so nothing is poisoned": len(idx) > 0
        or draw["wanted"] < 3,  # a wrong rounding is another part's
        "x2 must have the shape and dtype of x": alike,
        "y2 must have the shape and dtype of y": labels,
        "the rows idx of x2 do not carry the trigger": alike and torch.equal(x2[chosen], marked[chosen]),
        "x2 differs from x in rows that are not in idx": alike and torch.equal(x2[~chosen], x[~chosen]),
        "the labels of the rows idx are not the target": labels and bool((y2[chosen] == draw["target"]).all()),
        "y2 differs from y in rows that are not in idx": labels and torch.equal(y2[~chosen], y[~chosen]),
        "your function changed its input x": torch.equal(got["x"], x),
        "your function changed its input y": torch.equal(got["y"], y),
    }


SEEDS, AGAIN = 80, 4


def _random_draws(rng: RandomState) -> list[Draw]:
    """Two of ten rows, 8 of them allowed: a fair answer misses one in all 80 seeds with a chance of 8 * (3/4)^80, 8e-10."""
    y = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 1, 2])
    seeds = [int(seed) for seed in rng.choice(10_000, SEEDS, replace=False)]
    return [{"x": images(rng, (10, 1, 4, 4)), "y": y, "target": 0, "rate": 0.2, "at": [1, 1], "seeds": seeds}]


def _run_random(sub: Submission, draw: Draw) -> Any:
    """The rows that all seeds choose, and those that the first ones choose when they are given again."""
    seeds = [*draw["seeds"], *draw["seeds"][:AGAIN]]
    rows = [_poisoned(sub, draw, seed, draw["x"], draw["y"])[2] for seed in seeds]
    if not all(isinstance(idx, Tensor) and idx.dtype == torch.int64 and idx.ndim == 1 for idx in rows):
        raise Wrong("idx must be an int64 tensor of shape (n,)")
    return rows


def _judge_random(draw: Draw, got: list[Tensor]) -> dict[str, bool]:
    ordered = [idx.sort().values for idx in got]
    rows, again = ordered[:SEEDS], ordered[SEEDS:]
    same = all(torch.equal(first, second) for first, second in zip(rows, again, strict=False))
    chosen = torch.cat(rows)
    every = set(range(len(draw["y"]))) - {0, 4}  # those of the target class
    return {
        "the same generator must choose the same rows: draw with `generator` only": same,
        "other generators must choose other rows: draw with `generator`": len({tuple(idx.tolist()) for idx in rows})
        > 1,
        "some rows are never chosen: every allowed row must have its chance": every <= set(chosen.tolist()),
    }


POISON = (
    Part("which rows", 2.0, _poison_draws, _run_poison, "21 draws: how many, each once, none of the target", _judge_rows),
    Part("what they hold", 2.0, _poison_draws, _run_poison, "trigger and target where they belong, all else as it was",
         _judge_contents),
    Part("at random", 1.0, _random_draws, _run_random, f"{SEEDS} seeds: repeatable, and every allowed row has its chance",
         _judge_random),
)  # fmt: skip
