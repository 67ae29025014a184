"""A published figure beside ours, and what became of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bdlab.data import Dataset
from bdlab.plots import Plot


@dataclass(frozen=True)
class Claim:
    """One row: what was claimed, what was measured, whether it holds.

    paper: the published figure and how sure it is.  values: ours, one per seed.  holds: decides it for one value, and
    `bound` says in words how.  changed: condition -> the values measured under it, tried where it does not hold as it is.
    every: what the paper says of every model has to hold for every seed, the rest for the mean over seeds.
    controls: condition -> whether the row's negative control still holds under it; one that fails there is no help.
    comparable: False where the published figure is another data set's: it is shown, and nothing is judged.
    """

    what: str
    paper: str
    values: Sequence[float]
    holds: Callable[[float], bool]
    bound: str
    show: Callable[[float], str] = "{:.2%}".format
    changed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    every: bool = False
    controls: Mapping[str, bool] = field(default_factory=dict)
    comparable: bool = True

    @property
    def verdict(self) -> str:
        """'holds', 'holds if ...' under the first condition that helps, 'does not'; 'undefined' where nothing is known.

        'not comparable' where the figure is another data set's.  What nobody published (paper '-') is a check of ours:
        where it fails the verdict is 'sanity check fails'.
        """
        if not self.comparable:
            return "not comparable"
        if self._hold(self.values):
            return "holds"
        tried = {condition: values for condition, values in self.changed.items() if self.controls.get(condition, True)}
        helps = (condition for condition, values in tried.items() if self._hold(values))
        failed = "sanity check fails" if self.paper.split(" ")[0] == "-" else "does not"
        failed = "undefined" if all(map(math.isnan, self.values)) else failed
        return next((f"holds if {condition}" for condition in helps), failed)

    def _hold(self, values: Sequence[float]) -> bool:
        return all(map(self.holds, values)) if self.every else self.holds(statistics.fmean(values))

    def row(self) -> tuple[str, str, str, str, str]:
        """What, paper, here, bound, verdict, as text."""
        here = [_spread(self.values, self.show)]
        here += [f"{condition}: {_spread(values, self.show)}" for condition, values in self.changed.items()]
        return self.what, self.paper, "; ".join(here), self.bound + " for every seed" * self.every, self.verdict


HEADER = ("claim", "paper", "here, mean (min to max over seeds)", "holds when", "verdict")


def _spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    """The mean, the smallest and the largest; values that are undefined (NaN) are counted and leave no mean."""
    known = [value for value in values if not math.isnan(value)]
    missing = len(values) - len(known)
    mean = f"undefined for {missing} of {len(values)}" if missing else show(statistics.fmean(values))
    return mean if len(values) == 1 or not known else f"{mean} ({show(min(known))} to {show(max(known))})"


def markdown(claims: Sequence[Claim]) -> str:
    """The rows as a Markdown table."""
    rows = [HEADER, tuple("---" for _ in HEADER), *(claim.row() for claim in claims)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


@dataclass(frozen=True)
class Reproduction:
    """A paper's claims on one data set, and the figures that go with them (file name -> plot).

    not_run: published results that need what is not here (a data set, a network, a GPU), one line each.
    """

    paper: str
    data: Dataset
    seeds: Sequence[int]
    claims: Sequence[Claim]
    figures: dict[str, Plot]
    not_run: Sequence[str] = ()

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
