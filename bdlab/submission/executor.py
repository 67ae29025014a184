"""The student's side: answers requests by running the student's names; what it cannot send stays here behind a `Ref`."""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import random
import traceback
import warnings
from collections.abc import Coroutine, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from bdlab.submission.fixtures import FIXTURES
from bdlab.submission.frames import Ref, decode, encode, is_plain

TOLD = 160
"""Characters of an exception's message."""
PRINTED = 2000
"""Characters that are kept of what one request printed."""


class Executor:
    """Runs requests against `namespace`.  What must not cross the boundary is kept: `detail` of the last exception, and
    what was `printed` since the last fresh start.

    objects: what a `Ref` stands for; fixtures have negative numbers, which the asking side gave them.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.objects: dict[int, Any] = {}
        self.detail = self.printed = ""
        self.asked = self.kept = 0

    def answer(self, frame: bytes) -> bytes:
        """The reply to one request: {'id', 'value'} or {'id', 'raised': class name}."""
        request = decode(frame)
        if request["fresh"]:
            self._forget()
        self.asked += 1
        with _chance(self.asked), _silence() as said:
            try:
                for number, kind, args, named in request["fixtures"]:
                    self.objects[-number] = FIXTURES[kind](*self._real(args), **self._real(named))
                value = getattr(self, f"_{request['op']}")(*self._real(request["args"]), **self._real(request["named"]))
                return self._reply(request["id"], value)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # SystemExit too: it is the answer of a wrong solution
                self.detail = told(error)
                return encode({"id": request["id"], "raised": _class(error)})
            finally:
                self.printed += said.getvalue()[:PRINTED]

    def _reply(self, number: int, value: Any) -> bytes:
        try:
            return encode({"id": number, "value": self._crossing(value)})
        except (ValueError, RecursionError):  # too long or too deep as a whole
            return encode({"id": number, "value": self._keep(value)})

    def _load(self, cells: list[str]) -> list[str | None]:
        """Forget everything and run `cells`; for each the class name of what it raised, or None."""
        self.namespace.clear()
        self.namespace.update(__name__="__main__", display=lambda *_, **named: None, get_ipython=_Notebook())
        self._forget()
        return [self._run(source, f"<cell {number}>") for number, source in enumerate(cells, 1)]

    def _more(self, source: str, number: int) -> str | None:
        return self._run(source, f"<cell {number}>")

    def _run(self, source: str, name: str) -> str | None:
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for inspect.getsource
        try:
            _awaited(eval(compile(source, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), self.namespace))
        except BaseException as error:
            self.detail = told(error)
            return _class(error)
        return None

    def _forget(self) -> None:
        self.objects.clear()
        self.printed = ""
        self.asked = self.kept = 0

    def _call(self, name: str, /, *args: Any, **named: Any) -> Any:
        return self._named(name)(*args, **named)

    def _leftover(self, seed: int, name: str, /, *args: Any, **named: Any) -> list[float]:
        with _chance(seed):
            self._named(name)(*args, **named)
            return [*torch.rand(2).tolist(), float(np.random.rand()), random.random()]  # noqa: NPY002

    def _make(self, name: str, /, *args: Any, **named: Any) -> Ref:
        return self._keep(self._named(name)(*args, **named))

    def _invoke(self, target: Any, *args: Any, method: str = "__call__") -> Any:
        return getattr(target, method)(*args)

    def _state(self, target: Any) -> dict[str, Any]:
        return dict(target.state_dict())

    def _told(self) -> str:
        return self.detail

    def _value(self, target: Any) -> Any:
        found = self._named(target) if isinstance(target, str) else target
        if found is ...:  # the stub of a plain value
            raise NotImplementedError
        return found

    def _named(self, name: str) -> Any:
        if name not in self.namespace:
            raise NameError(f"{name} is not defined")
        return self.namespace[name]

    def _keep(self, thing: Any) -> Ref:
        number = self.kept
        self.kept += 1
        self.objects[number] = thing
        kind = "module" if isinstance(thing, nn.Module) else "callable" if callable(thing) else "other"
        return Ref(number, kind)

    def _crossing(self, value: Any) -> Any:
        """`value` with everything that must not cross replaced by a `Ref`."""
        if type(value) is Ref or is_plain(value):
            return value
        if type(value) in (list, tuple):
            return type(value)(self._crossing(item) for item in value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):  # a NamedTuple of the right things is a tuple
            return tuple(self._crossing(item) for item in value)
        if type(value) is dict and all(type(key) is str for key in value):
            return {key: self._crossing(item) for key, item in value.items()}
        return self._keep(value)

    def _real(self, value: Any) -> Any:
        """`value` with every `Ref` replaced by its object."""
        if isinstance(value, Ref):
            return self.objects[value.number]
        if isinstance(value, list | tuple):
            return type(value)(self._real(item) for item in value)
        return {key: self._real(item) for key, item in value.items()} if isinstance(value, dict) else value


class _Notebook:
    """`get_ipython` where there is no notebook: whatever is asked of it does nothing."""

    def __call__(self, *_: Any, **named: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


@contextlib.contextmanager
def _chance(number: int) -> Iterator[None]:
    """The global generators start anew from `number`: who draws from them answers otherwise at every request."""
    states = torch.random.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    torch.default_generator.manual_seed(number)  # not torch.manual_seed: it wakes CUDA
    np.random.seed(number)  # noqa: NPY002
    random.seed(number)
    try:
        yield
    finally:
        torch.random.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        random.setstate(states[2])


@contextlib.contextmanager
def _silence() -> Iterator[io.StringIO]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield said


def _awaited(cell: Coroutine[Any, Any, None] | None) -> None:
    """Run a cell that awaits something, as Jupyter does; there is no event loop here, so what needs one raises."""
    with contextlib.suppress(StopIteration):
        while cell is not None:
            cell.send(None)


def _class(error: BaseException) -> str:
    """Python's own class behind it: whoever raises a ValueError's child raises a ValueError."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins")


def told(error: BaseException) -> str:
    """Class and message, then the student's line, for the student's own eyes; a long message is cut, the line is not."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith("<cell") or "ipykernel_" in frame.filename]
    where = f" (line {own[-1].lineno} of its cell: {own[-1].line or ''}".rstrip(": ") + ")" if own else ""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text if len(text) <= TOLD else text[:TOLD].rsplit(' ', 1)[0] + ' ...'}{where}"
