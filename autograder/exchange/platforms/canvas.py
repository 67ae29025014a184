"""Canvas: the zip of "Download Submissions", the gradebook's CSV, and "Upload submissions" for feedback.

Read in Canvas's source (lib/content_zipper.rb, lib/gradebook_exporter.rb, lib/gradebook_importer.rb,
app/models/assignment.rb); nothing was tried on a running Canvas.

- A member is `NAME_ID_ATTACHMENT_FILE`, or `NAME_LATE_ID_ATTACHMENT_FILE` for a late one.  NAME is the sortable
  name ('Byron, Ada') in small letters without blanks and signs: `byronada`.  ID is Canvas's number of the user, ATTACHMENT
  that of the file.
- A student who calls himself 'x_123' makes names that read in two ways, so every way is looked at.
- What was written or linked instead is `NAME_ID_text.html` or `NAME_ID_link.html`.
- With anonymous grading NAME is missing and ID is `anon_` and five signs: nobody can be told from it.
- The zip holds the last attempt only.  A file that is handed in again under its name gets `-1`, `-2` ... before its suffix.
- The time of a member is that of the download.  That it is late is all that Canvas tells.
- Feedback goes back in a zip of files with the same names: Canvas looks at the first two numbers in them.  It shows the file
  under the name of the one that was handed in.
"""

from __future__ import annotations

import re
import unicodedata

from autograder.exchange.platforms.claim import Claim
from autograder.exchange.tables import Table

NUMBER = re.compile(r"[1-9]\d*")
ASSIGNMENT = re.compile(r"(.*)\s\((\d+)\)", re.DOTALL)
TELLS_TIME = False
"""Whether the time of a member is that of the hand-in."""
NUMBERED = True
"""Whether the platform puts a number behind the name of a file that is handed in again."""


def claims(name: str) -> list[Claim]:
    """Every way to read a member's name."""
    parts = name.rpartition("/")[2].split("_")
    found = []
    for at in range(1, len(parts) - 2):
        if NUMBER.fullmatch(parts[at]) and NUMBER.fullmatch(parts[at + 1]):
            late = at > 1 and parts[at - 1] == "LATE"
            who = "_".join(parts[: at - 1 if late else at])
            prefix = "_".join(parts[: at + 2]) + "_"
            found.append(Claim(parts[at], who, "_".join(parts[at + 2 :]), prefix, late))
    if parts[-1] in ("text.html", "link.html") and len(parts) > 2 and NUMBER.fullmatch(parts[-2]):
        found.append(Claim(parts[-2], "_".join(parts[:-2]).removesuffix("_LATE"), parts[-1], "_".join(parts[:-1]) + "_"))
    return found


def feedback(claim: Claim, lesson: str) -> str:
    """The name of one student's feedback in the zip that Canvas takes back: that of their file, but for its suffix."""
    return f"{claim.prefix}{claim.file.rpartition('.')[0] or lesson}.html"


def sortable(first: str, last: str) -> str:
    """A name as Canvas writes it into a file's name: 'Byron', 'Ada' -> 'byronada'."""
    return re.sub(r"\W", "", unicodedata.normalize("NFC", f"{last}{first}")).lower()


def assignment_column(table: Table, assignment: str | None, lesson: str) -> int:
    """The one column of a gradebook export that is named `assignment`, or else after the lesson.

    Raises: `ValueError` where there is none, or more than one.
    """
    for heads in (("Student", "LastName"), ("ID",), ("Section",)):
        table.needs(*heads)
    named = {at: ASSIGNMENT.fullmatch(head) for at, head in enumerate(table.heads)}
    titles = {at: match for at, match in named.items() if match}
    wanted = (assignment or lesson).casefold()
    found = [at for at, match in titles.items() if wanted in (table.heads[at].casefold(), match[1].casefold(), match[2])]
    if len(found) != 1:
        told = ", ".join(repr(table.heads[at]) for at in titles) or "none"
        raise ValueError(f"--assignment must name one assignment of {table.path.name}, got {wanted!r}; it has {told}")
    return found[0]
