"""The trusted side: what a check may ask of a student's code, and nothing else."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Protocol

from bdlab.submission.executor import Executor
from bdlab.submission.fixtures import FIXTURES
from bdlab.submission.frames import Ref, decode, encode

ENDINGS = frozenset(
    ("TimeoutError", "ProcessDied", "MemoryLimit", "CpuLimit", "DiskLimit", "ReplyLimit", "ProtocolError")
)
"""What a request raises when the process behind the line ended, or gave no answer in time."""
CALLABLE = ("patch", "noisy_patch", "relabel", "scorer")
"""Fixtures that are functions."""
HEARD = 128 << 20
"""Bytes of replies that one draw may need, before the next `renew`."""


class Raised(Exception):
    """The student's code raised: `name` is the exception's class; `detail` says more, in the student's own notebook only."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(detail or name)
        self.name, self.detail = name, detail


class Transport(Protocol):
    """Carries one frame there and one back."""

    def __call__(self, frame: bytes) -> bytes: ...

    @property
    def detail(self) -> str:
        """What the student may be told of the last exception."""

    @property
    def printed(self) -> str:
        """What the student's code printed since the last fresh start."""

    def renew(self) -> None:
        """Be ready again, also after the other side died."""


class Local:
    """Plain call: the student's namespace is in this process.  Every value is copied on its way all the same."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.executor = Executor(namespace)

    def __call__(self, frame: bytes) -> bytes:
        return self.executor.answer(frame)

    @property
    def detail(self) -> str:
        """Class, message and line of the last exception."""
        return self.executor.detail

    @property
    def printed(self) -> str:
        """What the code printed since the last fresh start."""
        return self.executor.printed

    def renew(self) -> None:
        """Nothing to do: a plain call does not die alone."""


class Submission:
    """A student's code behind a transport.  Every method raises `Raised` when the student's code did.

    fixtures: the kinds that this exercise may use; others are refused.  heard: bytes of replies since the last `renew`.
    """

    def __init__(self, transport: Transport, fixtures: Sequence[str] = tuple(FIXTURES)) -> None:
        unknown = set(fixtures) - set(FIXTURES)
        if unknown:
            raise ValueError(f"fixtures must be among {', '.join(FIXTURES)}; got {', '.join(sorted(unknown))}")
        self.transport, self.fixtures = transport, tuple(fixtures)
        self._requests = self.heard = 0
        self._fresh, self._pending, self._built = False, list[Any](), 0

    def call(self, name: str, /, *args: Any, **named: Any) -> Any:
        """The student's function `name` on plain values and `Ref`s."""
        return self._ask("call", name, *args, **named)

    def leftover(self, seed: int, name: str, /, *args: Any, **named: Any) -> list[float]:
        """What the global generators give after a call that they were seeded for: two of torch's, numpy's, Python's."""
        return self._ask("leftover", seed, name, *args, **named)

    def make(self, name: str, /, *args: Any, **named: Any) -> Ref:
        """An instance of the student's class `name`; it stays there."""
        return self._ask("make", name, *args, **named)

    def fixture(self, kind: str, /, *args: Any, **named: Any) -> Ref:
        """A thing of the closed list in `fixtures.py`, built on the student's side when the next request comes there."""
        if kind not in self.fixtures:
            raise ValueError(f"kind must be one of {', '.join(self.fixtures) or 'none'} here, got {kind!r}")
        self._built += 1
        self._pending.append([self._built, kind, list(args), named])
        what = "module" if kind == "model" else "callable" if kind in CALLABLE else "other"
        return Ref(-self._built, what)

    def invoke(self, target: Ref, *args: Any, method: str = "__call__") -> Any:
        """What `target` gives on fresh inputs: a module's forward pass, a callable's result, or one of its methods."""
        return self._ask("invoke", target, *args, method=method)

    def state(self, target: Ref) -> dict[str, Any]:
        """The state_dict of a module or an optimiser."""
        return self._ask("state", target)

    def value(self, target: str | Ref) -> Any:
        """A variable of the student by its name, or what stands behind a `Ref`."""
        return self._ask("value", target)

    def told(self) -> str:
        """What the other side says of its last exception: class, message, line.  The student's own words."""
        said = self._ask("told")
        return said if isinstance(said, str) else ""

    def load(self, cells: Sequence[str]) -> list[str | None]:
        """Start from an empty namespace and run `cells`; for each the class name of what it raised, or None."""
        raised = self._ask("load", list(cells))
        if not isinstance(raised, list) or len(raised) != len(cells):
            raise Raised("ProtocolError")
        return [None if name is None else _name(name) for name in raised]

    def more(self, cell: str, number: int) -> str | None:
        """Run one more cell, the `number`th; the class name of what it raised, or None."""
        raised = self._ask("more", cell, number)
        if not isinstance(raised, str | None):
            raise Raised("ProtocolError")
        return None if raised is None else _name(raised)

    def renew(self) -> None:
        """Drop every `Ref`; a side that died is started again."""
        self.heard = self._built = 0
        self._fresh, self._pending = True, []
        self.transport.renew()

    def _ask(self, op: str, /, *args: Any, **named: Any) -> Any:
        if self.heard > HEARD:
            raise Raised("ReplyLimit")
        self._requests += 1
        frame = self.transport(request(self._requests, op, args, named, self._fresh, self._pending))
        self._fresh, self._pending = False, []
        self.heard += len(frame)
        try:
            reply = decode(frame)
        except ValueError:
            raise Raised("ProtocolError") from None
        known = isinstance(reply, dict) and set(reply) in ({"id", "value"}, {"id", "raised"})
        if not known or type(reply["id"]) is not int or reply["id"] != self._requests:
            raise Raised("ProtocolError")
        if "raised" in reply:
            raise Raised(_name(reply["raised"]), self.transport.detail)
        return reply["value"]


def request(
    number: int,
    op: str,
    args: Sequence[Any] = (),
    named: dict[str, Any] | None = None,
    fresh: bool = False,
    fixtures: Sequence[Any] = (),
) -> bytes:
    """The frame that asks for `op`.  fresh: forget every `Ref` before; fixtures: (number, kind, args, named)."""
    about = {"id": number, "op": op, "args": list(args), "named": named or {}}
    return encode({**about, "fresh": fresh, "fixtures": list(fixtures)})


KNOWN = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)}
"""Exceptions that Python itself has: the other side cannot make up a name that somebody reads."""


def _name(raised: Any) -> str:
    """The class name that the other side gave, if it is one that we know."""
    return raised if isinstance(raised, str) and raised in KNOWN | ENDINGS else "Exception"
