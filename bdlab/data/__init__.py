"""Data sets: `load("digits")` and `load("signs")` need nothing but the package, the others a folder or the internet."""

from bdlab.data import digits, real, signs, speech  # noqa: F401  (they register themselves)
from bdlab.data.dataset import Dataset, load

__all__ = ["Dataset", "load"]
