"""Progress of long work: silent in the library, a bar once someone asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
_shown: ContextVar[dict[int, _Line] | None] = ContextVar("bdlab_progress", default=None)
"""Depth of nesting -> the line of a notebook's cell that shows it; None: no bars."""


@contextmanager
def progress() -> Iterator[None]:
    """Inside this block, training and scoring show bars: `with bdlab.progress(): attack(model, data)`.

    A terminal gets them on stderr, a notebook as a line of the cell's output; a file gets none.
    """
    token = _shown.set({})
    try:
        yield
    finally:
        _shown.reset(token)


def track(steps: Sequence[T], label: str) -> Iterator[T]:
    """Iterate over `steps`, with a bar named `label` where progress is shown."""
    lines = _shown.get()
    if lines is None:
        yield from steps
        return
    from tqdm import tqdm

    if not _in_notebook():
        yield from tqdm(steps, desc=label, leave=False, dynamic_ncols=True, disable=None)  # None: not into a file
        return
    depth = sum(line.busy for line in lines.values())
    line = lines.setdefault(depth, _Line())
    line.busy = True
    try:
        yield from tqdm(steps, desc=label, file=line, position=0, ncols=66, ascii=False)
    finally:
        line.busy = False


class _Line:
    """A line of a cell's output that is written anew: stderr would show red and, while nbgrader runs, cost points."""

    def __init__(self) -> None:
        self.busy = False
        self._handle: Any = None

    def write(self, text: str) -> None:
        """Show the bar that `text` holds; what tqdm writes to move a cursor is left out."""
        from IPython.display import display

        bundle = {"text/plain": text.strip()}
        if not bundle["text/plain"]:
            return
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def flush(self) -> None:
        """Nothing waits here."""


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook, which has no terminal."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None
