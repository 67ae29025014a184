"""A check looks at what the notebook really holds: cells that ran, a kernel that lives on, no number left below."""

import os
import subprocess
import sys

import pytest

SCRIPT = '''
import contextlib, io, os
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("import torch, bdlab\\nfrom torch import Tensor", store_history=True)

def cell(source):
    """What running a cell prints, and what it shows as its value."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        result = shell.run_cell(source, store_history=True)
    return said.getvalue(), result.result

RIGHT = "# [l03_all_to_all]\\ndef all_to_all(y, classes):\\n    return (y + 1) % classes"
CHECK = 'bdlab.check("l03_all_to_all")'
'''


def _run(body, **more):
    done = subprocess.run([sys.executable, "-c", SCRIPT + body], capture_output=True, text=True, env={**os.environ, **more})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def interactive():
    return _run("""
cell(RIGHT)
said, value = cell(CHECK)
assert "2 of 2 points" in said and "2.0" not in said, said      # the points are told in words, and no 2.0 below
assert value == 2.0 and isinstance(value, float)
said, value = cell('bdlab.check_all("l03")')
assert "2.0" not in said and value == 2.0, said

cell("# [l03_all_to_all]\\nraise RuntimeError('too early')\\ndef all_to_all(y, classes):\\n    return y")
said, _ = cell(CHECK)
print("RAISED", said)
cell(RIGHT.replace("return (y", "return  (y"))
said, _ = cell(CHECK)
assert "2 of 2" in said, said                                     # the same code in another spelling
said, _ = cell(RIGHT.replace("+ 1", "+ 2") + "\\n" + CHECK)
print("TOGETHER", said)
said, _ = cell(RIGHT + "\\n" + CHECK)                               # answer and check in one cell
assert "2 of 2" in said, said
said, _ = cell(CHECK)
assert "2 of 2" in said, said
cell(RIGHT.replace("def all_to_all(", "def all_to_all((") + "\\n" + CHECK)            # a syntax error there
said, _ = cell("# [l03_all_to_all]\\n" + CHECK)
print("BROKEN", said)
cell(RIGHT)
cell("def all_to_all(y, classes):\\n    return y + 1")              # defined again without the tag
said, _ = cell(CHECK)
print("ELSEWHERE", said)
said, _ = cell('bdlab.check("l03_all_to_all", lambda y, classes: (y + 1) % classes)')
assert "2 of 2" in said, said                                     # a function that is passed is looked at as it is
cell(RIGHT.replace("return (y + 1) % classes", "exit()"))
said, _ = cell(CHECK)
print("EXIT", said)
said, _ = cell("1 + 1")
cell(RIGHT)
said, _ = cell(CHECK)
assert "2 of 2" in said, said
assert shell.exit_now is False
""")


def test_a_cell_that_raised_or_was_overruled_is_told_and_not_judged(interactive):
    for word in ("RAISED", "ELSEWHERE"):
        told = " ".join(interactive.partition(word)[2].split())
        assert told.startswith("l03_all_to_all: 0 of 2 points")
        assert "Grading sees the cell that begins with '# [l03_all_to_all]'" in told


def test_answer_and_check_in_one_cell_are_judged(interactive):
    assert "0 of 2 points" in interactive.partition("TOGETHER")[2][:200]
    assert "defined again" not in interactive.partition("TOGETHER")[2].partition("BROKEN")[0]
    assert "has a syntax error" in " ".join(interactive.partition("BROKEN")[2].partition("ELSEWHERE")[0].split())


def test_an_answer_that_calls_exit_leaves_the_kernel(interactive):
    assert "EXIT l03_all_to_all: 0 of 2 points" in interactive and "SystemExit: exit() was called" in interactive


@pytest.mark.parametrize("mode", ["autograde", "validate"])
def test_nbgrader_gets_the_plain_number(mode):
    told = _run("cell(RIGHT)\nprint('VALUE', type(cell(CHECK)[1]).__name__, cell(CHECK)[1])", NBGRADER_EXECUTION=mode)
    assert "VALUE float 2.0" in told
