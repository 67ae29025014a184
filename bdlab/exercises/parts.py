"""The ready parts of an exercise: values, unchanged, raises, state_restored, deterministic, property_holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bdlab.exercises.draws import arguments
from bdlab.exercises.specification import Draw, Draws, Made, Part, Properties, Try, Wrong
from bdlab.submission import FIXTURES, Ref


def values(points: float, draws: Draws, verified: str, *, name: str = "values", **more: Any) -> Part:
    """What comes back equals what the reference gives.

    The first signature decides how it is asked, unless `run` or `calls` say otherwise: a function gets the arguments of
    the draw; a class is made from them, and called with what else the draw holds; a plain value is read.
    more: run, calls, tolerance, bounds, after, uses, probes; see `Part`.
    """
    return Part(name, points, draws, verified, **more)


def unchanged(points: float, draws: Draws, *, after: str | None = "values", **more: Any) -> Part:
    """Every tensor that was passed is afterwards as it was; the result is not looked at again.  more: run, calls, uses."""

    def look(tried: Try) -> dict[str, Any]:
        tried.ask()
        return {name: tried.sub.value(ref) for name, ref in tried.watched.items()}

    def judge(draw: Draw, got: dict[str, Any]) -> Properties:
        return {f"your function changed its input {name}": equal(value, draw[name]) for name, value in got.items()}

    return Part("unchanged", points, draws, "the inputs are as they were", look=look, judge=judge, watched=True,
                after=after, **more)  # fmt: skip


def raises(points: float, draws: Draws, verified: str, *, name: str = "raises", **more: Any) -> Part:
    """An error of the reference's class where the reference raises one, and none where it does not.

    Some draws must be allowed ones: else who always raises would win the part.  more: run, calls, after, uses.
    """

    def look(tried: Try) -> str:
        result = tried.ask()
        if isinstance(result, Ref) and result.kind == "other":
            raise Wrong("what came back is no value: an error must be raised, not returned")
        return "no error"

    return Part(name, points, draws, verified, look=look, **{"probes": 20, **more})


def state_restored(points: float, draws: Draws, *, after: str | None = "values", **more: Any) -> Part:
    """Every model of a draw is afterwards as it was: weights, statistics, mode, gradients.

    Seen in arrays: its state, its answers in the mode that it was left in, and its gradients.  more: run, calls, uses.
    """

    def look(tried: Try) -> dict[str, Any]:
        tried.ask()
        found = {}
        for name, made in _models(tried.draw).items():
            ref = tried.given[name]
            gradients = tried.sub.value(tried.sub.fixture("gradients", ref))
            state = tried.sub.state(ref)  # before it answers, which may move its statistics
            found[name] = {"gradients": gradients, "state": state, "answers": tried.sub.invoke(ref, _probe(made))}
        return found

    def judge(draw: Draw, got: dict[str, Any]) -> Properties:
        found: Properties = {}
        for name, made in _models(draw).items():
            net, mine, moved = built(made), got[name], f"{name} is left in another mode, train or eval, than it came in"
            state = {key: value.clone() for key, value in net.state_dict().items()}
            found |= {
                f"your function changed weights or statistics of {name}": equal(mine["state"], state),
                f"your function left other gradients in {name}": equal(mine["gradients"], FIXTURES["gradients"](net)),
                moved: same(mine["answers"], _answers(net, made)),
            }
        return found

    return Part("state restored", points, draws, "weights, statistics, mode and gradients are as they were",
                look=look, judge=judge, after=after, **{"uses": ("gradients",), **more})  # fmt: skip


def deterministic(points: float, draws: Draws, *, argument: str = "generator", after: str | None = "values",
                  **more: Any) -> Part:  # fmt: skip
    """Chance comes from the state of the generator that was passed, and from nothing else.

    Each draw holds a `made("generator", seed)`; right answers differ from state to state with near certainty.
    more: calls, uses.
    """

    def look(tried: Try) -> dict[str, Any]:
        made = tried.draw[argument]
        signature = next(one for one in tried.task.signatures if tried.part.calls in (None, one.name))

        def ask(generator: Any) -> Any:
            args, named = arguments(signature, {**tried.given, argument: generator})
            return tried.sub.call(signature.name, *args, **named)

        first = tried.sub.fixture("generator", *made.args)
        again, other = (tried.sub.fixture("generator", seed) for seed in (made.args[0], made.args[0] + 1))
        results = [ask(first), ask(again), ask(first), ask(other)]
        args, named = arguments(signature, {**tried.given, argument: tried.sub.fixture("generator", *made.args)})
        left = tried.sub.leftover(GLOBAL, signature.name, *args, **named)
        return {"first": results[0], "again": results[1], "later": results[2], "other": results[3], "left": left}

    def judge(draw: Draw, got: dict[str, Any]) -> Properties:
        return {
            "the same generator must give the same result: draw with `generator` only": same(got["first"], got["again"]),
            "another generator must give another result: draw with `generator`": not same(got["first"], got["other"]),
            "a generator that has moved on must give another result: draw with it, not with its seed": not same(
                got["first"], got["later"]
            ),
            "your function moves or seeds the global generators: draw with `generator` only": got["left"] == untouched(),
        }

    return Part("at random", points, draws, "repeatable, by the generator's state alone", look=look, judge=judge,
                after=after, **{"uses": ("generator",), **more})  # fmt: skip


def property_holds(
    points: float, draws: Draws, judge: Callable[..., Properties], verified: str, *, name: str, **more: Any
) -> Part:
    """A free choice: what comes back is taken as given, and `judge(draw, got)` says what holds of it.

    more: run, calls, reference (then `judge(draw, got, expected)`), after, uses, probes.
    """
    return Part(name, points, draws, verified, judge=judge, **more)


GLOBAL = 1234
"""From which the global generators start before a call after which they are looked at."""


def untouched() -> list[float]:
    """What the global generators give after a call that left them alone; see `Submission.leftover`."""
    torchs = torch.rand(2, generator=torch.Generator().manual_seed(GLOBAL)).tolist()
    return [*torchs, float(np.random.RandomState(GLOBAL).rand()), random.Random(GLOBAL).random()]


def built(value: Any) -> Any:
    """The fixture that a value of a draw asks for, in this process."""
    if isinstance(value, Made):
        return FIXTURES[value.kind](*map(built, value.args), **{key: built(inner) for key, inner in value.named.items()})
    return type(value)(map(built, value)) if isinstance(value, list | tuple) else value


def equal(got: Any, expected: Any) -> bool:
    """Whether what must stay as it was is the same to the last bit."""
    return same(got, expected, relative=0.0, absolute=0.0)


def same(got: Any, expected: Any, relative: float = 1e-5, absolute: float = 1e-6) -> bool:
    """Whether two plain outcomes are the same, tensors in kind, shape and, within the tolerances, value."""
    within = partial(same, relative=relative, absolute=absolute)
    if isinstance(expected, Tensor):
        alike = isinstance(got, Tensor) and got.shape == expected.shape and got.dtype == expected.dtype
        return alike and bool(torch.isclose(got, expected, rtol=relative, atol=absolute, equal_nan=True).all())
    if isinstance(expected, list | tuple):
        return isinstance(got, list | tuple) and len(got) == len(expected) and all(map(within, got, expected))
    if isinstance(expected, dict):
        return isinstance(got, dict) and set(got) == set(expected) and all(within(got[key], expected[key]) for key in got)
    return type(got) is type(expected) and bool(got == expected)


def _models(draw: Draw) -> dict[str, Made]:
    return {name: value for name, value in draw.items() if isinstance(value, Made) and value.kind == "model"}


def _probe(made: Made) -> Tensor:
    shape = made.named.get("shape", (1, 8, 8))
    return torch.linspace(0, 1, 3 * int(np.prod(shape))).reshape(3, *shape)


def _answers(net: Any, made: Made) -> Tensor:
    with torch.no_grad():
        return net(_probe(made))
