"""What `bdlab doctor` looks at: whether this machine can do what the course asks of it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

WORDS = {True: "ok", None: "optional", False: "PROBLEM"}
"""What a finding's `ok` is called."""


@dataclass(frozen=True)
class Finding:
    """One line of the report; ok is None where nothing is wrong but something optional is absent."""

    what: str
    ok: bool | None
    text: str


@dataclass(frozen=True, repr=False)
class Report:
    """All findings; its `repr` has a line for each."""

    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return "\n".join(f"{one.what:<14} {WORDS[one.ok]:<9} {one.text}" for one in self.findings)


def report() -> Report:
    """What `bdlab doctor` says, for a notebook."""
    return Report(tuple(examine()))


def examine() -> Iterator[Finding]:
    """All findings, in the order in which a newcomer needs them."""
    yield Finding("Python", sys.version_info >= (3, 11), platform.python_version())
    yield from (_package(name) for name in ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "matplotlib"))
    yield from (_optional(name, extra) for name, extra in (("jupyterlab", "lab"), ("pytest", "test")))
    cores = os.cpu_count() or 1
    yield Finding("processor", True, f"{platform.machine()}, {cores} cores, torch uses {torch.get_num_threads()}")
    yield Finding("speed", True, _speed())
    yield Finding("GPU", True if torch.cuda.is_available() else None, _gpu())
    yield _cache()
    yield from _data_sets()
    yield Finding(
        "display", True if has_display() else None, "yes" if has_display() else "none: `bdlab lab` prints the URL"
    )


def has_display() -> bool:
    """Whether a browser could open a window here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "not installed: pip install bdlab from the checkout again")


def _optional(name: str, extra: str) -> Finding:
    there = importlib.util.find_spec(name) is not None
    return Finding(name, True if there else None, version(name) if there else f"absent: pip install -e '.[{extra}]'")


def _gpu() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none: everything runs on the CPU"


def _speed() -> str:
    """The course's default net: one sign read, and one step of training."""
    from bdlab.nets import build

    net = build("small_bn", (3, 32, 32), 16, seed=0).eval()
    batch = torch.zeros(128, 3, 32, 32)
    with torch.inference_mode():
        one = min(_seconds(lambda: net(batch[:1])) for _ in range(5))
    step = min(_seconds(lambda: net(batch).square().mean().backward()) for _ in range(2))
    return f"one sign read in {1000 * one:.1f} ms, a training step of 128 in {1000 * step:.0f} ms"


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _cache() -> Finding:
    from bdlab.data.cache import cache_folder

    folder = cache_folder()
    if folder is None:
        return Finding("cache folder", None, "off: data sets are built in memory each time")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as reason:
        return Finding("cache folder", False, f"{folder}: {reason.strerror}; set BDLAB_CACHE to another, or to 'off'")
    return Finding("cache folder", True, f"{folder}, {shutil.disk_usage(folder).free // 2**30} GiB free")


def _data_sets() -> Iterator[Finding]:
    from bdlab.data.real import LAYOUTS, data_folder

    folder = data_folder()
    first: dict[str, Callable[[Path], bool]] = {
        "mnist": lambda f: (f / "MNIST/raw/train-images-idx3-ubyte").exists(),
        "fashion_mnist": lambda f: (f / "FashionMNIST/raw/train-images-idx3-ubyte").exists(),
        "cifar10": lambda f: (f / "cifar-10-batches-py/data_batch_1").exists(),
        "gtsrb": lambda f: (f / "gtsrb/GTSRB/Training").exists(),
        "speech": lambda f: (f / "fsdd/fsdd.npz").exists(),
    }
    yield Finding("digits, signs", True, "made here when first used")
    for name in LAYOUTS:
        there = first[name](folder)
        yield Finding(name, True if there else None, str(folder) if there else f"absent below {folder} (BDLAB_DATA)")
