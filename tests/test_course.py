"""One command at a time on a course folder."""

import os
import stat
import subprocess
import sys

import pytest

from autograder.course.folder import alone, closed

HOLD = """
import sys
from pathlib import Path
from autograder.course.folder import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows knows no such lock")


def test_a_second_command_is_refused_until_the_first_has_ended_however_it_ends(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RuntimeError, match=f"another autograder command is at work on {tmp_path}"), alone(tmp_path):
            pytest.fail("two at once")
        other.kill()
    with alone(tmp_path):
        pass
    with alone(tmp_path / "absent"):  # the command itself tells that there is no such course
        pass


def test_what_goes_wrong_inside_is_told_as_it_is(tmp_path):
    with pytest.raises(BlockingIOError, match="mine"), alone(tmp_path):
        raise BlockingIOError("mine")


def test_a_course_is_shut_and_other_folders_stay_as_they_are(tmp_path):
    for name, mode in (("secret", 0o700), ("notes", 0o755)):
        folder = tmp_path / name
        folder.mkdir()
        folder.chmod(0o755)
        (folder / name).touch()
        assert closed(folder) == folder and stat.S_IMODE(folder.stat().st_mode) == mode
