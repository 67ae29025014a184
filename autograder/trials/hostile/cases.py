"""All cases of a lesson."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from autograder.trials.hostile.case import Case, Material
from autograder.trials.hostile.exhausting import exhausting
from autograder.trials.hostile.forging import forging
from autograder.trials.hostile.malformed import malformed
from autograder.trials.hostile.reaching import reaching
from autograder.trials.hostile.unlucky import unlucky


def cases(home: Path) -> list[Case]:
    """Hostile and unlucky hand-ins for the lesson under solutions/NN_topic, each with a name of its own."""
    of = Material(home)
    found = list(chain(forging(of), reaching(of), exhausting(of), malformed(of), unlucky(of)))
    names = [(case.kind, case.name) for case in found]
    assert len(set(names)) == len(names), "two cases have one name"
    return found


def in_turn(every: list[Case]) -> list[Case]:
    """The first case of each class, then the second of each, and so on: a run that is cut short has seen every class."""
    seen: dict[str, int] = {}
    ranks = []
    for case in every:
        seen[case.kind] = seen.get(case.kind, 0) + 1
        ranks.append(seen[case.kind])
    return [every[number] for number in sorted(range(len(every)), key=lambda number: (ranks[number], number))]
