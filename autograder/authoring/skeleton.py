"""`autograder new-lesson 98 entropy`: a lesson that builds, grades and passes its tests, to be written over."""

from __future__ import annotations

import re
from pathlib import Path

from autograder.authoring.folders import homes
from autograder.course.folder import ROOT

FILES = Path(__file__).with_name("skeleton_files")


def new_lesson(number: str, topic: str, root: Path = ROOT) -> list[Path]:
    """Write the files of a lesson, '98' and 'entropy'; see docs/teach/new-lesson.md.

    Raises: `ValueError` for a number or a topic in another form, or a number that is taken.
    """
    if not re.fullmatch(r"\d\d", number) or not re.fullmatch(r"[a-z][a-z0-9_]*", topic):
        raise ValueError(
            f"number must be two digits and topic lower-case letters, digits and _, got {number!r} and {topic!r}; "
            "write `autograder new-lesson 98 entropy`"
        )
    taken = [home.name for home in homes() if home.name[:2] == number]
    if taken:
        raise ValueError(f"number must be free, got {number}: it is that of {taken[0]}")
    home = root / "solutions" / f"{number}_{topic}"
    files = {
        root / "bdlab" / "exercises" / f"l{number}_{topic}.py": "declaration.txt",
        home / f"{home.name}.py": "source.txt",
        home / "wrong.py": "wrong.txt",
        home / "right.py": "right.txt",
        home / "instructor.md": "instructor.txt",
    }
    words = {"@NN@": number, "@TOPIC@": topic, "@TITLE@": topic.replace("_", " ").capitalize()}
    home.mkdir(parents=True)
    for path, name in files.items():
        text = (FILES / name).read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        path.write_text(text, encoding="utf-8")
    return list(files)
