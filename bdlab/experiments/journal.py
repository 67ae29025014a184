"""What was computed already: one JSON line a trial, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bdlab.training import Scores

Numbers = dict[str, float | None]
PACKAGE = Path(__file__).resolve().parents[1]


def fingerprint() -> str:
    """Of what a trial depends on: the sources of this package and the version of torch."""
    digest = hashlib.sha256(torch.__version__.encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Journal:
    """Remembers numbers by key: in `path` over runs of the same code and device, in memory where it is None."""

    path: Path | None = None
    kept: dict[str, Numbers] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: Path, device: torch.device | str = "cpu") -> Journal:
        """The journal at `path`, of runs on this kind of device.

        One that other code or another device wrote is set aside as `.old`, half a last line is dropped.
        """
        head, kept = {"code": fingerprint(), "device": torch.device(device).type}, {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        records = [record for record in map(_parsed, lines) if record is not None]
        if records[:1] == [head]:
            kept = {record["key"]: record["numbers"] for record in records[1:]}
        elif lines:
            os.replace(path, path.with_suffix(".old"))
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = [head, *({"key": key, "numbers": numbers} for key, numbers in kept.items())]
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps(record) + "\n" for record in whole), encoding="utf-8")
        os.replace(part, path)
        return cls(path, kept)

    def numbers(self, key: str, compute: Callable[..., Numbers], *args: Any) -> Numbers:
        """The numbers under `key`; `compute(*args)` is asked for them once."""
        if key not in self.kept:
            self.kept[key] = compute(*args)
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "numbers": self.kept[key]}) + "\n")
        return self.kept[key]

    def scores(self, key: str, compute: Callable[..., Scores], *args: Any) -> Scores:
        """The same for the scores of a model."""
        return Scores(**self.numbers(key, lambda: compute(*args).as_dict()))  # type: ignore[arg-type]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None
