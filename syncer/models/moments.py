"""Moments until which something waits, and how long such a wait is at most.

A moment that lies further ahead than twice that was stored by a clock that was days ahead. It is void: as good as past.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

#: A lease, by the database's clock: longer than a call to Salesforce may take (60 s).
LEASE = timedelta(seconds=120)
#: A claim of a worker that died, by the database's clock: longer than any one call to Salesforce takes.
CLAIM = timedelta(seconds=120)
#: Until the next try of something refused: a night is away a day at most, which has 25 hours once a year.
NEXT_TRY = timedelta(hours=25)
#: After the daily limit was hit, until the next try. Salesforce counts over the last 24 hours.
LIMIT_PAUSE = timedelta(minutes=60)


def is_ahead(moment: datetime | None, now: datetime, longest: timedelta) -> bool:
    """Whether it is still to be waited for."""
    return moment is not None and now < moment <= now + 2 * longest


def ahead(column: str, now: Any, longest: timedelta) -> Q:
    """The rows whose moment is still to be waited for. ``now``: a time, or the database's."""
    return Q(**{f"{column}__gt": now, f"{column}__lte": now + 2 * longest})


def heard(column: str, now: datetime, within: timedelta) -> Q:
    """The rows of whom something was heard no longer ago. What a clock that was ahead has heard was not."""
    return Q(**{f"{column}__gte": now - within, f"{column}__lte": now + within})


def past(column: str, now: Any, longest: timedelta) -> Q:
    """The rows whose moment has come, or is void. What has none is not among them."""
    return Q(**{f"{column}__lte": now}) | Q(**{f"{column}__gt": now + 2 * longest})
