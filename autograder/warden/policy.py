"""Behind which walls grades may be written: a policy, held against what the probes find.

It needs no torch, so that the fork server and this process import it at the same time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from autograder.warden.tiers import TIERS, Refused

if TYPE_CHECKING:
    from autograder.warden.pool import Warden
    from autograder.warden.probes import Row

DEFAULT_POLICY = "B"
"""The tier below which no grade is written."""
TRUST = "--i-trust-these-submissions"


@contextlib.contextmanager
def guarded(
    policy: str = DEFAULT_POLICY, trusted: bool = False, meanwhile: Callable[[], object] | None = None
) -> Iterator[Warden]:
    """Jails behind the best walls that stand here: they were probed in one of them.

    meanwhile: is called while the fork server starts, to import what the caller needs.
    Raises: `RuntimeError` where that is below `policy` and the submissions are not trusted.
    """
    if policy not in TIERS:
        raise ValueError(f"policy must be one of {', '.join(TIERS)}, got {policy!r}")
    if policy == TIERS[-1] and not trusted:
        raise ValueError(f"policy none has no walls at all: only for submissions of people whom you trust, with {TRUST}")
    missing = []
    for name in TIERS if trusted else TIERS[: TIERS.index(policy) + 1]:
        with contextlib.ExitStack() as stack:
            warden, rows = _started(name, stack, meanwhile)
            if warden is not None and all(row.held for row in rows):
                yield warden
                return
        missing += [f"tier {name}: {row.what}: {row.detail}" for row in rows if not row.held]
    raise RuntimeError(
        f"policy asks for tier {policy} or better, and this machine does not reach it.  {'; '.join(missing)}.  "
        f"`autograder doctor` tells more.  To grade all the same, of people whom you trust: {TRUST}"
    )


def _started(
    name: str, stack: contextlib.ExitStack, meanwhile: Callable[[], object] | None
) -> tuple[Warden | None, Sequence[Row]]:
    """Jails of this tier, and what the probes of its walls found; there are none to probe for tier none."""
    from autograder.warden.fork_server import ForkServer

    try:
        server = stack.enter_context(ForkServer(name))
        from autograder.warden import probes  # and with it torch
        from autograder.warden.pool import Warden

        if meanwhile is not None:
            meanwhile()
        warden = stack.enter_context(Warden(server=server))
        return warden, () if name == TIERS[-1] else probes.probed(warden)
    except (Refused, OSError) as refused:
        from autograder.warden.probes import Row

        return None, [Row("start", False, str(refused))]
