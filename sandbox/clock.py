"""The organisation's time, which can be set, moved and handed in."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime, parsedate_to_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Clock:
    """A source of time plus an offset.

    ``source`` gives the time to start from (the machine's by default); ``sleep`` waits (a simulation hands in
    one that moves its own time instead).
    """

    def __init__(
        self,
        source: Callable[[], datetime] | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._source = source or (lambda: datetime.now(UTC))
        self._sleep = sleep or time.sleep
        self.offset = timedelta()

    def now(self) -> datetime:
        """The organisation's time."""
        return self._source() + self.offset

    def set(self, moment: datetime) -> None:
        """Make it this moment now; time goes on from there."""
        self.offset = moment - self._source()

    def advance(self, seconds: float) -> None:
        """Move the time forward (or, with a negative number, back)."""
        self.offset += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            self._sleep(seconds)


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises ValueError if there is none."""
    if name == "Etc/UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"there is no time zone {name}") from error


def wire_datetime(moment: datetime) -> str:
    """Salesforce's text for a date/time: UTC, whole seconds, ``.000+0000``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def read_wire(text: str) -> datetime:
    """The moment that ``wire_datetime`` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def read_moment(text: str) -> datetime:
    """The moment in a text of the wire's form or any ISO form, in UTC unless it says otherwise. Raises ValueError."""
    try:
        return read_wire(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def http_date(moment: datetime) -> str:
    """The text of the ``Date`` and ``Last-Modified`` headers."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def read_http_date(text: str) -> datetime | None:
    """The moment in an HTTP date header; None if it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
