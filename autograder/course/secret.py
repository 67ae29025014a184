"""The course's secret: the draws of graded checks come from it, and who knows it can prepare answers for them."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path

NAME = "secret"
LENGTH = 32
"""Bytes."""


def init(root: Path) -> Path:
    """Make a new secret below the course folder `root`, for its owner only.

    Raises: `ValueError` where there is one: other draws would mean other points for what was graded already.
    """
    path = root / NAME
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ValueError(
            f"{path} exists and is kept: points depend on it. For a new term begin a new course folder"
        ) from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(LENGTH) + "\n")
        file.flush()
        os.fsync(handle)
    return path


def load(root: Path) -> bytes:
    """The secret of the course folder `root`.

    Raises: `ValueError` where there is none, where it is damaged, or where others than its owner can read it.
    """
    path = root / NAME
    if not path.is_file():
        raise ValueError(f"there is no {path}; run `autograder init` once, and keep a copy of what it makes")
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ValueError(f"{path} can be read by others; run chmod 600 {path}")
    try:
        found = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        found = b""
    if len(found) != LENGTH:
        raise ValueError(f"{path} must hold {2 * LENGTH} hex digits; put your copy of it back")
    return found


def fingerprint(secret: bytes) -> str:
    """What a record says of the secret: tells two apart and gives neither away."""
    return hashlib.sha256(b"bdlab course secret\0" + secret).hexdigest()[:12]
