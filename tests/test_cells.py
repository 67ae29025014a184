"""What of a notebook counts: the files that are read, the cells that run, and what a human should look at."""

import json
import os
import re
import sys
from types import SimpleNamespace

import nbformat
import pytest
from test_build import HOME

from autograder.course.folder import ROOT
from autograder.handin.missing import missing, without_unused
from autograder.handin.python import python
from autograder.handin.read import CELLS, COPIES, LIMIT, SOURCE, TEXT, Unreadable, contents, find, read
from autograder.handin.repair import repair
from autograder.handin.runnable import answers, needed
from autograder.handin.uses import uses
from autograder.trials.invented import samples
from autograder.verdict.doubts import doubts
from bdlab.exercises import lessons

LESSON = lessons.lesson(HOME.name)
TASK, NAMES = LESSON.exercises[0], LESSON.names


@pytest.fixture(scope="module")
def release():
    return nbformat.read(ROOT / "lessons" / HOME.name / f"{HOME.name}.ipynb", as_version=4)


def _book(*cells):
    return {"cells": [{"cell_type": kind, "source": source, "metadata": {}} for kind, source in cells]}


def _read(book, **more):
    return read(json.dumps(book, **more).encode())


# --- files ---


def test_the_named_notebook_is_found_or_the_only_other_one(tmp_path):
    with pytest.raises(Unreadable, match=r"no notebook handed in, expected a\.ipynb"):
        find(tmp_path, "a.ipynb")
    with pytest.raises(Unreadable, match="no notebook"):
        find(tmp_path / "missing", "a.ipynb")
    (tmp_path / "b.ipynb").write_text("{}")
    assert find(tmp_path, "a.ipynb") == (tmp_path / "b.ipynb", ["the notebook had another name"])
    (tmp_path / "c.ipynb").write_text("{}")
    with pytest.raises(Unreadable, match="2 notebooks of other names"):
        find(tmp_path, "a.ipynb")
    (tmp_path / "a.ipynb").write_text("{}")
    told = "2 other notebooks lay beside a.ipynb, which alone counts"
    assert find(tmp_path, "a.ipynb") == (tmp_path / "a.ipynb", [told])


def test_links_pipes_and_folders_are_no_notebooks(tmp_path):
    (tmp_path / "real.ipynb").write_text("{}")
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "real.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    os.mkfifo(tmp_path / "pipe.ipynb")
    for name in ("link", "folder", "pipe"):
        with pytest.raises(Unreadable, match=f"{name}.ipynb must be a file"):
            contents(tmp_path / f"{name}.ipynb")
    assert find(tmp_path, "link.ipynb")[0].name == "real.ipynb"  # only what is a file is found


def test_a_file_that_is_too_long_is_refused_before_it_is_read_whole(tmp_path):
    path = tmp_path / "long.ipynb"
    with path.open("wb") as file:
        file.truncate(LIMIT + 1)
    with pytest.raises(Unreadable, match="at most 20 MB; clear its outputs"):
        contents(path)
    with path.open("wb") as file:
        file.truncate(LIMIT)
    assert len(contents(path)) == LIMIT


def test_what_editors_do_to_a_file_does_no_harm():
    book = _book(("code", "x = 1\ny = 2"))
    wanted = _read(book).cells
    assert wanted[0].source == "x = 1\ny = 2"
    assert read(json.dumps(_book(("code", "x = 1\r\ny = 2")), indent=1).replace("\n", "\r\n").encode()).cells == wanted
    assert read(b"\xef\xbb\xbf" + json.dumps(book).encode()).cells == wanted
    assert _read({"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1\n", "y = 2"]}]}]}).cells == wanted
    damaged = read(json.dumps(_book(("code", "é = 1")), ensure_ascii=False).encode().replace("é".encode(), b"\xe9"))
    assert damaged.cells[0].source == "\ufffd = 1" and "damaged" in damaged.remarks[0]


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"3", b"{}", b'{"cells": 3}', b'{"cells": null}', b'{"worksheets": 3}', b"[" * 200_000,
     b'{"cells":' * 50_000, b"\x80\x04]\x94.", b"1" * 5000, b'{"cells": [1], "x": ' + b"9" * 5000 + b"}"],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_what_is_no_notebook_is_refused_with_what_to_do(data):
    with pytest.raises(Unreadable, match="must be a notebook"):
        read(data)


