"""How long what was decided may still be sent: a process can stand still for any time before its request leaves.

Each clock can fail to see that: the monotonic one stands still while a machine sleeps, the time of day may be set back,
the organisation's is only told by its answers. So the one counts that has gone furthest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from syncer.salesforce.errors import TooLate

#: Gives seconds since any moment; None while it does not know.
Clock = Callable[[], float | None]


def uptime() -> float:
    """Seconds that pass also while the machine sleeps: Linux's CLOCK_BOOTTIME; elsewhere the monotonic clock, which
    goes on in sleep on macOS."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Validity:
    """Begins when it is made, and lasts for a time by all of its clocks."""

    def __init__(self, clocks: Iterable[Clock], lasts: timedelta) -> None:
        self._lasts = lasts
        self._begun = [(clock, clock()) for clock in clocks]

    @property
    def age(self) -> timedelta:
        """By the clock that has gone furthest."""
        seconds = [0.0]
        for clock, begun in self._begun:
            if begun is not None and (now := clock()) is not None:
                seconds.append(now - begun)
        return timedelta(seconds=max(seconds))

    def check(self) -> None:
        """Raises TooLate when it has ended."""
        if (age := self.age) > self._lasts:
            raise TooLate(
                f"{age.total_seconds():,.0f} s after it was decided what to send, nothing is sent any more: that may "
                "have changed meanwhile. It is decided anew."
            )
