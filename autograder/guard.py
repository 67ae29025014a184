"""Behind which walls grades may be written: a policy, held against what the probes find.

It needs no torch, so that the fork server and this process import it at the same time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.probes import Row
    from autograder.warden import Warden

DEFAULT_POLICY = "B"
"""The tier below which no grade is written."""
TIERS = ("A", "B", "none")
"""The strongest first."""
TRUST = "--i-trust-these-submissions"


@contextlib.contextmanager
def guarded(policy: str = DEFAULT_POLICY, trusted: bool = False) -> Iterator[Warden]:
    """Jails behind the best walls that stand here: they were probed in one of them.

    Raises: `RuntimeError` where that is below `policy` and the submissions are not trusted.
    """
    if policy not in TIERS:
        raise ValueError(f"policy must be one of {', '.join(TIERS)}, got {policy!r}")
    missing = []
    for name in TIERS if trusted else TIERS[: TIERS.index(policy) + 1]:
        with contextlib.ExitStack() as stack:
            warden, rows = _started(name, stack)
            if warden is not None and all(row.held for row in rows):
                yield warden
                return
        missing += [f"tier {name}: {row.what}: {row.detail}" for row in rows if not row.held]
    raise RuntimeError(
        f"policy asks for tier {policy} or better, and this machine does not reach it.  {'; '.join(missing)}.  "
        f"`autograder doctor` tells more.  To grade all the same, of people whom you trust: {TRUST}"
    )


def _started(name: str, stack: contextlib.ExitStack) -> tuple[Warden | None, Sequence[Row]]:
    """Jails of this tier, and what the probes of its walls found; there are none to probe for tier none."""
    from autograder.fork_server import ForkServer
    from autograder.tiers import Refused

    why: Exception
    try:
        server = stack.enter_context(ForkServer(name))
        from autograder import batch, probes  # noqa: F401  (torch, and all that grading needs)
        from autograder.warden import Warden

        warden = stack.enter_context(Warden(server=server))
        return warden, () if name == TIERS[-1] else probes.probed(warden)
    except (Refused, OSError) as refused:
        why = refused
    from autograder.probes import Row

    return None, [Row("start", False, str(why))]


def require(policy: str = DEFAULT_POLICY, trusted: bool = False) -> str:
    """The tier to grade in: the best that stands here.  Raises: as `guarded`."""
    with guarded(policy, trusted) as warden:
        return warden.tier