def test_cells_that_are_none_too_many_or_too_long():
    odd = {"cells": [3, None, {"cell_type": "code", "source": 3}, {"cell_type": "code", "source": ["a", 3]},
                     {"cell_type": "code", "source": "b", "metadata": {"nbgrader": {"grade_id": ["c"]}}}]}  # fmt: skip
    assert [(cell.source, cell.grade_id) for cell in _read(odd).cells] == [("a", ""), ("b", "")]
    assert len(_read(_book(*[("code", "x")] * CELLS)).cells) == CELLS
    with pytest.raises(Unreadable, match=f"at most {CELLS} cells"):
        _read(_book(*[("code", "x")] * (CELLS + 1)))
    found = _read(_book(("code", "x" * (SOURCE + 1)), ("code", "y")))
    assert [cell.source for cell in found.cells] == ["y"] and "1 cells with more than" in found.remarks[0]
    own, copies = {"cell_type": "code", "source": "x" * SOURCE}, [f"{n}" for n in range(COPIES + 2)]
    found = _read({"cells": [own] * (TEXT // SOURCE + 3)})
    assert len(found.cells) == TEXT // SOURCE and found.remarks[0].startswith("3 cells beyond")
    marked = [{"cell_type": "code", "source": text, "metadata": {"nbgrader": {"grade_id": "a"}}} for text in copies]
    found = _read({"cells": [{"cell_type": "code", "source": "first"}, *marked]})
    assert [cell.source for cell in found.cells] == ["first", *copies[2:]] and "2 cells beyond" in found.remarks[0]


# --- what runs ---

OWN = (
    "import math as m\nimport os\nfrom torch import *",
    "LIMIT = m.pi\nUNUSED = 3\nprint(LIMIT)\nLIMIT = LIMIT + 1",
    "def helper(x):\n    return x * LIMIT\nhelper(3)\nopen('x')",
    "for k in range(3):\n    table = {k: LIMIT}\n",
    "(" * 3,
)


def test_of_own_cells_only_what_answers_need_runs():
    kept = needed(OWN, ["def stamp(x):\n    return helper(x) + table[0]\nhelper(2)"])
    assert kept == [
        "import math as m\nfrom torch import *",
        "LIMIT = m.pi\nLIMIT = LIMIT + 1",
        "def helper(x):\n    return x * LIMIT",
        "for k in range(3):\n    table = {k: LIMIT}",
        "",
    ]
    assert needed(OWN, ["def stamp(x):\n    return x"]) == ["from torch import *", "", "", "", ""]


STRAINING = (
    "1+" * 100_000 + "1", "(" * 5000, "-" * 100_000 + "1", "x\0y", "\ud800", "[" * 300 + "]" * 300, "a." * 100_000 + "b",
    "if x:\n" * 100, "x = " + "9" * 10_000, "f(" * 150 + ")" * 150,
)  # fmt: skip


@pytest.mark.parametrize("source", STRAINING, ids=range(len(STRAINING)))
def test_no_source_troubles_the_reader(source):
    """The trusted side parses what students wrote; it may give up, but must not fall."""
    python(source), needed([source], ["def stamp():\n    return x"]), needed(["x = 1"], [source])
    task = SimpleNamespace(forbid=("torch.relu",), needs=(), id=TASK.id)
    list(doubts(task, answers_of(source)))


def answers_of(source):
    from autograder.handin.runnable import Answers

    return Answers(("setup", source), {TASK.id: source}, (), frozenset(uses(source)))


def test_lines_that_only_a_notebook_knows_cost_nothing():
    magic = "%matplotlib inline\n# [l03_stamp]\n!ls\ntorch.stamp?\ndef stamp(x):\n    %time y = x\n    return x % 3\n"
    wanted = "None\n# [l03_stamp]\nNone\nNone\ndef stamp(x):\n    y = x\n    return x % 3"
    assert python(magic).strip() == wanted
    text = '"""\n%not a magic\n"""'
    assert python(text) == text and python("def (") == "def ("


@pytest.mark.parametrize(
    ("cell", "plain"),
    [
        ("!pip install -q \\\n  torch\nx = 1", "None\nx = 1"),
        ("pip install torch\nx = 1", "pass\nx = 1"),
        ("%%time\n!pip install torch\nx = 1", "None\nx = 1"),
        ("%%capture out\nx = 1\ny = 2", "x = 1\ny = 2"),
        ("%time f = lambda x: x + 1", "f = lambda x: x + 1"),
        ("f = %time 3 + 4", "f = (3 + 4)"),
        ("files = !ls", "files = None"),
        ("def f(a):\n    %time b = a\n    return (a\n  % 7)", "def f(a):\n    b = a\n    return (a\n  % 7)"),
        ("!ls\ns = '''\n% 7\n!= k\n?\n'''", "None\ns = '''\n% 7\n!= k\n?\n'''"),
        ("# first\n%%time\nx = 1", "# first\nNone\nx = 1"),
        ("%load_ext autoreload\nö = 1; %time x = 1", None),
        ("%%bash\nls", "None"),
        ("%%timeit\nx = 1", "None"),
        ("%time " * 9, "None"),
        ("\n".join(["%time x = 1"] * 300), None),
        ("%time (", "None"),
    ],
)
def test_magics_are_taken_out_as_ipython_reads_them(cell, plain):
    assert python(cell).rstrip("\n") == (cell if plain is None else plain)


@pytest.mark.parametrize(
    ("cell", "kept", "lacking"),
    [
        ("from google.colab import files\ndef f(x):\n    return x", "pass\ndef f(x):\n    return x", []),
        ("import nowhere.at_all as n, math\nx = 1", "pass\nx = 1", []),
        ("import nowhere; import torch", "pass; import torch", []),
        ("import nowhere\ndef f(x):\n    return nowhere.g(x)", None, ["nowhere"]),
        ("from nowhere import *\nx = 1", None, ["nowhere"]),
        ("import torch.nn.functional as F, numpy\nfrom os import path\nfrom . import here", None, []),
        ("def f():\n    import nowhere\n    return nowhere", None, []),
        ("import antigravity.nothing\nimport torch.nowhere", "import antigravity.nothing\npass", []),
        ("def (", None, []),
    ],
)
def test_imports_of_what_is_missing_go_where_nothing_reads_them(cell, kept, lacking):
    found = without_unused(cell)
    assert found == (kept or cell) and missing(found) == lacking
    assert "antigravity" not in sys.modules


def test_demo_quiz_and_check_cells_never_run_and_the_stub_is_no_answer(release):
    perfect = samples.samples(HOME)[0]
    book = samples.handed_in(release, perfect)
    for cell in book.cells:
        if cell.metadata.get("bdlab", {}).get("role") in ("demo", "quiz", "check", "setup"):
            cell.source += "\nHOSTILE = 1"
    found = answers(repair(read(json.dumps(book).encode()), release, NAMES).notebook, release)
    assert len(found.cells) == 1 + len(perfect.answers) and not any("HOSTILE" in cell for cell in found.cells)
    assert found.written.keys() == perfect.answers.keys()
    blank = answers(repair(read(json.dumps(release).encode()), release, NAMES).notebook, release)
    assert blank.written == {} and len(blank.cells) == 1


# --- what a human should look at ---


@pytest.mark.parametrize(
    ("code", "doubted"),
    [
        ("import gc\ngc.collect()", False),
        ("import gc as g\ng.collect()\ng.disable()", False),
        ("import gc\nx = gc", True),
        ("import gc\ngc.get_objects()", True),
        ("from gc import collect", False),
        ("import gc\ngetattr(gc, 'get' + '_objects')()", True),
    ],
)
def test_tidying_up_is_no_doubt(code, doubted):
    assert bool(list(doubts(SimpleNamespace(forbid=(), needs=(), id=TASK.id), answers_of(code)))) == doubted


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f(x):\n    return x.clamp(min=0)", []),
        ("def f(x):\n    return torch.relu(x)", ["uses torch.relu"]),
        ("import torch as t\ndef f(x):\n    return t.relu(x)", ["uses torch.relu"]),
        ("from torch import relu as r\ndef f(x):\n    return r(x)", ["uses torch.relu"]),
        ("def f(x):\n    return getattr(torch, 'relu')(x)", [r"cannot be read off its text \(getattr\)"]),
        ("import importlib\ndef f(x):\n    return importlib.import_module('torch').relu(x)", [r"\(importlib\)"]),
        ("def f(x):\n    return torch.ops.aten.relu(x)", [r"\(torch.ops\)"]),
    ],
)
def test_delegation_is_told_and_never_scored(source, found):
    task = SimpleNamespace(forbid=("bdlab", "torch.relu"), needs=(), id=TASK.id)
    told = list(doubts(task, answers_of(source)))
    assert len(told) == len(found) and all(line.startswith("needs a human: ") for line in told)
    for line, wanted in zip(told, found, strict=True):
        assert re.search(wanted, line)
    assert list(doubts(TASK, answers_of(source))) == []  # nothing is forbidden there but bdlab, which is hidden


def test_what_must_be_used_and_is_not_is_told():
    task = SimpleNamespace(forbid=(), needs=("torch.where",), id=TASK.id)
    assert "does not use torch.where" in next(iter(doubts(task, answers_of("def f(x):\n    return x"))))
    assert list(doubts(task, answers_of("def f(x):\n    return torch.where(x)"))) == []
