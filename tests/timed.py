"""Runs pytest with the given arguments and says at the end what it took: `make test`."""

import os
import resource
import subprocess
import sys
import time

WALL, CPU = 300, 480
"""Seconds on two quiet cores, and CPU seconds of all processes."""


def main():
    """The exit status is pytest's: a machine that is busy or slow is told, and is no failure."""
    start, environment = time.monotonic(), dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the tests start hundreds of processes: our code is compiled once
    status = subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], env=environment).returncode
    wall, used = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    over = " More than that." if cpu > CPU else ""
    wanted = f"{WALL // 60} min on two quiet cores and {CPU} CPU s are wanted"
    print(f"{wall // 60:.0f} min {wall % 60:.0f} s, {cpu:.0f} CPU s; {wanted}.{over}")
    return status


if __name__ == "__main__":
    sys.exit(main())
