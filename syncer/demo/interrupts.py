"""Signals as something to wait for, instead of an exception in the middle of a step."""

from __future__ import annotations

import os
import select
import signal
import time
from types import FrameType, TracebackType
from typing import Self


class Stopped(Exception):
    """Somebody asked the demo to end."""


class Interrupts:
    """While entered: SIGINT, SIGTERM and SIGHUP are counted, and they and the end of a child wake `wait` up."""

    STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.stop_requests = 0
        self.impatient = False  # a Ctrl-C while the end is under way

    def __enter__(self) -> Self:
        # Python writes a byte to this pipe for each signal, so that none can slip in between a look and a wait.
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._old_wakeup = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        self._old_handlers = {number: signal.signal(number, self._stop) for number in self.STOP}
        self._old_handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._ignore)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._read_end)
        os.close(self._write_end)

    def wait(self, seconds: float | None) -> None:
        """Return at the next signal, or after so many seconds; None waits for a signal."""
        ready, _, _ = select.select([self._read_end], [], [], seconds)
        if ready:
            os.read(self._read_end, 4096)

    def raise_if_stopped(self) -> None:
        """Raise `Stopped` once an end was asked for."""
        if self.stop_requests:
            raise Stopped

    def _stop(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.stop_requests == 0:
            self._first_request = now
        # One Ctrl-C or one `kill` can arrive twice, directly and passed on by make: that is not impatience.
        self.impatient |= number == signal.SIGINT and self.stop_requests > 0 and now - self._first_request >= 1
        self.stop_requests += 1

    def _ignore(self, number: int, frame: FrameType | None) -> None:
        """A handler is needed for SIGCHLD to wake us up at all."""
