"""A picture that is drawn anew while something runs: one display, once a second at most, one figure in the saved file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bdlab import student

if TYPE_CHECKING:
    from bdlab.plots import Plot

EVERY = 1.0
"""Least seconds from the end of one drawing to the next: drawing takes a quarter of a second itself."""


class Live:
    """`Live().show(draw)`: shows what `draw()` gives in place of what it showed before.

    Calls that come too early are left out, but for the last one.  Nothing is drawn outside of a notebook, and while
    nbgrader runs it.
    """

    def __init__(self) -> None:
        self.updates = 0
        """How often a picture was shown."""
        self._handle: Any = None
        self._drawn = float("-inf")

    def show(self, draw: Callable[[], Plot], *, last: bool = False) -> None:
        """Show the picture, or leave it out where the one before is too young.  last: it is the final one, so show it."""
        if not _notebook() or (not last and time.monotonic() - self._drawn < EVERY):
            return
        from IPython.display import display

        picture = draw()
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)
        self.updates, self._drawn = self.updates + 1, time.monotonic()


def _notebook() -> bool:
    """Whether somebody looks at a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and hasattr(shell, "kernel") and not student.silent()
