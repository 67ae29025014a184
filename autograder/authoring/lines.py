"""What an exercise costs its author: lines by hand, one statement a line; prose, attempts and figures are not counted.

`python -m autograder.authoring.lines 03` prints the table.  Counted are the declaration with what it uses of its own
modules, where each part, mistake and hint is a line, the reference, the right answers and the edits.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from autograder.authoring.folders import folder
from autograder.authoring.sources import alternatives, references
from bdlab.exercises import lessons
from bdlab.exercises.specification import Exercise

MEAN, MOST = 110, 170
"""What an exercise may cost on average, and at most."""


def table(home: Path) -> dict[str, int]:
    """Exercise -> its lines."""
    lesson = lessons.lesson(home.name)
    files = sorted(lessons.home(lesson).glob(f"{lesson.short}_*.py"))
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    wrong = ast.parse((home / "wrong.py").read_text(encoding="utf-8")).body
    return {task.id: _lines(home, task, trees, wrong) for task in lesson.exercises}


def _lines(home: Path, task: Exercise, trees: list[ast.Module], wrong: list[ast.stmt]) -> int:
    answers = [references(home)[task.id], *(one for one in alternatives(home) if one.exercise == task.id)]
    code = [ast.parse(answer.source) for answer in answers]
    edits = [node for node in wrong if isinstance(node, ast.ClassDef) and node.name == task.key]
    return _declared(task, trees) + sum(map(_statements, [*code, *edits]))


def _declared(task: Exercise, trees: list[ast.Module]) -> int:
    """The `Exercise(...)`, and what it reaches of the module in which it stands."""
    for tree in trees:
        own = {name: node for node in tree.body for name in _names(node)}
        found = next((node for node in tree.body if _declares(node, task)), None)
        if found is None:
            continue
        waiting, seen = [found], list[ast.stmt]()
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.append(node)
                waiting += [own[n.id] for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in own]
        return _entries(found) + sum(_statements(node) for node in seen if node is not found)
    raise ValueError(f"no module of its lesson declares {task.id}")


def _declares(node: ast.stmt, task: Exercise) -> bool:
    call = node.value if isinstance(node, ast.Assign) else None
    first = call.args[0] if isinstance(call, ast.Call) and call.args else None
    named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Exercise"
    return named and isinstance(first, ast.Constant) and task.name in str(first.value).partition("(")[0].split()


def _entries(node: ast.stmt) -> int:
    """A line for each argument of the call, and for each part, mistake and hint."""
    call = node.value if isinstance(node, ast.Assign) else None
    assert isinstance(call, ast.Call)
    values = [keyword.value for keyword in call.keywords]
    inner = [len(getattr(value, "elts", getattr(value, "values", ()))) for value in values]
    return 1 + len(call.args) + len(values) + sum(inner)


def _statements(node: ast.AST) -> int:
    """Statements, without docstrings."""
    found = [one for one in ast.walk(node) if isinstance(one, ast.stmt)]
    return sum(not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)) for one in found)


def _names(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    named = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    return named + [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]


def main() -> None:
    """Print the table of the lessons that are named, '03'."""
    for name in sys.argv[1:]:
        found = table(folder(name))
        for exercise, count in found.items():
            print(f"{exercise:<24} {count:>4}")
        print(f"{'mean':<24} {sum(found.values()) / len(found):>4.0f}   (at most {MEAN}; none above {MOST})")


if __name__ == "__main__":
    main()
