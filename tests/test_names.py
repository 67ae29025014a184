"""What an answer leans on: forbidden and needed names, and names that only a demo cell made."""

import ast
import linecache

import pytest

from bdlab.exercises.names import broken, dotted, objection


class Notebook:
    """Cells that run one after the other, as in a notebook: functions know their source, classes do not."""

    def __init__(self, *cells):
        self.cells, self.namespace = list(cells), {"__name__": "__main__"}
        for number, cell in enumerate(cells):
            name = f"<ipython-input-{id(self)}-{number}>"
            linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
            exec(compile(cell, name, "exec"), self.namespace)

    def objection(self, needs=(), forbid=("bdlab",), name="answer"):
        return objection(self.namespace[name], self.namespace, self.cells, needs, forbid)


SETUP = "import math\nimport torch\nfrom torch import Tensor, nn\n"
RELU = "torch.nn.functional.relu"


@pytest.mark.parametrize(
    ("cells", "hit"),
    [
        (["def answer(x):\n    return torch.nn.functional.relu(x)"], RELU),
        (["def answer(x):\n    return nn.functional.relu(x).sum()"], RELU),
        (["import torch.nn.functional as F", "def answer(x):\n    return F.relu(x)"], RELU),
        (["def answer(x):\n    import torch.nn.functional as F\n    return F.relu(x)"], RELU),
        (["def answer(x):\n    from torch.nn.functional import relu as r\n    return r(x)"], RELU),
        (["from torch.nn.functional import relu as r", "def answer(x):\n    return r(x)"], RELU),
        (["from torch.nn import functional", "def answer(x):\n    return [functional.relu(row) for row in x]"], RELU),
        (["mine = torch.nn.functional.relu", "def answer(x):\n    return mine(x)"], RELU),
        (["def answer(x, act=torch.nn.functional.relu):\n    return act(x)"], RELU),
        (["def helper(x):\n    return nn.functional.relu(x)", "def answer(x):\n    return helper(x)"], RELU),
        (["def one(x):\n    return nn.functional.relu(x)\ndef two(x):\n    return one(x)",
          "answer = lambda x: two(x)"], RELU),
        (["class Helper:\n    def go(self, x):\n        return nn.functional.relu(x)",
          "def answer(x):\n    return Helper().go(x)"], RELU),
        (["class Helper:\n    def go(self, x):\n        return nn.functional.relu(x)\nhelper = Helper()",
          "def answer(x):\n    return helper.go(x)"], RELU),
        (["class Base:\n    def go(self, x):\n        return nn.functional.relu(x)", "class answer(Base):\n    pass"], RELU),
        (["class answer:\n    def go(self, x):\n        return nn.functional.relu(x)"], RELU),
        (["from functools import cache", "@cache\ndef answer(x):\n    return nn.functional.relu(x)"], RELU),
        (["from functools import wraps\ndef twice(f):\n    @wraps(f)\n    def g(x):\n        return f(f(x))\n    return g",
          "@twice\ndef answer(x):\n    return nn.functional.relu(x)"], RELU),
        (["def answer(x):\n    import bdlab as b\n    return b.load(x)"], "bdlab"),
        (["import bdlab as b", "def answer(x):\n    return b.load(x)"], "bdlab.load"),
        (["from bdlab import all_to_all as other", "def answer(y):\n    return other(y)"], "bdlab.all_to_all"),
        (["import bdlab\nmine = bdlab.all_to_all", "def answer(y):\n    return mine(y)"], "bdlab.relabel.all_to_all"),
    ],
)  # fmt: skip
def test_a_forbidden_name_is_found_however_it_is_spelled(cells, hit):
    said = Notebook(SETUP, *cells).objection(forbid=("bdlab", RELU))
    assert (
        said and said.startswith("your answer uses ") and said.endswith(", which this exercise asks you to do without")
    )
    assert said.split()[3].startswith(hit)


@pytest.mark.parametrize(
    "cells",
    [
        ["def answer(x):\n    return torch.nn.functional.relu6(x)"],
        ["def answer(x):\n    return x.relu()"],
        ["def answer(x, torch_nn=1):\n    return x.nn.functional.relu"],  # somebody else's attributes
        ["import bdlab\nfrom bdlab.nets import Net",
         "def answer(net: Net, x: bdlab.Split) -> Net:\n    y: Net = net\n    return y"],
        ["import bdlab as b", "def answer(b):\n    return b.load(1)"],  # an argument
        ["import bdlab as b", "def answer(x):\n    b = len(x)\n    return b.real"],
        ["import bdlab", "def aside(x):\n    return bdlab.load(x)\n\ndef answer(x):\n    return x"],
        ["bdlabs = math", "def answer(x):\n    return bdlabs.pi"],
        ['def answer(x):\n    "bdlab.load"\n    return x  # bdlab.load'],
    ],
)  # fmt: skip
def test_what_is_allowed_is_not_objected_to(cells):
    assert Notebook(SETUP, *cells).objection(forbid=("bdlab", RELU)) is None


def test_a_cell_that_ran_again_counts_with_its_last_source():
    bad, good = (f"class answer:\n    def go(self, x):\n        return {body}" for body in ("bdlab.load(x)", "x"))
    assert "bdlab.load" in Notebook(SETUP, good, bad).objection()
    assert Notebook(SETUP, bad, good).objection() is None


