"""Bars of long work: in a notebook's cell, on a terminal, and nowhere where nobody asked."""

import io
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from tqdm import tqdm

from bdlab import bars

TRAINING = """
import torch, bdlab
split = bdlab.Split(torch.rand(60, 1, 28, 28), torch.arange(60) % 10, 10)
net = bdlab.nets.build("small_bn", (1, 28, 28), 10)
"""
FIT = "bdlab.fit(net, split, bdlab.Recipe(epochs=3));"
NESTED = """
from bdlab.bars import track
with bdlab.progress():
    for _ in track(range(2), "seeds"):
        for _ in track(range(5), "steps"):
            pass
"""


@pytest.fixture(scope="module")
def cells():
    """The outputs of a notebook: training with and without bars, and one bar inside another."""
    sources = [TRAINING, f"with bdlab.progress(): {FIT}", FIT, NESTED]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


def test_a_notebook_shows_a_bar_and_nothing_on_stderr(cells):
    (bar,) = cells[1]
    assert bar.output_type == "display_data"
    text = bar.data["text/plain"]
    assert text.startswith("training, epochs: 100%|█") and " 3/3 " in text and "\n" not in text


def test_without_asking_there_is_no_bar(cells):
    assert cells[2] == []


def test_a_bar_inside_another_has_a_line_that_is_used_again(cells):
    outer, inner = (output.data["text/plain"] for output in cells[3])
    assert outer.startswith("seeds: 100%") and " 2/2 " in outer
    assert inner.startswith("steps: 100%") and " 5/5 " in inner


def test_a_terminal_gets_the_bar_on_stderr(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with bars.progress():
        assert list(bars.track([1, 2], "things")) == [1, 2]
    assert "things:   0%" in terminal.getvalue() and "0/2" in terminal.getvalue()
    assert not tqdm._instances


def test_a_file_gets_none():
    program = "from bdlab import bars\nwith bars.progress(): assert list(bars.track([1, 2], 'things')) == [1, 2]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""


def test_a_loop_that_is_left_frees_its_line(monkeypatch):
    lines = []
    monkeypatch.setattr(bars, "_in_notebook", lambda: True)
    monkeypatch.setattr(bars._Line, "write", lambda line, text: lines.append(line) if text.strip() else None)
    with bars.progress():
        for _ in bars.track([1, 2], "first"):
            break
        list(bars.track([1, 2], "second"))
        (line,) = set(lines)
    assert not line.busy
