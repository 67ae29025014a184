"""The student's functions at work in later cells: wrong ones cost nothing but their own place, and nbgrader calls none."""

import re
import time

import nbformat
import pytest
import throwaway
import torch
from nbclient import NotebookClient

import bdlab
from autograder.authoring import build
from autograder.authoring.folders import folder
from autograder.authoring.sources import references
from autograder.trials.invented.samples import fill
from bdlab.exercises import using
from bdlab.exercises.using import Mine

WRONG = {
    "raises": 'raise KeyError("mine")',
    "loops": "while True: pass",
    "in_place": "return args[0].zero_()",
    "none": "return None",
    "wrong_shape": "return torch.zeros(0, 7, 7, 7, 7)",
}
SAID = {
    "raises": "KeyError: 'mine'",
    "loops": "it took longer than 2 s",
    "none": "it gave None",
    "wrong_shape": "it gave a torch tensor of shape (0, 7, 7, 7, 7)",
}
"""What the student reads; what changes its input in place works on a copy."""
LIMITS = "from bdlab.exercises import checks, using\nusing.SECONDS = checks.SECONDS = 2"
USED = re.compile(r'bdlab\.mine\(\s*"(l\d\d_\w+)"')


def _cells(home):
    """The code cells of the solved notebook, in front of them what makes the throw-away lessons known."""
    book = nbformat.read(build.student_folder(home) / f"{home.name}.ipynb", as_version=4)
    fill(book, {name: answer.source for name, answer in references(home).items()}, "")
    known = nbformat.v4.new_code_cell(f"{throwaway.known()}\n{LIMITS}")
    book.cells = [known, *(cell for cell in book.cells if cell.cell_type == "code")]
    return book


@pytest.mark.parametrize("name", ["99", "03"])
def test_every_later_cell_runs_whatever_the_students_function_does(name, probe):
    """One kernel: all cells once, then all cells from the answer on, for each wrong function."""
    home = folder(name)
    book = _cells(home)
    uses = {at: USED.findall(cell.source) for at, cell in enumerate(book.cells) if USED.search(cell.source)}
    assert uses
    client = NotebookClient(book, kernel_name="python3", timeout=600)
    with client.setup_kernel():
        for at, cell in enumerate(book.cells):
            client.execute_cell(cell, at)
        for exercise in {exercise for used in uses.values() for exercise in used}:
            answer = next(at for at, cell in enumerate(book.cells) if cell.get("id") == f"{exercise}_answer")
            key = bdlab.exercises.lessons.find(exercise).name
            for kind, body in WRONG.items():
                book.cells[answer].source = f"# [{exercise}]\ndef {key}(*args, **named):\n    {body}\n"
                for at in range(answer, len(book.cells)):
                    client.execute_cell(book.cells[at], at)
                for at in (at for at, used in uses.items() if exercise in used):
                    said = "".join(out.get("text", "") for out in book.cells[at].outputs)
                    assert (f"Your {key} did not do here" in said and SAID[kind] in said) or kind == "in_place", said


@pytest.fixture
def student(monkeypatch):
    """student(entropy=function): the notebook's namespace."""
    namespace = {}
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setattr(using, "notebook", lambda: (namespace, []))
    return namespace


def _ours(probs):
    return torch.full((len(probs),), 7.0)


PROBS = torch.full((2, 4), 0.25)


def _looping(probs):
    while True:
        pass


def _exits(probs):
    raise SystemExit


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        (lambda probs: probs / 0 + [], "TypeError"),
        (_looping, "it took longer than 0.2 s"),
        (_exits, "SystemExit"),
        (lambda probs: None, "it gave None; a torch tensor of shape (2,), float32 is wanted"),
        (lambda probs: probs.sum(1)[None], "it gave a torch tensor of shape (1, 2), float32"),
        (lambda probs: probs.sum(1).double(), "it gave a torch tensor of shape (2,), float64"),
        (lambda probs: [0.0, 0.0], "it gave a list of 2"),
    ],
    ids=["raises", "loops", "exits", "none", "shape", "dtype", "list"],
)
def test_the_librarys_part_takes_the_place_of_a_function_that_cannot_be_used(theirs, why, student, monkeypatch, capsys):
    monkeypatch.setattr(using, "SECONDS", 0.2)
    student["entropy"] = theirs
    mine = bdlab.mine("l99_entropy", _ours)
    assert mine(PROBS).tolist() == [7.0, 7.0] and not mine.own
    said = capsys.readouterr().out
    assert said.startswith("Your entropy did not do here: ") and why in said and "bdlab.check('l99_entropy')" in said
    student["entropy"] = lambda probs: pytest.fail("it is not asked again")
    assert mine(probs=PROBS).tolist() == [7.0, 7.0] and capsys.readouterr().out == ""


def test_a_function_that_works_is_used_on_copies_and_everything_is_put_back(student, capsys):
    net, generator = torch.nn.BatchNorm1d(4), torch.Generator().manual_seed(3)
    states = torch.get_rng_state(), generator.get_state()

    def entropy(probs, model=None, generator=None):
        probs.zero_()
        model.eval()
        torch.rand(1), torch.rand(1, generator=generator)
        return probs.sum(1)

    def ours(probs, model=None, generator=None):
        torch.rand(1, generator=generator)
        return probs.sum(1)

    student["entropy"] = entropy
    mine = bdlab.mine("l99_entropy", ours)
    assert mine(PROBS, net, generator=generator).tolist() == [0.0, 0.0] and mine.own
    assert (PROBS == 0.25).all() and net.training and capsys.readouterr().out == ""
    assert torch.equal(torch.get_rng_state(), states[0]) and torch.equal(generator.get_state(), states[1])


def test_what_is_shown_with_the_students_function_is_shown_with_ours_where_it_fails(student, capsys):
    student["entropy"] = lambda probs: torch.full((len(probs),), -1.0)
    mine = bdlab.mine("l99_entropy", _ours)

    def show(entropy):
        value = entropy(PROBS)[0].item()
        if value < 0:
            raise ValueError("no such bar")
        return value

    assert bdlab.use(show, mine) == 7.0 and not mine.own
    assert "what it gave could not be used, ValueError: no such bar" in capsys.readouterr().out
    with pytest.raises(ZeroDivisionError):  # our own mistake is not the student's
        bdlab.use(lambda entropy: 1 / 0, mine)


def test_what_is_not_written_yet_and_what_has_no_such_name(student, capsys):
    assert bdlab.mine("l99_entropy", _ours)(PROBS).tolist() == [7.0, 7.0]
    assert "Your entropy did not do here: it is not defined yet" in capsys.readouterr().out
    student["prune"] = lambda weight, channels: weight
    assert bdlab.mine("l99_prune_order", lambda w, c: w * 0, "prune")(PROBS, 0).sum() == 2
    with pytest.raises(ValueError, match="name must be one of prune_order, prune, got 'prunes'"):
        bdlab.mine("l99_prune_order", _ours, "prunes")


def test_nothing_of_the_student_is_called_while_nbgrader_runs(student, monkeypatch, capsys):
    student["entropy"] = lambda probs: pytest.fail("called")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    start = time.process_time()
    assert bdlab.use(lambda entropy: entropy(PROBS).tolist(), Mine("l99_entropy", _ours, "entropy")) == [7.0, 7.0]
    assert time.process_time() - start < 1 and capsys.readouterr().out == ""
