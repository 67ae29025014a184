"""The grading edition: the bdlab that a jail sees.  Everything imports; what students are asked to write does not work."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import bdlab

HIDDEN = (
    "attacks", "defenses", "triggers", "evasion", "views", "exercises", "metrics", "availability", "inversion", "relabel",
    "zoo",
)  # fmt: skip
"""Modules whose names raise `HiddenWhileGrading` when they are called."""
SILENT = ("plots", "widgets", "lessons", "awards", "student", "boxes")
"""Modules whose names do nothing, however they are used."""
LEFT_OUT = ("experiments", "cli.py", "doctor.py", "report.py", "listing.py")
"""What a lesson has no business with."""
EVALUATES = ("evaluate", "suspicions", "detection")
"""Functions of bdlab.training that students write themselves."""

NETS = Path("zoo") / "nets"
"""Where the networks of the zoo lie in bdlab."""

STAND_IN = '''"""Stands in for the real names while answers are graded."""


class HiddenWhileGrading(RuntimeError):
    """An answer must do without this part of bdlab."""


class Hidden:
    """Can be imported, named and asked for attributes; using it raises."""

    def __init__(self, name):
        self._name = name

    def __call__(self, *args, **named):
        raise HiddenWhileGrading(f"{self._name} is not there while answers are graded")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Hidden(f"{self._name}.{name}")

    def __mro_entries__(self, bases):
        raise HiddenWhileGrading(f"{self._name} is not there while answers are graded")


class Nothing:
    """Does nothing, and returns itself."""

    def __init__(self, name):
        pass

    def __call__(self, *args, **named):
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __iter__(self):
        return iter(())

    def __enter__(self):
        return self

    def __exit__(self, *why):
        return None
'''
MODULE = """from bdlab._stand_in import {kind}


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return {kind}(f"{{__name__}}.{{name}}")
"""


def write(target: Path, hidden: Sequence[str] = HIDDEN) -> Path:
    """The edition below the new folder `target`, with the jail's own code beside it; put it first on a jail's path.

    hidden: modules of bdlab that must not work there.
    """
    source = Path(bdlab.__file__).parent
    home = target / "bdlab"
    unwanted = {*hidden, *SILENT, *LEFT_OUT, "__pycache__"}
    top = {str(source): unwanted}
    shutil.copytree(source, home, ignore=lambda at, names: {
        name for name in names if {name, name.removesuffix(".py")} & top.get(at, {"__pycache__"})
    })  # fmt: skip
    (home / "_stand_in.py").write_text(STAND_IN, encoding="utf-8")
    for names, kind in ((hidden, "Hidden"), (SILENT, "Nothing")):
        for name in names:
            _stand_in(source, home, name, kind)
    _lay_nets(source / NETS, home / NETS, used_nets(source / "exercises"))
    with (home / "training.py").open("a", encoding="utf-8") as training:
        training.write("\n\nfrom bdlab._stand_in import Hidden\n")
        training.writelines(f'{name} = Hidden("bdlab.{name}")\n' for name in EVALUATES)
    ours, jail = Path(__file__).resolve().parents[1] / "jail", target / "autograder"
    shutil.copytree(ours, jail / "jail", ignore=shutil.ignore_patterns("__pycache__"))
    (jail / "__init__.py").touch()
    for path in (target, *target.rglob("*")):  # a jail's user is nobody
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


def used_nets(exercises: Path) -> set[str]:
    """The networks of the zoo that exercises name, as in made("model", "zoo:signs-badnets")."""
    texts = (path.read_text(encoding="utf-8") for path in exercises.glob("*.py"))
    return {name for text in texts for name in re.findall(r"""["']zoo:([\w-]+)["']""", text)}


def _lay_nets(source: Path, target: Path, names: set[str]) -> None:
    """Those networks of the zoo and their cards: a fixture may load them, and no other one lies in a jail."""
    target.mkdir(parents=True)
    for name in names:
        for end in ("safetensors", "json"):
            shutil.copy(source / f"{name}.{end}", target)


def _stand_in(source: Path, home: Path, name: str, kind: str) -> None:
    """A module for `name`, and one for each module below it."""
    text = MODULE.format(kind=kind)
    if (source / f"{name}.py").exists():
        (home / f"{name}.py").write_text(text, encoding="utf-8")
    for path in (source / name).rglob("*.py"):
        own = home / path.relative_to(source)
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(text, encoding="utf-8")
