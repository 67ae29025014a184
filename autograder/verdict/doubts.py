"""Whether an answer may leave its work to somebody else: a static reading, which a human decides on.

It is policy, not security: what it finds never changes points by itself, and what cannot be read is said to be so.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograder.handin.missing import missing
from autograder.handin.python import NOT_PYTHON, parse
from autograder.handin.runnable import Answers
from bdlab.exercises.names import dotted, imports, within
from bdlab.exercises.specification import Exercise

HIDES = (
    "getattr", "eval", "exec", "compile", "__import__", "importlib", "globals", "locals", "vars", "sys.modules", "builtins",
    "operator.attrgetter", "operator.methodcaller", "torch.ops", "torch._C", "torch._VF", "inspect", "gc", "ctypes",
    "pickle",
)  # fmt: skip
"""Names by which another name can be had without being written down."""
MACHINERY = (
    "autograder", "bdlab.submission", "bdlab._stand_in", "bdlab.exercises", "gc", "ctypes", "inspect.stack",
    "inspect.currentframe", "sys._getframe", "sys.settrace", "sys.setprofile", "sys.meta_path", "sys.modules",
)  # fmt: skip
"""What no answer has any business with: by it, the process that answers can be made to say what is not so."""


HARMLESS = {"gc", "gc.collect", "gc.disable", "gc.enable"}
"""What tidies up memory, and no more."""


def doubts(task: Exercise, answer: str, answers: Answers) -> Iterator[str]:
    """What a human should look at in the answer to `task`, one sentence each.

    All of the student's cells are read, since an answer may call what stands in another.
    """
    forbidden = [name for name in task.forbid if name != "bdlab"]  # the grading edition of bdlab refuses by itself
    used = set[str]()
    for source in (answer, *answers.cells[1:]):
        used |= _used(source)
    reached = sorted(name for name in MACHINERY if any(within(use, name) for use in used))
    if reached:
        yield f"needs a human: reaches for what grades it ({', '.join(reached)})"
    for name in missing(answer):
        yield f"needs a human: imports {name}, which is not installed here"
    if not forbidden and not task.needs:
        return
    for name in forbidden:
        if any(within(use, name) for use in used):
            yield f"needs a human: uses {name}, which the exercise asks to do without"
    for name in task.needs:
        if not any(within(use, name) for use in used):
            yield f"needs a human: does not use {name}, which the exercise asks for"
    hidden = sorted(name for name in HIDES if any(within(use, name) for use in used))
    if hidden:
        yield f"needs a human: what it uses cannot be read off its text ({', '.join(hidden)})"


def _used(source: str) -> set[str]:
    """Dotted names of a cell, with imported heads spelled out."""
    try:
        tree = parse(source)
        meaning = dict(imports(tree))
        names = set(dotted(tree))
    except NOT_PYTHON:
        return set()
    spelled = {
        f"{meaning[name.partition('.')[0]]}{''.join(name.partition('.')[1:])}"
        for name in names
        if name.partition(".")[0] in meaning
    }
    used = names | spelled
    tidy = not _passed_on(tree, "gc") and {name for name in used if within(name, "gc")} <= HARMLESS
    return used - HARMLESS if tidy else used


def _passed_on(tree: ast.AST, module: str) -> bool:
    """Whether the module itself is read, and not only what is in it."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return any(isinstance(node, ast.Name) and node.id == module and id(node) not in inner for node in ast.walk(tree))
