"""Trophies, the wall, and the mystery box, as a student meets them."""

import base64
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

import bdlab
from autograder.warden import edition
from bdlab import awards, boxes, student
from bdlab.boxes import Box, seal
from bdlab.exercises import lessons
from bdlab.plots import Card, card, images, trophy_wall

LESSON = lessons.lesson("l03")
NUMBERS = {"attack success rate": "99.8 %", "marked images": 60, "loss": 0.12345}
SIGN = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A folder of this test's own."""
    monkeypatch.setenv("BDLAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setattr(student, "_kept", {})
    monkeypatch.setattr(student, "results", {})
    return tmp_path / "home" / student.FILE


@pytest.fixture
def boxed(monkeypatch):
    """Lesson 03 with a box; its hash is cheap."""
    monkeypatch.setattr(boxes, "COST", {"n": 2, "r": 1, "p": 1})
    wrong = {seal((3, 20, 4), "s"): "Row and column are swapped."}
    some = replace(LESSON, box=Box("Which?", seal((3, 4, 20), "s"), "s", wrong))
    monkeypatch.setattr(lessons, "all_lessons", lambda: (some,))


def written(plot):
    """The texts of a figure."""
    return [text.get_text() for axis in plot.figure.axes for text in axis.texts]


def test_a_trophy_is_shown_and_kept(own):
    shown = bdlab.trophy("l03", SIGN, NUMBERS, points=13)
    texts = written(shown.plot)
    for text in ("LESSON 03", LESSON.title, "99.8 %", "60", "0.123", "marked images", "13 of 15 points"):
        assert text in texts and text.removeprefix("LESSON ") in shown.plot.alt
    entry = json.loads(own.read_text())["trophies"]["l03"]
    assert entry["numbers"] == {"attack success rate": "99.8 %", "marked images": "60", "loss": "0.123"}
    kept = np.asarray(Image.open(io.BytesIO(base64.b64decode(entry["picture"]))))
    assert (kept == (SIGN.permute(1, 2, 0) * 255).round().byte().numpy()).all()
    (drawn,) = shown.plot.figure.axes[0].images
    assert (drawn.get_array() == kept).all()
    assert shown.notes == () and f'alt="{shown.plot.alt}"' in shown._repr_html_()


def test_a_trophy_needs_nothing_but_its_lesson_and_what_its_last_cell_gave():
    with pytest.raises(ValueError, match=r"lesson must be one whose own functions worked .* got 'l03': run the setup cell"):
        bdlab.trophy("03_badnets")
    bdlab.use(lambda part: SimpleNamespace(picture=SIGN, numbers=NUMBERS), bdlab.mine("l03_stamp", torch.where))
    shown = bdlab.trophy("03_badnets")
    assert "99.8 %" in shown.plot.alt and "0 of 15 points" in shown.plot.alt
    assert shown.plot.alt.startswith("Trophy of lesson 03, ")
    assert repr(shown) == shown.plot.alt


@pytest.mark.parametrize("make", [
    lambda: images([("x", SIGN[None])], alt="x"),
    lambda: images([("x", SIGN[None])], alt="x").figure,
    lambda: images([("x", SIGN[None])], alt="x").png(),
    lambda: SIGN[:1], lambda: SIGN[0].numpy(), lambda: SIGN.numpy(),
])  # fmt: skip
def test_what_a_picture_may_be(make):
    picture = bdlab.trophy("l03", make()).plot.figure.axes[0].images[0].get_array()
    assert picture.dtype == np.uint8 and picture.shape[2] == 3 and picture.min() < 100 < picture.max()


def test_a_large_picture_is_kept_small(own):
    bdlab.trophy("l03", torch.zeros(3, 300, 3000))
    picture = Image.open(io.BytesIO(base64.b64decode(json.loads(own.read_text())["trophies"]["l03"]["picture"])))
    assert picture.size == (960, 96)


def test_the_wall_shows_every_lesson_won_or_open():
    before, there = bdlab.trophies(), {one.short for one in lessons.all_lessons()}
    places = there | {f"l{n:02}" for n in range(16)}
    assert before.plot.alt.startswith(f"My trophies: Backdoors in neural networks · 0 of {len(places)} lessons · 0 mystery")
    assert written(before.plot).count("open") == len(there)
    assert written(before.plot).count("to come") == len(places - there) > 0
    bdlab.trophy("l03", SIGN, NUMBERS, 13)
    after = bdlab.trophies()
    assert f"1 of {len(places)} lessons" in after.plot.alt and "Lesson 04, Trigger taxonomy: to come." in after.plot.alt
    assert {short[1:] for short in places} < set(written(after.plot)) and set(awards.TITLES) < set(written(after.plot))
    assert "13 of 15 points" in written(after.plot) and len(after.plot.figure.axes[0].images) == 1


def test_the_name_is_given_once(own):
    bdlab.trophies(name="  Ada   Lovelace ")
    assert "Trophies of Ada Lovelace" in written(bdlab.trophies().plot)
    assert any(text.startswith("Ada Lovelace · ") for text in written(bdlab.trophy("l03", SIGN).plot))
    bdlab.trophies(name="Bob")
    assert student.name() == "Bob"
    own.unlink()
    assert student.name() == ""


@pytest.mark.parametrize("name", ["", "  ", "x" * 31, "a\0b", 7])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="name must be a text of 1 to 30 characters, got "):
        bdlab.trophies(name=name)


