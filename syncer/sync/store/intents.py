"""Creates under way, remembered before the call so that each happens at most once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction
from django.db.models.functions import Now

from syncer.models import CreateIntent, IntentState, Person, SfdcType
from syncer.sync.context import Context
from syncer.sync.create.after_create import Creation
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.store import bulk_sql, outbox

#: Salesforce ends a request after ten minutes at the latest; one that timed out here may be saved until then.
LATE_COMMIT = timedelta(minutes=15)


def remember(context: Context, fields: ObjectMap, creations: Sequence[Creation]) -> set[int]:
    """Durable before the call: on SQLite the commit is synced to the disk, too. Gives the persons that may be created.

    A claim that ran out while Salesforce was slow may be another worker's by now, and its create under way. Nothing is
    made either for a person that was deleted or linked meanwhile."""
    asked_at = context.org.org_time()
    external = fields.external_id_field is not None
    columns = ["object", "state", "asked_at", "external_id", "values_sent", "options", "created_at"]
    with synced_to_disk(), transaction.atomic(durable=True):
        held = outbox.renew(context.claim, [creation.person.id for creation in creations])
        mine = set(Person.objects.filter(id__in=held, sfdc_type=SfdcType.NONE).values_list("id", flat=True))
        bulk_sql.insert(
            CreateIntent,
            ["person_id", *columns],
            [
                [
                    c.person.id,
                    "Lead",
                    IntentState.OPEN,
                    asked_at,
                    external,
                    dict(c.values),
                    c.options.of_create(),
                    context.now(),
                ]
                for c in creations
                if c.person.id in mine
            ],
            conflict="(person_id) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in columns),
        )
    return mine


def recover_intents() -> None:
    """Creates whose process died between the call and its answer: their outcome is unknown. A live one holds its
    claim on the person."""
    CreateIntent.objects.exclude(person__sfdc_type="").delete()
    dead = CreateIntent.objects.filter(state=IntentState.OPEN).exclude(person__pending__claimed_until__gt=Now())
    CreateIntent.objects.filter(pk__in=list(dead.values_list("pk", flat=True))).update(state=IntentState.UNKNOWN)


@contextmanager
def synced_to_disk() -> Iterator[None]:
    """On SQLite in WAL mode a commit survives a crash of the process, and only with FULL a loss of power, too."""
    pragma = connection.vendor == "sqlite" and not connection.in_atomic_block
    with connection.cursor() as cursor:
        if pragma:
            cursor.execute("PRAGMA synchronous=FULL")
        try:
            yield
        finally:
            if pragma:
                cursor.execute("PRAGMA synchronous=NORMAL")
