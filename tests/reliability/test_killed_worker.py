"""`kill -9` of the background worker in the middle of a cycle: its cluster goes on, and so does the sync."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.reliability.test_killed_sync import check_promises
from tests.reliability.waiting import eventually
from tests.reliability.world import Editors, World, world

KILLS = 4


@contextmanager
def cluster(world: World) -> Iterator[None]:
    """A running qcluster."""
    process = world.start("qcluster")
    try:
        yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.terminate()
            process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def cycle_process(world: World) -> int:
    """The worker that holds the lease; 0 while none does."""
    found = re.match(r"process (\d+) ", world.here("holder"))
    return int(found[1]) if found else 0


def kill_busy(world: World, worker: int) -> bool:
    """Kill the worker if it still runs its cycle; gives whether it did. (An idle one takes the queue's lock with it and
    leaves a cluster that does nothing any more: tests/project/test_demo.py.)"""
    os.kill(worker, signal.SIGSTOP)  # so that it can't finish between the look and the blow
    if cycle_process(world) != worker:
        os.kill(worker, signal.SIGCONT)
        return False
    os.kill(worker, signal.SIGKILL)
    world.here("let_time_run_out")
    return True


def test_cycles_killed_with_their_worker_end_where_they_would_have_ended(tmp_path: Path) -> None:
    chance = random.Random(5)
    with world(tmp_path, leads=30, contacts=10, latency_ms=60) as made:
        made.sync()
        before, editors = made.there.values(), Editors(made, 5)
        kills = 0
        with cluster(made):
            with editors.at_work({p["sfdc_id"]: p["id"] for p in made.here("people")}):
                for _ in range(KILLS):
                    made.here("ask_for_a_cycle")
                    worker = eventually(lambda: cycle_process(made), "a worker takes the cycle")
                    time.sleep(chance.uniform(0, 0.2))  # the random moment
                    kills += kill_busy(made, worker)
            assert kills >= KILLS // 2
            completed = made.here("runs")["completed"]
            made.here("ask_for_a_cycle")
            eventually(lambda: made.here("runs")["completed"] > completed, "the cluster runs a whole cycle again")
            eventually(lambda: not made.here("holder"), "the cycle gives its lease back")
        check_promises(made, editors, before)
