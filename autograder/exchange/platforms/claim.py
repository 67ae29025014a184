"""What the name of a file claims about whose it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One way to read the name of a member.

    key: the platform's own number or name of the person; name: theirs in letters, as far as the platform writes it; file:
    what the student called the file; prefix: what stands before it, by which the platform takes feedback back; late: the
    platform says so.
    """

    key: str
    name: str
    file: str
    prefix: str
    late: bool = False
