"""Small forms of exercises to come, and the slips that students make in them: `SLIPS` of each file, one row an exercise."""

from dataclasses import dataclass

from autograder.authoring.wrong import Edit, edit
from bdlab.exercises.specification import Exercise, Mistake

SETUP = "import copy\n\nimport torch\nimport torch.nn.functional as F\n"


@dataclass(frozen=True)
class Slip:
    """What the student hears; the edit of the reference that makes it; `when`, a predicate, see `Mistake`."""

    message: str
    edit: Edit
    when: object = None


def slip(message, *texts, loses="values", count=1, when=None):
    """A slip as an edit: old text, new text, and so on."""
    return Slip(message, edit(*texts, loses=loses, count=count), when)


@dataclass(frozen=True)
class Row:
    """One exercise: its declaration, the reference, and the slips by name."""

    task: Exercise
    reference: str
    slips: dict[str, Slip]

    def source(self, name=""):
        """The reference, or the wrong answer of this name."""
        cell = f"### BEGIN SOLUTION\n{self.reference}### END SOLUTION\n"
        cell = self.slips[name].edit.applied(cell) if name else cell
        return "\n".join(line for line in cell.splitlines() if not line.startswith("###")) + "\n"

    def points(self, name=""):
        """What that answer deserves."""
        loses = self.slips[name].edit.loses if name else ()
        lost = {*loses}.union(*(self.task.behind(part) for part in loses))
        return sum(part.points for part in self.task.parts if part.name not in lost)


def row(lesson, *signatures, parts, reference, **slips):
    """A row of the exercise `signatures` in the lesson 'l12'."""
    task = Exercise(
        *signatures, minutes=10, difficulty=2, importance=3, parts=parts, hints=("a", "b", "c"), onward="go on",
        mistakes={name: Mistake(one.message, one.when) for name, one in slips.items()},
    )  # fmt: skip
    return Row(task.within(lesson), reference.lstrip("\n"), slips)
