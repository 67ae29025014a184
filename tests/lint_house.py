"""Rules of the house that a reader of source alone can hold: size, words, chance.  `make lint` runs it; no code is run."""

import ast
import io
import sys
import tokenize
from pathlib import Path

import imports

ROOT = Path(__file__).resolve().parents[1] / "bdlab"
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
SPEAK = ("bdlab.cli", "bdlab.exercises.checks", "bdlab.exercises.using")
"""Modules that print: they talk to a person."""
SEEDED = "bdlab.submission.executor"
"""Seeds the global generators around a student's code, and puts them back: that is how a use of them shows."""
SEEDS = ("random.seed", "np.random.seed", "torch.seed", "torch.cuda.manual_seed_all")
DRAWS = {f"torch.{f}" for f in ("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial")}
OWN = ("np.random.default_rng", "np.random.RandomState")
"""numpy's sources of chance that are nobody else's."""
FUNCTION_LINES, FILE_LINES, MEDIAN, NINTH = 60, 200, 10, 25


def calls(tree):
    """(dotted name, node) of every call."""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def words(name, tree):
    """What module `name` says that the library does not say."""
    stars = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"]
    yield from ("a star import" for _ in stars)
    seeded = [node for node in tree.body if name == "bdlab.nets" and getattr(node, "name", "") == "seeded"]
    allowed = {id(node) for part in seeded for _, node in calls(part)}
    for called, node in calls(tree):
        if called == "print" and name not in SPEAK:
            yield "print: only what talks to a person prints"
        if called.endswith(".cuda"):
            yield ".cuda(): the device is the model's"
        if (called in SEEDS and name != SEEDED) or (called == "torch.manual_seed" and id(node) not in allowed):
            yield f"{called}: seeds a global generator"
        free = called in DRAWS and "generator" not in {keyword.arg for keyword in node.keywords}
        if (free or (called.startswith("np.random.") and not called.startswith(OWN))) and name != SEEDED:
            yield f"{ast.unparse(node)}: draws from the global generator"


def code_lines(tree, source):
    """Numbers of the lines that hold code: neither blank, nor comment, nor docstring."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in silent
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return lines


def sizes(files, trees):
    """Files that are too long, functions that are too long, and whether most functions are short."""
    code = []
    for name, tree in trees.items():
        lines = code_lines(tree, files[name].read_text(encoding="utf-8"))
        if len(lines) >= FILE_LINES:
            yield f"{name}: {len(lines)} lines of code; under {FILE_LINES} are allowed"
        for node in (node for node in ast.walk(tree) if isinstance(node, FUNCTION)):
            span = range(node.lineno, node.end_lineno + 1)
            code.append(len(lines & set(span)))
            if len(span) > FUNCTION_LINES:
                yield f"{name}.{node.name}: {len(span)} lines; {FUNCTION_LINES} are allowed"
    code.sort()
    median, ninth = code[len(code) // 2], code[len(code) * 9 // 10]
    if median > MEDIAN or ninth > NINTH:
        yield f"functions: median {median} lines, 90th percentile {ninth}; {MEDIAN} and {NINTH} are allowed"


def main():
    """Print what breaks a rule; the exit status tells whether anything does."""
    files = imports.modules(ROOT)
    trees = imports.trees(files)
    found = [f"{name}: {told}" for name, tree in trees.items() for told in words(name, tree)]
    found += sizes(files, trees)
    print("\n".join(found) or f"{len(files)} files of {ROOT.name}: every rule of the house is held")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
