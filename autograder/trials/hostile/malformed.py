"""Files that are no proper notebooks, texts that strain a parser, and markup that would like to be rendered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.trials.hostile.case import Case, Material, edited, index, notebook, text
from autograder.trials.invented.samples import Sample, handed_in

LONG = 60_000
STRAINS = {
    "a sum of 60,000": "1+" * LONG + "1",
    "60,000 minus signs": "-" * LONG + "1",
    "60,000 parentheses": "(" * LONG + ")" * LONG,
    "60,000 attributes": "a" + ".b" * LONG,
    "60,000 calls": "f" + "()" * LONG,
    "15,000 times not": "not " * 15_000 + "1",
    "15,000 lambdas": "lambda:" * 15_000 + "1",
    "10,000 branches": "if a:\n pass\n" + "elif a:\n pass\n" * 10_000,
    "a hundred levels": "".join(" " * n + "if 1:\n" for n in range(120)) + " " * 120 + "pass",
    "arguments of one name": "def f(a, a):\n    pass",
    "a null byte": "x = '\0'",
    "a lone surrogate": "x = '\ud800'\ny\udfff = 1",
    "150,000 umlauts": "# " + "ä" * 150_000,
    "strings within strings": 'f"{f\'{f"""{1}"""}\'}"',
    "nonlocal at the top": "nonlocal x\nglobal x\nreturn 1\nyield 2",
}
MARKUP = (
    "<script>@MARK@</script>", "<img src=x onerror=@MARK@>", "<svg onload=@MARK@>", "<iframe srcdoc='@MARK@'></iframe>",
    "[x](javascript:@MARK@)", "$\\href{javascript:@MARK@}{x}$", "</pre></code><script>@MARK@</script>", "{{ @MARK@ }}",
)  # fmt: skip


def malformed(of: Material) -> Iterator[Case]:
    """Every class of this file."""
    yield from _readable(of)
    yield from _refused(of)
    yield from _places(of)
    yield from _strained(of)
    yield from _markup(of)


def _bad(name: str, data: Any) -> Case:
    return Case("malformed notebooks", name, 0.0, notebook(data))


def _readable(of: Material) -> Iterator[Case]:
    """Odd, but the answers can be had from them, so they count."""
    good = of.book(of.right)
    plain = text(good)
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": "x"},
        "worksheets": [{"cells": [_version_3(cell) for cell in good.cells], "metadata": {}}],
    }
    damaged = plain.replace(b"### Exercise", b"### Exercise \xff\xfe", 1)
    lists = edited(good, lambda book: [cell.update(source=cell.source.splitlines(True)) for cell in book.cells])
    crlf = edited(good, lambda book: [cell.update(source=cell.source.replace("\n", "\r\n")) for cell in book.cells])
    odd = json.loads(plain)
    odd["cells"][3:3] = [
        None,
        7,
        "cell",
        [],
        {},
        {"cell_type": 3, "source": 3},
        {"cell_type": "code", "source": [1, None]},
    ]
    odd["nbformat"], odd["metadata"] = "four", 7
    table: dict[str, NotebookNode | bytes] = {
        "lines end as on Windows": crlf,
        "the file's lines end as on Windows": plain.replace(b"\n", b"\r\n"),
        "format 3 with worksheets": json.dumps(old).encode(),
        "a byte order mark": b"\xef\xbb\xbf" + plain,
        "bytes that are not UTF-8": damaged,
        "sources as lists of lines": lists,
        "things among the cells that are none": json.dumps(odd).encode(),
    }
    for name, data in table.items():
        yield Case("malformed notebooks", name, of.full, notebook(data), exact=True)


def _version_3(cell: Any) -> dict[str, Any]:
    if cell.cell_type == "code":
        return {"cell_type": "code", "input": cell.source, "language": "python", "outputs": [], "metadata": {}}
    return {"cell_type": cell.cell_type, "source": cell.source, "metadata": cell.metadata}


def _refused(of: Material) -> Iterator[Case]:
    """None of these can be graded, and every one of them must end as nought and a reason."""
    empty = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    cell: dict[str, Any] = {
        "cell_type": "code",
        "source": "x = 1",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    yield _bad("an empty file", b"")
    yield _bad("not JSON", b"%PDF-1.7 \x00\x01\x02")
    yield _bad("a pickle", b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x18touch @OUTSIDE@/pickle\x85R.")
    yield _bad("a list, not a notebook", b"[1, 2, 3]")
    yield _bad("cells that are a number", json.dumps({**empty, "cells": 7}).encode())
    yield _bad("worksheets that are text", json.dumps({"worksheets": "cells"}).encode())
    yield _bad("UTF-16", json.dumps(empty).encode("utf-16"))
    yield _bad("nested 100,000 deep", b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    yield _bad("nested 900 deep as a cell's type", b'{"cells": [{"cell_type": ' + b"[" * 900 + b"]" * 900 + b"}]}")
    yield _bad("a number of a million digits", b'{"cells": [], "nbformat": ' + b"9" * 1_000_000 + b"}")
    yield _bad("100,000 cells", json.dumps({**empty, "cells": [cell] * 100_000}).encode())
    yield _bad("six million cells that are empty", b'{"cells": [' + b"{}," * 6_000_000 + b"{}]}")
    output = {"output_type": "stream", "name": "stdout", "text": "x" * (25 << 20)}
    yield _bad("25 MB of output", json.dumps({**empty, "cells": [{**cell, "outputs": [output]}]}).encode())
    yield _bad("ends in the middle", text(of.book(of.right))[:-2000])


def _places(of: Material) -> Iterator[Case]:
    """What lies where the notebook should be."""
    right = text(of.book(of.right))

    def other_name(folder: Path, name: str) -> None:
        (folder / f"my {name}").write_bytes(right)

    def second(folder: Path, name: str) -> None:
        (folder / name).write_bytes(right)
        (folder / "other.ipynb").write_bytes(text(of.book(of.wrong())))

    def linked(folder: Path, name: str) -> None:
        (folder / name).symlink_to("@OUTSIDE@/submitted/ada/right.ipynb")

    def device(folder: Path, name: str) -> None:
        (folder / name).symlink_to("/dev/zero")

    def linked_folder(folder: Path, name: str) -> None:
        folder.rmdir()
        folder.symlink_to("@OUTSIDE@/submitted/ada")

    def nothing(folder: Path, name: str) -> None:
        (folder / "essay.docx").write_bytes(b"PK")

    def several(folder: Path, name: str) -> None:
        for number in range(3):
            (folder / f"try{number}.ipynb").write_bytes(right)

    def markup_name(folder: Path, name: str) -> None:
        (folder / "<img src=x onerror=alert(1)>.ipynb").write_bytes(b"{}")

    kind = "malformed notebooks"
    yield Case(kind, "under another name", of.full, other_name, exact=True)
    yield Case(kind, "a second notebook beside it", of.full, second, exact=True)
    yield Case(kind, "a link to another student's notebook", 0.0, linked)
    yield Case(kind, "a link to a device", 0.0, device, wild=True)
    yield Case(kind, "a folder that is a link to another student's", 0.0, linked_folder)
    yield Case(kind, "a folder instead of a notebook", 0.0, lambda folder, name: (folder / name).mkdir())
    yield Case(kind, "a pipe instead of a notebook", 0.0, lambda folder, name: os.mkfifo(folder / name))
    yield Case(kind, "no notebook at all", 0.0, nothing)
    yield Case(kind, "three notebooks, none of the name", 0.0, several)
    yield Case("markup injection", "in the name of the file", 0.0, markup_name)


def _strained(of: Material) -> Iterator[Case]:
    """Texts for the parser of the trusted side, in the first answer and in an own cell; the other answers are right."""
    kind, lost = "malformed notebooks", of.full - of.first.points
    for name, strain in STRAINS.items():
        broken = {**of.right, of.first.id: f"# [{of.first.id}]\n{strain}\n"}
        yield Case(kind, f"{name} in an answer", lost, notebook(of.book(broken)), exact=True)
        own = [f"x = [{strain}]" if "\n" not in strain else strain, strain]
        yield Case(kind, f"{name} in an own cell", of.full, notebook(of.book(of.right, own=own)), exact=True)
    chain = "\n".join(f"a{n} = a{n - 1}" for n in range(9_000, 0, -1))
    own = [chain, "a0 = 0"]
    yield Case(
        kind,
        "9,000 names, each made of the one below",
        of.full,
        notebook(of.book(of.right, behind="b = a9000", own=own)),
    )
    many = ["a = 1\n" * 30_000] * 100
    yield Case(kind, "three million statements", of.full, notebook(of.book(of.right, own=many)))


def _markup(of: Material) -> Iterator[Case]:
    """Nothing of it may stand in what is told to a person."""
    kind, everything = "markup injection", "\n".join(MARKUP)
    essay = handed_in(of.release, Sample("", "", 0.0, of.right, everything))
    yield Case(kind, "in the essay", of.full, notebook(essay), exact=True)
    comment = "".join(f"# {line}\n" for line in MARKUP)
    yield Case(kind, "in the comments of an answer", of.full, notebook(of.book(of.right, before=comment)), exact=True)
    own = edited(of.book(of.right), lambda book: book.cells.insert(0, nbformat.v4.new_markdown_cell(everything)))
    yield Case(kind, "in a text cell", of.full, notebook(own), exact=True)

    def output(book: Any) -> None:
        data = {"text/html": everything, "image/svg+xml": everything, "text/markdown": everything}
        result = {"output_type": "display_data", "data": data, "metadata": {}}
        book.cells[index(book, of.first.id)].outputs = [result]

    yield Case(kind, "in an output", of.full, notebook(edited(of.book(of.right), output)), exact=True)
    lines = f"def raising(*_, **named):\n    raise type({MARKUP[0]!r}, (ValueError,), {{}})({everything!r})\n"
    yield Case(kind, "in an exception's name and text", 0.0, notebook(of.book(of.wrong("raising()"), before=lines)))
    yield Case(kind, "in a result", 0.0, notebook(of.book(of.wrong(f"[{everything!r}, {{{MARKUP[0]!r}: 1}}]"))))
    names = f"globals()[{MARKUP[0]!r}] = 1\n"
    yield Case(
        kind, "in the name of a variable", 0.0, notebook(of.book(of.wrong(f"globals()[{MARKUP[1]!r}]"), before=names))
    )
