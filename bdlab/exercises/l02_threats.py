"""Lesson 02, what is a backdoor: a table of threats, and the lesson itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bdlab.exercises.l02_attacks import FGSM
from bdlab.exercises.l02_labels import FLIP_LABELS
from bdlab.exercises.l02_questions import BOX, QUESTIONS
from bdlab.exercises.l02_rate import ATTACK_SUCCESS_RATE
from bdlab.exercises.parts import values
from bdlab.exercises.specification import Draw, Exercise, Lesson, Mistake, Part, Wrong
from bdlab.submission import Raised, Ref, Submission

COLUMNS: dict[str, tuple[str, ...]] = {
    "phase": ("training", "delivery", "use"),
    "needs": ("data", "model", "road", "data and road", "model and road"),
    "scope": ("whole classes", "one input", "marked inputs"),
}
"""Columns of the table, and the words that a cell may hold."""
ROWS = ("wrong labels", "changed pixels", "marked copies", "added module", "damaged file")


def cells(table: Any, column: str) -> dict[str, str]:
    """The cells of one column of a student's table.  Raises: `Wrong` for a table of another form."""
    if not isinstance(table, dict):
        raise Wrong("threat_table must be a dict with five keys: the attackers' names")
    extra, missing = [str(key) for key in table if key not in ROWS], [row for row in ROWS if row not in table]
    if extra:
        raise Wrong(f"{extra[0]!r:.30} is no attacker of the list" + (f"; {missing[0]!r} is missing" if missing else ""))
    if missing:
        raise Wrong(f"the row {missing[0]!r} is missing")
    found, at = {}, list(COLUMNS).index(column)
    for row in ROWS:
        three = table[row]
        if not isinstance(three, list | tuple) or len(three) != 3 or not all(isinstance(word, str) for word in three):
            raise Wrong(f"row {row!r} must hold three texts: phase, needs, scope")
        word = " ".join(three[at].lower().split())
        word = " and ".join(sorted(word.split(" and "))) if column == "needs" else word  # 'road and data' is the same
        if word not in COLUMNS[column]:
            allowed = ", ".join(map(repr, COLUMNS[column]))
            raise Wrong(f"row {row!r}: its {column} is {word!r}, where one of {allowed} must stand")
        found[row] = word
    return found


def _column(name: str, verified: str) -> Part:
    def run(sub: Submission, draw: Draw) -> dict[str, str]:
        table = sub.value("threat_table")
        return cells(_opened(sub, table) if isinstance(table, Ref) else table, name)

    return values(1, lambda rng: [{}], verified, name=name, run=run)


def _opened(sub: Submission, table: Ref) -> dict[str, Any]:
    """An OrderedDict, or another mapping that stays on the student's side, as a dict."""
    try:
        return {row: sub.invoke(table, row, method="__getitem__") for row in ROWS}
    except Raised as error:
        raise Wrong("threat_table must be a dict with the five attackers' names as keys") from error


def _says(**wrong: str | tuple[str, ...]) -> Callable[[Draw, Any, Any], bool]:
    """Whether any of these rows, '_' for a blank, has one of these words, and no other row is wrong."""
    words = {row.replace("_", " "): (one,) if isinstance(one, str) else one for row, one in wrong.items()}

    def seen(draw: Draw, got: Any, expected: Any) -> bool:
        off = [row for row in expected if got[row] != expected[row]]
        return all(got[row] in words.get(row, ()) for row in off)

    return seen


