"""Ends a whole process group: a service with everything it has started.

Each service of the demo leads a group of its own. A background worker's helpers stay in it even when their parent is
killed, which is how they are found again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

import psutil

LOOK_EVERY = 0.05


def living(leader: int) -> list[int]:
    """The live processes of a group. Zombies do not count."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def end(
    leader: int,
    *,
    grace: float,
    reap: Callable[[], object] = lambda: None,
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """End a group and return when no process of it lives.

    1. SIGTERM to the leader, which ends its own children in order; to the whole group when the leader is gone.
    2. SIGKILL to the group when it is still there after `grace` seconds, or as soon as `hurry` says so.

    `reap` is called between looks, to collect the exit code when the leader is our own child.
    """
    told_leader = told_group = False
    deadline = time.monotonic() + grace
    while members := living(leader):
        with contextlib.suppress(ProcessLookupError):
            if hurry() or time.monotonic() >= deadline:
                os.killpg(leader, signal.SIGKILL)
            elif leader in members and not told_leader:
                told_leader = True
                os.kill(leader, signal.SIGTERM)
            elif leader not in members and not told_group:
                told_group = True
                os.killpg(leader, signal.SIGTERM)
        reap()
        time.sleep(LOOK_EVERY)
    reap()
