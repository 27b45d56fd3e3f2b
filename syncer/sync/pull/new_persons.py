"""Persons for records that nobody here is linked to."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import IntegrityError

from syncer.models import ActivityType, Person, SalesforceRecord, Tombstone
from syncer.models.triggers import agreeing_writes
from syncer.sync.context import Context
from syncer.sync.fields.object_map import PERSON_COLUMNS, ObjectMap
from syncer.sync.persons.record import Reading, RemoteRecord
from syncer.sync.plan import Planned, PlannedField
from syncer.sync.pull.write import RECORD_COLUMNS, new_person_values
from syncer.sync.store import bulk_sql
from syncer.sync.store.activity import Journal


def create_persons(
    context: Context, fields: ObjectMap, reading: Reading, records: Sequence[RemoteRecord]
) -> tuple[int, list[RemoteRecord]]:
    """Make persons of a batch; how many, and the records that have got one from somebody else meanwhile (Sync Person to
    SFDC): they are matched again. One by one then, so that one record stands in no other's way."""
    try:
        return _insert(context, fields, reading, records), []
    except IntegrityError:
        if len(records) == 1:
            return 0, list(records)
    made = [create_persons(context, fields, reading, [record]) for record in records]
    return sum(count for count, _ in made), [record for _, busy in made for record in busy]


def _insert(context: Context, fields: ObjectMap, reading: Reading, records: Sequence[RemoteRecord]) -> int:
    """Persons, links and `New Person` entries for records that nobody here is linked to. Four statements."""
    if not records:
        return 0
    if context.plan is not None:
        for record in records:
            received = tuple(
                PlannedField(name, "here", None, value, "New person.")
                for name, value in record.values.items()
                if value is not None
            )
            context.plan.add(Planned("new person", None, _name(record), record.object, record.id, fields=received))
        return len(records)
    journal = Journal(context)
    names = [*PERSON_COLUMNS, "custom"]
    by_uuid = dict(zip(_uuids(records), records, strict=True))
    rows, problems = [], {}
    now = context.now()
    for key, record in by_uuid.items():
        columns, bad = new_person_values(fields, record)
        if bad:
            problems[key] = bad
        rows.append([key, 1, *(columns[name] for name in names), record.object, record.id, False, now, now])
    with agreeing_writes():
        context.fence()
        inserted = bulk_sql.insert(
            Person,
            ["uuid", "revision", *names, "sfdc_type", "sfdc_id", "sfdc_is_deleted", "created_at", "updated_at"],
            rows,
            returning=("id", "uuid"),
        )
        links = []
        for pk, key in inserted:
            record = by_uuid[key]
            values = record.values
            base = {
                f.person_field: values[f.person_field]
                for f in fields.fields
                if f.person_field in values and (f.rule.receive or values[f.person_field] is None)
            }
            for name in problems.get(key, {}):
                base.pop(name, None)
            links.append(
                [
                    pk,
                    context.organisation,
                    record.object,
                    record.id,
                    base,
                    False,
                    record.stamp,
                    reading.asked_at,
                    reading.sequence,
                    record.owner_id,
                    record.owner_name,
                    record.owner_email,
                    record.account_id,
                    "",
                    now,
                    None,
                    now,
                ]
            )
            name = _name(record)
            journal.entry(
                pk,
                name,
                ActivityType.NEW_PERSON,
                f"Received from Salesforce: {record.object} {record.id}.",
                actor="Salesforce",
                detail={"source": "Salesforce", "object": record.object, "id": record.id},
            )
            for field, error in problems.get(key, {}).items():
                journal.entry(
                    pk,
                    name,
                    ActivityType.SYNC_FAILED,
                    str(error),
                    field=field,
                    code="VALUE_NOT_STORED",
                    failed=True,
                    detail={"value": values[field], "source": "Salesforce"},
                )
        bulk_sql.insert(SalesforceRecord, RECORD_COLUMNS, links)
        Tombstone.objects.filter(organisation=context.organisation, record_id__in=[r.id for r in records]).delete()
        journal.write()
    return len(inserted)


def _uuids(records: Sequence[RemoteRecord]) -> list[uuid.UUID]:
    """A UUID for each new person: the one that the record carries, if that is nobody's here (the database was restored
    from an older backup), so that the next create by external id finds the record."""
    wanted: dict[str, uuid.UUID] = {}
    for record in records:
        try:
            wanted[record.id] = uuid.UUID(record.external_id)
        except ValueError:
            continue
    taken = set(Person.objects.filter(uuid__in=wanted.values()).values_list("uuid", flat=True)) if wanted else set()
    return [key if (key := wanted.get(r.id)) and key not in taken else uuid.uuid4() for r in records]


def _name(record: RemoteRecord) -> str:
    names = (record.values.get("first_name"), record.values.get("last_name"))
    return " ".join(str(name) for name in names if name) or str(record.values.get("email") or "")