def test_the_wall_is_written_as_one_picture(tmp_path):
    shown = bdlab.trophies(export=tmp_path / "new" / "wall.png")
    picture = Image.open(tmp_path / "new" / "wall.png")
    assert picture.width == 1500 and picture.info["Description"] == shown.plot.alt
    assert shown.notes == (f"Written: {tmp_path / 'new' / 'wall.png'}",) and shown.notes[0] in repr(shown)


def test_what_is_wrong_with_the_file_stands_below_the_card(own):
    own.parent.mkdir(parents=True)
    own.write_text("{")
    (note,) = bdlab.trophy("l03", SIGN).notes
    assert "was damaged" in note and len(list(own.parent.glob("student.damaged-*"))) == 1
    own.write_text("{")
    shown = bdlab.trophies()
    assert "was damaged" in shown.notes[0] and f"<p>{shown.notes[0]}</p>" in shown._repr_html_().replace("&#x27;", "'")


def test_colab_is_told_how_to_keep_it(monkeypatch, own):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "emulated")
    assert f'files.download("{own}")' in bdlab.trophy("l03", SIGN).notes[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lesson": "l77"}, "lesson must be one of .*l03 or 03_badnets.*; got 'l77'"),
        ({"picture": torch.zeros(2, 3, 8, 8)}, r"picture must be one image .* got shape \(2, 3, 8, 8\)"),
        ({"picture": torch.full((1, 8, 8), 2.0)}, r"picture must hold values in \[0, 1\], got 2 to 2"),
        ({"picture": torch.full((1, 8, 8), torch.nan)}, r"picture must hold values in \[0, 1\]"),
        ({"numbers": dict.fromkeys("abcde", 1)}, "numbers must be at most four, got 5: a, b, c, d, e; choose"),
        ({"numbers": {"x" * 25: 1}}, "numbers must have labels of 1 to 24 characters and values of 1 to 12.* shorten it"),
        ({"numbers": {"x": " "}}, "numbers must have labels"),
        ({"points": 16}, r"points must be in 0..15, what bdlab.check_all\('l03'\) can give, got 16"),
        ({"points": -1}, "points must be in 0..15"),
    ],
)
def test_a_trophy_that_makes_no_sense_is_refused(change, message, own):
    with pytest.raises(ValueError, match=message):
        bdlab.trophy(**{"lesson": "l03", "picture": SIGN, **change})
    assert not own.exists()


