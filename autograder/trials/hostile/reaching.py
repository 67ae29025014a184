"""Cases that reach for what is not theirs: files, other students, the library's answers, the line, other processes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from autograder.trials.hostile.case import Case, Material, notebook, tried
from autograder.trials.hostile.texts_files import FILES, LIBRARY, SHADOWS
from autograder.trials.hostile.texts_processes import (
    CLOCKS,
    FORGED,
    LINE,
    PICKLES,
    SURROUNDINGS,
    THREADS,
    WHEN_CALLED,
    WRAPPED,
)

WILD = ("files that shadow modules are written",)
WALLED = ("solutions, gradebook, other students", "environment and descriptors", "threads, daemons, atexit")


def reaching(of: Material) -> Iterator[Case]:
    """Every class of this file."""
    least = str(min(task.points for task in of.tasks))
    tables = {
        "import hooks and shadowed files": SHADOWS,
        "solutions, gradebook, other students": FILES,
        "threads, daemons, atexit": THREADS,
        "environment and descriptors": SURROUNDINGS,
        "time and seeds": CLOCKS,
    }
    for kind, table in tables.items():
        for name, code in table.items():
            # written after the wrong answers, so that what it may find takes their place
            code = f"import os\nPARENT = os.getppid()\n{textwrap.dedent(code)}".replace("LEAST", least)
            book = of.book(of.wrong(), behind=tried(code))
            if kind == "solutions, gradebook, other students":
                book = of.book({of.first.id: of.wrong()[of.first.id], **_pulled(of)}, behind=tried(code))
            yield Case(kind, name, 0.0, notebook(book), wild=name in WILD, walled=kind in WALLED)
    fake = f"def check(name): return {least}\ndef __getattr__(name): return lambda *_, **named: {least}\n__version__ = '0'\n"
    beside = notebook(of.book(of.wrong()), bdlab__py=fake, torch__py=fake, sitecustomize__py=fake)
    yield Case("import hooks and shadowed files", "files handed in beside the notebook", 0.0, beside)
    yield from _library(of)
    yield from _frames(of, least)
    yield from _pickles(of)
    yield from _beside(of)


def _pulled(of: Material) -> dict[str, str]:
    """Answers that call what the first answer cell may have found, which has the same name in `globals()`."""
    return {
        task.id: f"# [{task.id}]\n" + "".join(f"{name} = globals().get('{name}')\n" for name in task.names)
        for task in of.tasks[1:]
    }


def _library(of: Material) -> Iterator[Case]:
    for name, code in LIBRARY.items():
        book = of.book(of.answering(code))
        yield Case("library delegation", name, 0.0, notebook(book), walled=name.startswith(("another", "the l")))


def _frames(of: Material, least: str) -> Iterator[Case]:
    for name, code in FORGED.items():
        before = LINE + tried(code.replace("LEAST", least))
        yield Case("forged messages", name, 0.0, notebook(of.book(of.wrong(), before=before)))
    for name, code in WHEN_CALLED.items():
        book = of.book(of.answering(code.replace("LEAST", least)), before=LINE)
        yield Case("forged messages", name, 0.0, notebook(book))


def _pickles(of: Material) -> Iterator[Case]:
    for method, source in PICKLES.items():
        for where, value in WRAPPED.items():
            before = f"class Loaded:\n    {source}\n"
            book = of.book(of.wrong(value), before=before)
            yield Case("pickles", f"a result with {method}{where}", 0.0, notebook(book))


def _beside(of: Material) -> Iterator[Case]:
    """Right answers with an attempt beside them: they keep what they deserve, and get no more."""
    attempts = {
        "solutions, gradebook, other students": FILES["the gradebook is written"],
        "import hooks and shadowed files": SHADOWS["files that shadow modules are written"],
        "environment and descriptors": SURROUNDINGS["descriptors are sent to another process"],
        "threads, daemons, atexit": THREADS["a process in a session of its own stays"],
        "kernel and display hooks": "import sys\nsys.displayhook = lambda value: print(99)",
    }
    for kind, code in attempts.items():
        own = f"def attempt():\n{textwrap.indent(textwrap.dedent(code).strip(), '    ')}\n    return 1\n" + tried(
            "extra = attempt()"
        )
        book = of.book(of.right, behind="EXTRA = globals().get('extra')\nif False: extra", own=[own])
        name, walled = _short(code), kind in WALLED
        yield Case(kind, f"right answers, and: {name}", of.full, notebook(book), True, None, name in WILD, walled)


def _short(code: str) -> str:
    known = {**FILES, **SHADOWS, **SURROUNDINGS, **THREADS}
    return next((name for name, text in known.items() if text == code), "displayhook replaced")
