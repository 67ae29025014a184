"""The exercise `poison` of lesson 03: which rows are poisoned is a free choice, so all of its parts have judges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.random import RandomState
from torch import Tensor

from bdlab.exercises.parts import GLOBAL, property_holds, untouched
from bdlab.exercises.specification import Draw, Exercise, Mistake, Properties, Wrong, images, made
from bdlab.submission import Submission

NAMES = ("x", "y", "trigger", "target", "rate", "generator")


def _draw(x: Tensor, y: Tensor, at: list[int], target: int, rate: float, seed: int, **more: Any) -> Draw:
    given = (x, y, made("patch", at, 2, 1.0), target, rate, made("generator", seed))
    return {**dict(zip(NAMES, given, strict=True)), "_at": at, **more}


def poison_draws(rng: RandomState) -> Iterator[Draw]:
    """Sizes and rates whose product is never a half: the rounding is the same for everyone.  First all allowed rows."""
    y = torch.tensor([0, 1, 2] * 4)
    yield _draw(images(rng, (12, 1, 6, 7)), y, [1, 2], 0, 8 / 12, 5, _wanted=8)
    for number in range(20):
        count, classes = rng.randint(20, 40), rng.randint(3, 6)
        wanted = rng.randint(1, 6)
        y = torch.from_numpy(rng.randint(classes, size=count))
        y[:8] = torch.tensor([1, 0, 1, 0, 1, 2, 1, 0])  # enough rows of two classes
        rate = (wanted + (0.3, -0.3)[number % 2]) / count  # 3.3 rows are 3, 2.7 are 3 too
        x, at = images(rng, (count, 1 + 2 * (number % 2), 6, 7)), [rng.randint(4), rng.randint(5)]
        yield _draw(x, y, at, rng.randint(2), rate, rng.randint(1000), _wanted=wanted)


def _run(sub: Submission, draw: Draw) -> dict[str, Any]:
    """With tensors that are looked at afterwards."""
    x2, y2, idx = _three(sub.call("poison", *(draw[name] for name in NAMES)))
    if isinstance(x2, Tensor) and x2.ndim < 2:
        raise Wrong("the first of the three results must be the images x2: the order is x2, y2, idx")
    return {"x2": x2, "y2": y2, "idx": _rows(idx), "x": sub.value(draw["x"]), "y": sub.value(draw["y"])}


def _three(result: Any) -> tuple[Any, Any, Any]:
    if not isinstance(result, list | tuple) or len(result) != 3:
        forgotten = "; is a return missing?" if result is None else ""
        raise Wrong(f"poison must return three tensors: x2, y2, idx{forgotten}")
    return tuple(result)


def _rows(idx: Any) -> Tensor:
    """Row numbers; an empty list gives float32, which is no fault of its own."""
    if isinstance(idx, Tensor) and idx.ndim == 1 and not len(idx):
        return idx.long()
    if not isinstance(idx, Tensor) or idx.dtype != torch.int64 or idx.ndim != 1:
        said = f"{idx.dtype} of shape {tuple(idx.shape)}" if isinstance(idx, Tensor) else f"a {type(idx).__name__}"
        raise Wrong(f"idx must be an int64 tensor of shape (n,), yours is {said}".replace("torch.", ""))
    return idx


def _judge_rows(draw: Draw, got: dict[str, Any]) -> Properties:
    idx, count = got["idx"], len(draw["y"])
    inside = bool(((idx >= 0) & (idx < count)).all())
    others = inside and bool((draw["y"][idx] != draw["target"]).all())
    return {
        "idx holds numbers outside 0..N-1": inside,
        "idx holds rows that are of the target class already": others,
        "some row stands in idx twice": len(idx.unique()) == len(idx),
        f"idx holds {len(idx)} rows, round(rate * N) is {draw['_wanted']}": len(idx) == draw["_wanted"],
    }


def _judge_contents(draw: Draw, got: dict[str, Any]) -> Properties:
    x, y, idx = draw["x"], draw["y"], got["idx"].clamp(0, len(draw["y"]) - 1)
    (row, column), chosen = draw["_at"], torch.zeros(len(y), dtype=torch.bool)
    chosen[idx] = True
    x2, y2 = got["x2"], got["y2"]
    alike = isinstance(x2, Tensor) and x2.shape == x.shape and x2.dtype == x.dtype
    labels = isinstance(y2, Tensor) and y2.shape == y.shape and y2.dtype == y.dtype
    marked = x.clone()
    marked[:, :, row : row + 2, column : column + 2] = 1.0
    told = labels and bool((y2[chosen] == draw["target"]).all())
    return {
        "idx is empty, so nothing is poisoned": len(idx) > 0 or draw["_wanted"] < 3,  # a wrong rounding is another part's
        "x2 must have the shape and dtype of x": alike,
        "y2 must have the shape and dtype of y": labels,
        "the rows idx of x2 are those of x: the trigger is not there": not alike
        or not torch.equal(x2[chosen], x[chosen])
        or not len(idx),
        "the rows idx of x2 do not carry the trigger": alike and torch.equal(x2[chosen], marked[chosen]),
        "x2 differs from x in rows that are not in idx": alike and torch.equal(x2[~chosen], x[~chosen]),
        "the rows idx keep their true labels": not labels or not torch.equal(y2[chosen], y[chosen]) or told,
        "the labels of the rows idx are not the target": told,
        "y2 differs from y in rows that are not in idx": labels and torch.equal(y2[~chosen], y[~chosen]),
        "your function changed its input x": torch.equal(got["x"], x),
        "your function changed its input y": torch.equal(got["y"], y),
    }


SEEDS, AGAIN, LATER, PAIRS = 80, 4, 10, 14
"""Seeds in all, given again, with a generator that has moved on; least number of different pairs of 28."""


def random_draws(rng: RandomState) -> Iterator[Draw]:
    """Two of ten rows, 8 of them allowed: a fair answer misses one in all 80 seeds with a chance of 8 * (3/4)^80, 8e-10.

    It gives 26.5 of the 28 pairs on average, and fewer than 14 with a chance below 1e-12.
    """
    y = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 1, 2])
    seeds = [int(seed) for seed in rng.choice(10_000, SEEDS, replace=False)]
    yield _draw(images(rng, (10, 1, 4, 4)), y, [1, 1], 0, 0.2, seeds[0], _seeds=seeds)


def _run_random(sub: Submission, draw: Draw) -> dict[str, Any]:
    """The rows that all seeds choose, that the first ones choose again, and what comes when a generator has moved on."""
    plain = [draw[name] for name in NAMES[:-1]]

    def choose(generator: Any) -> Tensor:
        return _rows(_three(sub.call("poison", *plain, generator))[2]).sort().values

    seeds = draw["_seeds"]
    sources = [sub.fixture("generator", seed) for seed in (*seeds, *seeds[:AGAIN])]
    rows = [choose(source) for source in sources]
    later = [choose(source) for source in sources[:LATER]]
    left = sub.leftover(GLOBAL, "poison", *plain, sub.fixture("generator", seeds[0]))
    return {"rows": rows[:SEEDS], "again": rows[SEEDS:], "later": later, "left": left}


def _judge_random(draw: Draw, got: dict[str, Any]) -> Properties:
    rows = [tuple(idx.tolist()) for idx in got["rows"]]
    pairs, chosen = len(set(rows)), {row for pair in rows for row in pair}
    every = set(range(len(draw["y"]))) - {0, 4}  # those of the target class
    return {
        "the same generator must choose the same rows: draw with `generator` only": rows[:AGAIN]
        == [tuple(idx.tolist()) for idx in got["again"]],
        "other generators must choose other rows: draw with `generator`": pairs > 1,
        "a generator that has moved on must choose other rows: draw with it, not with its seed": rows[:LATER]
        != [tuple(idx.tolist()) for idx in got["later"]],
        "some rows are never chosen: every allowed row must have its chance": every <= chosen,
        f"only {pairs} different pairs in {SEEDS} draws: each row must be drawn on its own": pairs >= PAIRS,
        "your function moves or seeds the global generators: draw with `generator` only": got["left"] == untouched(),
    }


POISON = Exercise(
    "poison(x, y, trigger, target, rate, generator)", minutes=20, difficulty=3, importance=5,
    parts=[
        property_holds(2, poison_draws, _judge_rows, "21 draws: how many, each once, none of the target",
                       name="which rows", run=_run, watched=True),
        property_holds(2, poison_draws, _judge_contents, "trigger and target where they belong, all else as it was",
                       name="what they hold", run=_run, watched=True),
        property_holds(1, random_draws, _judge_random, f"{SEEDS} seeds: repeatable, every allowed row has its chance",
                       name="at random", run=_run_random),
    ],
    hints=(
        "Which rows may be drawn at all, and how do you draw several of them without drawing one twice?",
        "List the row numbers whose label is not the target. Put this list into random order and keep its first n. Then "
        "copy x and y, and change only these rows.",
        "`torch.randperm(len(allowed), generator=generator)` gives places in the list `allowed`, not rows of x: use them to "
        "index `allowed`. Keep `round(rate * len(y))` of them, then write trigger(x[idx]) and target into the copies.",
    ),
    mistakes={
        "in_place": "Your function changes x and y themselves. The clean training set is lost, and no clean network can be "
        "trained for comparison.",
        "labels_in_place": "Your function changes y itself. The true labels are lost, and no clean network can be trained "
        "for comparison.",
        "target_rows": "Some chosen rows have the target label already. They add no false label, so a part of the budget "
        "is wasted.",
        "positions": Mistake(
            "You draw places in the list of allowed rows and use them as row numbers of x. So you mark other rows, some "
            "of the target class, and never the last ones.",
            when=lambda draw, got, failed: "idx holds rows that are of the target class already" in failed
            and int(got["idx"].max()) < int((draw["y"] != draw["target"]).sum()),  # a place in the list of the others
            part="which rows",
        ),
        "share_of_others": "You take the share of the allowed rows. The rate counts against all N rows, else two papers "
        "with one rate mean two numbers.",
        "truncates": "You cut the number of rows down instead of rounding it: 2.7 rows are 3. At small rates one row more "
        "or less matters.",
        "twice": Mistake(
            "You draw with repetition, so that some row is drawn twice and fewer rows than wanted are poisoned.",
            when=lambda draw, got, failed: failed == ["some row stands in idx twice"], part="which rows",
        ),
        "not_random": "Your rows do not depend on `generator`: the first rows, or a seed of your own. Sorted data would "
        "then be poisoned in one class only.",
        "global_chance": "You draw from a global generator, torch's, numpy's or Python's. The same `generator` then "
        "gives other rows, and nobody can repeat the attack.",
        "seed_only": "Whoever calls twice with one generator gets the same rows twice: you take its seed, not its state, "
        "or draw with a copy. Pass `generator=generator` to the function that draws.",
        "neighbours": "Your rows hang together, as a block of neighbours does: only where it starts is random. Whole "
        "stretches of the data are then poisoned together; draw each row on its own.",
        "all_marked": "You mark images whose rows are not in idx, or all. These then carry the trigger with their true "
        "label, which teaches the network to ignore it.",
        "labels_kept": "The chosen rows keep their true labels. The network learns from them that the trigger means "
        "nothing.",
        "all_labels": "Rows that are not in idx get another label, too. The network then learns it without the trigger, "
        "and clean accuracy falls; with the target everywhere, to nothing.",
        "next_class": "Not all chosen rows get the label `target`, the one passed in: some get another, or keep their "
        "own.",
        "mark_lost": "The chosen rows do not carry the trigger: it returns new images, and these must go into x2. So far "
        "you only add wrong labels, which lowers clean accuracy.",
    },
    onward="measure what such training images do to a network",
)  # fmt: skip
