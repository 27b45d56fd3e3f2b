"""One cycle at a time, between real processes: a live lease is respected, that of a dead cycle runs out."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from tests.reliability.waiting import eventually
from tests.reliability.world import world


def test_a_lease_is_respected_taken_over_when_it_ran_out_and_given_back_on_sigterm(
    tmp_path: Path,
) -> None:
    with world(tmp_path, leads=5, contacts=0) as made:
        made.there.control("POST", "faults", route="/composite", kind="delay_ms", seconds=30, nth=1, times=1)
        first = made.start("runsync")
        holder = eventually(lambda: str(made.here("holder")), "the first cycle takes the lease")
        assert f"process {first.pid} " in holder

        second = made.manage("runsync")
        assert second.returncode == 75
        assert re.fullmatch(rf".*process {first.pid} .*\n", second.stdout), "one line that names the holder"

        os.kill(first.pid, signal.SIGKILL)
        first.communicate(timeout=10)
        assert made.manage("runsync").returncode == 75, "nobody can tell yet that its holder is dead"

        made.here("let_time_run_out")
        assert made.manage("runsync").returncode == 0
        assert made.here("runs") == {"interrupted": 1, "completed": 1}
        assert made.here("left_over")["leases"] == 0

        made.there.control("POST", "faults", route="/composite", kind="delay_ms", seconds=30, nth=1, times=1)
        third = made.start("runsync")
        asked = "the third cycle waits for Salesforce"
        eventually(lambda: made.there.control("GET", "faults")["faults"][-1]["hits"], asked)
        third.terminate()
        output, _ = third.communicate(timeout=10)
        assert (third.returncode, output.splitlines()[-1][:8]) == (1, "Stopped.")
        assert made.here("holder") == "", "SIGTERM gives the lease back"
