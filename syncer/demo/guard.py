"""Outlives the demo when that is killed, and ends what it has started: `python -m syncer.demo.guard`.

It reads lines `+GROUP` and `-GROUP` from the demo through a pipe. The pipe closes when the demo is gone, however that
happened; the groups that are left then are ended.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from typing import IO

from syncer.demo import groups

GRACE = 10.0


class Guard:
    """The demo's end of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # in a session of its own: a Ctrl-C in the terminal is not for it
            [sys.executable, "-m", "syncer.demo.guard"], stdin=subprocess.PIPE, start_new_session=True, text=True
        )

    def watch(self, group: int) -> None:
        """End this group if the demo dies."""
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """The group has ended."""
        self._tell(f"-{group}")

    def close(self) -> None:
        """Close the pipe and wait until the guard has nothing left to end."""
        self._process.communicate()

    def _tell(self, line: str) -> None:
        stdin = self._process.stdin
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                stdin.write(line + "\n")
                stdin.flush()


def main(lines: IO[str]) -> None:
    """Follow the demo's lines to their end, then end the groups that are left."""
    watched: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line[0] == "+":
            watched.add(group)
        else:
            watched.discard(group)
    for group in sorted(watched, reverse=True):  # about the last one started first
        groups.end(group, grace=GRACE)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    main(sys.stdin)
