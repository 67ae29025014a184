"""The rules of the house that a machine can hold: imports, layers, size, words."""

import ast
import dataclasses
import functools
import importlib
import inspect
import pkgutil
import subprocess
import sys
import types
from pathlib import Path

import imports
import lint_house
import pytest

import bdlab
from bdlab.registry import HOMES, register, registered

ROOT = Path(bdlab.__file__).parent
FILES = imports.modules(ROOT)
TREES = imports.trees(FILES)
METHOD = (types.FunctionType, property, functools.cached_property, classmethod, staticmethod)

LAYERS = (  # a module may import from the layers before its own, and from its own package
    {"checks", "registry", "bars", "boxes", "student"},
    {"contracts"},
    {"relabel"},
    {"data", "nets", "metrics"},
    {"running", "weights"},
    {"training", "triggers", "channels", "submission"},
    {"availability", "evasion", "inversion", "twins", "views"},
    {"attacks", "defenses"},
    {"zoo"},
    {"plots"},
    {"experiments"},
    {"widgets"},
    {"lessons"},
    {"exercises"},
    {"awards"},
    {"settings", "doctor", "report", "listing"},
    {"cli"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


HANDED_ON = {f"bdlab.{name}": f"bdlab.{home}" for name, home in bdlab._HOMES.items()}


def _imports(name, tree):
    """Modules that `tree` imports at any depth; `from bdlab import load` counts as an import of bdlab.data."""
    return imports.imported(name, tree, FILES, HANDED_ON)


def _wrong(name, tree):
    """What `tree`, standing as module `name`, imports and may not."""
    own = name.split(".")[1]
    for target in _imports(name, tree):
        top, *rest = target.split(".")
        upward = top == "bdlab" and rest and rest[0] != own and LEVEL[rest[0]] >= LEVEL[own]
        if upward or top in ("autograder", "solutions"):
            yield target


@pytest.mark.parametrize("name", [name for name in FILES if name != "bdlab"])
def test_imports_go_up_the_list_of_layers(name):
    assert name.split(".")[1] in LEVEL, f"{name} stands in no layer: enter it in LAYERS, after DESIGN section 2"
    assert not list(_wrong(name, TREES[name]))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bdlab.attacks.x", "from bdlab.defenses.strip import Strip"),
        ("bdlab.attacks.x", "from bdlab import Strip"),
        ("bdlab.attacks.x", "from ..defenses import Strip"),
        ("bdlab.defenses.x", "import bdlab.attacks"),
        ("bdlab.contracts", "def f():\n    from bdlab.relabel import all_to_one"),
        ("bdlab.nets", "from bdlab import training"),
        ("bdlab.training", "from bdlab.triggers import Patch"),
        ("bdlab.submission.x", "from bdlab.training import fit"),
        ("bdlab.widgets", "from bdlab.exercises import cached"),
        ("bdlab.metrics", "from autograder import grade"),
    ],
)
def test_a_violation_of_the_layers_is_seen(name, source):
    assert list(_wrong(name, ast.parse(source)))


def test_imports_are_acyclic():
    assert len(imports.in_order({name: list(_imports(name, tree)) for name, tree in TREES.items()})) == len(FILES)


def test_import_bdlab_imports_torch_and_numpy_only():
    """And so do the names of everyday use; what they need besides is imported on use."""
    program = (
        "import sys, torch, numpy\n"
        "before = set(sys.modules)\n"
        "import bdlab\n"
        "first = set(sys.modules) - before\n"
        "[getattr(bdlab, name) for name in bdlab.__all__ if name != 'plots']\n"
        "known = {'torch', 'numpy', *sys.stdlib_module_names}\n"
        "top = lambda names: {n.split('.')[0] for n in names if n[0] != '_'} - known\n"
        "print(*top(first), '|', *top(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["bdlab", "|", "bdlab"]


def test_the_names_of_the_package():
    for name in bdlab.__all__:
        assert getattr(bdlab, name) is not None
    assert dir(bdlab) == bdlab.__all__
    with pytest.raises(AttributeError, match="bdlab has no attribute 'Stripe'; it has BadNets, "):
        bdlab.Stripe  # noqa: B018


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("print(1)", "only what talks to a person prints"),
        ("from bdlab import *", "a star import"),
        ("model.cuda()", "the device is the model's"),
        ("torch.manual_seed(0)", "seeds a global generator"),
        ("np.random.seed(0)", "seeds a global generator"),
        ("torch.randperm(3)", "draws from the global generator"),
        ("np.random.rand(3)", "draws from the global generator"),
    ],
)
def test_a_word_that_the_library_does_not_use_is_seen_by_the_lint(source, said):
    assert any(said in told for told in lint_house.words("bdlab.x", ast.parse(source)))
    fine = "torch.randperm(3, generator=g), np.random.default_rng(0).random(), np.random.RandomState(0).rand()"
    assert not list(lint_house.words("bdlab.x", ast.parse(fine)))


