"""How far each object was read (``SyncCursor``): every write of that table."""

from __future__ import annotations

from django.db import transaction

from syncer.models import SyncCursor, SyncUser
from syncer.sync.context import Context
from syncer.sync.store import postponed

#: What a position consists of.
_POSITION = ("read_to", "reading_since", "resume_stamp", "resume_id")


def cursor_for(context: Context, sobject: str) -> SyncCursor:
    """The stored cursor of an object, or a new one."""
    known = SyncCursor.objects.filter(sync_user=context.sync_user, object=sobject).first()
    return known or SyncCursor(sync_user=context.sync_user, object=sobject)


def store(context: Context, cursor: SyncCursor) -> None:
    """In one transaction with the fence: a cycle that was too slow must not move the cursor of the next one. A cursor
    that somebody has made forgotten meanwhile stays so: everything is to be read again."""
    with transaction.atomic():
        context.fence()
        if cursor._state.adding:
            cursor.save()
        else:
            position = {name: getattr(cursor, name) for name in _POSITION}
            SyncCursor.objects.filter(pk=cursor.pk).update(**position)


def forget(sync_user: SyncUser, sobject: str | None = None) -> None:
    """Read an object (None: everything) from the beginning, as if it had never been read."""
    cursors = SyncCursor.objects.filter(sync_user=sync_user)
    (cursors if sobject is None else cursors.filter(object=sobject)).delete()
    postponed.forget(sync_user, sobject)
