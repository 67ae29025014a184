"""The second transport: the student's code in a process of its own, at the other end of two pipes.  No walls yet."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence

from bdlab.submission.frames import decode, encode, read
from bdlab.submission.submission import Raised, Submission


class Piped:
    """A worker process that runs `cells` and answers.  seconds: how long it may take for one answer.

    One that answers too late or dies is killed: the request raises, and `renew` starts another that runs `cells` again.
    """

    detail = ""

    def __init__(self, cells: Sequence[str] = (), *, seconds: float = 10.0) -> None:
        self.cells, self.seconds = list(cells), seconds
        self.process: subprocess.Popen[bytes] | None = None
        self.raised: list[str | None] = []
        self.renew()

    def __call__(self, frame: bytes) -> bytes:
        asked = decode(frame)
        try:
            if self._ended():
                raise EOFError
            return self._exchange(frame, self.seconds)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            name = "TimeoutError" if isinstance(error, TimeoutError) else "ProcessDied"
            return encode({"id": asked["id"], "raised": name})

    def renew(self) -> None:
        """Start the worker where none runs."""
        if self._ended():
            self._start()

    def run(self, cells: Sequence[str]) -> list[str | None]:
        """Give the worker other code: an empty namespace, then `cells`; the class names of what they raised, or None."""
        self.cells = list(cells)
        if self._ended():
            self._start()
        else:
            self._load()
        return self.raised

    def close(self) -> None:
        """Kill the worker."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                assert pipe is not None
                pipe.close()
            self.process = None

    def _ended(self) -> bool:
        """Whether the worker died, or said what nobody asked for."""
        if self.process is None or self.process.stdout is None or self.process.poll() is not None:
            return True
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def _start(self) -> None:
        self.close()
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bdlab.submission.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, **threads},
        )
        assert self.process.stdin is not None
        os.set_blocking(self.process.stdin.fileno(), False)  # who does not read must not hold us
        self._exchange(encode({"id": 0, "op": "forget", "args": [], "named": {}}), 120)  # torch is being imported
        self._load()

    def _load(self) -> None:
        try:
            self.raised = Submission(self).load(self.cells)
        except Raised as raised:
            self.raised = [raised.name] * len(self.cells)

    def _exchange(self, frame: bytes, seconds: float) -> bytes:
        assert self.process is not None and self.process.stdin is not None and self.process.stdout is not None
        end = time.monotonic() + seconds
        _send(self.process.stdin.fileno(), frame, end)
        source = self.process.stdout.fileno()
        return read(lambda count: _receive(source, count, end))


def _send(target: int, frame: bytes, end: float) -> None:
    left = memoryview(frame)
    while left:
        if not select.select([], [target], [], max(0.0, end - time.monotonic()))[1]:
            raise TimeoutError
        left = left[os.write(target, left[:65536]) :]


def _receive(source: int, count: int, end: float) -> bytes:
    if not select.select([source], [], [], max(0.0, end - time.monotonic()))[0]:
        raise TimeoutError
    return os.read(source, count)
