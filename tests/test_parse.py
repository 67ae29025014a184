"""Hand-ins are read in several threads."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autograder.handin import repair
from autograder.handin.python import parse

SOURCE = Path(repair.__file__).read_text(encoding="utf-8")


class _Circle:
    """Is collected, and hands the processor on, in the middle of what others do."""

    def __init__(self):
        self.own = self

    def __del__(self):
        sum(range(2000))


def _parsed(_):
    _Circle()
    return len(parse(SOURCE).body)


def test_threads_that_parse_do_not_disturb_each_other():
    """`ast.parse` itself raised SystemError in 7 of 300 of these, under Python 3.11.7."""
    before = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(_parsed, range(300)))) == 1
    finally:
        gc.set_threshold(*before[0])
        sys.setswitchinterval(before[1])
