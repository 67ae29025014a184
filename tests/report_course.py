"""An invented class as a course folder after grading: drawn from references, alternatives and mutants, nothing is run."""

import copy
import json
import random

from autograder.authoring.folders import folder
from autograder.authoring.sources import alternatives, mistakes, references
from autograder.course import secret
from autograder.course.folder import ROOT
from autograder.verdict.grade import ENDED, unwritten
from autograder.verdict.journal import CellGrade, Journal, Record
from bdlab.exercises import lessons

HOME = folder("03")
LESSON = lessons.lesson(HOME.name)
TASKS = {task.id: task for task in LESSON.exercises}
RELEASE = json.loads((ROOT / "lessons" / HOME.name / f"{HOME.name}.ipynb").read_text(encoding="utf-8"))
RIGHT, ALTERNATIVES, MUTANTS = references(HOME), alternatives(HOME), mistakes(HOME)


def write(root, hand_ins, name=HOME.name):
    """The course folder: release, submitted, autograded and journal.  hand_ins: (record, exercise -> source) each."""
    if not (root / "secret").exists():
        secret.init(root)
    for folder_, book in (
        (root / "release" / name, RELEASE),
        *((_graded(root, r, name), _book(s)) for r, s in hand_ins),
    ):
        folder_.mkdir(parents=True)
        (folder_ / f"{HOME.name}.ipynb").write_text(json.dumps(book), encoding="utf-8")
    journal = Journal.open(root / "journal" / f"{name}.jsonl")
    for record, _ in hand_ins:
        (root / "submitted" / record.student / name).mkdir(parents=True)
        journal.add(record)


def _graded(root, record, name):
    return root / "autograded" / record.student / name


def _book(sources):
    book = copy.deepcopy(RELEASE)
    for cell in book["cells"]:
        about = cell["metadata"].get("bdlab", {})
        if about.get("role") == "answer" and about["exercise"] in sources:
            cell["source"] = sources[about["exercise"]]
    return book


def record(student, cells, **about):
    """A verdict; exercises that `cells` leaves out were not written."""
    own = {name: cells.get(name, unwritten(task)) for name, task in TASKS.items()}
    plain = {"assignment": HOME.name, "key": student, "tier": "A", "secret": "0123456789ab", "seconds": 0.5}
    return Record(student=student, cells=own, **{**plain, "at": "2026-01-02T10:00:00+00:00", **about})


def right(name):
    """All points of an exercise."""
    reasons = (f"{name}: all points", "  ok   values: 20 draws")
    return CellGrade(TASKS[name].points, TASKS[name].points, reasons, cause="right")


def wrong(mutant):
    """What an answer gets that behaves like `mutant`."""
    message = TASKS[mutant.exercise].messages[mutant.name]
    return CellGrade(mutant.points, TASKS[mutant.exercise].points, ("  no   values: 2, expected 3", f"  {message}"),
                     mistakes=(mutant.name,), cause="in part" if mutant.points else "wrong")  # fmt: skip


def lost(name, why="your code raised NameError"):
    """No points, by an exception or an end of the process."""
    cause = "ended its process" if why == ENDED else "raised an error"
    return CellGrade(0.0, TASKS[name].points, (f"{name}: 0 points", f"  no   values: {why} (with x (2,))"), cause=cause)


def drawn(students, seed, common=()):
    """A hand-in for each of `students`: ability decides who is right; wrong ones draw a mutant, `common` ones 20 times
    as often as others.
    """
    chance = random.Random(seed)
    for student in students:
        ability, cells, sources = chance.gauss(0.5, 1), {}, {}
        for name in TASKS:
            able = chance.gauss(ability, 1)
            if able > 0:
                ways = [RIGHT[name], *(each for each in ALTERNATIVES if each.exercise == name)]
                cells[name], sources[name] = right(name), chance.choice(ways).source
            elif able > -2:
                mutants = [each for each in MUTANTS if each.exercise == name]
                weights = [20 if (name, each.name) in common else 1 for each in mutants]
                (mutant,) = chance.choices(mutants, weights)
                cells[name], sources[name] = wrong(mutant), mutant.source
            elif able > -2.5:
                cells[name] = lost(name, chance.choice(("your code raised NameError", ENDED)))
                sources[name] = RIGHT[name].source.replace("(", "((", 1)
        yield record(student, cells, seconds=round(chance.lognormvariate(-1, 0.6), 3)), sources