@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        (["def answer(x):\n    return x.std()"], True),
        (["def answer(x):\n    return torch.fft.fft2(x)"], False),
        (["import torch.fft as spectrum", "def answer(x):\n    return spectrum.fft2(x)"], False),
        (["from torch.fft import fft2", "def answer(x):\n    return fft2(x)"], False),
        (["from torch.fft import fft2", "def answer(x):\n    return x"], True),
        (["def helper(x):\n    return torch.fft.fft2(x)", "def answer(x):\n    return helper(x)"], False),
        (["def answer(x):\n    return torch.fft.fft(x)"], True),
    ],
)
def test_a_needed_name_may_stand_in_a_helper(cells, missing):
    said = Notebook(SETUP, *cells).objection(needs=("torch.fft.fft2",))
    assert said == ("your answer must use torch.fft.fft2" if missing else None)


DEMO = "# Demo: a picture\ndata = [1, 2]\ndef show(x):\n    return x\n"


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        ([DEMO, "def answer(x):\n    return x + data[0]"], "data"),
        ([DEMO, "def answer(x):\n    return show(x)"], "show"),
        ([DEMO, "def answer(x, size=len(data)):\n    return x"], "data"),
        ([DEMO, "def answer(x):\n    return [row for row in data if row]"], "data"),
        ([DEMO, "def answer(x):\n    return data.train.x"], "data"),
        ([DEMO, "def helper():\n    return data", "def answer(x):\n    return helper()"], "data"),
        ([DEMO, "class answer:\n    def value(self):\n        return data"], "data"),
        ([DEMO, "def other(x):\n    data = 1\n    return data", "def answer(x):\n    return data, other(x)"], "data"),
        ([DEMO, "y = [data for data in (1, 2)]", "def answer(x):\n    return data"], "data"),
        (["\n\n# Demo\nfor row in (1, 2):\n    last = row", "def answer(x):\n    return last"], "last"),
        (["# Demo\nimport json as js", "def answer(x):\n    return js.dumps(x)"], "js"),
        (["# Demo\nwith open('/dev/null') as file:\n    pass", "def answer(x):\n    return file"], "file"),
        (["# Demo\n(y := 3)", "def answer(x):\n    return y"], "y"),
        ([DEMO, "# Demo 2\ndata = 5", "def answer(x):\n    return data"], "data"),
        (["# Use: your function\nmine = 5", "def answer(x):\n    return mine"], "mine"),
    ],
)
def test_a_global_that_only_a_demo_made_is_named(cells, name):
    said = Notebook(SETUP, *cells).objection()
    assert said and said.startswith(
        f"your answer uses {name}, which a demo cell made; grading does not run such cells."
    )


@pytest.mark.parametrize(
    "cells",
    [
        [DEMO, "data = [3]", "def answer(x):\n    return data"],
        ["data = [3]", DEMO, "def answer(x):\n    return data"],
        [DEMO, "for data in (1, 2):\n    pass", "def answer(x):\n    return data"],
        [DEMO, "import json as data", "def answer(x):\n    return data"],
        [DEMO, "def answer(data):\n    return data"],
        [DEMO, "def answer(x):\n    data = x\n    return [data for data in data]"],
        [DEMO, "def answer(x):\n    return x.data"],
        [DEMO, "def answer(x):\n    return f(data=x)"],
        [DEMO, "def aside():\n    return data", "def answer(x):\n    return x"],
        ["# Demo\nprint = len", "def answer(x):\n    return print(x)"],  # a builtin all the same
        ["# no Demo\nconstant = 1", "def answer(x):\n    return constant"],
    ],
)
def test_a_global_of_an_own_cell_or_a_local_name_is_fine(cells):
    assert Notebook(SETUP, *cells).objection() is None


def test_what_cannot_be_read_is_not_objected_to():
    namespace = {"__name__": "__main__"}
    exec("def answer(x):\n    return bdlab.load(x)\nclass other:\n    pass", namespace)
    for answer in (namespace["answer"], namespace["other"], len, _partial(), None):
        assert objection(answer, namespace, [], ("torch.fft",), ("bdlab",)) is None
    cells = ["%matplotlib inline\ndata = 1", "def f(:", "def answer(x):\n    return bdlab.load(x)"]
    assert "bdlab.load" in objection(namespace["answer"], namespace, cells, (), ("bdlab",))


def _partial():
    from functools import partial

    return partial(int, base=2)


def test_names_are_read_with_their_attributes():
    source = """def f(a: q.w, b=c.d) -> r.s:
        import os.path as p
        from x import y as z
        t: u.v = a.b.c
        g(h.i).j = k[l.m]"""
    found = set(dotted(ast.parse(source)))
    assert found == {"c.d", "os.path", "x.y", "t", "a.b.c", "g", "h.i", "k", "l.m"}


def test_an_answer_cell_that_is_no_python_is_broken():
    good, bad = "# [l01_x]\ndef f(): pass", "# [l01_x]\ndef f(:"
    assert broken("l01_x", "f", [good, bad]) and not broken("l01_x", "f", [bad, good]) and not broken("l01_x", "f", [])
    assert not broken("l01_x", "f", [good, "def g(:", "# [l01_xy]\ndef g(:", '# [l01_x]\nbdlab.check("l01_x")'])
    assert broken("l01_x", "f", [good, bad + '\nbdlab.check("l01_x")', '# [l01_x]\nbdlab.check("l01_x")'])
