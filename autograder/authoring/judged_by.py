"""What an assignment's hand-ins are judged by: the references as they were when it was released, and our checks today."""

from __future__ import annotations

import json
import re
from pathlib import Path

from autograder.authoring.digests import digest
from autograder.authoring.sources import Answer, references
from autograder.course.folder import place
from bdlab import exercises, submission
from bdlab.exercises import frozen, lessons


def keep(root: Path, home: Path, name: str) -> None:
    """Keep what the assignment `name` of the course folder `root` is judged by from now on."""
    answers = {exercise: [one.setup, one.source] for exercise, one in references(home).items()}
    text = json.dumps({"answers": answers, "checks": checks(home)}, indent=1)
    place(_path(root, name), text.encode())


def kept(root: Path, home: Path, name: str) -> dict[str, Answer]:
    """Exercise -> the reference that counts: the one that was released, the work tree's where nothing was kept."""
    if not _path(root, name).is_file():
        return references(home)
    found = json.loads(_path(root, name).read_text(encoding="utf-8"))["answers"]
    return {exercise: Answer(exercise, "reference", source, setup) for exercise, (setup, source) in found.items()}


def differs(root: Path, home: Path, name: str) -> list[str]:
    """What of the work tree is not as it was released, one sentence each."""
    if not _path(root, name).is_file():
        return []
    found = json.loads(_path(root, name).read_text(encoding="utf-8"))
    then, now = found["answers"], {exercise: one.cells for exercise, one in references(home).items()}
    exercises = sorted(one for one in then.keys() | now.keys() if then.get(one) != now.get(one))
    told = f"the reference of {', '.join(exercises)} has changed and does not count yet: `autograder release {home.name}`"
    old, new = found["checks"], checks(home)
    files = sorted(one for one in old.keys() | new.keys() if old.get(one) != new.get(one))
    return [*([told] if exercises else []), *([f"checks have changed, and count: {', '.join(files)}"] if files else [])]


def checks(home: Path) -> dict[str, str]:
    """File -> digest, of all that decides about points and words besides the references."""
    lesson = lessons.lesson(home.name)
    machinery, crossing = (Path(str(one.__file__)).parent.glob("*.py") for one in (exercises, submission))
    shared = [path for path in machinery if not re.match(r"l\d\d_", path.name)]
    own = lessons.home(lesson).glob(f"{lesson.short}_*.py")
    files = [*own, *shared, *crossing, frozen.place(lesson)]
    return {path.name: digest([path]) for path in sorted(files)}


def _path(root: Path, name: str) -> Path:
    return root / "judged_by" / f"{name}.json"
