"""Records that have to be read again (``PostponedRecord``): every write of that table.

A row of its own for each: a cycle and the actions beside it postpone records, and the cycle takes out what it has read,
without knowing of each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from syncer.models import PostponedRecord, SyncUser
from syncer.sync.context import Context
from syncer.sync.persons.record import Reading
from syncer.sync.store import bulk_sql
from syncer.sync.store.transactions import repeated, wait_briefly

_TABLE = PostponedRecord._meta.db_table


@repeated
def postpone(context: Context, sobject: str, record_ids: Iterable[str], reading: Reading) -> None:
    """Records that could not be merged now, as this reading shows them, are read whole by the next cycle. What was
    asked for before that does not count."""
    ids = sorted(set(record_ids))
    if not ids:
        return
    with transaction.atomic():
        wait_briefly()
        bulk_sql.insert(
            PostponedRecord,
            ["sync_user_id", "object", "record_id", "sequence"],
            [[context.sync_user.pk, sobject, record_id, reading.sequence] for record_id in ids],
            conflict="(sync_user_id, object, record_id) DO UPDATE SET sequence = excluded.sequence "
            f"WHERE {_TABLE}.sequence < excluded.sequence",
        )


def of(context: Context, sobject: str) -> list[str]:
    """The ids of an object's records, those that wait longest first."""
    rows = PostponedRecord.objects.filter(sync_user=context.sync_user, object=sobject)
    return list(rows.order_by("pk").values_list("record_id", flat=True))


def since(context: Context, sobject: str, record_ids: Iterable[str], reading: Reading) -> set[str]:
    """Which of these this reading itself has postponed, or a newer one: what it merged of them was not all."""
    rows = PostponedRecord.objects.filter(sync_user=context.sync_user, object=sobject, record_id__in=list(record_ids))
    return set(rows.filter(sequence__gte=reading.sequence).values_list("record_id", flat=True))


@repeated
def settle(context: Context, sobject: str, record_ids: Iterable[str], reading: Reading) -> None:
    """What this reading shows of them was merged. What was postponed since is to be read again."""
    rows = PostponedRecord.objects.filter(
        sync_user=context.sync_user, object=sobject, record_id__in=list(record_ids), sequence__lte=reading.sequence
    )
    with transaction.atomic():
        wait_briefly()
        read = rows.order_by("record_id").select_for_update(of=("self",)).values_list("pk", flat=True)
        PostponedRecord.objects.filter(pk__in=list(read)).delete()


def forget(sync_user: SyncUser, sobject: str | None = None) -> None:
    """An object (None: everything) is read from the beginning, or not at all any more."""
    rows = PostponedRecord.objects.filter(sync_user=sync_user)
    (rows if sobject is None else rows.filter(object=sobject)).delete()
