"""A published figure beside ours, and what became of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bdlab.data import Dataset
from bdlab.plots import Plot

Verdict = Literal["holds", "holds if", "does not"]


@dataclass(frozen=True)
class Claim:
    """One row: what was claimed, what was measured, whether it holds.

    paper: the published figure and how sure it is.  values: ours, one per seed.  holds: decides it for one value, and
    `bound` says in words how.  condition: under which change it holds although it does not as it stands, with
    `conditional` the values measured under that change.
    """

    what: str
    paper: str
    values: Sequence[float]
    holds: Callable[[float], bool]
    bound: str
    show: Callable[[float], str] = "{:.2%}".format
    condition: str = ""
    conditional: Sequence[float] = ()

    @property
    def verdict(self) -> Verdict:
        """'holds' if it does for the mean over seeds, 'holds if' when it does under the condition, else 'does not'."""
        if self.holds(statistics.fmean(self.values)):
            return "holds"
        if self.conditional and self.holds(statistics.fmean(self.conditional)):
            return "holds if"
        return "does not"

    def row(self) -> tuple[str, str, str, str, str]:
        """What, paper, here, bound, verdict, as text."""
        here = _spread(self.values, self.show)
        if self.conditional:
            here += f"; {self.condition}: {_spread(self.conditional, self.show)}"
        verdict = f"holds if {self.condition}" if self.verdict == "holds if" else self.verdict
        return self.what, self.paper, here, self.bound, verdict


HEADER = ("claim", "paper", "here, mean (min to max over seeds)", "holds when", "verdict")


def _spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    mean = show(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ({show(min(values))} to {show(max(values))})"


def markdown(claims: Sequence[Claim]) -> str:
    """The rows as a Markdown table."""
    rows = [HEADER, tuple("---" for _ in HEADER), *(claim.row() for claim in claims)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


@dataclass(frozen=True)
class Reproduction:
    """A paper's claims on one data set, and the figures that go with them (file name -> plot)."""

    paper: str
    data: Dataset
    seeds: Sequence[int]
    claims: Sequence[Claim]
    figures: dict[str, Plot]

    @property
    def title(self) -> str:
        """The heading of its table."""
        return f"{self.paper} on {self.data.name}"

    @property
    def setting(self) -> str:
        """Data set, counts and seeds in a line."""
        d = self.data
        return (
            f"{d.name}: {len(d.train)} training images, {len(d.test)} test images; "
            f"seeds {', '.join(map(str, self.seeds))}"
        )
