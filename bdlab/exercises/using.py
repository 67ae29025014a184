"""The student's own functions at work: on copies, with a time limit, and with the library's part where one fails."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bdlab import student
from bdlab.exercises import lessons
from bdlab.exercises.checks import TooSlow, limited, notebook, stays
from bdlab.exercises.comparing import kind
from bdlab.lessons.demos import Unusable
from bdlab.submission.executor import told

SECONDS = 10
"""How long one call of a student's function may take here."""
_slow: weakref.WeakSet[Callable[..., Any]] = weakref.WeakSet()
"""Functions that took longer once: they are not waited for again until they are defined anew."""


class Unfit(Exception):
    """What a student's function gave cannot be used."""


class Mine:
    """A student's function where it works, the library's part `ours` where it does not; see `mine`."""

    def __init__(
        self, exercise: str, ours: Callable[..., Any], name: str, like: Any = None, seconds: float | None = None
    ) -> None:
        self.exercise, self.ours, self.name, self.like, self.seconds = exercise, ours, name, like, seconds
        self.own = "NBGRADER_EXECUTION" not in os.environ
        """Whether the student's function is asked: not while nbgrader runs the notebook, and not after it failed."""

    def __call__(self, *args: Any, **named: Any) -> Any:
        if self.own:
            try:
                return self._theirs(args, named)
            except (TooSlow, SystemExit, Exception) as error:
                self.give_up(_why(error, self.limit))
        return self.ours(*args, **named)

    @property
    def limit(self) -> float:
        """Seconds that one call of the student's function may take."""
        return SECONDS if self.seconds is None else self.seconds

    def give_up(self, why: str) -> None:
        """From now on the library's part; the student is told why."""
        self.own = False
        print(
            f"Your {self.name} {why}. The library's part takes its place; bdlab.check({self.exercise!r}) tells more."
        )

    def _theirs(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        namespace, _ = notebook()
        if self.name not in namespace:
            raise Unfit("is not defined yet")
        own = namespace[self.name]
        if own is ...:  # the stub of a plain value
            raise NotImplementedError
        if own in _slow:
            raise TooSlow
        try:
            with _as_before(args, named), stays(), limited(self.limit):
                given = {key: _copied(value) for key, value in named.items()}
                result = own(*map(_copied, args), **given) if callable(own) else own
        except TooSlow:
            _slow.add(own)
            raise
        if self.like is not None:
            wanted = self.like
        else:
            with _as_before(args, named):
                wanted = self.ours(*map(_copied, args), **{key: _copied(value) for key, value in named.items()})
        if _form(result) != _form(wanted):
            raise Unfit(_unlike(result, wanted))
        return result


def mine(
    exercise: str, ours: Callable[..., Any], name: str | None = None, like: Any = None, seconds: float | None = None
) -> Mine:
    """The student's own function of an exercise, to be used: it works on copies, within ten seconds.

    Where it is not written, raises, hangs, or gives another kind of thing than `ours` does, that is said, and `ours`, which
    takes the same arguments, is called in its place.  A plain value is what a call without arguments gives.
    name: which function of the exercise, by default its first.
    like: a result of the right kind; without one `ours` is asked for it at every call, which a function that trains the
    model that it is given must not be.  seconds: how long one call may take, ten by default.
    """
    task = lessons.find(exercise)
    if name is not None and name not in task.names:
        raise ValueError(f"name must be one of {', '.join(task.names)}, got {name!r}")
    return Mine(exercise, ours, name or task.name, like, seconds)


def use(show: Callable[..., Any], *parts: Mine) -> Any:
    """`show(*parts)`; where it fails with the student's functions, that is said, and it is called with the library's.

    An `Unusable` names the part whose result it is, so that the others stay.  Where it fails with the library's parts as
    well, nobody's function is to blame, and the error comes as it is.  A result with a picture and numbers is kept for the
    lesson's trophy.
    """
    result = _shown(show, *parts)
    if parts and hasattr(result, "picture") and hasattr(result, "numbers"):
        student.results[parts[0].exercise.partition("_")[0]] = result
    return result


def _shown(show: Callable[..., Any], *parts: Mine) -> Any:
    while True:
        try:
            return show(*parts)
        except (TooSlow, SystemExit, Exception) as error:
            own = [part for part in parts if isinstance(part, Mine) and part.own]
            named = [part for part in own if isinstance(error, Unusable) and part is error.part]
            if not own:
                raise
            result = None if named else show(*(part.ours if part in own else part for part in parts))
            for part in named or own:
                why = _why(error, part.limit)
                part.give_up(why if named else f"could not be used here: the figure {why}")
            if not named:
                return result


def _why(error: BaseException, seconds: float) -> str:
    if isinstance(error, TooSlow):
        return f"took longer than {seconds:g} s"
    if isinstance(error, NotImplementedError) and not error.args:
        return "is not written yet"
    return str(error) if isinstance(error, Unfit | Unusable) else f"stopped with {told(error)}"


def _copied(value: Any) -> Any:
    """A tensor's copy; lists and tuples of them, too.  Models and generators are put back afterwards instead."""
    if isinstance(value, Tensor):
        return value.clone()
    return type(value)(map(_copied, value)) if type(value) in (list, tuple) else value


def _form(value: Any) -> Any:
    """What must agree for a result to be usable: kinds, and of tensors the dtype and the shape but for free lengths."""
    if isinstance(value, Tensor):
        return "tensor", value.dtype, value.shape if value.ndim != 1 else 1
    if isinstance(value, list | tuple):
        return "several", tuple(map(_form, value))
    if isinstance(value, dict):
        return "dict", tuple((key, _form(value[key])) for key in sorted(value, key=str))
    return "number" if isinstance(value, int | float) else nn.Module if isinstance(value, nn.Module) else type(value)


def _unlike(got: Any, wanted: Any, what: str = "gave") -> str:
    """Where two results differ in form."""
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple) and len(got) == len(wanted):
        pairs = enumerate(zip(got, wanted, strict=True), 1)
        return next(_unlike(a, b, f"gave as result {i}") for i, (a, b) in pairs if _form(a) != _form(b))
    if isinstance(wanted, dict) and isinstance(got, dict) and set(got) == set(wanted):
        key = next(key for key in wanted if _form(got[key]) != _form(wanted[key]))
        return _unlike(got[key], wanted[key], f"gave as {key}")
    right = "a number" if isinstance(wanted, int | float) else kind(wanted)
    return f"{what} {kind(got)}; {right} is wanted"


@contextlib.contextmanager
def _as_before(args: tuple[Any, ...], named: dict[str, Any]) -> Iterator[None]:
    """Afterwards generators are as they were, and modes and frozen weights of models; nothing printed is kept back."""
    values = [*args, *named.values()]
    generators = [(value, value.get_state()) for value in values if isinstance(value, torch.Generator)]
    modes = [
        (module, module.training) for value in values if isinstance(value, nn.Module) for module in value.modules()
    ]
    weights = [weight for value in values if isinstance(value, nn.Module) for weight in value.parameters()]
    trained = [weight.requires_grad for weight in weights]
    state = torch.random.get_rng_state()
    try:
        yield
    finally:
        torch.random.set_rng_state(state)
        for weight, asked in zip(weights, trained, strict=True):
            weight.requires_grad_(asked)
        for generator, before in generators:
            generator.set_state(before)
        for module, training in modes:
            module.training = training
