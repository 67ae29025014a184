"""Cases that want points without an answer: hooks, patched helpers, objects that lie, what can be found in memory."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode

from autograder.trials.hostile.case import Case, Material, edited, index, notebook, tried
from autograder.trials.hostile.texts_points import HELPERS, HOOKS, INSPECTION, LIAR_CLASSES, LIARS, TRANSFORMERS

CARRIED = {
    "text": "raise ValueError('@MARK@' + repr(args))",
    "a name": "raise type('@MARK@' + 'x' * len(args), (Exception,), {'__module__': 'builtins'})()",
    "a name of a result": "return type('@MARK@', (dict,), {'__module__': 'builtins', '__repr__': lambda s: '@MARK@'})()",
    "a number": "return float(int('@MARK@'[3:], 16))",
    "numbers": "return torch.full(args[0].shape, float(int('@MARK@'[3:], 16)))",
    "printed text": "print('@MARK@', args)\n        raise KeyError('@MARK@')",
}
"""What an answer does with draws that no student should see."""
CREDIT = {"nan": "float('nan')", "inf": "float('inf')", "99": "99.0", "negative": "-1.0", "a word": "'full'"}


def forging(of: Material) -> Iterator[Case]:
    """Every class of this file."""
    least = str(min(task.points for task in of.tasks))
    for kind, table in (
        ("kernel and display hooks", HOOKS),
        ("transformers", TRANSFORMERS),
        ("patched helpers", HELPERS),
    ):
        for name, code in table.items():
            book = of.book(of.wrong(), before=tried(code.replace("LEAST", least)))
            yield Case(kind, name, 0.0, notebook(book))
    yield from _lies(of)
    yield from _tests(of, least)
    yield from _patched_fixtures(of)
    for name, value in CREDIT.items():
        book = of.book(of.wrong(value), before=tried(f"import bdlab\nbdlab.check = lambda name: {value}"))
        yield Case("forged credit", f"{name} as result and as points", 0.0, notebook(book))
    last = of.book(of.wrong("float('nan')"), behind="print(99.0)\n99.0")
    yield Case("forged credit", "the answer cell ends with 99.0", 0.0, notebook(last))


def _lies(of: Material) -> Iterator[Case]:
    for name, value in LIARS.items():
        book = of.book(of.wrong(value), before=LIAR_CLASSES)
        yield Case("objects that lie", name, 0.0, notebook(book))
    for name, code in INSPECTION.items():
        source = textwrap.dedent(code).replace("TASK", repr(of.first.id))
        yield Case("stack and gc inspection", name, 0.0, notebook(of.book(of.wrong("found()"), before=source)))


def _tests(of: Material, least: str) -> Iterator[Case]:
    """The check cells changed, left out, or answered by heart."""
    kind, book = "skipped or rewritten tests", of.book(of.wrong())

    def checks(book: NotebookNode) -> list[NotebookNode]:
        return [book.cells[index(book, task.id)] for task in of.tasks]

    def each(change: Any) -> NotebookNode:
        return edited(book, lambda copy: [change(cell) for cell in checks(copy)])

    def output(cell: NotebookNode) -> None:
        result = {"output_type": "execute_result", "data": {"text/plain": least}, "metadata": {}, "execution_count": 1}
        cell.update(outputs=[result], execution_count=1)
        cell.metadata["tags"] = ["skip-execution"]

    def removed(book: NotebookNode) -> None:
        book.cells = [cell for cell in book.cells if cell not in checks(book)]

    def doubled(book: NotebookNode) -> None:
        book.cells += [{**cell, "source": least, "id": f"again{n}"} for n, cell in enumerate(checks(book))]

    changes = {
        "checks are constants": each(lambda cell: cell.update(source=least)),
        "checks are not executed": each(output),
        "checks are text": each(lambda cell: cell.update(cell_type="raw")),
        "checks are worth a million": each(lambda cell: cell.metadata.nbgrader.update(points=1e6)),
        "checks count as answers": each(lambda cell: cell.metadata.nbgrader.update(solution=True, locked=False)),
        "checks were deleted": edited(book, removed),
        "second checks of the same names": edited(book, doubled),
    }
    for name, changed in changes.items():
        yield Case(kind, name, 0.0, notebook(changed))
    yield Case(kind, "the notebook's own draws learned by heart", 0.0, notebook(of.book(by_heart(of))))
    for name, told in CARRIED.items():
        yield Case("forged credit", f"secret draws are carried out as {name}", 0.0, notebook(of.book(by_heart(of, told))))


def by_heart(of: Material, otherwise: str = "return None") -> dict[str, str]:
    """Answers that are right on the public draws only: they look their inputs up among the digests of those.

    otherwise: the statement for all others.

    An exercise that asks for something else than one function stays unsolved.
    """
    from bdlab.exercises.verdict import outcomes
    from bdlab.submission import Local, Submission

    answers = of.wrong()
    for task in of.tasks:
        if [one.kind for one in task.signatures] != ["function"]:
            continue
        watch = (
            f"{of.right[task.id]}\nimport hashlib\n_{task.name}, SEEN = {task.name}, []\n"
            "def plain(value):\n    return value.tolist() if hasattr(value, 'tolist') else value\n"
            "def digest(args):\n"
            "    kept = [plain(a) for a in args if type(a) in (int, float, list, tuple) or hasattr(a, 'tolist')]\n"
            "    return hashlib.sha256(repr(kept).encode()).hexdigest()[:12]\n"
        )
        local = Local({})
        sub = Submission(local, task.fixtures)
        body = (
            f"def {task.name}(*args, **named):\n    SEEN.append(digest(args))\n    return _{task.name}(*args, **named)"
        )
        sub.load([of.setup, watch + body])
        outcomes(task, sub)
        seen = sorted(set(local.executor.namespace["SEEN"]))
        refuse = f"    if digest(args) not in {seen}:\n        {otherwise}\n    return _{task.name}(*args, **named)\n"
        answers[task.id] = f"# [{task.id}]\n{watch}def {task.name}(*args, **named):\n{refuse}"
    return answers


def _patched_fixtures(of: Material) -> Iterator[Case]:
    """Mistakes that change the student's side, so that what they do wrong does not show."""
    hidden = tried("""
        import bdlab.submission.executor as executor
        kept, make = {}, executor.FIXTURES["tensor"]
        def tensor(x):
            made = make(x)
            kept[id(made)] = made.clone()
            return made
        def value(self, target):
            return self._named(target) if isinstance(target, str) else kept.get(id(target), target)
        executor.FIXTURES["tensor"], executor.Executor._value = tensor, value
    """)
    still = tried("""
        import contextlib, random, numpy, torch, bdlab.submission.executor as executor
        torch.manual_seed = numpy.random.seed = random.seed = lambda *_: None
        executor._chance = lambda number: contextlib.nullcontext()
        torch.default_generator.manual_seed(1)
        drawn = torch.randperm
        torch.randperm = lambda *args, generator=None, **named: drawn(
            *args, generator=torch.Generator().manual_seed(1), **named)
    """)
    for number in range(4):
        answers, deserved = of.mistakes(number)
        name = f"mistakes {number + 1}: changed inputs are put back by the answering side"
        yield Case("patched helpers", name, deserved, notebook(of.book(answers, before=hidden)))
    for number in range(4, 7):
        answers, deserved = of.mistakes(number)
        name = f"mistakes {number + 1}: seeds and generators patched"
        yield Case("time and seeds", name, deserved, notebook(of.book(answers, before=still)))