LONG = Card(
    "03", "BadNets, a long title that must be broken into two lines", None,
    {f"attack success, wide cm {n}": "60 of 60,000" for n in range(4)}, "13.25 of 15 points", True,
    "Nomen Nominandum von Langenfeld · 30 September 2026 · bdlab",
)  # fmt: skip


def boxes_of(plot):
    """(left, bottom, right, top) of each text, in inches."""
    renderer = matplotlib.backends.backend_agg.FigureCanvasAgg(plot.figure).get_renderer()
    extents = [text.get_window_extent(renderer) for text in plot.figure.axes[0].texts]
    return [np.array(extent.extents) / plot.figure.dpi for extent in extents]


@pytest.mark.parametrize("shape", [None, (8, 8, 3), (8, 80, 3), (40, 8, 3)])
def test_the_longest_words_stay_on_their_card_and_apart(shape):
    picture = np.zeros(shape, np.uint8) if shape else None
    found = boxes_of(card(replace(LONG, picture=picture)))
    assert all(box[0] >= 0 and box[1] >= 0 and box[2] <= 6.4 and box[3] <= 4 for box in found)
    for n, one in enumerate(found):
        assert not [k for k, other in enumerate(found[:n]) if (one[:2] < other[2:]).all() and (other[:2] < one[2:]).all()], n


@pytest.mark.parametrize("title", awards.TITLES)
def test_the_words_of_a_tile_stay_on_it(title):
    for picture in (None, np.zeros((8, 80, 3), np.uint8)):
        tile = replace(LONG, title=title, picture=picture)
        assert all(box[2] <= 0.3 + 2.25 for box in boxes_of(trophy_wall([tile], title="t", subtitle="s")))


def test_a_right_answer_puts_a_star_on_the_trophy(boxed):
    wrong = bdlab.flag("l03", (3, 20, 4))
    assert not wrong.right and wrong.wrong == 1
    assert repr(wrong) == "✗ Not this. Row and column are swapped. So far 1 wrong try; trying costs nothing."
    assert repr(bdlab.flag("l03", (1, 1, 1))) == "✗ Not this. So far 2 wrong tries; trying costs nothing."
    assert "★ mystery box" not in written(bdlab.trophy("l03", SIGN).plot)
    right = bdlab.flag("l03", ["3", 4, 20])
    assert right.right and repr(right) == "★ Right, after 2 wrong tries. The trophy of lesson 03 has a star."
    assert "★ mystery box" in written(bdlab.trophy("l03", SIGN).plot) and "1 mystery box" in bdlab.trophies().plot.alt
    assert not bdlab.flag("l03", (9, 9, 9)).right
    assert "★ box" in written(bdlab.trophies().plot)  # a later wrong try takes no star away


def test_an_answer_that_is_none_is_not_counted(boxed):
    with pytest.raises(ValueError, match=r"got 7\.0 of type float"):
        bdlab.flag("l03", 7.0)
    assert student.load()[0]["boxes"] == {}


def test_a_lesson_without_a_box_says_so(monkeypatch):
    monkeypatch.setattr(lessons, "all_lessons", lambda: (replace(LESSON, box=None),))
    with pytest.raises(ValueError, match="lesson must be one with a mystery box, got 'l03', which has none"):
        bdlab.flag("l03", 7)


def test_nothing_happens_while_nbgrader_runs(boxed, monkeypatch, own):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert bdlab.trophy("l03", SIGN, NUMBERS, 13) is None and bdlab.trophies(name="Ada", export="x.png") is None
    assert bdlab.flag("l03", (3, 4, 20)) is None and not own.parent.exists() and not os.path.exists("x.png")


def test_nothing_happens_in_a_jail(tmp_path, own):
    home = edition.write(tmp_path / "edition")
    program = (
        "import bdlab\n"
        "bdlab.trophy('l03', None, {'a': 1}, 3), bdlab.trophies(name='Ada'), bdlab.flag('l03', 7)\n"
        "bdlab.widgets.quiz('a', [], 9, []), bdlab.widgets.scrub([], None, '')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout == done.stderr == "" and not own.parent.exists()
