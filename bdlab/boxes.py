"""Mystery boxes: the answer stands in the lesson as a slow hash, so that a box is checked offline and not read off."""

from __future__ import annotations

import hashlib
import hmac
import json
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COST = {"n": 2**15, "r": 8, "p": 5, "maxmem": 2**26}
"""scrypt's parameters: about .5 s and 32 MB a try, so that trying many answers is slower than finding one."""


@dataclass(frozen=True)
class Box:
    """A question that only the lesson's method answers.  `seal(answer, salt)` makes its digests.

    question: what is asked, and how the answer is written.  digest, salt: of the right answer.
    wrong: digest of a wrong answer (the neighbouring method's, say) -> what the student hears who gives it.
    form: the names of an answer's parts, as ('class', 'row', 'column', 'count'); empty where any number of items may come.
    unordered: whether the order of an answer's items does not count.
    """

    question: str
    digest: str
    salt: str
    wrong: Mapping[str, str] = field(default_factory=dict)
    form: tuple[str, ...] = ()
    unordered: bool = False

    def __post_init__(self) -> None:
        if not self.question.strip():
            raise ValueError("question must say what is asked, got an empty text")
        for digest in (self.digest, *self.wrong):
            if not re.fullmatch("[0-9a-f]{64}", digest):
                raise ValueError(f"digest must be 64 hexadecimal digits, got {digest!r}; make it with bdlab.boxes.seal")
        if self.digest in self.wrong:
            raise ValueError("wrong must not hold the digest of the right answer")

    def judge(self, answer: Any) -> tuple[bool, str]:
        """Whether `answer` is right, and the words for it where it is a wrong one that the box knows.

        Raises: `ValueError` for what no answer can be; such a try need not be counted.
        """
        items = normalised(answer, unordered=self.unordered)
        parts = len(items) if isinstance(items, list) else 1
        if self.form and parts != len(self.form):
            raise ValueError(f"answer must have {len(self.form)} parts ({', '.join(self.form)}), got {parts}: {answer!r}")
        digest = seal(answer, self.salt, unordered=self.unordered)
        return hmac.compare_digest(digest, self.digest), self.wrong.get(digest, "")


def seal(answer: Any, salt: str, *, unordered: bool = False) -> str:
    """The digest of an answer: scrypt over its normal form, 64 hexadecimal digits.  Takes about half a second."""
    text = json.dumps(normalised(answer, unordered=unordered), separators=(",", ":"))
    return hashlib.scrypt(text.encode(), salt=salt.encode(), dklen=32, **COST).hex()


def normalised(answer: Any, *, unordered: bool = False) -> Any:
    """The normal form of an answer: ints, texts without blanks and capitals, lists of them; [7] is 7, '7' is 7.

    Sets are sorted, with `unordered` lists and tuples too.  Raises: `ValueError` for a float, a bool or anything else.
    """
    answer = answer.tolist() if hasattr(answer, "tolist") else answer  # a tensor or an array
    if isinstance(answer, str):
        text = re.sub(r"\s", "", answer).casefold()
        if not text:
            raise ValueError("answer must not be empty")
        return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else text
    if isinstance(answer, list | tuple | set | frozenset):
        items = [normalised(item, unordered=unordered) for item in answer]
        if not items:
            raise ValueError("answer must not be empty")
        if unordered or isinstance(answer, set | frozenset):
            items.sort(key=json.dumps)
        return items[0] if len(items) == 1 else items
    if isinstance(answer, bool) or not hasattr(answer, "__index__"):
        raise ValueError(
            f"answer must be a text, a whole number, or a list of those, got {answer!r} of type {type(answer).__name__}; "
            "write 7 in place of 7.0, and the numbers of the items in place of True and False"
        )
    return operator.index(answer)
