"""How many API calls were made, and how many of the day's are left, as Salesforce counts them."""

from __future__ import annotations

import re
from dataclasses import dataclass

# "Sforce-Limit-Info: api-usage=18/5000", optionally followed by per-app-api-usage (docs/salesforce.md 5.5)
_USAGE = re.compile(r"(?:^|[;,\s])api-usage=(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """Calls of the last 24 hours by all apps together, and how many the organisation may make."""

    used: int
    limit: int

    def reaches(self, percent: int) -> bool:
        """Whether so many percent of the calls are used."""
        return self.used * 100 >= self.limit * percent


def parse_usage(header: str | None) -> DailyUsage | None:
    """The usage in a Sforce-Limit-Info header; None without one or if it can't be read."""
    found = _USAGE.search(header or "")
    return DailyUsage(int(found[1]), int(found[2])) if found else None
