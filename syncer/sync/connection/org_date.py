"""Whether the organisation's Date is believed: one answer with a wrong one must not move a cursor ahead of changes.

With the connection stands a pair: the Date of the last answer of the last cycle, and the database's time then. A Date
that is ahead of it by more than the database's clock has moved since, and five minutes, is not believed: the bound is
taken in its place, which at worst reads a little again. A clock that was put right, there or here, looks the same; so
three cycles in a row whose Dates agree with each other make a new pair.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from syncer.models import SyncUser

#: Two clocks may differ by so much, and an answer be under way for so long.
TOLERANCE = timedelta(minutes=5)
#: Cycles in a row that have to agree before a Date is believed that the pair contradicts.
CYCLES_THAT_AGREE = 3


class OrgDate:
    """The pair, as one worker found it. ``doubt``: a sentence about the last Date that was not believed."""

    doubt = ""

    def __init__(self, sync_user: SyncUser, database_now: Callable[[], datetime]) -> None:
        self._sync_user, self._database_now = sync_user, database_now
        self._pair = (sync_user.date_told, sync_user.date_told_at)
        self._last: tuple[datetime, datetime] | None = None

    def believed(self, asked_at: datetime) -> datetime:
        """When a request was asked, by the organisation's Date as far as that is believed."""
        now = self._database_now()
        self._last = (asked_at, now)
        date, at = self._pair
        if date is None or at is None:
            return asked_at
        bound = date + (now - at) + TOLERANCE
        if asked_at <= bound:
            return asked_at
        self.doubt = (
            f"An answer of Salesforce's is dated {asked_at:%d %b %H:%M} UTC, {asked_at - bound + TOLERANCE} later than "
            f"the ones before let expect: changes count as read up to {bound:%H:%M} UTC only."
        )
        return bound

    def store(self) -> None:
        """At the end of a cycle: the last answer's Date makes the new pair, or is doubted and remembered."""
        if self._last is None:
            return
        date, now = self._last
        ahead, user = (date - now).total_seconds(), self._sync_user
        doubts = self._doubts(ahead)
        if doubts in (0, CYCLES_THAT_AGREE):
            user.date_told, user.date_told_at, user.date_doubts = date, now, 0
        else:
            user.date_doubted, user.date_doubts = ahead, doubts
        user.save(update_fields=["date_told", "date_told_at", "date_doubted", "date_doubts"])

    def _doubts(self, ahead: float) -> int:
        """In how many cycles in a row, this one included, the organisation's clock was so many seconds ahead of the
        database's although the pair says otherwise; 0 when it agrees with the pair."""
        date, at = self._pair
        if date is None or at is None or _agree(ahead, (date - at).total_seconds()):
            return 0
        user = self._sync_user
        return user.date_doubts + 1 if user.date_doubts and _agree(ahead, user.date_doubted) else 1


def _agree(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE.total_seconds()
