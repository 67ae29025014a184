"""The rules of the house that a machine can hold: imports, layers, size, words."""

import ast
import dataclasses
import functools
import graphlib
import importlib
import inspect
import io
import pkgutil
import subprocess
import sys
import tokenize
import types
from pathlib import Path

import pytest

import bdlab
from bdlab.registry import HOMES, register, registered

ROOT = Path(bdlab.__file__).parent
FILES = {
    ".".join(("bdlab", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
METHOD = (types.FunctionType, property, functools.cached_property, classmethod, staticmethod)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)

LAYERS = (  # a module may import from the layers before its own, and from its own package
    {"checks", "registry", "bars"},
    {"contracts"},
    {"relabel"},
    {"data", "nets", "metrics"},
    {"running"},
    {"training", "triggers", "channels", "submission"},
    {"availability", "evasion", "inversion", "views"},
    {"attacks", "defenses"},
    {"plots", "demos"},
    {"experiments"},
    {"widgets"},
    {"exercises"},
    {"settings", "doctor", "report", "listing"},
    {"cli"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def _imports(name, tree):
    """Modules that `tree` imports at any depth; `from bdlab import load` counts as an import of bdlab.data."""
    package = name if FILES.get(name, Path()).name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                home = f"bdlab.{bdlab._HOMES[alias.name]}" if base == "bdlab" and alias.name in bdlab._HOMES else base
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in FILES else home


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
    graph = {name: {t for t in _imports(name, tree) if t in FILES and t != name} for name, tree in TREES.items()}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(FILES)


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


SEEDED = "bdlab.submission.executor"
"""Seeds the global generators around a student's code, and puts them back: that is how a use of them shows."""


def _calls(tree):
    """(dotted name, node) of every call in `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("name", FILES)
def test_words_that_the_library_does_not_use(name):
    tree = TREES[name]
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"], "star import"
    for called, _ in _calls(tree):
        assert called != "print" or name in ("bdlab.cli", "bdlab.exercises.checks"), "print"  # both talk to a person
        assert not called.endswith(".cuda"), ".cuda()"
        seeds = ("random.seed", "np.random.seed", "torch.seed", "torch.cuda.manual_seed_all")
        assert called not in seeds or name == SEEDED, called
    (seeded,) = [n for n in TREES["bdlab.nets"].body if isinstance(n, ast.FunctionDef) and n.name == "seeded"]
    allowed = {id(node) for _, node in _calls(seeded)} if name == "bdlab.nets" else set()
    assert not [node for called, node in _calls(tree) if called == "torch.manual_seed" and id(node) not in allowed]


@pytest.mark.parametrize("name", FILES)
def test_nothing_draws_from_the_global_generator(name):
    draws = {f"torch.{f}" for f in ("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial")}
    for called, node in _calls(TREES[name]):
        assert called not in draws or "generator" in {k.arg for k in node.keywords}, ast.unparse(node)
        allowed = not called.startswith("np.random.") or called == "np.random.default_rng" or name == SEEDED
        assert allowed, ast.unparse(node)


def _public():
    """(name, object) of every public class, function, method and property that bdlab defines."""
    for info in pkgutil.walk_packages([str(ROOT)], "bdlab."):
        module = importlib.import_module(info.name)
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


def _functions():
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, FUNCTION):
                yield f"{name}.{node.name}", node


def _code_lines(tree, source):
    """Lines that hold code: neither blank, nor comment, nor docstring."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in silent
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return lines


def test_functions_are_short():
    """Median at most 10 lines of code, nine in ten at most 25, none over 60 with its docstring."""
    spans = {name: node.end_lineno - node.lineno + 1 for name, node in _functions()}
    assert not {name: span for name, span in spans.items() if span > 60}
    code = []
    for name, tree in TREES.items():
        lines = _code_lines(tree, FILES[name].read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, FUNCTION):
                code.append(len(lines & set(range(node.lineno, node.end_lineno + 1))))
    code.sort()
    assert code[len(code) // 2] <= 10 and code[len(code) * 9 // 10] <= 25


@pytest.mark.parametrize("name", FILES)
def test_files_are_short(name):
    source = FILES[name].read_text(encoding="utf-8")
    assert len(_code_lines(TREES[name], source)) < 200


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
