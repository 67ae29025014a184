"""What a row of the benchmark prints: seconds of each party, the ratio, the bar, held or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Line:
    """One claim.  value: the ratio, or the share, that is held against `bar`; None where it is only told.

    parties: median CPU seconds of each, ours first.
    """

    what: str
    parties: dict[str, float]
    value: float | None = None
    bar: float | None = None
    at_least: bool = False

    @property
    def held(self) -> bool:
        """Whether the bar is met; a line without one holds."""
        if self.value is None or self.bar is None:
            return True
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def __str__(self) -> str:
        seconds = "  ".join(f"{name} {value:.2f} s" for name, value in self.parties.items())
        value = "" if self.value is None else f"{self.value:.4f}" if self.at_least else f"{self.value:.2f}"
        bar = "" if self.bar is None else f"{'>=' if self.at_least else '<='} {self.bar:g}"
        verdict = "" if self.bar is None else "held" if self.held else "NOT HELD"
        return f"  {self.what:<50} {value:>7} {bar:>8}  {verdict:<8}  {seconds}".rstrip()


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the paired runs of ours / theirs."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def fastest(runs: dict[str, list[float]]) -> str:
    """Whose median is smallest."""
    return min(runs, key=lambda name: median(runs[name]))


def medians(runs: dict[str, list[float]]) -> dict[str, float]:
    """Median seconds of every party."""
    return {name: median(values) for name, values in runs.items()}
