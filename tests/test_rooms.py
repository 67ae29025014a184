"""The rooms of the grader: every file stands in one, imports only go up the list, the gradebook is asked in one place."""

import ast
import graphlib
import subprocess
import sys
import tomllib
from pathlib import Path

import imports
import pytest
import setuptools

import autograder
from autograder.commands.sample_class import sample_class

ROOT = Path(autograder.__file__).parent
FILES = imports.modules(ROOT)
TREES = imports.trees(FILES)
LAYERS = (  # a module may import from the rooms before its own, and from its own
    {"jail"},
    {"course"},
    {"gradebook.read"},  # the only file apart from its room: whoever releases a lesson asks the gradebook, too
    {"authoring"},
    {"handin"},
    {"warden"},
    {"verdict"},
    {"gradebook"},
    {"exchange"},
    {"reports", "forget"},
    {"trials"},
    {"commands"},
    {"cli"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
TABLES = ("autograder.gradebook.read", "autograder.gradebook.remove")
"""What sees the tables of the gradebook: the first asks, the second takes a student out."""


def _room(name):
    """'warden' of 'autograder.warden.pool'; 'gradebook.read' is one of its own."""
    parts = name.split(".")[1:]
    return next((room for room in (".".join(parts[:2]), *parts[:1]) if room in LEVEL), None)


def _wrong(name, tree):
    """What `tree`, standing as module `name`, imports and may not."""
    own = _room(name)
    for target in imports.imported(name, tree, FILES):
        room = _room(target) if target.startswith("autograder.") else own
        if (
            room is None
            or (room != own and LEVEL[room] >= LEVEL[own])
            or target.split(".")[0] in ("solutions", "tests", "benchmarks")
        ):
            yield target


@pytest.mark.parametrize("name", [name for name in FILES if name != "autograder"])
def test_imports_go_up_the_list_of_rooms(name):
    assert _room(name), f"{name} stands in no room: enter it in LAYERS, after DESIGN section 2"
    assert not list(_wrong(name, TREES[name]))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("autograder.jail.x", "from autograder.course.folder import ROOT"),
        ("autograder.course.x", "import autograder.authoring.sources"),
        ("autograder.warden.policy", "def f():\n    from autograder.verdict import assignment"),
        ("autograder.warden.policy", "if TYPE_CHECKING:\n    from ..verdict.journal import Record"),
        ("autograder.authoring.release", "from autograder.gradebook.enter import write"),
        ("autograder.gradebook.read", "from autograder.gradebook.feedback import marked"),
        ("autograder.reports.x", "from autograder.forget.person import Person"),
        ("autograder.reports.x", "from autograder.commands.options import NameOption"),
        ("autograder.reports.x", "from autograder.trials.invented.samples import points"),
        ("autograder.trials.x", "from autograder.commands import report"),
        ("autograder.commands.x", "from autograder.cli import app"),
        ("autograder.verdict.x", "from solutions import reference"),
    ],
)
def test_an_arrow_back_is_seen(name, source):
    assert list(_wrong(name, ast.parse(source)))


def _graph(trees):
    return {name: list(imports.imported(name, tree, FILES)) for name, tree in trees.items()}


def test_imports_are_acyclic():
    assert len(imports.in_order(_graph(TREES))) == len(FILES)


def test_a_circle_is_seen():
    back = ast.parse("def f():\n    from autograder.warden.policy import guarded")
    assert "autograder.warden.probes" in _graph(TREES)["autograder.warden.policy"]
    with pytest.raises(graphlib.CycleError):
        imports.in_order(_graph({**TREES, "autograder.warden.probes": back}))


def _tables(tree):
    """What in `tree` reaches for the tables of a data base."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("query", "execute", "assignment_submissions"):
            yield ast.unparse(node)
    yield from (name for name in imports.imported("x", tree, {}) if name.split(".")[0] in ("sqlalchemy", "sqlite3"))


def _opens(tree):
    """Whether `tree` imports nbgrader's Gradebook."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "nbgrader.api"]
    return any(alias.name == "Gradebook" for node in found for alias in node.names)


@pytest.mark.parametrize("name", FILES)
def test_one_place_asks_the_gradebook(name):
    assert bool(list(_tables(TREES[name]))) == (name in TABLES)
    assert not _opens(TREES[name]) or name.startswith("autograder.gradebook.")


@pytest.mark.parametrize(
    "source", ["book.db.query(Grade)", "import sqlite3", "def f():\n    from sqlalchemy.orm import Session"]
)
def test_a_question_elsewhere_is_seen(source):
    assert list(_tables(ast.parse(source)))
    assert _opens(ast.parse("def f():\n    from nbgrader.api import Grade, Gradebook"))


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("autograder.trials")])
def test_no_path_leads_into_the_trials(name):
    assert "trials" not in {node.value for node in ast.walk(TREES[name]) if isinstance(node, ast.Constant)}


def test_nothing_but_the_entry_lies_beside_the_rooms():
    kept = {"__init__.py", "cli.py", "README.md", "__pycache__"}
    rooms = {room for room in LEVEL if "." not in room} - {"cli"}
    assert {path.name for path in ROOT.iterdir()} - kept == rooms


def test_no_wheel_holds_the_trials():
    settings = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    found = setuptools.find_packages(str(ROOT.parent), settings["exclude"], settings["include"])
    assert {"autograder.jail", "autograder.warden", "autograder.exchange.platforms"} <= set(found)
    assert not [name for name in found if name.startswith("autograder.trials")]


def test_sample_class_says_so_where_there_are_no_trials(monkeypatch):
    monkeypatch.setitem(sys.modules, "autograder.trials.invented", None)
    with pytest.raises(
        RuntimeError, match=r"^sample-class needs autograder/trials, which no wheel holds: run it in .*$"
    ):
        sample_class("03")


def test_the_command_line_imports_what_it_needs_on_use():
    program = (
        "import sys, autograder.cli; print(*{'torch', 'numpy', 'nbgrader', 'nbformat', 'jupytext'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"
