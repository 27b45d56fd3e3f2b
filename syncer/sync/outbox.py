"""The outbox: who waits, who is being sent, who failed. Claims are one conditional statement and commit alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from syncer.models import PendingChange, PendingState, Person
from syncer.sync import statements

#: A claim of a worker that died can be taken over after this time. Longer than any one call to Salesforce takes.
CLAIM_LASTS = timedelta(seconds=120)


def due(limit: int, now: datetime) -> list[int]:
    """The persons that have something to send now, longest waiting first."""
    return list(
        PendingChange.objects.filter(
            Q(next_attempt__isnull=True) | Q(next_attempt__lte=now),
            Q(claim="") | Q(claimed_until__lt=Now()),
            state=PendingState.PENDING,
            person__record__weak_base=False,
        )
        .order_by("since", "person_id")
        .values_list("person_id", flat=True)[:limit]
    )


def waiting(now: datetime) -> int:
    return PendingChange.objects.filter(
        Q(next_attempt__isnull=True) | Q(next_attempt__lte=now), state=PendingState.PENDING
    ).count()


def claim(person_ids: Iterable[int], token: str) -> set[int]:
    """Take persons for one worker, making outbox rows where there are none; gives those that were free.

    One statement, in a transaction of its own: the row count of a conditional upsert decides, on both databases.
    """
    ids = list(person_ids)
    if not ids:
        return set()
    table = PendingChange._meta.db_table
    now, until = _database_time()
    # A row made only to carry the claim has revision 0: it goes with the claim.
    taken = statements.insert(
        PendingChange,
        ["person_id", "revision", "state", "claim"],
        [[pk, 0, PendingState.IN_FLIGHT, token] for pk in sorted(ids)],
        conflict=f"(person_id) DO UPDATE SET claim = excluded.claim, state = '{PendingState.IN_FLIGHT}' "
        f"WHERE {table}.claim = '' OR {table}.claimed_until IS NULL OR {table}.claimed_until < {now}",
        returning=["person_id"],
    )
    claimed = {row[0] for row in taken}
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET claimed_until = {until} WHERE claim = %s", [token])  # noqa: S608
    return claimed


def _database_time() -> tuple[str, str]:
    """Now and the end of a claim made now, as SQL, by the database's clock."""
    seconds = int(CLAIM_LASTS.total_seconds())
    if connection.vendor == "postgresql":
        return "clock_timestamp()", f"clock_timestamp() + interval '{seconds} seconds'"
    now = "strftime('%Y-%m-%d %H:%M:%f', 'now'"
    return f"{now})", f"{now}, '+{seconds} seconds')"
