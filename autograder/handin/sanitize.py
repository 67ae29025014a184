"""What a student wrote, made harmless before anything shows it: formgrader, feedback, JupyterLab.

Text stays text.  Nothing is parsed and nothing is put together anew, since every renderer parses in its own way: where a
character could begin something that acts, an invisible one is put behind it.

- `<` before a letter, `/`, `!` or `?` is the only way into a tag, a comment or an instruction of HTML.
- `&` before `#` or `name;` writes a character in disguise.
- `](` and `]:` make links, `![` makes pictures.  A link stays where it goes to a plain http or https address.
- A backslash before one of `COMMANDS` makes MathJax load, link, style or define something.
- A block called `mermaid` is passed on unescaped, to a program.
- A heading gets an id from its text, which could be the id of a field of formgrader.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

GAP = "\N{ZERO WIDTH SPACE}"
"""What is put in between: nobody sees it, and no parser skips it."""
THIN = "\N{HAIR SPACE}"
"""The same inside a block of code, where a highlighter would mark the other as an error."""
SHOWN = 20_000
"""Characters of one cell that are shown; the file that was handed in holds them all."""
LINE = 300
"""Characters of a line of reasons."""
STUDENT = re.compile(r"[A-Za-z0-9_@+][A-Za-z0-9_.@+-]{0,127}")
"""What a student may be called: it names folders, addresses and rows."""
COMMANDS = (
    "action", "bbox", "class", "csname", "cssId", "data", "def", "edef", "enclose", "gdef", "href", "html", "htmlClass",
    "htmlData", "htmlId", "htmlStyle", "includegraphics", "input", "let", "mathtip", "mmlToken", "newcommand",
    "newenvironment", "providecommand", "renewcommand", "renewenvironment", "require", "style", "texttip", "toggle", "U",
    "unicode", "url", "verb", "write", "xdef",
)  # fmt: skip
"""TeX that does more than typeset, in any MathJax or KaTeX."""
ENTITIES = "lt|gt|amp|quot|nbsp"
"""Character references that may stay: each is read once, as text."""
ADDRESS = r"https?://[\w.~:/?@!$+,;=%#-]+"
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Controls, marks of reading direction, and tags: what makes text look other than it is."""
SURROGATE = re.compile("[\ud800-\udfff]")
BEGINS = rf"[ \t>*+\-\d.)]*+(?!{GAP})"
"""What may stand before a heading: quotes, bullets, numbers."""
ACTIVE = re.compile(
    rf"""
    <(?=[A-Za-z/!?])
    | &(?=\#|(?!(?:{ENTITIES});)\w+;)
    | \](?=\((?!{ADDRESS}\)))
    | \](?=:(?!\ *{ADDRESS}\ *$))
    | !(?=\[)
    | \\(?=(?:{"|".join(COMMANDS)})(?![A-Za-z]))
    | m(?=ermaid)
    | ^[ \t>*+\-\d.)]*+\#{{1,6}}+[ \t]*+(?=[^\s{GAP}])
    | ^{BEGINS}(?=[^\s{GAP}][^\n]*+\n[ \t>]*+(?:=++|-++)[ \t]*$)
    """,
    re.VERBOSE | re.MULTILINE,
)
TRIGGERS = ("<", "&", "]", "!", "\\")
MATH = re.compile(r"\$\$[^$]+\$\$|\$[^$\n]+\$|\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.DOTALL)


def plain(text: str) -> str:
    """`text` without what cannot be written or makes it look other than it is."""
    return CONTROL.sub("", SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text))


def code(text: str) -> str:
    """The source of a code cell, which every renderer escapes; what is longer than `SHOWN` is cut."""
    return _cut(plain(text), "# ")


def line(text: str) -> str:
    """One line for an output."""
    found = " ".join(plain(text).split("\n"))
    return found if len(found) <= LINE else f"{found[: LINE - 4]} ..."


def markdown(text: str) -> str:
    """Markdown that looks as it was written and does nothing."""
    found = _cut(plain(text), "")
    formulas = [match.span() for match in MATH.finditer(found)]
    blocks = list(_fenced(found))

    def gapped(match: re.Match[str]) -> str:
        here, gap = match.end(), GAP
        if match[0] in TRIGGERS and _within(here, blocks):
            gap = THIN
        elif match[0] in TRIGGERS and _within(here, formulas):
            gap = " "  # TeX skips it
        return match[0] + gap

    return ACTIVE.sub(gapped, found)


def _within(here: int, spans: list[tuple[int, int]]) -> bool:
    at = bisect_right(spans, (here, 0)) - 1
    return at >= 0 and spans[at][0] < here < spans[at][1]


def _fenced(text: str) -> Iterator[tuple[int, int]]:
    """Where blocks of code seem to be.  It decides on looks alone: which gap is put in, not whether."""
    marks = [match.start() for match in re.finditer(r"^[ \t>]*(?:```|~~~)", text, re.MULTILINE)]
    return zip(marks[::2], marks[1::2], strict=False)


def is_student(name: str) -> bool:
    """Whether `name` can be a student's: letters, digits and `_ . @ + -`, none of `.` and `-` first."""
    return STUDENT.fullmatch(name) is not None


def _cut(text: str, mark: str) -> str:
    rest = len(text) - SHOWN
    return text if rest <= 0 else f"{text[:SHOWN]}\n\n{mark}[{rest} more characters are in the file that was handed in]"
