"""Progress of long work: silent in the library, a bar on stderr once someone asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
_shown: ContextVar[bool] = ContextVar("bdlab_progress", default=False)


@contextmanager
def progress() -> Iterator[None]:
    """Inside this block, training and scoring show bars: `with bdlab.progress(): attack(model, data)`."""
    token = _shown.set(True)
    try:
        yield
    finally:
        _shown.reset(token)


def track(steps: Sequence[T], label: str) -> Iterator[T]:
    """Iterate over `steps`, with a bar named `label` where progress is shown."""
    if not _shown.get():
        yield from steps
        return
    from tqdm import tqdm

    notebook = type(sys.stderr).__module__.startswith("ipykernel")  # no terminal either, and no file
    disable = None if not notebook else False  # None: not into a file
    yield from tqdm(steps, desc=label, leave=False, dynamic_ncols=not notebook, disable=disable)
