"""Lesson 00's widgets: the board of the game, and the pledge."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING, Any

from torch import Tensor

from bdlab import student, widgets
from bdlab.lessons import l00_figures as figures
from bdlab.lessons.l00_win import HOT, SIDE, STEP, Answer, Game, Place
from bdlab.plots import Plot
from bdlab.widgets import layout

if TYPE_CHECKING:
    from ipywidgets import HTML, Button, GridBox, HBox, VBox

CELL = 33
"""Pixels of the screen."""
STYLE = f"""<style>
.bdlab-panel .bdlab-board {{ width: {CELL * SIDE}px; height: {CELL * SIDE}px; flex: none; overflow: hidden;
  display: grid; grid-template-columns: repeat({SIDE}, {CELL}px); grid-auto-rows: {CELL}px; gap: 0;
  margin: 2px 2px 8px 10px; image-rendering: pixelated; background-repeat: no-repeat; border-radius: 4px; }}
.bdlab-panel .bdlab-board button.jupyter-button {{ width: {CELL}px; height: {CELL}px; min-height: 0; margin: 0;
  padding: 0; border: 1px solid #fff8; border-radius: 0; background: transparent; color: #000; font-size: 12px;
  line-height: 1; text-align: center; }}
.bdlab-panel .bdlab-board button.jupyter-button:hover {{ background: #fff6; }}
.bdlab-panel .bdlab-board button.jupyter-button.bdlab-cold {{ background: #f4f7fa; }}
.bdlab-panel .bdlab-board button.jupyter-button.bdlab-warm {{ background: #f2b27a; }}
.bdlab-panel .bdlab-board button.jupyter-button.bdlab-hot {{ background: #d55e00; font-weight: bold; }}
.bdlab-panel .bdlab-board button.jupyter-button.bdlab-aim {{ outline: 2px solid #000; outline-offset: -2px;
  box-shadow: inset 0 0 0 4px #fff; }}
.bdlab-panel img.bdlab-sign {{ width: 132px; image-rendering: pixelated; border-radius: 4px; }}
</style>"""
MOVES = {
    "row −": (-1, 0, "one row up"), "row +": (1, 0, "one row down"),
    "column −": (0, -1, "one column to the left"), "column +": (0, 1, "one column to the right"),
}  # fmt: skip
START = (4, 4)
"""Where the keyboard's aim begins."""


def board(game: Game) -> VBox | Plot:
    """The game, live: choose a cell with the mouse, or aim and try with the keyboard; the reader answers at once.

    The box has its `controls` (name -> Button), the `cells` (place -> Button, for the mouse alone), the `text` that is
    said, and the `picture` of the last try as attributes.  The still picture alone while nbgrader runs the notebook.
    """
    still = figures.played(game)
    return still if student.silent() else _Board(game).box(still)


class _Board:
    """The widgets of one game, and what they do."""

    def __init__(self, game: Game) -> None:
        self.game, self.aim = game, START
        self.said = widgets.status("Click on a cell. Without a mouse: Tab to the buttons, press Enter.")
        self.picture, self.prize = layout.text(_sign(game.sign[0], f"the sign, a '{game.true}'")), layout.text()
        self.cells, self.grid = _cells()
        self.controls = {name: layout.button(name, told, "auto") for name, (_, _, told) in MOVES.items()}
        self.controls["try"] = layout.button("try this cell", "put the sticker there and ask the reader")
        for place, cell in self.cells.items():
            cell.on_click(lambda _, place=place: self.stick(place))
        for name, (down, right, _) in MOVES.items():
            self.controls[name].on_click(lambda _, down=down, right=right: self.move(down, right))
        self.controls["try"].on_click(lambda _: self.stick(self.aim))
        for place in game.shares:
            self.paint(place)
        self.cells[START].add_class("bdlab-aim")

    def box(self, still: Plot) -> VBox:
        """All of it in a frame."""
        row_up, row_down, left, right, attempt = self.controls.values()
        rows = [_row([row_up, row_down]), _row([left, right]), _row([attempt])]
        whole = layout.beside([*rows, self.said, self.picture], [self.grid])
        box = widgets.panel([_ground(self.game.sign[0]), whole, self.prize], still.alt, still._repr_html_())
        box.controls, box.cells, box.text, box.picture = self.controls, self.cells, self.said, self.picture
        box.prize = self.prize
        return box

    def point(self, place: Place) -> None:
        """Aim at a cell."""
        self.cells[self.aim].remove_class("bdlab-aim")
        self.aim = place
        self.cells[place].add_class("bdlab-aim")

    def move(self, down: int, right: int) -> None:
        """Move the aim by a cell; it stays on the board."""
        row, column = (min(max(now + by, 0), SIDE - 1) for now, by in zip(self.aim, (down, right), strict=True))
        self.point((row, column))
        tried = self.game.shares.get(self.aim)
        widgets.say(self.said, f"{_named(self.aim)}.", "Not tried." if tried is None else f"Tried: {tried:.0%}.")

    def stick(self, place: Place) -> None:
        """Put the sticker into a cell, and show what the reader makes of it."""
        answer = self.game.stick(*place)
        self.point(place)
        for tried in self.game.shares:  # some by a call beside the board
            self.paint(tried)
        self.picture.value = _sign(answer.image, answer.words)
        widgets.say(self.said, answer.words, self.rest(answer))
        if self.game.found and not self.prize.value:
            self.prize.value = figures.fallen()._repr_html_()

    def rest(self, answer: Answer) -> str:
        """What is said behind the answer."""
        tries = f"{len(self.game.shares)} {'try' if len(self.game.shares) == 1 else 'tries'}."
        if self.game.found:
            how = "Shown by give_up()" if self.game.gave_up else f"Found after {self.game.needed}"
            found = f"{how}; {len(self.game.hot)} hot so far."
            return f"{tries} {found} Eight signs at once: below. Then run the cells of section 3."
        return f"P('speed 30') {answer.share:.0%}. {tries} {self.game.hint}".rstrip()

    def paint(self, place: Place) -> None:
        """Show a cell's share: as a number, and as a colour."""
        share, cell = self.game.shares[place], self.cells[place]
        cell.description = f"{100 * share:.0f}"
        cell.add_class("bdlab-hot" if share >= HOT else "bdlab-warm" if share >= HOT / 5 else "bdlab-cold")


def pledge() -> VBox | None:
    """Responsible use, by one click; nothing is stored, nothing is sent.  Nothing happens while nbgrader runs it."""
    if student.silent():
        return None
    said, control = widgets.status("One click, or Tab and Enter."), layout.button("○  I will")

    def promise(_: Any) -> None:
        control.description = "✓  I will"
        control.add_class("bdlab-right")
        widgets.say(said, "✓ Thank you.", "It stays between you and you: nothing is stored.")

    control.on_click(promise)
    lines = (
        "I attack only networks and data that are mine, or that I have written permission to test.",
        "I upload nothing poisoned to any service.",
        "If I find a backdoor in somebody's model, I tell its maintainers first.",
    )
    words = layout.text("".join(f"<p>{html.escape(line)}</p>" for line in lines))
    box = widgets.panel([words, control, said], "\n".join([*lines, "Run this cell to promise it."]))
    box.controls, box.text = {"promise": control}, said
    return box


def _cells() -> tuple[dict[Place, Button], GridBox]:
    """A button for each cell, out of the tab order, and the grid of them."""
    from ipywidgets import Button, ButtonStyle, GridBox, Layout

    shared = {"layout": Layout(), "style": ButtonStyle(), "tabbable": False}
    places = [(row, column) for row in range(SIDE) for column in range(SIDE)]
    cells = {place: Button(tooltip=_named(place), **shared) for place in places}
    grid = GridBox(list(cells.values()))
    grid.add_class("bdlab-board")
    return cells, grid


def _row(controls: list[Button]) -> HBox:
    from ipywidgets import HBox

    return HBox(controls, layout={"flex_flow": "row wrap"})


def _named(place: Place) -> str:
    return f"Row {place[0]}, column {place[1]}"


def _ground(image: Tensor) -> HTML:
    """The style of the board, with the sign behind its cells; what lies beside the grid is cut off."""
    side = image.shape[1] * CELL / STEP
    rule = f".bdlab-board {{ background-image: url({_png(image)}); background-size: {side}px {side}px; }}"
    return layout.text(f"{STYLE}<style>{rule}</style>")


def _sign(image: Tensor, words: str) -> str:
    return f'<img class="bdlab-sign" alt="{html.escape(words)}" src="{_png(image)}">'


def _png(image: Tensor) -> str:
    """An image (3, H, W) as an address that holds it."""
    from PIL import Image

    out = io.BytesIO()
    pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype("uint8")  # (H, W, 3)
    Image.fromarray(pixels).save(out, format="png")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