THREAT_TABLE = Exercise(
    "threat_table", minutes=15, difficulty=1, importance=4,
    parts=[_column("phase", "when each attacker acts first"), _column("needs", "what each must be able to change"),
           _column("scope", "which inputs are read wrongly in the end")],
    hints=(
        "For each row: what is different in the world after the attacker has acted once? A label, a file, or one photo?",
        "Phase: was the reader finished already? Needs: who plants a secret must also call it. Scope: does an untouched "
        "sign of some class suffer, or only a sign that somebody changed?",
        "Rows three and four are backdoors: each needs two places, and only marked inputs suffer. Rows one and five need "
        "one place and no mark.",
    ),
    mistakes={
        "evasion_trains": Mistake(
            "You let 'changed pixels' act before use. It leaves data and reader as they are, and changes an input of the "
            "finished reader.", when=_says(changed_pixels=("training", "delivery")), part="phase"),
        "all_in_training": Mistake(
            "You put an attack on the finished reader into training. Module and damaged weights come after it: clean data "
            "and an honest training do not help against them.",
            when=_says(added_module="training", damaged_file="training"), part="phase"),
        "called_in_use": Mistake(
            "You name the moment when the secret is called. The column asks when the attacker acts *first*: that is when "
            "the secret is planted.", when=_says(marked_copies="use", added_module="use"), part="phase"),
        "file_in_use": Mistake(
            "The file is damaged on its way to the city: the reader is trained, and not in use yet.",
            when=_says(damaged_file="use"), part="phase"),
        "labels_later": Mistake(
            "Wrong labels act on what the reader learns from: after training nobody reads them any more.",
            when=_says(wrong_labels=("delivery", "use")), part="phase"),
        "pixels_are_data": Mistake(
            "'data' is the training set. Here it stays clean: what changes is what the camera sees.",
            when=_says(changed_pixels=("data", "data and road")), part="needs"),
        "labels_once": Mistake(
            "Wrong labels and damaged weights change the reader itself: every sign of the two classes suffers, not one.",
            when=_says(wrong_labels="one input", damaged_file="one input"), part="scope"),
        "road_forgotten": Mistake(
            "A backdoor that nobody calls does nothing. Whoever plants 'marked copies' or an 'added module' must also bring "
            "the mark to the camera: two places.",
            when=_says(marked_copies="data", added_module="model"), part="needs"),
        "always_data": Mistake(
            "A backdoor need not come by the data. The module is bolted onto a finished reader: its training set was clean.",
            when=_says(added_module=("data and road", "data")), part="needs"),
        "knows_the_model": Mistake(
            "To compute the change one may need to *know* the reader. The column asks what the attacker must *change*: here "
            "nothing but what the camera sees.",
            when=_says(changed_pixels=("model", "model and road")), part="needs"),
        "road_everywhere": Mistake(
            "Wrong labels and damaged weights harm by themselves: nobody need stand at the road and show anything.",
            when=_says(wrong_labels="data and road", damaged_file="model and road"), part="needs"),
        "poison_marks": Mistake(
            "There is no mark in wrong labels or in damaged weights. Untouched signs of the two classes are read wrongly.",
            when=_says(wrong_labels="marked inputs", damaged_file="marked inputs"), part="scope"),
        "backdoor_everywhere": Mistake(
            "That would show in the first test. Marked copies and the module leave unmarked signs alone: only marked inputs "
            "are read wrongly.",
            when=_says(marked_copies="whole classes", added_module="whole classes"), part="scope"),
        "evasion_everywhere": Mistake(
            "The change was computed for one photo, and only that photo is changed. All other inputs are read as before.",
            when=_says(changed_pixels=("whole classes", "marked inputs")), part="scope"),
        "backdoor_once": Mistake(
            "The mark is made once and works on every sign that carries it. That is what a backdoor has over a changed "
            "photo.", when=_says(marked_copies="one input", added_module="one input"), part="scope"),
    },
    onward="poison a training set by its labels alone",
)  # fmt: skip

LESSON = Lesson(
    "02_threats", "What is a backdoor? Threats and measures", 120, (THREAT_TABLE, FLIP_LABELS, FGSM, ATTACK_SUCCESS_RATE),
    QUESTIONS, imports=("import torch", "from torch import Tensor", "from torch.nn import functional as F"), box=BOX,
)  # fmt: skip
