"""What a lecturer wants to know of a class: computed from verdicts and answers, as plain values."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from autograder.reports import similar
from autograder.reports.hand_ins import HandIns
from autograder.reports.people import People
from autograder.verdict.journal import CAUSES, CellGrade, Record
from bdlab.exercises.specification import Exercise

Z = 1.959964
"""Of a 95 % interval."""
SLOW, SHOWN = 10, 20
"""How many of the slowest, and of the pairs that are alike, are told."""
WHOLE = "the whole hand-in"


@dataclass(frozen=True)
class Item:
    """One exercise over `n` hand-ins that could be read.

    share: of its points that were earned, in [0, 1]; low, high: 95 % interval.  discrimination: correlation with the points
    of all other exercises, None where one of the two does not vary.  outcomes: each of `CAUSES` -> hand-ins.
    """

    exercise: str
    n: int
    maximum: float
    share: float
    low: float
    high: float
    discrimination: float | None
    outcomes: Mapping[str, int]


@dataclass(frozen=True)
class Mistake:
    """One misconception.  told: what these students heard; count: of them, of `written` answers; sample: one answer."""

    exercise: str
    name: str
    told: str
    count: int
    written: int
    sample: str = field(repr=False)


@dataclass(frozen=True)
class Group:
    """Students of whom the same is to be told.  students: as the page names them."""

    what: str
    why: str
    students: Sequence[str]


@dataclass(frozen=True)
class Likeness:
    """A pair that a human should look at.  shared: see `similar.Pair`; codes: both answers to the rarest of them."""

    first: str
    second: str
    bits: float
    shared: Mapping[str, tuple[int, int]]
    codes: tuple[str, str] = field(repr=False)


@dataclass(frozen=True)
class Report:
    """Everything on the page.  Students occur by what the page calls them, and nowhere else.

    points: automatic points of every hand-in; read: how many could be read.  unknown: wrong answers like no mutant of ours.
    gradebook: whether it knows the assignment, so that `waiting` has the essays.  missing: who has no verdict yet.
    slow: (student, seconds); seconds: the median of all.  likeness: the rarest pairs, of `pairs`; unseen: hand-ins whose
    answers lie nowhere.  tiers: of walls -> hand-ins.  at: first and last verdict.
    """

    name: str
    title: str
    made: str
    maximum: float
    points: Sequence[float]
    read: int
    items: Sequence[Item]
    mistakes: Sequence[Mistake]
    unknown: int
    waiting: Sequence[Group]
    gradebook: bool
    refused: Sequence[Group]
    crashed: Sequence[Group]
    remarks: Sequence[Group]
    missing: Sequence[str]
    slow: Sequence[tuple[str, float]]
    seconds: float
    likeness: Sequence[Likeness]
    pairs: int
    unseen: int
    tiers: Mapping[str, int]
    secrets: Sequence[str]
    at: tuple[str, str]
    anonymous: bool


def report(found: HandIns, people: People) -> Report:
    """The report on one assignment."""
    records = [found.records[student] for student in sorted(found.records)]
    read = [record for record in records if not record.refused]
    tasks = found.lesson.exercises
    alike = similar.pairs(found.answers, found.stubs)
    times = sorted(records, key=lambda record: -record.seconds)
    made = [(task, record, cell) for record in read for task in tasks if (cell := record.cells.get(task.id))]
    return Report(
        name=found.name,
        title=found.lesson.title,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        maximum=float(sum(task.points for task in tasks)),
        points=[record.points for record in records],
        read=len(read),
        items=[item(task, read) for task in tasks],
        mistakes=mistakes(made, found, people),
        unknown=sum(cell.cause in ("wrong", "in part") and not cell.mistakes for _, _, cell in made),
        waiting=_waiting(found, people),
        gradebook=found.waiting is not None,
        refused=_groups(((WHOLE, people.line(r.refused), r.student) for r in records if r.refused), people),
        crashed=_groups(
            ((task.id, cell.cause, record.student) for task, record, cell in made if cell.cause in CAUSES[4:]),
            people,
        ),
        remarks=_groups((("", people.line(line), r.student) for r in records for line in r.remarks), people),
        missing=sorted(people.shown[student] for student in found.missing),
        slow=[(people.shown[record.student], record.seconds) for record in times[:SLOW]],
        seconds=statistics.median(record.seconds for record in records),
        likeness=[_likeness(pair, found, people) for pair in alike[:SHOWN]],
        pairs=len(alike),
        unseen=len(read) - len(found.answers.keys() & {record.student for record in read}),
        tiers=Counter(record.tier for record in records),
        secrets=sorted({record.secret for record in records}),
        at=(min(record.at for record in records), max(record.at for record in records)),
        anonymous=people.hidden is not None,
    )


def item(task: Exercise, records: Sequence[Record]) -> Item:
    """How one exercise went; `records` are of hand-ins that could be read."""
    cells = [record.cells[task.id] for record in records if task.id in record.cells]
    own = np.array([cell.points for cell in cells])
    rest = np.array([record.points for record in records if task.id in record.cells]) - own
    share = float(own.mean() / task.points) if cells else 0.0
    low, high = wilson(share, len(cells))
    counts = Counter(cell.cause for cell in cells)
    outcomes = {name: counts[name] for name in CAUSES}
    return Item(task.id, len(cells), task.points, share, low, high, correlation(own, rest), outcomes)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share in [0, 1] of `n`; wider than need be where points are given in part.

    Source: E. B. Wilson (1927), JASA 22, 209-212.
    """
    if n == 0:
        return 0.0, 1.0
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def correlation(own: np.ndarray, rest: np.ndarray) -> float | None:
    """Pearson's, of two float (n,); None where one of them does not vary."""
    if len(own) < 3 or np.ptp(own) < 1e-9 or np.ptp(rest) < 1e-9:
        return None
    return float(np.corrcoef(own, rest)[0, 1])


