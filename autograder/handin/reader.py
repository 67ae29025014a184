"""Reads students' text in processes of their own: nothing of it is parsed where points are decided.

A hand-in that costs more than it may ends its reader, and nothing else: the next one gets another.  A reader takes a line
of JSON and gives one back, and runs nothing of what it reads.  `python -m autograder.handin.reader` is one.
"""

from __future__ import annotations

import atexit
import json
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

SECONDS, MEMORY = 10, 2 << 30
"""Processor time and bytes that one request may take."""
WAIT = 600.0
"""Seconds until an answer must be there, on a machine however busy."""
ATTEMPTS = 2
"""How often one request is made whose reader somebody else has ended."""


class TooMuch(ValueError):
    """The text needs more than it may; the message tells the student what to do."""


class Reader:
    """One process."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", __spec__.name]  # -P: no module is taken from the folder we stand in
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, request: bytes) -> Any:
        """Its answer.  Raises: `TooMuch`; `EOFError` where somebody else has ended it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(request)
            self.process.stdin.flush()
        except OSError:
            raise EOFError("a reader has ended") from None
        end = threading.Timer(WAIT, self.process.kill)
        end.start()
        line = self.process.stdout.readline()
        end.cancel()
        if line.endswith(b"\n"):
            return json.loads(line)
        if self.process.wait() == -getattr(signal, "SIGXCPU", 0):
            raise TooMuch(f"to read it takes more than {SECONDS} s; hand in the notebook without its largest cells")
        raise EOFError("a reader has ended")

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


IDLE: deque[Reader] = deque()


def ask(work: str, *about: Any) -> Any:
    """What one of `works` makes of these arguments, in a reader; may be called from several threads.

    Raises: `TooMuch`; `OSError` as the work does; `RuntimeError` for a fault of ours, or where readers are ended.
    """
    request = json.dumps([work, about, SECONDS]).encode() + b"\n"
    for _ in range(ATTEMPTS):
        reader = IDLE.pop() if IDLE else Reader()
        try:
            answer = reader.ask(request)
        except EOFError:
            reader.close()
            continue
        except BaseException:
            reader.close()
            raise
        IDLE.append(reader)
        if "failed" in answer:
            raise OSError(*answer["failed"])
        if "fault" in answer:
            raise RuntimeError(answer["fault"])
        return answer["found"]
    raise RuntimeError(f"{ATTEMPTS} readers were ended")


@atexit.register
def close() -> None:
    """End all readers that are idle."""
    while IDLE:
        IDLE.pop().close()


def works() -> dict[str, Callable[..., Any]]:
    """What a reader does, by name: from plain values to plain values."""
    from autograder.handin.python import python
    from autograder.handin.rebuild import rebuild
    from autograder.handin.shape import bare, labels

    return {"rebuild": lambda *about: rebuild(*about).plain(), "python": python, "bare": bare, "labels": labels}


def main() -> None:
    """Answer until the other end hangs up."""
    known = works()
    for line in sys.stdin.buffer:
        work, about, seconds = json.loads(line)
        _limit(seconds)
        try:
            answer = {"found": known[work](*about)}
        except OSError as error:
            answer = {"failed": [error.errno, error.strerror, str(error.filename)]}
        except Exception as error:
            answer = {"fault": f"{type(error).__name__}: {error}"[:200]}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _limit(seconds: int) -> None:
    """From now on so much processor time and `MEMORY`, where the system has such limits."""
    with suppress(ImportError, ValueError):  # Windows has none, macOS has no such memory
        import resource

        limit = int(time.process_time()) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
