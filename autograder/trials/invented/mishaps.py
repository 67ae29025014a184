"""What editors, browsers and people do to a notebook without any bad intention; each as a function on its JSON.

Seen in the field: Colab's form in files that Colab had saved; a split and a copied cell as JupyterLab 4 makes them, with the
metadata of the first.  The others are made after what students report, and were not taken from files of theirs.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Book = dict[str, Any]
"""A notebook as JSON; a mishap changes the one that it is given."""
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
"""A PNG of one pixel."""


def _marks(cell: Book) -> Book:
    return dict(cell["metadata"].get("nbgrader", {}))


def _answers(book: Book) -> list[int]:
    """Where the answer cells of code are."""
    return [n for n, cell in enumerate(book["cells"]) if _marks(cell).get("solution") and cell["cell_type"] == "code"]


def _checks(book: Book) -> list[int]:
    cells = enumerate(book["cells"])
    return [n for n, cell in cells if _marks(cell).get("grade") and not _marks(cell).get("solution")]


def _essays(book: Book) -> list[int]:
    cells = enumerate(book["cells"])
    return [n for n, cell in cells if _marks(cell).get("solution") and cell["cell_type"] == "markdown"]


def _copy(cell: Book) -> Book:
    return dict(json.loads(json.dumps(cell)))


def _cell(kind: str, source: str) -> Book:
    code: Book = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **code}


def _forget(cells: Iterable[Book]) -> None:
    for cell in cells:
        cell["metadata"] = {}


def colab(book: Book) -> Book:
    """Saved by Colab: no ids, metadata of its own, and the name of whoever ran a cell."""
    book["nbformat_minor"] = 0
    book["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for number, cell in enumerate(book["cells"]):
        user = {"displayName": "A Name", "userId": f"{number:020d}"}
        ran = {"status": "ok", "timestamp": 1_700_000_000_000, "user_tz": -60, "elapsed": 3, "user": user}
        cell["metadata"]["id"] = cell.pop("id", f"c{number}")
        if cell["cell_type"] == "code":
            cell["metadata"] |= {"outputId": f"out{number}", "executionInfo": ran}
    return book


def lost_all(book: Book) -> Book:
    """All metadata and ids are gone."""
    book["metadata"], book["nbformat_minor"] = {}, 4
    for cell in book["cells"]:
        cell.pop("id", None)
    _forget(book["cells"])
    return book


def lost_some(book: Book) -> Book:
    """The marks of every second graded cell are gone."""
    graded = [cell for cell in book["cells"] if _marks(cell)]
    _forget(graded[::2])
    return book


def lost_lines(book: Book) -> Book:
    """The marks of the answers are gone, and so are their first lines, which would say which they are."""
    for at in _answers(book):
        cell = book["cells"][at]
        cell["source"] = cell["source"].partition("\n")[2] if cell["source"].startswith("# [") else cell["source"]
        cell["metadata"] = {}
    return book


def duplicated(book: Book) -> Book:
    """The first answer and its check stand twice, as after copy and paste."""
    for at in sorted({_answers(book)[0], _checks(book)[0]}, reverse=True):
        book["cells"].insert(at, _copy(book["cells"][at]))
    return book


def deleted(book: Book) -> Book:
    """The checks are gone."""
    gone = set(_checks(book))
    book["cells"] = [cell for number, cell in enumerate(book["cells"]) if number not in gone]
    return book


def _split(book: Book, marked: bool) -> Book:
    for at in reversed(_answers(book)):
        first = book["cells"][at]
        lines = first["source"].split("\n")
        half = max(len(lines) * 2 // 3, 1)
        second = _copy(first) if marked else _cell("code", "")
        second.pop("id", None)
        first["source"], second["source"] = "\n".join(lines[:half]), "\n".join(lines[half:])
        book["cells"][at + 1 : at + 1] = [second, _cell("code", "")] if second["source"].strip() else []
    return book


def split(book: Book) -> Book:
    """Every answer is cut in two, inside its function; both halves carry its marks."""
    return _split(book, True)


def split_unmarked(book: Book) -> Book:
    """The same where the second half is a cell like any other."""
    return _split(book, False)


def merged(book: Book) -> Book:
    """The last answer was merged into the one before it."""
    *_, before, last = [None, *_answers(book)]
    if before is not None:
        book["cells"][before]["source"] += "\n\n" + book["cells"].pop(last)["source"]
    return book


def below(book: Book) -> Book:
    """The answers stand in new cells, and nothing where they should be."""
    for at in reversed(_answers(book)):
        source = book["cells"][at]["source"]
        book["cells"][at]["source"] = source.partition("\n")[0]
        book["cells"].insert(at + 1, _cell("code", source.partition("\n")[2]))
    return book


def in_check(book: Book) -> Book:
    """The first answer was written into the cell of its check."""
    answer, check = book["cells"][_answers(book)[0]], book["cells"][_checks(book)[0]]
    first, _, rest = answer["source"].partition("\n")
    answer["source"], check["source"] = first, f"{rest}\n{check['source']}"
    return book


def _turned(book: Book, kind: str) -> Book:
    for at in _answers(book):
        cell = book["cells"][at]
        cell["cell_type"] = kind
        del cell["outputs"], cell["execution_count"]
    return book


def markdown(book: Book) -> Book:
    """The answers were turned into text."""
    return _turned(book, "markdown")


def raw(book: Book) -> Book:
    """The answers were turned into raw cells, and their marks are gone."""
    cells = [book["cells"][at] for at in _answers(book)]
    _turned(book, "raw")
    _forget(cells)
    return book


def reordered(book: Book) -> Book:
    """The answers come in the opposite order, below everything else."""
    places = set(_answers(book))
    last = [book["cells"][at] for at in sorted(places, reverse=True)]
    book["cells"] = [cell for number, cell in enumerate(book["cells"]) if number not in places] + last
    return book


def trailing(book: Book) -> Book:
    """Empty cells at the end and between."""
    for at in (*range(len(book["cells"]), 0, -7), len(book["cells"])):
        book["cells"].insert(at, _cell("code", " \n"))
    return book


def essay_lost(book: Book) -> Book:
    """The essay stands in a new cell of text, and its own is gone."""
    for at in _essays(book):
        book["cells"][at] = _cell("markdown", book["cells"][at]["source"])
    return book


def essay_split(book: Book) -> Book:
    """The essay stands in two cells, of which the second is new."""
    for at in reversed(_essays(book)):
        words = book["cells"][at]["source"].split(" ")
        half = len(words) // 2
        book["cells"][at]["source"] = " ".join(words[:half])
        book["cells"].insert(at + 1, _cell("markdown", " ".join(words[half:])))
    return book


def attachments(book: Book) -> Book:
    """A picture was pasted into every cell that is text of theirs."""
    for at in _essays(book):
        cell = book["cells"][at]
        cell["attachments"] = {"image.png": {"image/png": base64.b64encode(PICTURE).decode()}}
        cell["source"] += "\n\n![image.png](attachment:image.png)"
    return book


def outputs(book: Book) -> Book:
    """Saved after a run with pictures and an error in it."""
    data = {"image/png": base64.b64encode(PICTURE).decode(), "text/plain": "<Figure>"}
    error = {"output_type": "error", "ename": "NameError", "evalue": "name 'x' is not defined", "traceback": ["..."]}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}, error]
            cell["execution_count"] = 7
    return book


def crlf(book: Book) -> bytes:
    """Lines end as on Windows, in the file and in the cells."""
    for cell in book["cells"]:
        cell["source"] = cell["source"].replace("\n", "\r\n")
    return json.dumps(book, indent=1).replace("\n", "\r\n").encode()


def mark(book: Book) -> bytes:
    """The file begins with a byte order mark."""
    return b"\xef\xbb\xbf" + json.dumps(book, ensure_ascii=False).encode()


def format_3(book: Book) -> Book:
    """The format of 2013: worksheets, `input` for `source`."""
    cells = [_old(cell) for cell in book["cells"]]
    return {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": cells, "metadata": {}}],
    }


def _old(cell: Book) -> Book:
    if cell["cell_type"] != "code":
        return {key: cell[key] for key in ("cell_type", "metadata", "source")}
    lines = cell["source"].splitlines(keepends=True)
    marks = {"collapsed": False, "language": "python", "metadata": cell["metadata"], "prompt_number": 3}
    return {"cell_type": "code", "input": lines, "outputs": [], **marks}


def format_4(book: Book) -> Book:
    """Format 4.0 of 2015: no ids, sources as lists of lines."""
    book["nbformat_minor"] = 0
    for cell in book["cells"]:
        cell.pop("id", None)
        cell["source"] = cell["source"].splitlines(keepends=True)
    return book


def truncated(book: Book) -> bytes:
    """Half of the file: an upload that was broken off.  Nothing can be had from it."""
    data = json.dumps(book).encode()
    return data[: len(data) // 2]


IN_FILE: dict[str, Callable[[Book], Book | bytes]] = {
    made.__name__: made
    for made in (
        colab, lost_all, lost_some, lost_lines, duplicated, deleted, split, split_unmarked, merged, below, in_check,
        markdown, raw, reordered, trailing, essay_lost, essay_split, attachments, outputs, crlf, mark, format_3, format_4,
    )
}  # fmt: skip
"""Every mishap to what a notebook holds, but `truncated`, after which there is nothing to grade."""
BESIDE: dict[str, Callable[[str, bytes], Iterator[tuple[str, bytes]]]] = {
    "renamed": lambda name, data: iter([(f"My {name}", data)]),
    "numbered": lambda name, data: iter([(name.replace(".ipynb", " (1).ipynb"), data)]),
    "name_grew": lambda name, data: iter([(f"{name}.txt", data)]),
    "second": lambda name, data: iter([(name, data), (f"old {name}", b'{"cells": []}')]),
    "checkpoint": lambda name, data: iter([(name, data), (f".ipynb_checkpoints/{name}", b'{"cells": []}')]),
}
"""Every mishap to names and folders: name of the notebook, its bytes -> the files of the hand-in."""
NAMES = (*IN_FILE, *BESIDE)


def handed_in(mishap: str, book: Book, name: str) -> dict[str, bytes]:
    """The files of a hand-in after one of `NAMES`, 'truncated', or '' for none.  name: what the notebook should be called.

    `book` is changed.  Raises: `ValueError` for another mishap.
    """
    if mishap not in (*NAMES, "truncated", ""):
        raise ValueError(f"mishap must be one of {', '.join(NAMES)}; got {mishap!r}")
    hurt = truncated if mishap == "truncated" else IN_FILE.get(mishap, lambda sound: sound)
    found = hurt(book)
    data = found if isinstance(found, bytes) else json.dumps(found).encode()
    return dict(BESIDE[mishap](name, data)) if mishap in BESIDE else {name: data}
