"""Who may be written now: persons that nobody else edits or holds, records that no newer request has read.

Every write of the sync is made inside a ``write_transaction`` with its persons locked by ``lock``: whoever saves a
person locks that row first, too, so the lock speaks for all rows that hang on the person. It is taken in the order of
the ids and skips what somebody else has, so that it is never a user's save that waits for us, or is ended by a deadlock
with us. Whoever is skipped is *busy*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

from syncer.models import PendingChange, Person, SalesforceRecord
from syncer.sync.context import Context
from syncer.sync.store import claims

T = TypeVar("T")
Row = TypeVar("Row", bound=Model)
Found = TypeVar("Found")

#: Writing again what was merged anew with a person that was busy: tries before it is left to the next cycle.
TRIES = 5
#: Recording what was done in Salesforce already: it is worth waiting for a user's save to end.
PATIENT_TRIES = 20
#: Seconds between two patient tries, once more with each.
PATIENCE_SECONDS = 0.05


def lock(context: Context, revisions: Mapping[int, int]) -> set[int]:
    """Lock persons (id → the revision that was loaded). Return those that are as they were loaded and nobody else's."""
    found = lock_as_they_are(context, revisions)
    return {pk for pk, revision in found.items() if revisions[pk] == revision}


def lock_as_they_are(context: Context, person_ids: Iterable[int]) -> dict[int, int]:
    """Lock persons whatever was edited since they were loaded. Return id → revision of those that are nobody else's."""
    return lock_for(context.claim, person_ids)


def lock_for(token: str, person_ids: Iterable[int]) -> dict[int, int]:
    """As ``lock_as_they_are``, for the worker of this name (empty: for one who claims nobody), with their rows in the
    outbox, which somebody may have without the person (who wants them sent again)."""
    persons = Person.objects.filter(id__in=list(person_ids)).order_by("id")
    free = dict(_skipping(persons).values_list("id", "revision"))
    busy = claims.of_others(free, token)
    if connection.features.has_select_for_update_skip_locked:
        rows = PendingChange.objects.filter(person_id__in=list(free)).order_by("person_id").values_list("person_id")
        mine = set(_skipping(rows))
        busy |= {pk for (pk,) in set(rows) - mine}
    return {pk: revision for pk, revision in free.items() if pk not in busy}


def _skipping(rows: QuerySet[Row, Found]) -> QuerySet[Row, Found]:
    return rows.select_for_update(skip_locked=True, of=("self",))


def read_since(ids: Iterable[int], sequence: int) -> set[int]:
    """Return the persons whose records a newer request than this one has read or sent to."""
    return set(
        SalesforceRecord.objects.filter(person_id__in=list(ids), read_sequence__gt=sequence).values_list(
            "person_id", flat=True
        )
    )


def retry_busy(
    items: Iterable[T],
    write: Callable[[Sequence[T], int], Iterable[T]],
    *,
    tries: int = TRIES,
    pause: Callable[[float], None] | None = None,
) -> list[T]:
    """Write items, and again those that ``write`` returns because their persons were busy or edited meanwhile: it
    loads and merges them anew each time. Its second argument is the number of the try, from 0.

    ``pause``: waits a moment before each further try. Return what is busy still.
    """
    remaining = list(items)
    for attempt in range(tries):
        if not remaining:
            break
        if attempt and pause is not None:
            pause(PATIENCE_SECONDS * attempt)
        remaining = list(write(remaining, attempt))
    return remaining
