"""A run that was stopped goes on: what was computed is computed once, what other code computed is not believed."""

import json

import torch

from bdlab.experiments import journal
from bdlab.experiments.journal import Journal
from bdlab.training import Scores

SCORES = Scores(0.9, 0.8, 0.1, None, 100, 90, 50)


def test_each_key_is_computed_once_and_outlives_the_process(tmp_path):
    calls = []
    path = tmp_path / "deep" / "journal.jsonl"
    first = Journal.open(path)
    assert first.scores("a", lambda n: calls.append(n) or SCORES, 1) == SCORES
    assert first.scores("a", lambda n: calls.append(n) or SCORES, 2) == SCORES
    again = Journal.open(path)
    assert again.scores("a", lambda n: calls.append(n) or SCORES, 3) == SCORES and calls == [1]
    assert again.numbers("b", lambda: {"x": 1.5}) == {"x": 1.5} and calls == [1]
    assert Journal.open(path).kept.keys() == {"a", "b"}


def test_half_a_line_is_dropped_and_the_next_is_whole(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal.open(path).numbers("a", lambda: {"x": 1.0})
    with path.open("a") as file:
        file.write('{"key": "b", "numb')  # killed while it wrote
    again = Journal.open(path)
    assert again.kept == {"a": {"x": 1.0}}
    again.numbers("c", lambda: {"x": 3.0})
    assert Journal.open(path).kept == {"a": {"x": 1.0}, "c": {"x": 3.0}}


def test_what_other_code_computed_is_set_aside(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    Journal.open(path).numbers("a", lambda: {"x": 1.0})
    monkeypatch.setattr(journal, "fingerprint", lambda: "other")
    assert Journal.open(path).kept == {}
    old = [json.loads(line) for line in path.with_suffix(".old").read_text().splitlines()]
    assert old[1] == {"key": "a", "numbers": {"x": 1.0}}


def test_what_another_device_computed_is_set_aside(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal.open(path).numbers("a", lambda: {"x": 1.0})
    assert Journal.open(path, "cuda:0").kept == {} and path.with_suffix(".old").exists()
    Journal.open(path, "cuda:0").numbers("a", lambda: {"x": 2.0})
    assert Journal.open(path, torch.device("cuda")).kept == {"a": {"x": 2.0}}


def test_without_a_path_it_remembers_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = Journal()
    assert kept.numbers("a", lambda: {"x": 1.0}) == kept.numbers("a", lambda: {"x": 2.0}) == {"x": 1.0}
    assert not list(tmp_path.iterdir()) and Journal().kept == {}
