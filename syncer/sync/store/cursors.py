"""How far each object was read, and which records have to be read again."""

from __future__ import annotations

from django.db import transaction

from syncer.models import SyncCursor
from syncer.sync.context import Context


def cursor_for(context: Context, sobject: str) -> SyncCursor:
    known = SyncCursor.objects.filter(sync_user=context.sync_user, object=sobject).first()
    return known or SyncCursor(sync_user=context.sync_user, object=sobject)


def store_cursor(context: Context, cursor: SyncCursor) -> None:
    """In one transaction with the fence: a cycle that was too slow must not move the cursor of the next one."""
    if context.plan is not None:
        return
    with transaction.atomic():
        context.fence()
        cursor.save()


def postpone(context: Context, sobject: str, record_ids: list[str]) -> None:
    """Records that could not be merged now are read whole by the next cycle."""
    if record_ids and context.plan is None:
        cursor, _ = SyncCursor.objects.get_or_create(sync_user=context.sync_user, object=sobject)
        cursor.postponed = list(dict.fromkeys([*cursor.postponed, *record_ids]))
        cursor.save(update_fields=["postponed"])
