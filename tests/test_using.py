"""The student's functions at work in later cells: wrong ones cost nothing but their own place, and nbgrader calls none."""

import re
import time

import nbformat
import pytest
import throwaway
import torch
from nbclient import NotebookClient
from which import GRADED

import bdlab
from autograder.authoring import build
from autograder.authoring.sources import references
from autograder.course.folder import ROOT
from autograder.trials.invented.samples import fill
from bdlab.exercises import lessons, using
from bdlab.exercises.using import Mine

WRONG = {
    "raises": 'raise KeyError("mine")',
    "loops": "while True: pass",
    "in_place": "return args[0].zero_()",
    "none": "return None",
    "wrong_shape": "return torch.zeros(0, 7, 7, 7, 7)",
}
SAID = {
    "raises": "stopped with KeyError: 'mine'",
    "loops": "took longer than 2 s",
    "none": "gave None",
    "wrong_shape": "gave a torch tensor of shape (0, 7, 7, 7, 7)",
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


def _homes():
    """The throw-away lesson, and slowly, since they train, all others."""
    return [pytest.param(home, marks=() if home.parents[1] != ROOT else pytest.mark.slow, id=home.name) for home in GRADED]


@pytest.mark.parametrize("home", _homes())
def test_every_later_cell_runs_whatever_the_students_function_does(home, probe):
    """One kernel: all cells once, then for each wrong function its cell and all that use it, at last all cells again."""
    book = _cells(home)
    uses = {at: USED.findall(cell.source) for at, cell in enumerate(book.cells) if USED.search(cell.source)}
    assert uses
    client = NotebookClient(book, kernel_name="python3", timeout=600)
    with client.setup_kernel():
        _run(client, book, range(len(book.cells)))
        for exercise in sorted({exercise for used in uses.values() for exercise in used}):
            answer = next(at for at, cell in enumerate(book.cells) if cell.get("id") == f"{exercise}_answer")
            key, right = lessons.find(exercise).name, book.cells[answer].source
            for kind, body in WRONG.items():
                book.cells[answer].source = f"# [{exercise}]\ndef {key}(*args, **named):\n    {body}\n"
                using_it = [at for at, used in uses.items() if exercise in used and at > answer]
                _run(client, book, [answer, *using_it])
                said = "".join(out.get("text", "") for at in using_it for out in book.cells[at].outputs)
                assert kind == "in_place" or (f"Your {key}" in said and SAID[kind] in said), said
            _run(client, book, range(answer, len(book.cells)))
            book.cells[answer].source = right
            _run(client, book, [answer])


def test_an_untouched_notebook_runs_to_its_end_and_says_what_is_not_written(probe):
    """A plain value's stub is no error, either."""
    book = nbformat.read(build.student_folder(probe) / f"{probe.name}.ipynb", as_version=4)
    book.cells.insert(0, nbformat.v4.new_code_cell(throwaway.known()))
    NotebookClient(book, kernel_name="python3", timeout=600).execute()  # raises where a cell does
    checks = [cell for cell in book.cells if cell.metadata.get("bdlab", {}).get("role") == "check"]
    said = ["".join(out.get("text", "") for out in cell.outputs) for cell in checks]
    tasks = lessons.lesson(probe.name).exercises
    assert [text.split(" of")[0] for text in said] == [f"{task.id}: 0" for task in tasks]
    assert all(f"{task.name} is not written yet" in text for task, text in zip(tasks, said, strict=True))


def _run(client, book, places):
    """Cells one after the other; one that raises ends the test."""
    for at in places:
        client.execute_cell(book.cells[at], at)


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
        (_looping, "took longer than 0.2 s"),
        (_exits, "SystemExit"),
        (lambda probs: None, "gave None; a torch tensor of shape (2,), float32 is wanted"),
        (lambda probs: probs.sum(1)[None], "gave a torch tensor of shape (1, 2), float32"),
        (lambda probs: probs.sum(1).double(), "gave a torch tensor of shape (2,), float64"),
        (lambda probs: [0.0, 0.0], "gave a list of 2"),
    ],
    ids=["raises", "loops", "exits", "none", "shape", "dtype", "list"],
)
def test_the_librarys_part_takes_the_place_of_a_function_that_cannot_be_used(theirs, why, student, monkeypatch, capsys):
    monkeypatch.setattr(using, "SECONDS", 0.2)
    student["entropy"] = theirs
    mine = bdlab.mine("l99_entropy", _ours)
    assert mine(PROBS).tolist() == [7.0, 7.0] and not mine.own
    said = capsys.readouterr().out
    assert said.startswith("Your entropy ") and why in said and "bdlab.check('l99_entropy')" in said
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
    assert "could not be used here: the figure stopped with ValueError: no such bar" in capsys.readouterr().out
    with pytest.raises(ZeroDivisionError):  # our own mistake is not the student's
        bdlab.use(lambda entropy: 1 / 0, mine)


def test_what_is_not_written_yet_and_what_has_no_such_name(student, capsys):
    assert bdlab.mine("l99_entropy", _ours)(PROBS).tolist() == [7.0, 7.0]
    assert "Your entropy is not defined yet" in capsys.readouterr().out
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
