"""How an input is marked: pure functions of images."""

from bdlab.triggers.overlay import Crafted, Overlay
from bdlab.triggers.patch import Patch

__all__ = ["Crafted", "Overlay", "Patch"]
