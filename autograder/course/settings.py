"""What course.toml says."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from autograder.course.folder import ROOT


@dataclass(frozen=True)
class Course:
    """course.toml.  repository and ref make the Colab badge, wheel and sha256 the setup cell's download."""

    repository: str = ""
    ref: str = ""
    wheel: str = ""
    sha256: str = ""
    salt: str = ""


def course(path: Path = ROOT / "course.toml") -> Course:
    """Read course.toml.  Raises: `ValueError` for a wheel without its checksum, or a repository without ref."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    found = Course(
        table["repository"]["name"], table["repository"]["ref"], table["wheel"]["url"], table["wheel"]["sha256"],
        table["term"]["salt"],
    )  # fmt: skip
    if found.wheel and len(found.sha256) != 64:
        raise ValueError(
            f"sha256 in {path.name} must be 64 hex digits for the wheel {found.wheel}, got {found.sha256!r}"
        )
    if found.repository and not found.ref:
        raise ValueError(f"ref in {path.name} must name a branch or tag of {found.repository}, got an empty one")
    return found
