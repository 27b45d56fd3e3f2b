"""The organisation's clock as seen in the Date header of its answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# How far this computer's clock is trusted when an answer has no date and none came before: certificates and
# assertions would be refused long before it errs by more.
UNTRUSTED = timedelta(hours=1)


class OrgClock:
    """A lower bound of the organisation's time at which a request left. It never uses this computer's time of day
    unless the organisation has not told its own even once."""

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._now = now
        self._monotonic = monotonic
        self._seen: tuple[datetime, float] | None = None

    def told(self) -> float | None:
        """The last date that an answer had, in seconds; None before the first one."""
        return self._seen[0].timestamp() if self._seen else None

    def asked_at(self, date_header: str | None, sent: float, answered: float) -> datetime:
        """When the request left, rounded down to the second, UTC; sent and answered: `monotonic` seconds.

        The header's time can't be before the request arrived, so header minus what elapsed can't be after it left.
        """
        date = _parse(date_header)
        if date is not None:
            self._seen = (date, answered)
            return _floor(date - timedelta(seconds=max(answered - sent, 0)))
        if self._seen is not None:
            known, at = self._seen
            return _floor(known + timedelta(seconds=sent - at))
        return _floor(self._now().astimezone(UTC) - timedelta(seconds=max(self._monotonic() - sent, 0)) - UNTRUSTED)


def _parse(header: str | None) -> datetime | None:
    """An HTTP date (RFC 9110, 5.6.7); None if it is missing or nonsense."""
    try:
        date = parsedate_to_datetime(header or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.utcoffset() is None else date.astimezone(UTC)


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def backoff(attempt: int, draw: float, longest: float = 60.0) -> float:
    """Seconds to wait before the next try: between 1 and 2ⁿ, at most 60; ``draw`` in [0, 1) spreads the clients."""
    return 1 + draw * (min(longest, math.ldexp(1.0, min(attempt, 10))) - 1)
