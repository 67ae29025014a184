"""Whether an answer may leave its work to somebody else: a static reading, which a human decides on.

It is policy, not security: what it finds never changes points by itself, and what cannot be read is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterator

from autograder.handin.runnable import Answers
from bdlab.exercises.names import within
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


def doubts(task: Exercise, answers: Answers) -> Iterator[str]:
    """What a human should look at in the answer to `task`, one sentence each.

    All of the student's cells are read, since an answer may call what stands in another.
    """
    forbidden = [name for name in task.forbid if name != "bdlab"]  # the grading edition of bdlab refuses by itself
    used = answers.used
    reached = sorted(name for name in MACHINERY if any(within(use, name) for use in used))
    if reached:
        yield f"needs a human: reaches for what grades it ({', '.join(reached)})"
    for name in answers.lacking.get(task.id, ()):
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
