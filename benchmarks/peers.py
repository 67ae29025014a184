"""The other libraries, each in a process of its own with the peers' interpreter, told what to run line by line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = {"ART": "peer_art.py", "TrojanZoo": "peer_trojanzoo.py"}


def interpreter() -> Path | None:
    """The Python of benchmarks/.venv, or None where it was not built to its end."""
    folder = HERE / ".venv"
    python = folder / "bin" / "python"
    return python if python.exists() and (folder / ".stamp").exists() else None


class Refused(Exception):
    """A library says that its method does not take such a model; in its own words."""


class Peer:
    """One library's worker; `seconds` runs a task there and waits for it."""

    def __init__(self, name: str, python: Path) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [str(python), str(HERE / SCRIPTS[name])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def seconds(self, task: str, path: Path) -> float:
        """CPU seconds of one run of `task` on the file `path`.

        Raises: `Refused` where the library has the method, but not for PyTorch.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        print(task, path, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended in its task {task!r}; run benchmarks/{SCRIPTS[self.name]} by hand")
        found = json.loads(answer)
        if "refused" in found:
            raise Refused(found["refused"])
        return float(found["seconds"])

    def close(self) -> None:
        """Let the worker end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@contextmanager
def together() -> Iterator[list[Peer]]:
    """All peers' workers, for as long as a row needs them; none where their environment is absent."""
    python = interpreter()
    workers = [Peer(name, python) for name in SCRIPTS] if python else []
    try:
        yield workers
    finally:
        for worker in workers:
            worker.close()
