"""Who may be written now: persons that nobody else edits or holds, records that no newer request has read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from django.db.models.functions import Now

from syncer.models import PendingChange, Person, SalesforceRecord
from syncer.sync.context import Context

T = TypeVar("T")

#: Writing again what was merged anew with a person that was busy: tries before it is left to the next cycle.
TRIES = 5
#: Recording what was done in Salesforce already: it is worth waiting for a user's save to end.
PATIENT_TRIES = 20
#: Seconds between two patient tries, once more with each.
PATIENCE_SECONDS = 0.05


def lock(context: Context, revisions: Mapping[int, int]) -> set[int]:
    """Lock persons (id → the revision that was loaded), in the order of their ids. Return those that are as they were
    loaded and nobody else's.

    SKIP LOCKED: a person that a user is saving is left for later, so that it is never the user's save that waits
    for the sync or is ended by a deadlock.
    """
    rows = (
        Person.objects.filter(id__in=list(revisions))
        .order_by("id")
        .select_for_update(skip_locked=True, of=("self",))
        .values_list("id", "revision")
    )
    unchanged = {pk for pk, revision in rows if revisions[pk] == revision}
    busy = (
        PendingChange.objects.filter(person_id__in=unchanged, claimed_until__gt=Now())
        .exclude(claim__in=["", context.claim])
        .values_list("person_id", flat=True)
    )
    return unchanged - set(busy)


def wait_for(person_ids: Iterable[int]) -> None:
    """Lock persons, waiting for whoever saves one of them: what was done in Salesforce has to be written down."""
    persons = Person.objects.filter(id__in=list(person_ids)).order_by("id")
    list(persons.select_for_update(of=("self",)).values_list("id"))


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
