"""Readers: what costs too much to read ends its reader alone, and nothing else here parses what students wrote."""

import ast
import os
import signal
import threading
import time
from pathlib import Path

import imports
import pytest

import autograder
from autograder.handin import reader, rebuild

FILES = imports.modules(Path(autograder.__file__).parent)
TREES = imports.trees(FILES)
OURS = ("autograder.handin.", "autograder.authoring.", "autograder.trials.")
"""Where text is parsed: in a reader, and what we wrote ourselves."""


@pytest.fixture(autouse=True)
def own_readers():
    reader.close()
    yield
    reader.close()


def test_a_reader_stands_and_is_used_again():
    assert reader.ask("python", "%time x = 1").strip() == "x = 1"
    first = reader.IDLE[0].process.pid
    assert reader.ask("labels", "x = 1") and reader.ask("labels", "def (") == []
    assert [one.process.pid for one in reader.IDLE] == [first]
    reader.close()
    assert not Path(f"/proc/{first}").exists()


def test_one_for_each_thread():
    threads = [threading.Thread(target=reader.ask, args=("labels", "x = 1\n" * 9000)) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert 1 <= len(reader.IDLE) <= 2


def test_what_takes_too_long_ends_its_reader_alone(monkeypatch):
    monkeypatch.setattr(reader, "SECONDS", 1)
    reader.close()  # a new one: what others have read counts for nobody here
    begin = os.times().children_user + os.times().children_system
    with pytest.raises(reader.TooMuch, match="more than 1 s; hand in the notebook without"):
        reader.ask("bare", "a;" * 1_000_000)
    used = os.times().children_user + os.times().children_system - begin
    assert used >= 1 and used <= 5
    assert reader.deque() == reader.IDLE and reader.ask("labels", "x = 1")


def test_who_kills_readers_costs_nobody_anything():
    reader.ask("labels", "x = 1")
    os.kill(reader.IDLE[0].process.pid, signal.SIGKILL)
    assert reader.ask("labels", "x = 1")


def test_where_readers_are_always_killed_it_is_our_fault(monkeypatch):
    class Killed(reader.Reader):
        def ask(self, request):
            self.process.kill()
            return super().ask(request)

    monkeypatch.setattr(reader, "Reader", Killed)
    with pytest.raises(RuntimeError, match="2 readers were ended"):
        reader.ask("labels", "x = 1")


def test_faults_and_missing_files_are_told_apart(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        reader.ask("rebuild", str(tmp_path), "a.ipynb", str(tmp_path / "release.ipynb"), {})
    with pytest.raises(RuntimeError, match=r"^TypeError: "):
        reader.ask("labels")


def test_it_waits_without_end_for_nobody(monkeypatch):
    monkeypatch.setattr(reader, "WAIT", 0.0)
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match="readers were ended"):
        reader.ask("bare", "a;" * 100_000)
    assert time.monotonic() - begin < 60


def _parses(tree):
    """What in `tree` parses text, or has IPython read it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("ast.parse", "ast.literal_eval"):
            yield ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("compile", "eval", "exec"):
            yield node.func.id
    yield from (name for name in imports.imported("x", tree, {}) if name.split(".")[0] == "IPython")


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith(OURS)])
def test_nothing_else_parses(name):
    tree = TREES[name]
    assert not list(_parses(tree))
    borrowed = [one for one in imports.imported(name, tree, FILES) if one.startswith("autograder.handin.")]
    assert not {"autograder.handin.python", "autograder.handin.repair"} & set(borrowed)


def test_parsing_is_seen():
    assert list(_parses(ast.parse("import ast\nast.parse(x)"))) and list(_parses(ast.parse("import IPython.core")))


def test_what_crosses_is_what_was_meant(tmp_path):
    made = rebuild.Rebuilt(refused="why", remarks=("a",))
    assert rebuild.Rebuilt.of(made.plain()) == made
