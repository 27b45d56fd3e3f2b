"""A database that has gone back (``connection.high_water``): what waits in it may have been sent long ago, and what was
sent may have been changed by somebody since.

So what waits is decided as on first contact: of two values Salesforce's stays, and ours is in the log. Everything is
read anew, and until that is done nothing is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from syncer.models import PendingChange, SyncCursor, SyncUser
from syncer.sync.connection import high_water
from syncer.sync.connection.connect import RESTORED
from syncer.sync.connection.high_water import WentBack
from syncer.sync.context import Context
from syncer.sync.errors import DatabaseBusy
from syncer.sync.fields.object_map import ObjectMap, object_map
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.merge import Value, same
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import cursors, links, outbox
from syncer.sync.store.locking import lock_for
from syncer.sync.store.transactions import repeated, wait_briefly

#: Persons whose edits are looked at together.
BATCH = 500


def check(sync_user: SyncUser, *, tell_only: bool = False) -> None:
    """Before a cycle or an action: a database that has gone back is put right, and nothing is sent until everything was
    read. ``tell_only``: a dry run writes nothing; it decides as if nothing could be sent."""
    found = high_water.behind()
    if found is None:
        return
    if tell_only:
        sync_user.restored_at, sync_user.restored_why = timezone.now(), found.why
        return
    begin(found)
    sync_user.refresh_from_db(fields=["restored_at", "restored_why"])


@repeated
def begin(found: WentBack) -> None:
    """The database has gone back. Whole or not at all, so that it goes on after a crash; two who notice it at the same
    time do it once more, which changes nothing. Raises DatabaseBusy while somebody edits one of those who wait."""
    with transaction.atomic():
        wait_briefly()
        for sync_user in SyncUser.objects.all():
            maps = {name: object_map(sync_user, name) for name in OBJECTS}
            _decide_as_on_first_contact(sync_user, maps)
            cursors.forget(sync_user)
        SyncUser.objects.update(restored_at=timezone.now(), restored_why=found.why[:200])
        high_water.take_as_new(found)


def _decide_as_on_first_contact(sync_user: SyncUser, maps: Mapping[str, ObjectMap]) -> None:
    """Of persons with something to send: nothing is agreed on what differs here, and their records are read anew."""
    after, waiting = 0, PendingChange.objects.order_by("person_id").values_list("person_id", flat=True)
    while ids := list(waiting.filter(person_id__gt=after)[:BATCH]):
        after = ids[-1]
        if len(lock_for("", ids)) < len(ids):
            raise DatabaseBusy
        bases: dict[int, dict[str, Value]] = {}
        for person in person_state.by_ids(ids).values():
            if person.link is not None and person.link.organisation == sync_user.organisation_id:
                bases[person.id] = _agreed_still(maps[person.link.object], person)
        links.read_anew(bases)
        outbox.start_over(ids)


def _agreed_still(fields: ObjectMap, person: PersonState) -> dict[str, Value]:
    """The base without what was edited here since."""
    assert person.link is not None
    here, _ = fields.here(person.values)
    rules = {rule.field: rule for rule in fields.rules}
    return {
        name: value
        for name, value in person.link.base.items()
        if name not in rules or (name in here and same(rules[name], here[name], value))
    }


def finish(context: Context) -> None:
    """After a cycle has received: when every object was read to its end, sending goes on."""
    sync_user = context.sync_user
    if sync_user.restored_at is None or context.store.dry_run:
        return
    read = SyncCursor.objects.filter(sync_user=sync_user, object__in=OBJECTS, read_to__isnull=False)
    if read.count() < len(OBJECTS):
        context.note(RESTORED)
        return
    with transaction.atomic():
        context.fence()
        SyncUser.objects.filter(pk=sync_user.pk).update(restored_at=None, restored_why="")
    context.note(
        f"This database was restored from a backup ({sync_user.restored_why}). Everything in Salesforce was read; what "
        "had waited to be sent was decided as on first contact."
    )
    sync_user.restored_at, sync_user.restored_why = None, ""
