"""What the learning platforms call the files of a class: one short module for each."""

from __future__ import annotations

from types import ModuleType

from autograder.exchange.platforms import canvas, moodle, plain

PLATFORMS: dict[str, ModuleType] = {"moodle": moodle, "canvas": canvas, "plain": plain}
"""What `--from` and `--to` may say.  Each has `claims(name)` and `feedback(claim, lesson)`."""


def platform(name: str) -> ModuleType:
    """Raises: `ValueError` for another name."""
    if name not in PLATFORMS:
        raise ValueError(f"the platform must be one of {', '.join(PLATFORMS)}; got {name!r}")
    return PLATFORMS[name]
