"""Hand-ins of lesson 03 as public bug reports of graders describe them, made anew from the lesson as it is."""

import json

from autograder.course.folder import ROOT

LESSON = "03_badnets"
RELEASED = (ROOT / "lessons" / LESSON / f"{LESSON}.ipynb").read_bytes()
WRITTEN = "def stamp(images):\n    return images  # of a student\n"


def solved(source=WRITTEN, indent=1):
    """The lesson with `source` in its first answer cell."""
    book = json.loads(RELEASED)
    cell = next(one for one in book["cells"] if one["metadata"].get("nbgrader", {}).get("solution"))
    cell["source"] = source
    return json.dumps(book, indent=indent).encode()


READABLE = {
    "utf-16 with its mark": solved().decode().encode("utf-16"),
    "utf-16 without": solved().decode().encode("utf-16-le"),
    "older, longer file": solved() + b'"metadata": {}, "nbformat": 4}\n',
    "half an emoji": solved(WRITTEN.replace("of a student", "of a student \ud83d")),
}
"""What keeps every word of the student's: kind -> bytes."""
CONFLICT = solved().replace(b'\n "metadata"', b'\n<<<<<<< HEAD\n=======\n>>>>>>> theirs\n "metadata"', 1)
REFUSED = {
    "empty": (b"", "is empty"),
    "blanks": (b"\n  \n", "is empty"),
    "nothing but noughts": (bytes(4096), "is empty"),
    "web page": (b"<!DOCTYPE html><title>Sign in</title>", "is a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "is a Git LFS pointer"),
    "conflict": (CONFLICT, "merge conflict"),
    "conflict around all": (
        b"<<<<<<< HEAD\n" + solved() + b"\n=======\n" + solved() + b"\n>>>>>>> b\n",
        "merge conflict",
    ),
    "zip": (b"PK\x03\x04" + bytes(60), "is a zip"),
    "empty zip": (b"PK\x05\x06" + bytes(18), "is a zip"),
    "pdf": (b"%PDF-1.7\n", "is a document"),
}
"""What holds no notebook: kind -> (bytes, what its reason says)."""
