"""Arrays that are made once and then read: the cache folder and its errors."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]


def cache_folder() -> Path | None:
    """BDLAB_CACHE, or the user's cache folder; None where BDLAB_CACHE is 'off'."""
    chosen = os.environ.get("BDLAB_CACHE", "")
    if chosen == "off":
        return None
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("bdlab", appauthor=False)


def cached(key: str, make: Callable[[], Arrays]) -> Arrays:
    """`make()`, kept as `key`.npz in the cache folder; a file appears there whole or not at all.

    Raises: `OSError` for a folder that cannot be written, `ValueError` for a damaged file; both say what to do.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    path = folder / f"{key}.npz"
    if path.exists():
        return _read(path)
    _check_writable(folder)
    arrays = make()
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
        try:
            np.savez(part, **arrays)  # type: ignore[arg-type]
            part.close()
            os.chmod(part.name, 0o644)
            os.replace(part.name, path)
        except BaseException:
            part.close()
            os.unlink(part.name)
            raise
    return arrays


def _read(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as stored:  # the archive has a checksum for every array
            return {name: stored[name] for name in stored.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as damage:
        raise ValueError(f"cache file {path} is damaged ({damage}); delete it and call again") from damage


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as reason:
        raise OSError(
            f"cache folder {folder} cannot be written ({reason.strerror}); set BDLAB_CACHE to a folder that can, "
            "or to 'off' to build the data in memory each time"
        ) from reason
