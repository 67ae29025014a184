"""The second transport: the student's code in a process of its own, at the other end of two pipes.  No walls."""

from __future__ import annotations

import os
import subprocess
import sys

from bdlab.submission.remote import Line, Remote


class Piped(Remote):
    """A worker process of this machine, with the caller's own rights: for trusted code, and for tests."""

    def _open(self) -> Line:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        process = subprocess.Popen(
            [sys.executable, "-m", "bdlab.submission.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, **threads},
        )
        source, target = process.stdout, process.stdin
        assert source is not None and target is not None
        os.set_blocking(target.fileno(), False)  # who does not read must not hold us

        def end() -> None:
            process.kill()
            process.wait()
            source.close()
            target.close()

        return Line(source.fileno(), target.fileno(), end)
