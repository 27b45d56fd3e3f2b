"""How often the organisation was called: the daily limit, and the count of requests that the control path shows."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_DAY = timedelta(hours=24)
_LONG = timedelta(seconds=20)
_ID = re.compile(r"(?=[^/]*\d)[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?\Z")
_EXTERNAL = re.compile(r"(/sobjects/[^/]+/[^/]+__c)/.+\Z")
_LOCATOR = re.compile(r"(/query(?:All)?)/[^/]+\Z")


def shape(method: str, path: str) -> str:
    """Method and path, with ids, external-id values and query locators as place-holders."""
    path = path.rstrip("/") or "/"
    path = _EXTERNAL.sub(r"\1/{value}", path)
    path = _LOCATOR.sub(r"\1/{locator}", path) if "/jobs/" not in path else path
    parts = ["{id}" if _ID.match(part) else part for part in path.split("/")]
    return f"{method} {'/'.join(parts)}"


@dataclass
class Usage:
    """Calls of the last 24 hours, minute by minute, and the requests since they were last cleared."""

    minutes: deque[tuple[datetime, int]] = field(default_factory=deque)
    today: int = 0
    api_calls: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    long_calls: list[tuple[datetime, datetime]] = field(default_factory=list)

    def saw(self, method: str, path: str) -> None:
        """A request came in."""
        self.requests[shape(method, path)] += 1

    def count(self, now: datetime) -> None:
        """A call that the daily limit counts."""
        self.api_calls += 1
        self.today += 1
        minute = now.replace(second=0, microsecond=0)
        if self.minutes and self.minutes[-1][0] == minute:
            self.minutes[-1] = (minute, self.minutes[-1][1] + 1)
        else:
            self.minutes.append((minute, 1))

    def used(self, now: datetime) -> int:
        """How many calls the rolling 24 hours hold."""
        while self.minutes and now - self.minutes[0][0] >= _DAY:
            self.today -= self.minutes.popleft()[1]
        return self.today

    def runs(self, now: datetime, seconds: float) -> None:
        """A call goes on for so long; only those of more than 20 seconds matter."""
        if seconds > _LONG.total_seconds():
            self.long_calls.append((now + _LONG, now + timedelta(seconds=seconds)))

    def running_long(self, now: datetime) -> int:
        """How many calls have been running for more than 20 seconds."""
        self.long_calls = [call for call in self.long_calls if call[1] > now]
        return sum(1 for start, _ in self.long_calls if start <= now)

    def clear(self) -> None:
        """Start counting requests anew; the daily limit goes on."""
        self.api_calls = 0
        self.requests.clear()
