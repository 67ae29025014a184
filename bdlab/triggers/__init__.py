"""How an input is marked: pure functions of images."""

from bdlab.triggers.binary import BinaryPattern
from bdlab.triggers.blend import Blend
from bdlab.triggers.filters import Filter
from bdlab.triggers.lsb import LSB
from bdlab.triggers.nature import Nature
from bdlab.triggers.overlay import Crafted, Overlay
from bdlab.triggers.patch import Patch
from bdlab.triggers.reflection import Reflection
from bdlab.triggers.signature import Signature
from bdlab.triggers.sprite import Sprite
from bdlab.triggers.sticker import Sticker
from bdlab.triggers.texture import Texture

__all__ = [
    "LSB",
    "BinaryPattern",
    "Blend",
    "Crafted",
    "Filter",
    "Nature",
    "Overlay",
    "Patch",
    "Reflection",
    "Signature",
    "Sprite",
    "Sticker",
    "Texture",
]
