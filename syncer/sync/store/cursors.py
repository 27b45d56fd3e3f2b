"""How far each object was read, and which records have to be read again (``SyncCursor``): every write of that table."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from syncer.models import SyncCursor, SyncUser
from syncer.sync.context import Context


def cursor_for(context: Context, sobject: str) -> SyncCursor:
    """The stored cursor of an object, or a new one."""
    known = SyncCursor.objects.filter(sync_user=context.sync_user, object=sobject).first()
    return known or SyncCursor(sync_user=context.sync_user, object=sobject)


def store(context: Context, cursor: SyncCursor) -> None:
    """In one transaction with the fence: a cycle that was too slow must not move the cursor of the next one."""
    with transaction.atomic():
        context.fence()
        stored = _locked(context, cursor.object)
        if stored is not None:
            # An action may have made the cursor, or postponed records, since this one was loaded.
            cursor.pk, cursor._state.adding = stored.pk, False
            added = [pk for pk in stored.postponed if pk not in cursor.postponed_when_loaded]
            cursor.postponed = list(dict.fromkeys([*cursor.postponed, *added]))
        cursor.save()
    cursor.postponed_when_loaded = tuple(cursor.postponed)


def postpone(context: Context, sobject: str, record_ids: Iterable[str]) -> None:
    """Records that could not be merged now are read whole by the next cycle."""
    later = list(record_ids)
    if not later:
        return
    with transaction.atomic():
        SyncCursor.objects.get_or_create(sync_user=context.sync_user, object=sobject)
        cursor = _locked(context, sobject)
        assert cursor is not None  # made above
        cursor.postponed = list(dict.fromkeys([*cursor.postponed, *later]))
        cursor.save(update_fields=["postponed"])


def _locked(context: Context, sobject: str) -> SyncCursor | None:
    rows = SyncCursor.objects.select_for_update().filter(sync_user=context.sync_user, object=sobject)
    return rows.first()


def forget(sync_user: SyncUser, sobject: str | None = None) -> None:
    """Read an object (None: everything) from the beginning, as if it had never been read."""
    cursors = SyncCursor.objects.filter(sync_user=sync_user)
    (cursors if sobject is None else cursors.filter(object=sobject)).delete()
