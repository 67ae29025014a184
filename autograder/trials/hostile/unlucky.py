"""Right solutions that are merely unlucky: they must keep every point."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator

import nbformat
from nbformat import NotebookNode

from autograder.trials.hostile.case import Case, Material, edited, index, notebook
from bdlab.exercises.specification import Exercise

BEFORE = {
    "magics in the answer cell": "%matplotlib inline\n%load_ext autoreload\n!echo hello\n?print",
    "a call of the shell over two lines": "!pip install -q \\\n  nothing",
    "pip without its sign": "pip install nothing",
    "statements behind magics": "%time offset = 1 + 1\nassert offset == 2\nboth = %time 1 + 1\nassert both == 2",
    "lines that look like magics": (
        "%matplotlib inline\nleft = (10\n% 7)\nsame = (1\n!= 2)\nwords = '''\n% a\n! b\n? c\n'''"
        "\nassert left == 3 and same and '! b' in words"
    ),
    "imports what only Colab has": "from google.colab import files\nimport a_library_that_was_tried as tried",
    "awaits something": "import asyncio\nawait asyncio.sleep(0)",
    "a magic's result is kept": "files = %who_ls\nlisting = !ls",
    "prints, warnings and text on stderr": (
        "import sys, warnings\nprint('x' * 10_000)\nwarnings.warn('careful')\nprint('oops', file=sys.stderr)"
    ),
    "an assertion of its own": "assert torch.ones(1).sum() == 1, 'impossible'",
    "type hints from typing": "from typing import Any, Optional, Sequence, Union\nNumber = Union[int, float]",
    "annotations from the future": "from __future__ import annotations",
    "seeds the global generators": "import random, numpy\ntorch.manual_seed(1)\nnumpy.random.seed(1)\nrandom.seed(1)",
    "a default device and no gradients": "torch.set_grad_enabled(False)\ntorch.set_default_device('cpu')",
    "text in other alphabets": "words = 'Größe \u4e2d\u6587 \U0001f600'  # \u00e4\u00f6\u00fc",
    "display and get_ipython": "display('hello')\nshell = get_ipython()",
    "plots": "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1, 2])\nplt.show()",
    "plots and widgets of bdlab": "bdlab.plots.images(torch.zeros(1, 1, 8, 8))\nbdlab.widgets.trigger_painter()",
    "a progress bar": "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)):\n    pass",
    "an alarm of its own": "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_DFL)",
    "a thread that ends": "import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()",
    "a scratch file": "with open('notes.txt', 'w') as file:\n    file.write('hello')\nimport os\nos.remove('notes.txt')",
    "a recursion limit": "import sys\nsys.setrecursionlimit(5000)",
}
WRAPS = {
    "a decorator": "from functools import wraps\ndef noted(function):\n    @wraps(function)\n"
    "    def inner(*args, **named):\n        return function(*args, **named)\n    return inner\nNAME = noted(NAME)",
    "a closure": "def made():\n    inner = NAME\n    def outer(*args, **named):\n        return inner(*args, **named)\n"
    "    return outer\nNAME = made()",
    "a lambda": "_first_NAME = NAME\nNAME = lambda *args, **named: _first_NAME(*args, **named)",
    "a method of a class": "class Solver_NAME:\n    inner = staticmethod(NAME)\n    def __call__(self, *args, **named):\n"
    "        return self.inner(*args, **named)\nNAME = Solver_NAME()",
    "a partial function": "import functools\nNAME = functools.partial(NAME)",
    "no_grad and inference_mode": "NAME = torch.no_grad()(NAME)",
    "slow but right": "_quick_NAME = NAME\ndef NAME(*args, **named):\n    import time\n    time.sleep(0.01)\n"
    "    return _quick_NAME(*args, **named)",
    "prints when called": "_silent_NAME = NAME\ndef NAME(*args, **named):\n    import sys\n    print(args, 'x' * 5000)\n"
    "    print('y', file=sys.stderr)\n    return _silent_NAME(*args, **named)",
    "displays when called": "_plain_NAME = NAME\ndef NAME(*args, **named):\n    result = _plain_NAME(*args, **named)\n"
    "    display(result)\n    return result",
    "raises a subclass": "class Mine(ValueError):\n    pass\n_strict_NAME = NAME\ndef NAME(*args, **named):\n    try:\n"
    "        return _strict_NAME(*args, **named)\n    except ValueError as error:\n        raise Mine('no') from error",
    "a second definition": "_old_NAME = NAME\ndef NAME(*args, **named):\n    return None\n"
    "def NAME(*args, **named):\n    return _old_NAME(*args, **named)",
    "its own source is read": "import inspect\n_read_NAME = NAME\ninspect.getsource(_read_NAME)",
}
CALLABLE, FUNCTIONS = ("function", "class"), ("function",)
OF_FUNCTIONS = ("no_grad and inference_mode", "its own source is read")
"""Of WRAPS, those that Python has for functions only."""
Edit = Callable[[NotebookNode], None]


def unlucky(of: Material) -> Iterator[Case]:
    """All of them."""
    trains = any("sgd" in task.fixtures for task in of.tasks)
    for name, code in BEFORE.items():
        if trains:  # an answer that trains would be wrong in the notebook, too
            code = code.replace("torch.set_grad_enabled(False)", "")
        yield _case(of, name, of.book({**of.right, of.first.id: f"{code}\n{of.right[of.first.id]}"}))
    for name, code in WRAPS.items():
        yield _case(of, name, of.book({task.id: _wrapped(of, task, name, code) for task in of.tasks}))
    yield _case(of, "a timed cell", of.book({**of.right, of.first.id: f"%%time\n{of.right[of.first.id]}"}))
    yield from _own_cells(of)
    yield from _damaged(of)


def _case(of: Material, name: str, book: NotebookNode | bytes) -> Case:
    return Case("merely unlucky", name, of.full, notebook(book), exact=True)


def _wrapped(of: Material, task: Exercise, name: str, code: str) -> str:
    """The right answer, and what is done to its functions and classes; one that trains needs gradients."""
    kinds = FUNCTIONS if name in OF_FUNCTIONS else CALLABLE
    names = [one.name for one in task.signatures if one.kind in kinds]
    names = [] if "sgd" in task.fixtures and "no_grad" in code else names
    return "\n".join((of.right[task.id], *(code.replace("NAME", one) for one in names), ""))


def _names(of: Material) -> list[str]:
    """All that the lesson asks for."""
    return [name for task in of.tasks for name in task.names]


def _inner(of: Material, task: Exercise) -> str:
    """The right answer under other names."""
    any_name = rf"\b({'|'.join(task.names)})\b"
    return re.sub(any_name, r"helper_\1", of.right[task.id].replace(f"# [{task.id}]\n", ""))


def _calls(of: Material, expression: str = "helper_NAME") -> dict[str, str]:
    """Answers that leave all to helpers; a plain value is the helper."""
    made = {"value": "NAME = {}\n"}
    call = "def NAME(*args, **named):\n    return {}(*args, **named)\n"
    return {
        task.id: f"# [{task.id}]\n"
        + "".join(made.get(one.kind, call).format(expression).replace("NAME", one.name) for one in task.signatures)
        for task in of.tasks
    }


def _own_cells(of: Material) -> Iterator[Case]:
    helpers = [_inner(of, task) for task in of.tasks]
    indented = textwrap.indent("\n".join(helpers), "    ")
    names = ", ".join(f"helper_{name}" for name in _names(of))
    filled = "".join(f"table['{name}'] = helper_{name}\n" for name in _names(of))
    appended = "".join(f"table.update({name}=helper_{name})\n" for name in _names(of))
    pairs = ", ".join(f"('{name}', helper_{name})" for name in _names(of))
    looped = f"for name, helper in [{pairs}]:\n    table[name] = helper\n"
    from_table = _calls(of, "table['NAME']")
    yield _case(of, "helper functions in own cells", of.book(_calls(of), own=helpers))
    yield _case(
        of,
        "own cells that fail and plot beside helpers",
        of.book(_calls(of), own=["1 / 0", *helpers, "%%bash\nls", "x ="]),
    )
    yield _case(of, "helpers within an if", of.book(_calls(of), own=[f"if True:\n{indented}"]))
    made = f"def make():\n{indented}\n    return {names}\n{names} = make()\n"
    yield _case(of, "helpers made by a function", of.book(_calls(of), own=[made]))
    for name, code in (("assignments", filled), ("update", appended), ("a loop", looped)):
        own = [*helpers, "table = {}", code]
        yield _case(of, f"a table that is filled by {name}", of.book(from_table, own=own))
    own = ["import functools as tools", "from math import *", "import torch.nn.functional as F", *helpers]
    yield _case(of, "imports in own cells", of.book(_calls(of, "tools.reduce(max, [helper_NAME])"), own=own))
    classes = [
        "class Base:\n    factor = 1\n",
        "class Helper(Base):\n"
        + "".join(f"    {name} = staticmethod(helper_{name})\n" for name in _names(of)),
    ]
    yield _case(of, "classes in own cells", of.book(_calls(of, "Helper.NAME"), own=[*helpers, *classes]))
    data = (
        "from dataclasses import dataclass\n@dataclass\nclass Settings:\n    factor: int = 1\nsettings = Settings()\n"
    )
    own = [*helpers, f"{data}settings.factor = 2\n"]
    book = of.book(_calls(of), own=own, before="assert settings.factor == 2")
    yield _case(of, "a dataclass in an own cell", book)


def _damaged(of: Material) -> Iterator[Case]:
    """What editors and people do to a notebook without any bad intention."""
    book = of.book(of.right)
    stub = {task.id: of.release.cells[index(of.release, f"{task.id}_answer")].source for task in of.tasks}

    def answers(book: NotebookNode) -> list[tuple[int, Exercise]]:
        return [(index(book, f"{task.id}_answer"), task) for task in reversed(of.tasks)]

    def elsewhere(book: NotebookNode) -> None:
        for place, task in answers(book):
            source, book.cells[place].source = book.cells[place].source.replace(f"# [{task.id}]\n", ""), stub[task.id]
            book.cells.insert(place + 1, nbformat.v4.new_code_cell(source))

    def split(book: NotebookNode) -> None:
        for place, task in answers(book):
            cell = book.cells[place]
            book.cells.insert(place, {**cell, "id": f"split-{task.id}", "source": f"# [{task.id}]\n{_inner(of, task)}"})
            cell.source = _calls(of)[task.id].replace(f"# [{task.id}]\n", "")

    def scratch(book: NotebookNode) -> None:
        for place, task in answers(book):
            book.cells.insert(
                place + 1, {**book.cells[place], "id": f"copy-{task.id}", "source": f"# [{task.id}]\nx = 1"}
            )

    def setup(book: NotebookNode) -> None:
        book.cells[index(book, "setup")].source += "\nimport functools as tools\n"

    def marks(book: NotebookNode) -> None:
        for cell in book.cells:
            cell.metadata = NotebookNode()

    def damage(book: NotebookNode) -> None:
        book.metadata, book.nbformat_minor = NotebookNode(kernelspec={"name": "python2"}), 0
        for cell in book.cells:
            cell.pop("id", None)

    def first(book: NotebookNode) -> None:
        book.cells[0:0] = [nbformat.v4.new_code_cell(_inner(of, task)) for task in of.tasks]

    edits: dict[str, tuple[NotebookNode, Edit]] = {
        "the answers stand in cells below the stubs": (book, elsewhere),
        "answer cells that were split in two": (book, split),
        "copies of answer cells to try things in": (book, scratch),
        "an import was added to the setup cell": (
            of.book(_calls(of, "tools.reduce(max, [helper_NAME])"), own=[_inner(of, t) for t in of.tasks]),
            setup,
        ),
        "helpers above the setup cell": (of.book(_calls(of)), first),
        "every mark of nbgrader was lost": (book, marks),
        "another kernel, no ids, no language": (book, damage),
    }
    for name, (made, change) in edits.items():
        yield _case(of, name, edited(made, change))
