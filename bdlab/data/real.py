"""mnist, fashion_mnist, cifar10 and gtsrb, through torchvision.

held_out and calibration are taken from the official training set by a fixed seed; the official test set stays whole.
Neighbouring frames of GTSRB show one physical sign, so there whole tracks are held out, and a track is a source.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bdlab.contracts import Split
from bdlab.data.cache import Arrays, cache_folder, cached
from bdlab.data.dataset import Dataset
from bdlab.registry import register

HELD_OUT, CALIBRATION = 3000, 2000
"""Images of the official training set that the defender gets, and that thresholds are set on."""
TRACKS_HELD_OUT = 0.08
"""Share of the tracks of every GTSRB class (at least one) that goes to held_out, and again to calibration."""
LAYOUTS = {
    "mnist": "MNIST/raw/train-images-idx3-ubyte and the three files beside it",
    "fashion_mnist": "FashionMNIST/raw/train-images-idx3-ubyte and the three files beside it",
    "cifar10": "cifar-10-batches-py/data_batch_1 to _5, test_batch and batches.meta",
    "gtsrb": "gtsrb/GTSRB/Training/00000/*.ppm, gtsrb/GTSRB/Final_Test/Images/*.ppm and gtsrb/GT-final_test.csv",
    "speech": "fsdd/fsdd.npz",
}


def data_folder() -> Path:
    """BDLAB_DATA, or the folder 'data' of the cache."""
    if os.environ.get("BDLAB_DATA"):
        return Path(os.environ["BDLAB_DATA"]).expanduser()
    return (cache_folder() or Path.cwd()) / "data"


def missing(name: str) -> FileNotFoundError:
    """The error for a data set whose files are not there."""
    ways = "unpack it there, or set BDLAB_DATA to the folder that holds it"
    if name != "speech":
        ways += f", or call load({name!r}, download=True) where there is internet"
    return FileNotFoundError(f"data set {name!r} needs {LAYOUTS[name]} below {data_folder()}: {ways}")


def damaged(path: Path, why: object) -> ValueError:
    """The error for a file of a data set that is there and is not whole."""
    said = " ".join(str(why).split()) or type(why).__name__
    return ValueError(f"data file {path} is damaged ({said}); delete it and fetch it anew")


def _torchvision(name: str, kind: str, download: bool, **which: Any) -> Any:
    from torchvision import datasets

    _check_idx(kind)
    try:
        return getattr(datasets, kind)(str(data_folder()), download=download, **which)
    except Exception as failure:  # what torchvision raises for a damaged file is of every kind
        raise _blame(name, getattr(datasets, kind), failure) from failure


def _check_idx(kind: str) -> None:
    """Raise a `ValueError` for a file of MNIST's format whose length is not what its head says."""
    for path in sorted((data_folder() / kind / "raw").glob("*-ubyte")):
        head = path.read_bytes()[:16]
        axes = head[3] if len(head) > 3 and head[:3] == b"\0\0\x08" else 0
        if axes not in (1, 3) or len(head) < 4 + 4 * axes:
            raise damaged(path, f"{path.stat().st_size} bytes that do not begin as MNIST's files do")
        whole = 4 + 4 * axes + math.prod(struct.unpack(f">{axes}I", head[4 : 4 + 4 * axes]))
        if path.stat().st_size != whole:
            raise damaged(path, f"{path.stat().st_size} bytes where its head promises {whole}")


def _blame(name: str, made: Any, failure: Exception) -> Exception:
    """`missing` where files are not there, `damaged` for the first that does not have its checksum, or cannot be read."""
    if name == "gtsrb":
        table = data_folder() / "gtsrb" / "GT-final_test.csv"
        return damaged(table, failure) if table.exists() and not isinstance(failure, RuntimeError) else missing(name)
    lists = [*getattr(made, "train_list", ()), *getattr(made, "test_list", ())]
    for file, md5 in lists:
        path = data_folder() / made.base_folder / file
        if path.exists() and hashlib.md5(path.read_bytes()).hexdigest() != md5:
            return damaged(path, "its checksum is not that of the official file")
    return missing(name)


def _array_set(name: str, kind: str, about: str, seed: int, download: bool) -> Dataset:
    """A set that torchvision keeps as one uint8 array."""
    official = {train: _torchvision(name, kind, download, train=train) for train in (True, False)}
    x, y = _arrays(name, official[True])
    if len(y) <= HELD_OUT + CALIBRATION:
        raise ValueError(f"data set {name!r} must have more than {HELD_OUT + CALIBRATION} training images, got {len(y)} "
                         f"below {data_folder()}, and so many are held out; fetch it anew")  # fmt: skip
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    held, calibration, train = order.split([HELD_OUT, CALIBRATION, len(y) - HELD_OUT - CALIBRATION])
    parts = {"train": train.sort().values, "held_out": held, "calibration": calibration}
    classes = len(official[True].classes)
    splits = {part: Split(x[rows], y[rows], classes, rows, f"{name}.{part}") for part, rows in parts.items()}
    test_x, test_y = _arrays(name, official[False])
    test = Split(test_x, test_y, classes, len(y) + torch.arange(len(test_y)), f"{name}.test")  # sources of its own
    return Dataset(name, test=test, **splits, labels=tuple(official[True].classes), about=about)


