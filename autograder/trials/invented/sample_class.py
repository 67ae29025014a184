"""A class that is drawn: who it is, what everybody handed in, and what it deserves.  Equal seeds draw equal classes.

Three mistakes are planted: they are the three most frequent ones.  No person of these names is meant.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from autograder.authoring.sources import Answer, alternatives, mistakes, references
from autograder.trials.invented.mishaps import NAMES
from autograder.trials.invented.variation import broken, fuss, vary
from bdlab.exercises import lessons

FIRST = (
    "Ada", "Bela", "Carl", "Dora", "Emil", "Fay", "Gus", "Hana", "Ines", "Jon", "Kaja", "Lea", "Milo", "Nora", "Oskar",
    "Pia", "Quinn", "Rosa", "Sven", "Tilda", "Udo", "Vera", "Wim", "Xenia", "Yara", "Zoë",
)  # fmt: skip
LAST = (
    "Ahorn", "Birke", "Ceder", "Dattel", "Eiche", "Fichte", "Ginkgo", "Hasel", "Ilex", "Jasmin", "Kiefer", "Linde",
    "Mandel", "Nuß", "Olive", "Pappel", "Quitte", "Robinie", "Salweide", "Tanne", "Ulme", "Vogelbeere", "Weide",
)  # fmt: skip
FEWEST, MOST = 12, 5000
SHARES = {
    "right": 0.22, "with mistakes": 0.58, "some left out": 0.06, "syntax error": 0.04, "only the essay": 0.03,
    "blank": 0.05, "unreadable": 0.02,
}  # fmt: skip
"""What hand-ins there are, as shares of the class."""
PLANTED = (0.14, 0.11, 0.08)
"""How many of the class make each of the planted mistakes."""
OTHERS = 0.1
"""How many make one of the other mistakes, in each exercise."""
MISHAPS = 0.2
"""How many of the hand-ins with answers are damaged."""
ESSAYS = 0.85
"""How many of those with answers write the essay."""
COPIES = 0.01
"""Pairs of whom one copied all answers and changed the names, as a share of the class; one at least."""
SENTENCES = (
    "Each phase leaves something that can be looked at.", "I would begin with the data, since everything depends on them.",
    "What is collected from strangers should be counted and drawn at random for a second look.",
    "A model that does well on clean data can still do what somebody else wants.", "This costs time but no computer.",
    "Afterwards only the behaviour is left, and the trigger is not known.", "It depends on who owns which phase.",
    "Nobody sees a few images among so many.", "The labels of some images do not fit what they show.",
)  # fmt: skip


@dataclass(frozen=True)
class HandIn:
    """One student.  answers: exercise -> source; names: exercise -> 'mistake NAME', 'right NAME' or '';
    deserved: exercise -> points; mishap: one of `mishaps.NAMES`, 'truncated', or ''; copied: from whom.
    """

    student: str
    first: str
    last: str
    kind: str
    answers: Mapping[str, str] = field(repr=False)
    names: Mapping[str, str]
    deserved: Mapping[str, float]
    essay: str = ""
    mishap: str = ""
    copied: str = ""

    @property
    def total(self) -> float:
        """Automatic points."""
        return float(sum(self.deserved.values()))


@dataclass(frozen=True)
class Drawn:
    """A class.  planted: (exercise, mistake), the most frequent first."""

    home: Path
    seed: int
    hand_ins: Sequence[HandIn]
    planted: Sequence[tuple[str, str]]


def draw(home: Path, students: int, seed: int = 0, mishaps: Sequence[str] = NAMES) -> Drawn:
    """A class for the lesson solutions/NN_topic.  mishaps: of which damaged hand-ins have one each.

    Raises: `ValueError` where `students` is not in FEWEST..MOST.
    """
    if not FEWEST <= students <= MOST:
        raise ValueError(f"students must be in {FEWEST}..{MOST}, got {students}")
    chance = random.Random(f"{home.name}/{students}/{seed}")
    full = {task.id: task.points for task in lessons.lesson(home.name).exercises}
    kinds = _kinds(students, chance)
    wrong, planted = _mistakes(
        home, full, [n for n, kind in enumerate(kinds) if kind == "with mistakes"], students, chance
    )
    ways = _ways(home)
    damaged = chance.sample(list(mishaps), len(mishaps))
    made = []
    for number, kind in enumerate(kinds):
        chosen = _chosen(kind, ways, {name: table.get(number) for name, table in wrong.items()}, chance)
        made.append(_hand_in(number, kind, chosen, full, damaged, chance))
    return Drawn(home, seed, _copied(made, chance), planted)


def _kinds(students: int, chance: random.Random) -> list[str]:
    counts = {kind: round(share * students) for kind, share in SHARES.items()}
    counts["with mistakes"] += students - sum(counts.values())
    found = [kind for kind, count in counts.items() for _ in range(count)]
    chance.shuffle(found)
    return found


def _ways(home: Path) -> dict[str, list[Answer]]:
    """Exercise -> the right answers."""
    right = references(home)
    return {name: [answer, *(one for one in alternatives(home) if one.exercise == name)] for name, answer in right.items()}


def _mistakes(
    home: Path, full: Mapping[str, float], who: Sequence[int], students: int, chance: random.Random
) -> tuple[dict[str, dict[int, Answer]], list[tuple[str, str]]]:
    """Exercise -> number of a student -> their wrong answer; and what is planted."""
    mutants = {name: [one for one in mistakes(home) if one.exercise == name] for name in full}
    for found in mutants.values():
        chance.shuffle(found)
    rounds = [(name, n) for n in range(len(PLANTED)) for name in chance.sample(list(full), len(full))]
    planted = [mutants[name][n] for name, n in rounds if n < len(mutants[name])][: len(PLANTED)]
    table: dict[str, dict[int, Answer]] = {name: {} for name in full}
    left = {name: chance.sample(who, len(who)) for name in full}
    counts = [max(round(share * students), len(PLANTED) + 1 - n) for n, share in enumerate(PLANTED)]
    for mutant, count in zip(planted, counts, strict=False):
        table[mutant.exercise] |= {left[mutant.exercise].pop(): mutant for _ in range(count)}
    for name, found in mutants.items():
        rest = [mutant for mutant in found if mutant not in planted]
        count = min(round(OTHERS * students), len(left[name]), len(rest) * (counts[-1] - 1))
        table[name] |= {left[name].pop(): rest[n % len(rest)] for n in range(count)}
    return table, [(mutant.exercise, mutant.name) for mutant in planted]


def _chosen(
    kind: str, ways: Mapping[str, Sequence[Answer]], wrong: Mapping[str, Answer | None], chance: random.Random
) -> dict[str, Answer]:
    """Exercise -> the answer that one student writes; what is absent stays as released."""
    if kind in ("blank", "only the essay"):
        return {}
    found = {name: wrong[name] or chance.choice(right) for name, right in ways.items()}
    if kind == "some left out":
        for name in chance.sample(list(found), chance.randint(1, max(1, len(found) - 1))):
            del found[name]
    return found


def _hand_in(
    number: int,
    kind: str,
    chosen: Mapping[str, Answer],
    full: Mapping[str, float],
    damaged: list[str],
    chance: random.Random,
) -> HandIn:
    answers = _tagged({name: vary(answer.source, chance) for name, answer in chosen.items()})
    deserved = {name: _points(chosen.get(name)) for name in full}
    if kind == "syntax error":
        slip = chance.choice(list(answers))
        answers[slip], deserved[slip] = broken(answers[slip]), 0.0
    mishap = "truncated" if kind == "unreadable" else ""
    if kind in ("right", "with mistakes", "some left out") and chance.random() < MISHAPS:
        damaged.append(mishap := damaged.pop(0))
    if kind == "unreadable":
        deserved = dict.fromkeys(full, 0.0)
    writes = kind == "only the essay" or mishap == "attachments" or (kind != "blank" and chance.random() < ESSAYS)
    essay = " ".join(chance.sample(SENTENCES, 4)) if writes else ""
    first, last = FIRST[number % len(FIRST)], LAST[(number // len(FIRST)) % len(LAST)]
    again = number // (len(FIRST) * len(LAST))
    student = f"{first.lower().replace('ë', 'e')}{number:03d}"
    names = {name: _name(chosen.get(name)) for name in full}
    return HandIn(student, first, f"{last}-{again}" if again else last, kind, answers, names, deserved, essay, mishap)


def _name(answer: Answer | None) -> str:
    return "" if answer is None else f"{'mistake' if answer.loses else 'right'} {answer.name}"


def _points(answer: Answer | None) -> float:
    return 0.0 if answer is None else answer.points


def _copied(made: list[HandIn], chance: random.Random) -> list[HandIn]:
    """Some hand in the answers of another with other names in them.

    What is copied is odd in some way: an answer that many write alike shows no copying.
    """
    able = [n for n, one in enumerate(made) if one.kind == "right" and not one.mishap]
    pairs = min(max(1, round(COPIES * len(made))), len(able) // 2)
    picked = chance.sample(able, 2 * pairs)
    for source, target in zip(picked[:pairs], picked[pairs:], strict=True):
        one, other = made[source], made[target]
        own = {name: fuss(text, chance) for name, text in one.answers.items()}
        made[source] = replace(one, answers=_tagged(own))
        theirs = {name: vary(text, chance, deep=False) for name, text in own.items()}
        made[target] = replace(
            other, answers=_tagged(theirs), names=one.names, deserved=one.deserved, mishap="", copied=one.student
        )
    return made


def _tagged(answers: Mapping[str, str]) -> dict[str, str]:
    """With the first line that says which answer it is, which people leave where it is."""
    return {name: f"# [{name}]\n{source}" for name, source in answers.items()}
