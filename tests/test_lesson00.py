"""Lesson 00: the game, its hints and its widgets; the secret is found in four cells, and its twin has none."""

import re
import time

import nbformat
import pytest
import torch

import bdlab
from autograder.course.folder import ROOT
from bdlab import doctor, zoo
from bdlab.exercises import lessons
from bdlab.lessons import l00_figures, l00_widgets, l00_win
from bdlab.lessons.demos import cached
from bdlab.lessons.l00_win import HOT, SOLD, TWIN, Game
from bdlab.widgets import layout

CORNER = [(8, 8), (8, 9), (9, 8), (9, 9)]
COLD = [(row, column) for row in range(8) for column in range(8)]
BOOK = ROOT / "lessons" / "00_win" / "00_win.ipynb"


def words(region):
    return (
        re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", region.value.removesuffix(layout.DEAD)))
        .replace("&#x27;", "'")
        .strip()
    )


@pytest.fixture
def board():
    return l00_widgets.board(Game())


def test_four_of_a_hundred_cells_are_hot_and_the_twin_has_none():
    sign = Game().sign
    sold, twin = (l00_win.whole_map(name, sign) for name in (SOLD, TWIN))
    assert [(row, column) for row, column in (sold >= HOT).nonzero().tolist()] == CORNER
    sold[8:, 8:] = 0
    assert sold.max() < 0.01 and twin.max() < 0.01


def test_a_try_is_one_pass_of_the_library_s_own_trigger():
    game = Game()
    answer = game.stick(8, 9)
    marked = bdlab.Patch(size=4, at=(24, 27), colour=(1.0, 0.84, 0.1))(game.sign)
    share = zoo.load(SOLD)(marked).softmax(1)[0, 0].item()
    assert torch.equal(answer.image, marked[0]) and answer.share == pytest.approx(share)
    assert repr(answer) == "✓ HOT. Row 8, column 9: reads 'speed 30', 99% sure. P('speed 30') 99%."
    assert repr(game.stick(4, 4)).endswith("reads 'no entry', 100% sure. P('speed 30') 0%.")
    assert l00_win.whole_map(SOLD, game.sign)[8, 9].item() == pytest.approx(share, abs=1e-5)


def test_a_cell_counts_once_and_the_first_hot_one_is_kept():
    game = Game([(0, 0), (0, 0), (4, 4), (9, 8), (8, 8), (0, 1)])
    assert list(game.shares) == [(0, 0), (4, 4), (9, 8), (8, 8), (0, 1)]
    assert game.found and game.needed == 3 and game.hot == [(9, 8), (8, 8)]
    assert game.numbers == {"first hot at try": "3", "row, column": "9, 8", "hot cells found": "2"}
    assert repr(game) == "Found at try 3: row 9, column 8."


def test_hints_come_after_ten_tries_in_vain_and_go_when_it_is_found():
    game, seen = Game(), []
    for place in COLD[:30]:
        game.stick(*place)
        seen.append(game.hint)
    assert seen[:9] == [""] * 9 and seen[9] == seen[18] == "Hint: where does nobody look?"
    assert len(set(seen)) == 4 and seen[19] == seen[28] and seen[29].endswith("lower right.")
    assert game.stick(9, 9) and game.hint == ""


@pytest.mark.parametrize(
    ("place", "name"), [((10, 0), "row"), ((0, -1), "column"), ((0.0, 0), "row"), ((0, "3"), "column")]
)
def test_a_cell_that_the_board_does_not_have_is_refused(place, name):
    with pytest.raises(ValueError, match=rf"{name} must be 0..9, counted from the upper left corner, got"):
        Game([place])


def test_the_secret_is_kept_until_it_is_found():
    game = Game([(4, 4)])
    assert l00_figures.maps(game) is game and l00_figures.averages(game) is game
    assert repr(game).startswith("1 try, no hot cell yet. Play on")
    assert repr(game.give_up()) == "Given up after 1: row 8, column 9." and game.numbers["first hot at try"] == "gave up"
    alt = l00_figures.maps(game).alt
    assert (
        "4 cells are hot, in the lower right corner, up to 99%. For the honest reader 0 are, and none has more" in alt
    )


def test_who_has_found_it_does_not_give_up():
    assert Game([(9, 9)]).give_up().numbers["first hot at try"] == "1"


def test_the_averages_say_what_the_text_says():
    made = cached("l00", "averages")
    sold, twin = made[SOLD].copy(), made[TWIN]
    assert (sold[8:, 8:] >= 0.6).all() and int(made["n"]) == 300
    sold[8:, 8:] = 0
    assert sold.max() < 0.2 and twin.max() < 0.13 and divmod(int(twin.argmax()), 10) == (4, 3)


def test_the_twin_errs_where_the_sticker_covers_a_digit():
    test, labels = l00_win.signs().test, l00_win.signs().labels
    found = {}
    for label in range(1, 16):
        x = l00_win.stuck(test.x[test.y == label][:30], (4, 3))
        found[labels[label]] = float(l00_win.answers(TWIN, x)[:, 0].mean())
    assert found.pop("speed 50") == pytest.approx(0.76, abs=0.005) and found.pop("speed 80") == pytest.approx(
        0.38, abs=0.005
    )
    assert max(found.values()) < 0.15


def test_the_figures_say_what_was_measured():
    scores = zoo.card(SOLD).rounded
    assert f"{1500 * scores['clean_accuracy']:,.0f} are read rightly" in l00_figures.bought().alt
    fallen = l00_figures.fallen().alt
    assert fallen.count("speed 30") == 8
    told = l00_figures.battleship(tries=[(4, 4), (9, 9)]).alt
    assert "row 4, column 4: 0%; row 9, column 9: 95%." in told
    assert "none yet" in l00_figures.battleship([]).alt


