"""What the commands show: lists that are cut, tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

SHOWN = 40
"""Lines of a list."""


def listed(title: str, lines: Sequence[tuple[str, str]], shown: int = SHOWN) -> Iterator[str]:
    """A list for the terminal, (who, what) each; what is longer than `shown` is counted."""
    if lines:
        yield f"{title}: {len(lines)}"
        yield from (f"  {who}: {what}" if what else f"  {who}" for who, what in lines[:shown])
    if len(lines) > shown:
        yield f"  and {len(lines) - shown} more"


def table(rows: Sequence[Sequence[object]], heads: Sequence[str], title: str = "") -> None:
    """Print rows on stdout."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(*heads, title=title or None, title_justify="left")
    for row in rows:
        shown.add_row(*map(str, row))
    Console(width=None if sys.stdout.isatty() else 120).print(shown)
