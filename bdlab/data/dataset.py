"""What a data set is, and the one call that loads any of them."""

from __future__ import annotations

from dataclasses import dataclass

from bdlab.contracts import Shape, Split
from bdlab.registry import find


@dataclass(frozen=True)
class Dataset:
    """Four disjoint splits; no source image is in two of them.

    train: what the victim trains on.  test: what is reported.  held_out: the defender's clean images.
    calibration: clean images for thresholds only.  labels: the classes' names.  about: origin, licence, preparation.
    """

    name: str
    train: Split
    test: Split
    held_out: Split
    calibration: Split
    labels: tuple[str, ...]
    about: str

    @property
    def input_shape(self) -> Shape:
        """Channels, height, width of one image."""
        channels, height, width = self.train.x.shape[1:]
        return channels, height, width

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.labels)

    def __repr__(self) -> str:
        parts = ", ".join(f"{part} {len(getattr(self, part))}" for part in ("train", "test", "held_out", "calibration"))
        return f"Dataset({self.name}: {parts}, {self.input_shape}, {self.classes} classes)"


def load(name: str, *, seed: int = 0, download: bool = False) -> Dataset:
    """The data set called `name`: digits, signs, mnist, fashion_mnist, cifar10, gtsrb or speech.

    seed: which images are drawn (digits, signs) or held out (the others).  Same seed, same bytes.
    download: let torchvision fetch mnist, fashion_mnist, cifar10 or gtsrb into the cache folder; nothing is fetched
    otherwise.  The environment variable BDLAB_DATA names a folder laid out as torchvision expects.

    Raises: `ValueError` for an unknown name; `FileNotFoundError`, with the ways to go on, for files that are not there.
    """
    dataset: Dataset = find("dataset", name).make(seed=seed, download=download)
    return dataset