def _arrays(name: str, official: Any) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.as_tensor(official.data)
    if len(x) != len(official.targets):
        raise ValueError(f"data set {name!r} must have a label for each image, got {len(x)} images and "
                         f"{len(official.targets)} labels below {data_folder()}; delete and fetch them anew")  # fmt: skip
    x = x[:, None] if x.dim() == 3 else x.permute(0, 3, 1, 2)  # (N, C, H, W) from (N, H, W) or (N, H, W, C)
    return x.contiguous().float() / 255, torch.as_tensor(official.targets)


@register("dataset", "mnist")
def mnist(*, seed: int = 0, download: bool = False) -> Dataset:
    """MNIST: 55,000 of the 60,000 training images, all 10,000 of the test; (1, 28, 28)."""
    return _array_set("mnist", "MNIST", "LeCun, Cortes, Burges; CC BY-SA 3.0", seed, download)


@register("dataset", "fashion_mnist")
def fashion_mnist(*, seed: int = 0, download: bool = False) -> Dataset:
    """Fashion-MNIST: 55,000 of the 60,000 training images, all 10,000 of the test; (1, 28, 28)."""
    return _array_set("fashion_mnist", "FashionMNIST", "Xiao, Rasul, Vollgraf 2017; MIT", seed, download)


@register("dataset", "cifar10")
def cifar10(*, seed: int = 0, download: bool = False) -> Dataset:
    """CIFAR-10: 45,000 of the 50,000 training images, all 10,000 of the test; (3, 32, 32)."""
    return _array_set("cifar10", "CIFAR10", "Krizhevsky 2009; no licence stated", seed, download)


@register("dataset", "gtsrb")
def gtsrb(*, seed: int = 0, download: bool = False) -> Dataset:
    """GTSRB, 43 classes, whole pictures at 32x32: torchvision's training set less the tracks held out; (3, 32, 32)."""
    sets = {part: _torchvision("gtsrb", "GTSRB", download, split=part) for part in ("train", "test")}
    if not len(sets["test"]):
        raise damaged(data_folder() / "gtsrb" / "GT-final_test.csv", "it lists no picture")
    kept = {part: cached(f"gtsrb-2-{part}-{_content(sets[part])}", _pictures(sets[part])) for part in sets}
    x = {part: torch.from_numpy(kept[part]["x"]).float() / 255 for part in kept}
    y = {part: torch.from_numpy(kept[part]["y"]) for part in kept}
    track = torch.from_numpy(kept["train"]["track"])
    part_of = _split_tracks(y["train"], track, seed)
    splits = {
        part: Split(x["train"][part_of == k], y["train"][part_of == k], 43, track[part_of == k], f"gtsrb.{part}")
        for k, part in enumerate(("train", "held_out", "calibration"))
    }
    alone = int(track.max()) + 1 + torch.arange(len(y["test"]))  # the official list does not tell the test's tracks
    test = Split(x["test"], y["test"], 43, alone, "gtsrb.test")
    about = "Stallkamp et al. 2012, INI Bochum, for research; whole pictures, bilinear to 32x32"
    return Dataset("gtsrb", test=test, **splits, labels=tuple(f"sign {c}" for c in range(43)), about=about)


def _content(official: Any) -> str:
    """A key of all pictures and labels of one GTSRB set: their bytes, not only their number."""
    known = hashlib.blake2b(digest_size=8)
    for path, label in official._samples:
        known.update(f"{Path(path).name} {label} ".encode() + Path(path).read_bytes())
    return known.hexdigest()


def _pictures(official: Any) -> Callable[[], Arrays]:
    """Reads the ppm files of one GTSRB set: x uint8 (N, 3, 32, 32), y, track int64 (N,)."""

    def read() -> Arrays:
        from PIL import Image

        samples: list[tuple[str, int]] = official._samples  # torchvision has no public list of the files
        x = np.empty((len(samples), 3, 32, 32), np.uint8)
        for row, (path, _) in enumerate(samples):
            try:
                with Image.open(path) as picture:
                    small = picture.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)  # the one place that resizes
            except (OSError, ValueError) as failure:
                raise damaged(Path(path), failure) from failure
            x[row] = np.asarray(small).transpose(2, 0, 1)
        y = np.array([label for _, label in samples], np.int64)
        track = np.array([int(Path(path).stem.split("_")[0]) for path, _ in samples], np.int64)
        return {"x": x, "y": y, "track": y * 100_000 + track}

    return read


def _split_tracks(y: torch.Tensor, track: torch.Tensor, seed: int) -> torch.Tensor:
    """0 train, 1 held_out, 2 calibration for every row (N,), by whole tracks and within every class."""
    generator = torch.Generator().manual_seed(seed)
    part_of = torch.zeros_like(y)
    for label in y.unique():
        ids = track[y == label].unique()
        if len(ids) < 3:
            raise ValueError(f"data set 'gtsrb' must have at least 3 tracks a class, to train, hold out and calibrate, "
                             f"got {len(ids)} of class {int(label)} below {data_folder()}; fetch it anew")  # fmt: skip
        ids = ids[torch.randperm(len(ids), generator=generator)]
        share = max(1, round(TRACKS_HELD_OUT * len(ids)))
        part_of[torch.isin(track, ids[:share])] = 1
        part_of[torch.isin(track, ids[share : 2 * share])] = 2
    return part_of
