"""Runs one command, of which nothing outlives the demo: `python -m syncer.demo.leash SECONDS COMMAND…`.

Its stdin is a socket whose other end only the demo holds. When that closes, the demo wants the end or is gone, however
that happened: the command gets SIGTERM and so many seconds. The leash leads a process group; the command and all its
descendants stay in it, also when their parents are killed. Its last act is to kill that group, itself included.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

DEMO = 0  # the file descriptor of stdin


def main(grace: float, command: list[str]) -> None:
    """Run the command, tell the demo its exit code, and end what it has left behind."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_with_the_demo() -> None:
        os.read(DEMO, 1)  # the demo never writes: this returns when its end closes
        process.terminate()  # the command only: it ends its own children in order
        time.sleep(grace)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=end_with_the_demo, daemon=True).start()
    code = process.wait()
    with contextlib.suppress(OSError):  # the demo is gone
        os.write(DEMO, str(code).encode())
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
