"""Who may be written now: persons that nobody else edits or holds, records that no newer request has read."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.functions import Now

from syncer.models import PendingChange, Person, SalesforceRecord
from syncer.sync.context import Context


def lock(context: Context, revisions: dict[int, int]) -> set[int]:
    """Lock persons (id → the revision that was loaded), in the order of their ids; gives those that are as they were
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


def read_since(ids: Iterable[int], sequence: int) -> set[int]:
    """The persons whose records a newer request than this one has read or sent to."""
    return set(
        SalesforceRecord.objects.filter(person_id__in=list(ids), read_sequence__gt=sequence).values_list(
            "person_id", flat=True
        )
    )
