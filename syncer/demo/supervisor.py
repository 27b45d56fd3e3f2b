"""Keeps services running: starts again what ends by itself, and ends all of them together.

Each is on a leash (`leash.py`), which sees to it that nothing it has started outlives it or the demo.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

from django.conf import settings

from syncer.demo.preparation import CannotStart, short

# All in seconds.
GRACE = 10.0
LOOK_EVERY = 1.0
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
WELL_AFTER = 60.0  # a service that lived this long was well: it is started again after the first delay
IMPATIENT_AFTER = 1.0  # one Ctrl-C or `kill` can arrive twice, directly and passed on by make


@dataclass(eq=False)
class Service:
    """A process that is to run as long as the demo. `name` starts a sentence; what it writes is appended to `log`.

    `check` looks at the running process, by its id, and says in words that follow the name what makes a restart
    necessary; empty while all is well.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    check: Callable[[int], str] = lambda pid: ""

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start it, for the first time or again."""
        self._code: int | None = None
        self._socket, other_end = socket.socketpair()
        with other_end, self.log.open("ab") as log:
            self._log_begins = log.tell()
            self._leash = subprocess.Popen(
                [sys.executable, "-m", "syncer.demo.leash", str(GRACE), *self.arguments],
                cwd=settings.BASE_DIR,
                stdin=other_end.fileno(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started = time.monotonic()

    def end(self, *, at_once: bool = False) -> int:
        """SIGTERM, and after the grace (or at once) SIGKILL. Return the exit code when nothing of it lives any more."""
        if self._code is None:
            with contextlib.suppress(OSError):  # it has ended by itself
                self._socket.shutdown(socket.SHUT_WR)
            if at_once:
                self._kill()
            self._leash.wait()
            # The leash has killed its group, or was killed itself. Zombies that nobody collects are not waited for.
            deadline = time.monotonic() + 0.5
            while self._kill() and time.monotonic() < deadline:
                time.sleep(0.01)
            with self._socket:
                self._code = int(self._socket.recv(16) or self._leash.returncode)
        return self._code

    def _kill(self) -> bool:
        try:
            os.killpg(self._leash.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # nobody is left; macOS says the latter of zombies
            return False
        return True

    def ended(self) -> str:
        """Say how it ended; empty while it runs."""
        if self._leash.poll() is None:
            return ""
        code = self.end()
        return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def written(self) -> str:
        """Return what it has written since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._log_begins)
            return log.read().decode(errors="replace")

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait for it after its first start. Raises `CannotStart` when it ends or takes too long."""
        while not ready():
            problem = f"{ended} while starting" if (ended := self.ended()) else ""
            if not problem and time.monotonic() > self._started + seconds:
                problem = f"was not ready after {seconds:.0f} seconds"
            if problem:
                raise CannotStart("\n  ".join([f"{self.name} {problem}.", *self.written().splitlines()[-15:]]))
            time.sleep(0.1)

    def keep(self, say: Callable[[str], None]) -> Iterator[None]:
        """Start it again whenever it has ended, on any exit code, or fails its check. Yields between two looks."""
        delay = FIRST_DELAY
        while True:
            while not (wrong := self.ended() or self.check(self._leash.pid)):
                yield
            self.end(at_once=True)  # a background worker that hangs ignores SIGTERM
            if time.monotonic() > self._started + WELL_AFTER:
                delay = FIRST_DELAY
            say(f"{self.name} {wrong}. Starting it again in {delay:.0f} s; its log is {short(self.log)}.")
            due = time.monotonic() + delay
            while time.monotonic() < due:
                yield
            delay = min(2 * delay, LONGEST_DELAY)
            self.start()


class Supervisor:
    """While entered, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt. When left, all services are ended.

    An interrupt in the middle of a start can leave a process that is in no list: its leash ends it with the demo.
    """

    def __init__(self) -> None:
        self.services: list[Service] = []
        self.stop_asked_at: float | None = None

    def __enter__(self) -> Self:
        self.listen()
        return self

    def listen(self) -> None:
        """Answer the signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)

    def __exit__(self, *_: object) -> None:
        """End the last one first: the worker finishes its work while the sandbox still is there."""
        try:
            for service in reversed(self.services):
                service.end()
        except KeyboardInterrupt:  # somebody does not want to wait
            for service in self.services:
                service.end(at_once=True)

    def _stop(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        first = self.stop_asked_at is None
        self.stop_asked_at = self.stop_asked_at or now
        if first or (number == signal.SIGINT and now > self.stop_asked_at + IMPATIENT_AFTER):
            raise KeyboardInterrupt

    def watch(self, say: Callable[[str], None]) -> None:
        """Keep the services running until somebody asks for the end."""
        keepers = [service.keep(say) for service in self.services]
        while self.stop_asked_at is None:  # an interrupt that strikes inside of a finalizer is lost
            for keeper in keepers:
                next(keeper)
            time.sleep(LOOK_EVERY)
