"""Records whose persons were deleted here (``Tombstone``): every write of that table but the trigger's, which buries
the record of a person who is deleted by whatever path (``syncer.models.triggers``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from syncer.models import Tombstone
from syncer.sync.context import Context
from syncer.sync.persons.record import Reading, RemoteRecord
from syncer.sync.store import bulk_sql


def bury(context: Context, records: Iterable[RemoteRecord], reading: Reading) -> None:
    """Records whose persons were deleted here before they were linked: as with others, no person comes back."""
    newer = bulk_sql.greatest(f"{Tombstone._meta.db_table}.read_sequence", "excluded.read_sequence")
    bulk_sql.insert(
        Tombstone,
        ["organisation", "object", "record_id", "stamp", "read_sequence"],
        [[context.organisation, record.object, record.id, record.stamp, reading.sequence] for record in records],
        conflict=f"(organisation, record_id) DO UPDATE SET stamp = excluded.stamp, read_sequence = {newer}",
    )


def has_seen(context: Context, stamps: Mapping[str, datetime]) -> None:
    """What was done to these records (id → the time up to which that is no news) was ours. Those whose persons were
    deleted here meanwhile stay buried."""
    graves = Tombstone.objects.filter(organisation=context.organisation, record_id__in=list(stamps))
    rows = [
        [pk, max(stamps[record_id], stamp or stamps[record_id])]
        for pk, record_id, stamp in graves.values_list("pk", "record_id", "stamp")
    ]
    bulk_sql.update(Tombstone, ["stamp"], rows, keys=("id",))


def remove(context: Context, record_ids: Iterable[str]) -> None:
    """The records have persons again."""
    Tombstone.objects.filter(organisation=context.organisation, record_id__in=list(record_ids)).delete()


def remove_rows(row_ids: Iterable[int]) -> None:
    """These records have persons."""
    Tombstone.objects.filter(pk__in=list(row_ids)).delete()


def move_to(organisation: str) -> None:
    """A refreshed sandbox has the records of the old one under the same ids."""
    Tombstone.objects.exclude(organisation=organisation).update(organisation=organisation)
