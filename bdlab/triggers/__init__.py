"""How an input is marked: pure functions of images."""

from bdlab.triggers.patch import Patch

__all__ = ["Patch"]
