"""A grid of cells in three greys to draw on, by mouse or by keyboard."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bdlab.widgets.layout import DEAD, button, panel, status, text

if TYPE_CHECKING:
    from ipywidgets import Button, VBox

NAMES = ("paper", "grey", "ink")
SIGNS = (".", "+", "#")
COLOURS = ("#101010", "#808080", "#FFFFFF")
"""Of a cell, from 0 to 2: ink is white on black paper, as in the data."""


class Pad:
    """What is drawn, and where the keyboard's cell is.

    rows: equally long rows of '.', '+' and '#'.  changed: called with the rows after every change; returns (words, HTML).
    """

    def __init__(self, rows: Sequence[str], changed: Callable[[list[str]], tuple[str, str]]) -> None:
        self.values = [[SIGNS.index(sign) for sign in row] for row in rows]
        self.changed, self.at = changed, (0, 0)
        self.words, self.picture = status(), text()
        self.cells = [[self._cell(r, c) for c in range(len(row))] for r, row in enumerate(rows)]
        self.controls = {name: button(name, told) for name, told in self._keys().items()}
        for name, control in self.controls.items():
            control.on_click(lambda _, name=name: self.press(name))
        self.cells[0][0].add_class("bdlab-cursor")

    @property
    def rows(self) -> list[str]:
        """The drawing as text."""
        return ["".join(SIGNS[value] for value in row) for row in self.values]

    def _cell(self, row: int, column: int) -> Button:
        from ipywidgets import Button

        cell = Button(tooltip=f"row {row + 1}, column {column + 1}", tabbable=False)
        cell.add_class("bdlab-cell")
        cell.style.button_color = COLOURS[self.values[row][column]]
        cell.on_click(lambda _: self.paint(row, column))
        return cell

    def _keys(self) -> dict[str, str]:
        return {
            "row −": "one row up", "row +": "one row down", "column −": "one column left", "column +": "one column right",
            "paint": "paper, grey, ink in turn", "clear": "all paper",
        }  # fmt: skip

    def press(self, name: str) -> None:
        """What a button of the keyboard does."""
        (row, column), (height, width) = self.at, (len(self.values), len(self.values[0]))
        by = {"row −": (-1, 0), "row +": (1, 0), "column −": (0, -1), "column +": (0, 1)}
        if name in by:
            self.move((row + by[name][0]) % height, (column + by[name][1]) % width)
            self.tell()
        elif name == "paint":
            self.paint(row, column)
        else:
            for r, line in enumerate(self.values):
                for c in range(len(line)):
                    self._set(r, c, 0)
            self.tell()

    def move(self, row: int, column: int) -> None:
        """The keyboard's cell is now this one."""
        self.cells[self.at[0]][self.at[1]].remove_class("bdlab-cursor")
        self.cells[row][column].add_class("bdlab-cursor")
        self.at = (row, column)

    def paint(self, row: int, column: int) -> None:
        """The next grey for one cell."""
        self.move(row, column)
        self._set(row, column, (self.values[row][column] + 1) % 3)
        self.tell()

    def _set(self, row: int, column: int, value: int) -> None:
        self.values[row][column] = value
        self.cells[row][column].style.button_color = COLOURS[value]

    def tell(self) -> None:
        """Say what stands there now."""
        (row, column) = self.at
        words, self.picture.value = self.changed(self.rows)
        where = f"Row {row + 1}, column {column + 1}: {NAMES[self.values[row][column]]}."
        region = f"<p><b>{html.escape(words)}</b></p><p>{html.escape(where)}</p>"
        self.words.value = f'<div role="status" aria-live="polite" aria-atomic="true">{region}</div>{DEAD}'


def pad(rows: Sequence[str], changed: Callable[[list[str]], tuple[str, str]], plain: str, picture: str) -> VBox:
    """A drawing that is looked at after every change.

    rows, changed: as for `Pad`.  plain, picture: what stands in the saved notebook, words and HTML.
    The box has its `controls` (name -> Button), the `cells`, the `text` and the `pad` as attributes.
    """
    from ipywidgets import HBox, VBox

    own = Pad(rows, changed)
    grid = VBox([HBox(line, layout={"margin": "0"}) for line in own.cells], layout={"margin": "4px 0 8px 0"})
    keys = HBox(list(own.controls.values()), layout={"flex_flow": "row wrap"})
    hint = text('<p class="bdlab-quiet">Mouse: click a cell. Keyboard: Tab to the buttons below. No reaction? Run this '
                "cell again.</p>")  # fmt: skip
    left = VBox([grid, hint, keys], layout={"flex": "0 0 auto", "width": f"{34 * len(rows[0]) + 24}px"})
    right = VBox([own.words, own.picture], layout={"flex": "1 1 260px", "min_width": "min(100%, 250px)"})
    both = HBox([left, right], layout={"flex_flow": "row wrap", "width": "100%", "align_items": "flex-start"})
    box: Any = panel([both], plain, picture)
    own.tell()
    box.controls, box.cells, box.text, box.pad = own.controls, own.cells, own.words, own
    return box
