"""A zip or a folder from elsewhere, read without trust: nothing is unpacked, members are looked at and read one at a time.

What no learning platform writes (a name that leads elsewhere, a link, a password, one name twice) makes the whole archive
suspect, and what unpacks to more than it should fills a disk: one line says which member it is, before anything is read.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from autograder.handin.read import NOTEBOOK

LARGEST = 100 << 20
"""Bytes of one member that is read; grading takes notebooks of 20 MB and tells whose is longer to clear its outputs."""
TOGETHER = 8 << 30
"""Bytes that all members may say they have."""
COUNT = 50_000
RATIO, SMALL = 200, 5 << 20
"""How many times its size in the archive a member may have, from this many bytes on."""
LONG, PART = 1_000, 255
"""Characters of a member's name, bytes of one part of it."""
JUNK = re.compile(r"(?:^|/)(?:__MACOSX/|\.ipynb_checkpoints/|\._|\.DS_Store$|Icon\r$|Thumbs\.db$|desktop\.ini$)")
"""What systems and editors leave beside a student's files."""
DRIVE = re.compile(r"[A-Za-z]:")
ZIPS = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")


@dataclass(frozen=True)
class Member:
    """One file.  name: with `/`, as people read it; size: as it says; time: as the archive has it, without a zone."""

    name: str
    size: int
    time: datetime | None
    load: Callable[[], bytes] = field(repr=False)

    @property
    def last(self) -> str:
        """The file's own name."""
        return self.name.rpartition("/")[2]

    @property
    def is_archive(self) -> bool:
        """Whether it is packed itself, by its name."""
        return self.last.lower().endswith(ZIPS)


@contextmanager
def opened(path: Path, leave_out: bool = False) -> Iterator[tuple[list[Member], list[str]]]:
    """The members of a zip or a folder, sorted by name, and a line for each that was left out.

    leave_out: go on without the members that are refused, where the others can be read.
    Raises: `ValueError`, one line, for what is no zip or folder, and for the first member that is refused.
    """
    if path.is_dir():
        yield _checked(path, _of_folder(path), leave_out)
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise ValueError(f"{path} is not there; give the zip or the folder that was downloaded") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path.name} must be a zip or a folder, but {shown(told)}; download it again") from None
    with archive:
        yield _checked(path, _of_zip(archive), leave_out)


def shown(name: str) -> str:
    """A member's name as a terminal may be told it: nothing in it acts or hides."""
    return "".join(c if c.isprintable() else "?" for c in name.encode("utf-8", "replace").decode())[:120]


def _checked(path: Path, found: Iterator[tuple[Member, str]], leave_out: bool) -> tuple[list[Member], list[str]]:
    """Members that can be read.  A refused one stops it all, unless it may be left out."""
    members: dict[str, Member] = {}
    refused: list[str] = []
    bad: set[str] = set()
    total = 0
    for number, (member, wrong) in enumerate(found, 1):
        total += member.size
        if number > COUNT or total > TOGETHER:
            more = f"more than {COUNT} members" if number > COUNT else f"members of more than {TOGETHER >> 30} GB"
            raise ValueError(f"{path.name} has {more} (from {shown(member.name)!r} on), which no class hands in")
        if JUNK.search(member.name):
            continue
        key = unicodedata.normalize("NFC", member.name)
        if key in members:
            wrong = "its name is there twice"
        if wrong:
            refused.append(f"{shown(member.name)!r}: {wrong}")
        members.setdefault(key, replace(member, name=key))
        if wrong:
            bad.add(key)
    if refused and not leave_out:
        more = f" (and {len(refused) - 1} more members)" if len(refused) > 1 else ""
        raise ValueError(
            f"{path.name} is refused, nothing was taken: member {refused[0]}{more}; look into it, download it again, or "
            "give --leave-out to go on without"
        )
    good = (member for key, member in members.items() if key not in bad)
    return sorted(good, key=lambda one: one.name), refused


def _wrong_name(name: str, raw: str) -> str:
    """Why a member's name is refused; '' where it is not.  raw: as the archive holds it."""
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name + raw):
        return "its name has control characters"
    if "\\" in raw:
        return "its name has a backslash"
    if name.startswith("/") or DRIVE.match(name):
        return "its name begins at the root of a disk"
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "its name leads out of its folder"
    if len(name) > LONG or any(len(part.encode()) > PART for part in parts):
        return "its name is too long"
    return ""


def _of_zip(archive: zipfile.ZipFile) -> Iterator[tuple[Member, str]]:
    for info in archive.infolist():
        name = _decoded(info)
        wrong = _wrong_name(name, info.orig_filename)
        if name.endswith("/") and not wrong:
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) and not wrong:
            wrong = "it is a link" if kind == stat.S_IFLNK else "it is no file"
        if info.flag_bits & 0x41 and not wrong:
            wrong = "it is encrypted"
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and not wrong:
            wrong = "it is packed in a way that this does not read"
        wrong = wrong or _wrong_size(name, info.file_size, info.compress_size)
        time = None
        with suppress(ValueError):  # a zip may hold times that do not exist
            time = datetime(*info.date_time)
        yield Member(name, info.file_size, time, _reader(partial(archive.open, info), name)), wrong


def _decoded(info: zipfile.ZipInfo) -> str:
    """The name in letters: a zip that does not say UTF-8 may hold it all the same, else it is of old Windows."""
    if info.flag_bits & 0x800:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return info.orig_filename


def _wrong_size(name: str, size: int, packed: int) -> str:
    """Only what would be read counts: notebooks."""
    if not NOTEBOOK.search(name):
        return ""
    if size > LARGEST:
        return f"it unpacks to {size >> 20} MB, at most {LARGEST >> 20} are taken"
    if size > SMALL and size > RATIO * max(packed, 1):
        return f"it unpacks to {size // max(packed, 1)} times its size, at most {RATIO} are taken"
    return ""


def _reader(opens: Callable[[], IO[bytes]], name: str) -> Callable[[], bytes]:
    def load() -> bytes:
        try:
            with opens() as file:
                data = file.read(LARGEST + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError):
            raise ValueError(f"member {shown(name)!r} is damaged; download the archive again") from None
        if len(data) > LARGEST:
            raise ValueError(f"member {shown(name)!r} unpacks to more than {LARGEST >> 20} MB; it is not taken")
        return data

    return load


def _of_folder(root: Path) -> Iterator[tuple[Member, str]]:
    """What lies below a folder; links are refused, not followed."""
    for place, folders, files in os.walk(root):
        folders.sort()
        for entry in [*(one for one in folders if (Path(place) / one).is_symlink()), *sorted(files)]:
            path = Path(place) / entry
            name = str(PurePosixPath(path.relative_to(root)))
            info = path.lstat()
            wrong = _wrong_name(name, name)
            if not stat.S_ISREG(info.st_mode):
                wrong = "it is a link" if stat.S_ISLNK(info.st_mode) else "it is no file"
            wrong = wrong or _wrong_size(name, info.st_size, info.st_size)
            time = datetime.fromtimestamp(info.st_mtime)
            yield Member(name, info.st_size, time, _reader(partial(_no_link, path), name)), wrong


def _no_link(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")
