"""Hostile and unlucky hand-ins: nobody gets what is not deserved, nobody loses what is, nothing gets out of a jail."""

import dataclasses
import os
import shutil
import socket
import subprocess
import sys
from collections import Counter

import pytest
import torch
from grading_course import HOME, strongest

from autograder.course.folder import ROOT
from autograder.handin.runnable import needed
from autograder.jail import landlock
from autograder.trials.hostile import cases, table
from autograder.trials.hostile.case import KINDS, PORT, Case, Material, notebook
from autograder.trials.hostile.running import SECRET, Outcome, run
from autograder.trials.hostile.stock import verdict
from autograder.trials.hostile.surroundings import Outside
from autograder.verdict.grade import master
from autograder.warden.tiers import NONE, A, B
from bdlab.submission import Line, Local, Raised, Remote, Submission

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jails are a matter of Linux")
BWRAP = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
TIERS = [pytest.param(A, marks=BWRAP), B]
ANYWHERE = (
    "floats are displayed as points", "input transformer", "checks are constants", "comparison of torch and numpy",
    "our own marks", "the caller's frames", "an import hook", "a function of bdlab", "nan as", "a result with __reduce__",
    "the clock stands still", "arguments of one name in an answer", "a link to another", "in an exception's name",
    "helper functions in own cells", "answer cells that were split",
)  # fmt: skip
WALLS = (
    "solutions beside", "the gradebook is written", "an answer before", "a daemon thread", "a process in a session",
    "a connection over TCP", "reply: deep", "displays when called",
)  # fmt: skip
"""Beginnings of the names of the cases that the fast tests run; WALLS: where it matters which walls there are."""


@pytest.fixture(scope="module")
def of():
    return Material(HOME)


@pytest.fixture(scope="module")
def every():
    return cases(HOME)


@pytest.fixture(scope="module")
def lesson():
    return master(HOME, HOME.name, SECRET)


@pytest.fixture(scope="module")
def wardens(warden_of):
    """tier -> its jails."""

    def get(tier):
        if tier == B and not landlock.landlock_version():
            pytest.skip("this kernel has no Landlock")
        return warden_of(tier)

    return get


def _told(outcomes):
    """What was not held, in words."""
    return [f"{o.case.kind}: {o.case.name}: {o.told}" for o in outcomes if o.verdict == "not held"]


# --- the cases themselves ---


def test_there_are_cases_in_every_class_and_each_has_a_name(every):
    counts = Counter(case.kind for case in every)
    assert set(counts) == set(KINDS) and min(counts.values()) >= 4 and len(every) >= 200
    assert len({(case.kind, case.name) for case in every}) == len(every)
    assert all(any(case.name.startswith(name) for case in every) for name in ANYWHERE + WALLS)
    assert {case.kind for case in every if case.name.startswith(ANYWHERE + WALLS)} == set(KINDS)


def test_what_cases_deserve_lies_within_what_the_lesson_gives(every, of):
    for case in every:
        assert 0 <= case.deserved <= of.full, case
        assert case.kind != "merely unlucky" or (case.exact and case.deserved == of.full), case


def test_a_case_of_an_unknown_class_is_refused():
    with pytest.raises(ValueError, match=r"kind must be one of kernel and display hooks, .*; got 'other'"):
        Case("other", "x", 0.0, notebook(b""))


# --- held ---


@pytest.mark.parametrize(("tier", "names"), [pytest.param(A, WALLS, marks=BWRAP), (B, ANYWHERE + WALLS)])
def test_some_of_each_class_are_held(tier, names, wardens, every, of, lesson):
    chosen = [case for case in every if case.name.startswith(names)]
    outcomes = list(run(chosen, wardens(tier), of, lesson, slack=30))  # a busy machine is no hole
    assert len(outcomes) == len(chosen) and not _told(outcomes)


def test_some_of_each_class_are_held_in_a_lesson_with_exercises_of_every_kind(wardens, probe):
    other, chosen = Material(probe), [case for case in cases(probe) if case.name.startswith(ANYWHERE + WALLS)]
    assert {case.kind for case in chosen} == set(KINDS)
    outcomes = list(run(chosen, wardens(strongest()), other, slack=30))
    assert len(outcomes) == len(chosen) and not _told(outcomes)


@pytest.mark.slow
def test_all_are_held_in_a_lesson_with_exercises_of_every_kind(wardens, probe):
    every = cases(probe)
    outcomes = list(run(every, wardens(strongest()), Material(probe), slack=30))
    assert len(outcomes) == len(every) and not _told(outcomes)