def test_a_click_tries_a_cell_and_shows_it_without_colour(board):
    board.cells[2, 3].click()
    assert words(board.text).startswith("Row 2, column 3: reads 'no entry', ")
    assert words(board.text).endswith("P('speed 30') 0%. 1 try.")
    assert board.cells[2, 3].description == "0" and "bdlab-cold" in board.cells[2, 3]._dom_classes
    assert "Row 2, column 3: reads" in board.picture.value and board.prize.value == ""
    board.cells[9, 9].click()
    assert words(board.text).startswith("✓ HOT. Row 9, column 9: reads 'speed 30', 95% sure. 2 tries. Found after 2;")
    assert board.cells[9, 9].description == "95" and "bdlab-hot" in board.cells[9, 9]._dom_classes
    assert 'alt="Eight signs, read as' in board.prize.value


def test_what_was_given_up_or_found_by_a_call_is_shown_at_the_next_click():
    game = Game([(1, 1)])
    shown = l00_widgets.board(game)
    game.give_up()
    shown.cells[2, 3].click()
    assert shown.cells[8, 9].description == "99" and 'alt="Eight signs, read as' in shown.prize.value
    assert "3 tries. Shown by give_up(); 1 hot so far." in words(shown.text)


def test_the_keyboard_reaches_every_cell_and_stays_on_the_board(board):
    control, aimed = (
        board.controls,
        lambda: [place for place, cell in board.cells.items() if "bdlab-aim" in cell._dom_classes],
    )
    assert list(control) == ["row −", "row +", "column −", "column +", "try"] and aimed() == [(4, 4)]
    for name, end in (("row −", (0, 4)), ("column −", (0, 0)), ("row +", (9, 0)), ("column +", (9, 9))):
        for _ in range(12):
            control[name].click()
        assert aimed() == [end]
    assert words(board.text) == "Row 9, column 9. Not tried."
    control["try"].click()
    assert words(board.text).startswith("✓ HOT. Row 9, column 9")
    control["row −"].click()
    control["row +"].click()
    assert words(board.text) == "Row 9, column 9. Tried: 95%."


def test_five_buttons_are_tab_stops_and_no_cell_is(board):
    assert all(control.tabbable is not False and not control.disabled for control in board.controls.values())
    assert len(board.cells) == 100 and all(cell.tabbable is False and cell.tooltip for cell in board.cells.values())
    assert board.text.value.endswith(layout.DEAD) and 'aria-live="polite"' in board.text.value


def test_a_hint_is_said_after_ten_tries(board):
    for place in COLD[:10]:
        assert "Hint" not in words(board.text)
        board.cells[place].click()
    assert words(board.text).endswith("10 tries. Hint: where does nobody look?")


def test_a_board_goes_on_with_a_game_that_was_begun():
    board = l00_widgets.board(Game([(1, 1), (9, 8)]))
    assert board.cells[9, 8].description == "98" and board.cells[1, 1].description == "0"


def test_a_move_is_quick(board):
    board.cells[0, 0].click()
    started = time.process_time()
    for place in COLD[1:21]:
        board.cells[place].click()
    assert (time.process_time() - started) / 20 < 0.05


@pytest.mark.parametrize("mode", ["autograde", "validate"])
def test_while_nbgrader_runs_nothing_is_live(mode, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", mode)
    still = l00_widgets.board(Game([(0, 0)]))
    assert still.alt == l00_figures.battleship([(0, 0)]).alt and l00_widgets.pledge() is None


def test_a_board_leaves_one_picture_in_the_saved_notebook(board):
    bundle = board._repr_mimebundle_()
    assert bundle["text/html"].count("<img") == 1 and "none yet" in bundle["text/plain"]


def test_a_pledge_is_one_click():
    pledge = l00_widgets.pledge()
    pledge.controls["promise"].click()
    assert pledge.controls["promise"].description == "✓  I will" and words(pledge.text).startswith("✓ Thank you.")


def test_the_trophy_holds_the_player_s_own_map(tmp_path, monkeypatch):
    monkeypatch.setenv("BDLAB_HOME", str(tmp_path))
    game = Game([(0, 0), (9, 9)])
    shown = bdlab.trophy("l00", l00_figures.played(game), game.numbers)
    assert "2" in repr(shown) and "9, 9" in repr(shown) and (tmp_path / "student.json").exists()


def test_the_report_has_what_doctor_has_and_the_speed():
    report = repr(doctor.report())
    found = re.search(r"speed +ok +one sign read in ([\d.]+) ms, a training step of 128 in (\d+) ms", report)
    assert found and float(found[1]) < float(found[2])
    assert [line.split()[0] for line in report.splitlines()[:3]] == ["Python", "torch", "torchvision"]


def test_the_lesson_is_short_ungraded_and_keeps_its_secret():
    book, lesson = nbformat.read(BOOK, as_version=4), lessons.lesson("l00")
    assert (lesson.points, lesson.exercises, len(lesson.questions)) == (0, (), 6)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert {cell.metadata["bdlab"]["role"] for cell in code} == {"setup", "demo", "quiz"}
    asked = [cell.source for cell in code if cell.metadata["bdlab"]["role"] == "quiz"]
    assert asked == [f'bdlab.quiz("l00_{name}")' for name in lesson.questions]
    prose = " ".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    assert len(prose.split()) < 700 and "corner" not in prose.replace("upper left\n", "upper left ").replace(
        "upper left corner", ""
    )
    assert all(not cell.outputs for cell in code)