def mistakes(made: Sequence[tuple[Exercise, Record, CellGrade]], found: HandIns, people: People) -> list[Mistake]:
    """Every misconception that was recognised, the most frequent first."""
    who: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    written: Counter[str] = Counter()
    messages = {task.id: task.messages for task, _, _ in made}
    for task, record, cell in made:
        written[task.id] += cell.cause != "blank"
        for name in cell.mistakes:
            who[task.id, name].append(record.student)
    ordered = sorted(who.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [
        Mistake(
            exercise, name, messages[exercise].get(name, name), len(students), written[exercise],
            people.code(typical([found.answers.get(student, {}).get(exercise, "") for student in students])),
        )
        for (exercise, name), students in ordered
    ]  # fmt: skip


def typical(sources: Sequence[str]) -> str:
    """The shortest answer of the form that is most frequent; '' where there is none."""
    forms = Counter(similar.labels(source) for source in sources if source)
    if not forms:
        return ""
    (form, _), *_ = forms.most_common(1)
    return min((source for source in sources if source and similar.labels(source) == form), key=len)


def _waiting(found: HandIns, people: People) -> list[Group]:
    """What a human is to grade, by the gradebook, or by the doubts of grading where it does not know."""
    doubts = {(s, name): cell.doubts for s, record in found.records.items() for name, cell in record.cells.items()}
    cells = found.waiting
    if cells is None:
        cells = [key for key, why in doubts.items() if why]
    rows = []
    for student, name in cells:
        refused = found.records[student].refused
        if (student, name) not in doubts:
            rows.append((name, "an answer in words", student))
        elif refused:
            rows.append((WHOLE, f"could not be read: {people.line(refused)}", student))
        else:
            rows += [(name, people.line(why), student) for why in doubts[student, name] or ("marked in the gradebook",)]
    return _groups(dict.fromkeys(rows), people)


def _groups(rows: Iterable[tuple[str, str, str]], people: People) -> list[Group]:
    """(what, why, student) together where both are the same; the largest group first."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for what, why, student in rows:
        found[what, why].append(people.shown[student])
    ordered = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [Group(what, why, sorted(students)) for (what, why), students in ordered]


def _likeness(pair: similar.Pair, found: HandIns, people: People) -> Likeness:
    rarest = next(iter(pair.shared))
    first, second = (people.handed_in(found.answers[student][rarest]) for student in (pair.first, pair.second))
    return Likeness(people.shown[pair.first], people.shown[pair.second], pair.bits, pair.shared, (first, second))