def _all_held(tier, tmp_path, *before):
    out = tmp_path / "found.jsonl"
    command = [*before, sys.executable, "-m", "autograder.trials.hostile", HOME.name, "--tier", tier, "--out", str(out)]
    done = subprocess.run([*command, "--slack", "30"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    found = table.read(out)
    assert len(found) == len(cases(HOME)) and not [each for each in found if each["verdict"] == "not held"]


@pytest.mark.slow
@pytest.mark.parametrize("tier", TIERS)
def test_all_are_held(tier, tmp_path):
    _all_held(tier, tmp_path)


@pytest.mark.slow
@BWRAP
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="becoming an ordinary user takes root")
@pytest.mark.parametrize("tier", [A, B])
def test_all_are_held_as_an_ordinary_user(tier, tmp_path):
    tmp_path.chmod(0o777)
    user = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--uid", "1000", "--gid", "1000", "--"]
    _all_held(tier, tmp_path, *user)


@pytest.mark.slow
@pytest.mark.parametrize("tier", TIERS)
def test_an_endless_loop_ends_within_the_usual_limits(tier, wardens, every, of, lesson):
    case = next(case for case in every if case.name == "processor: an endless loop")
    (outcome,) = run([dataclasses.replace(case, limits=None)], wardens(tier), of, lesson, slack=30)
    assert outcome.verdict == "held" and outcome.seconds > 20


# --- what notices a hole ---


@pytest.mark.slow
def test_without_walls_the_same_cases_are_not_held(wardens, every, of, lesson):
    """The negative control: what should notice a hole does notice it."""
    wanted = ("solutions beside the course", "the gradebook is written", "a connection over TCP", "a daemon thread")
    chosen = [case for case in every if case.name.startswith(wanted) and not case.exact]
    verdicts = {outcome.case.name: outcome.verdict for outcome in run(chosen, wardens(NONE), of, lesson, slack=30)}
    assert len(verdicts) == 4 and set(verdicts.values()) == {"not held"}


def test_what_is_left_behind_or_reached_is_noticed_once_and_put_in_order(of):
    with Outside(of) as outside:
        assert outside.troubles() == []
        program = "import time; print('runs', flush=True); time.sleep(99)"
        sleeper = subprocess.Popen([sys.executable, "-c", program, outside.mark], stdout=subprocess.PIPE)
        assert sleeper.stdout.readline() == b"runs\n"  # before, its command line may not be there to be read
        (outside.folder / "marker").touch()
        (outside.folder / "gradebook.db").chmod(0o600)
        with socket.create_connection(("127.0.0.1", int(outside.words[PORT]))):
            found = outside.troubles()
        assert found == ["outside the jail changed: gradebook.db, marker", "a port was reached", "1 processes survived"]
        assert sleeper.wait(10) == -9 and outside.troubles() == []
        sleeper.stdout.close()


@pytest.mark.parametrize(
    ("deserved", "exact", "given", "troubles", "doubts", "said"),
    [
        (3.0, False, 3.0, (), (), "held"),
        (3.0, False, 0.0, (), (), "held"),
        (3.0, True, 2.0, (), (), "not held"),
        (3.0, False, 4.0, (), (), "not held"),
        (3.0, False, 4.0, (), ("needs a human: x",), "for a human"),
        (3.0, False, 4.0, ("a port was reached",), ("needs a human: x",), "not held"),
        (3.0, False, None, ("aborted",), (), "not held"),
    ],
)
def test_what_is_called_held(deserved, exact, given, troubles, doubts, said):
    case = Case(KINDS[0], "x", deserved, notebook(b""), exact)
    assert Outcome(case, given, 0.1, troubles, doubts).verdict == said


@pytest.mark.parametrize(
    ("exact", "given", "ended", "said"),
    [
        (False, 4.0, True, "undeserved points"),
        (False, float("nan"), True, "undeserved points"),
        (False, None, True, "no score"),
        (False, None, False, "hangs"),
        (True, 2.0, True, "lost points"),
        (True, 3.0, True, "as deserved"),
    ],
)
def test_what_is_said_of_stock(exact, given, ended, said):
    assert verdict(Case(KINDS[0], "x", 3.0, notebook(b""), exact), given, ended) == said


def test_the_table_is_entered_between_its_marks(tmp_path):
    page, kept = tmp_path / "page.md", tmp_path / "a.jsonl"
    lines = [table.line(Outcome(Case(KINDS[0], "x", 0.0, notebook(b"")), given, 0.1)) for given in (0.0, 4.0)]
    table.write(kept, lines)
    page.write_text(f"before\n{table.BEGIN}old{table.END}\nafter\n")
    table.enter(page, {"tier A": table.read(kept)})
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert f"| {KINDS[0]} | 2 | 1 held, 1 not held |" in text
    assert f"- not held: {KINDS[0]}: x: 4 points, deserved 0" in text


# --- what stands between a jail that ends at its birth and the run ---


class _Dying(Remote):
    """Its processes end before they have said a word."""

    opened = 0

    def _open(self):
        self.opened += 1
        source, target = os.pipe()
        os.close(target)
        target = os.open(os.devnull, os.O_WRONLY)
        return Line(source, target, lambda: (os.close(source), os.close(target)))


def test_three_processes_that_end_at_their_birth_are_enough():
    with pytest.raises(EOFError):
        _Dying(["x = 1"])


def test_without_time_left_no_process_is_begun_and_every_request_is_answered():
    remote = _Dying(["x = 1"], whole=0.0)
    with pytest.raises(Raised, match="TimeoutError"):
        Submission(remote).call("f")
    assert remote.opened == 0


def test_replies_are_bounded_for_a_draw_and_not_for_a_hand_in():
    sub = Submission(Local({"big": lambda: torch.zeros(15 << 20)}))
    for _ in range(2):
        assert [sub.call("big").numel() for _ in range(3)] == [15 << 20] * 3
        with pytest.raises(Raised, match="ReplyLimit"):
            sub.call("big")
        sub.renew()


def test_of_own_cells_also_what_changes_a_thing_that_answers_read_runs():
    own = [
        "table = {}\nother = []",
        "for k in range(2):\n    table[k] = k",
        "table.update(a=1)\nother.append(1)",
        "x = 1; y = x",
    ]
    kept = needed(own, ["def f():\n    return table, y"])
    assert kept == ["table = {}", "for k in range(2):\n    table[k] = k", "table.update(a=1)", "x = 1\ny = x"]