def test_what_is_too_long_is_seen_by_the_lint(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("def f():\n" + "    x = 1\n" * 210)
    told = list(lint_house.sizes({"bdlab.x": path}, {"bdlab.x": ast.parse(path.read_text())}))
    assert [line.partition(";")[0] for line in told] == [
        "bdlab.x: 211 lines of code", "bdlab.x.f: 211 lines", "functions: median 211 lines, 90th percentile 211"
    ]  # fmt: skip


def _public():
    """(name, object) of every public class, function, method and property that bdlab defines."""
    for info in pkgutil.walk_packages([str(ROOT)], "bdlab."):
        module = importlib.import_module(info.name)
        if info.name not in FILES:  # a throw-away lesson
            continue
        yield info.name, module
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != info.name:
                continue
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{info.name}.{name}", thing
            if inspect.isclass(thing):
                for key, member in vars(thing).items():
                    if not key.startswith("_") and isinstance(member, METHOD):
                        yield f"{info.name}.{name}.{key}", getattr(thing, key)


def test_everything_public_has_a_docstring():
    bare = []
    for name, thing in _public():
        text = inspect.getdoc(thing) or ""
        generated = inspect.isclass(thing) and text.startswith(f"{thing.__name__}(")  # what @dataclass writes
        if not text.strip() or generated:
            bare.append(name)
    assert not bare


@pytest.mark.parametrize("kind", HOMES)
def test_the_registry_is_complete_and_its_names_are_unique(kind):
    entries = registered(kind)
    assert entries and all(entry.name == name and entry.about for name, entry in entries.items())
    assert all(entry.module.startswith(HOMES[kind]) for entry in entries.values())
    with pytest.raises(ValueError, match=f"{kind} '{next(iter(entries))}' is registered already"):
        register(kind, next(iter(entries)))(lambda: None)
    assert registered(kind) == entries
    if kind in ("attack", "defense"):
        assert all(entry.paper and entry.family for entry in entries.values())
    if kind == "defense":
        families = {"input reformation", "input filtering", "model sanitization", "model inspection"}
        assert {entry.family for entry in entries.values()} <= families


def test_no_attack_has_the_name_of_a_trigger():
    attacks, triggers = ({e.make.__name__ for e in registered(kind).values()} for kind in ("attack", "trigger"))
    assert not attacks & triggers


@pytest.mark.parametrize("kind", ["attack", "defense", "trigger"])
def test_methods_are_frozen_keyword_only_dataclasses(kind):
    for entry in registered(kind).values():
        fields = dataclasses.fields(entry.make)
        assert entry.make.__dataclass_params__.frozen and all(field.kw_only for field in fields)
        assert all(field.name in repr(entry.make()) for field in fields)
        if kind != "trigger":
            assert "seed" in {field.name for field in fields}


def test_no_defence_is_shown_the_trigger():
    for entry in registered("defense").values():
        names = {"__init__", "fit", "__call__"} & set(dir(entry.make))
        assert names - {"__init__"}, entry.name
        for name in names:
            parameters = inspect.signature(getattr(entry.make, name)).parameters.values()
            text = " ".join(f"{p.name} {p.annotation}" for p in parameters).lower()
            assert not any(word in text for word in ("trigger", "backdoor", "relabel", "poisoned")), entry.name
