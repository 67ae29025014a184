"""Cached demos: what is written is what is read, whole or not at all, and grading reads it instead of training."""

import numpy as np
import pytest

from bdlab.attacks import BadNets
from bdlab.contracts import Recipe
from bdlab.lessons import demos, l03_badnets
from bdlab.relabel import all_to_one
from bdlab.training import Scores
from bdlab.triggers import Patch

SCORES = Scores(0.95, 0.9, 0.1, None, 1500, 1341, 400)


def _never():
    raise AssertionError("computed although it is cached")


def _three():
    return {"x": np.arange(3)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(demos, "home", lambda lesson: tmp_path)
    return tmp_path / "cache"


def test_arrays_and_scores_come_back(folder, monkeypatch):
    made = {"asr": np.array([[0.1, 0.9]]), "shape": np.array(["pixel", "square"])}
    assert demos.refresh("l42", {"grid": lambda: made, "grid2": lambda: SCORES}) == [folder / "l42.npz"]
    stored = demos.cached("l42", "grid")
    assert stored.keys() == made.keys() and all(np.array_equal(stored[key], made[key]) for key in made)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert demos.demo("l42", "grid2", _never) == SCORES
    assert [type(v) for v in demos.demo("l42", "grid2", _never).as_dict().values()] == [
        type(v) for v in SCORES.as_dict().values()
    ]


@pytest.mark.parametrize("execution", [None, "validate"])
def test_a_person_gets_what_is_computed(folder, monkeypatch, execution):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    if execution:
        monkeypatch.setenv("NBGRADER_EXECUTION", execution)
    assert demos.demo("l42", "anything", lambda: SCORES) is SCORES


def test_equal_arrays_give_equal_bytes_in_whatever_order(folder):
    a, b = (lambda: {"x": np.arange(3), "y": np.ones(2)}), (lambda: {"y": np.ones(2), "x": np.arange(3)})
    (path,) = demos.refresh("l42", {"a": a, "b": b})
    first = path.read_bytes()
    path.unlink()
    demos.refresh("l42", {"b": a, "a": b})
    assert path.read_bytes() == first and demos.refresh("l42", {"a": a, "b": b}, everything=False) == []


def test_only_a_demo_whose_maker_changed_is_made_anew(folder, monkeypatch):
    demos.refresh("l42", {"a": lambda: {"x": np.arange(3)}, "b": lambda: {"x": np.arange(3)}})
    monkeypatch.setattr(demos, "_about", lambda make: make.__name__)
    demos.refresh("l42", {"a": _three, "b": _three})
    assert demos.refresh("l42", {"a": _three, "b": _three}, everything=False) == []
    with pytest.raises(AssertionError, match="computed although it is cached"):
        demos.refresh("l42", {"a": _three, "b": _never}, everything=False)
    monkeypatch.setattr(demos, "_about", lambda make: "_three")
    assert demos.refresh("l42", {"a": _never, "b": _never}, everything=False) == []


@pytest.mark.parametrize("fail", ["make", "write"])
def test_a_refresh_that_fails_leaves_the_old_file_alone(folder, monkeypatch, fail):
    (path,) = demos.refresh("l42", {"a": lambda: {"x": np.arange(3)}})
    before = path.read_bytes()

    def savez(file, **arrays):
        file.write(b"half")
        raise AssertionError("disk full")

    if fail == "write":
        monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(AssertionError):
        demos.refresh("l42", {"a": _never if fail == "make" else lambda: {"x": np.arange(4)}})
    assert [path.name for path in folder.iterdir()] == ["l42.npz"]
    assert path.read_bytes() == before


def test_what_is_absent_is_named(folder, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"lesson must be one of \(none\).* got 'l42'; make its file with"):
        demos.cached("l42", "a")
    demos.refresh("l42", {"b": lambda: {"x": np.arange(3)}, "a": lambda: SCORES})
    with pytest.raises(FileNotFoundError, match=r"lesson must be one of l42, .* got '\.\./l42'"):
        demos.cached("../l42", "a")
    with pytest.raises(ValueError, match=r"name must be one of a, b, the cached demos of l42, got 'c'; .*refresh"):
        demos.cached("l42", "c")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(ValueError, match=r"name must be that of cached Scores, got 'b', which holds x; .* cached\(\)"):
        demos.demo("l42", "b", _never)


@pytest.mark.parametrize(
    ("lesson", "makers", "message"),
    [
        ("3", {}, "lesson must be l and two digits, got '3'; write 'l03'"),
        ("l03", {"a/b": _never}, "makers must have names like 'first_attack', got 'a/b'"),
        ("l03", {"a": lambda: {"x": np.array([None])}}, "a/x must hold numbers or text, got dtype object"),
    ],
)
def test_what_cannot_be_stored_is_refused(folder, lesson, makers, message):
    with pytest.raises(ValueError, match=message):
        demos.refresh(lesson, makers)
    assert not folder.exists()


def test_the_file_of_lesson_3_fits_its_makers():
    """The grid holds the lesson's own attack; the file is small; ASR rises with the rate and needs a visible trigger."""
    lesson = l03_badnets
    assert (demos.home("l03") / "cache" / "l03.npz").stat().st_size < 64 * 1024
    demonstrated = BadNets(trigger=Patch(), relabel=all_to_one(0), rate=0.1, recipe=Recipe(epochs=2), seed=0)
    assert demonstrated == lesson.ATTACK
    grid, curve = (demos.cached("l03", name) for name in ("painter", "curve"))
    assert {name: tuple(grid[name].tolist()) for name in lesson.GRID} == lesson.GRID
    assert tuple(curve["rate"].tolist()) == lesson.RATES and tuple(curve["seed"].tolist()) == lesson.SEEDS
    assert grid["asr"].shape == grid["clean"].shape == tuple(map(len, lesson.GRID.values()))
    assert grid["asr"][2, 0, 1, -1] == curve["asr"][lesson.RATES.index(0.1), 0]
    assert (grid["asr"][:, 0, :, -1] > 0.97).all() and (grid["asr"][..., 0] < 0.02).all()
    assert (grid["asr"][:, 1, 1, -1] < 0.5).all()  # white on white strokes
    assert (abs(curve["clean"] - grid["baseline"]) < 0.02).all()


def test_the_painter_s_patches():
    assert l03_badnets.patch("square", "corner", 1.0) == Patch()
    for shape, side in (("pixel", 1), ("pattern", 3), ("square", 3)):
        rows = l03_badnets.patch(shape, "centre", 0.5).mask(28, 28).nonzero()
        assert (
            rows.float().mean(0).round().tolist() in ([13, 13], [14, 14]) and int(rows.max() - rows.min()) == side - 1
        )
