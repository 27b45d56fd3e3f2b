"""Persons for records that nobody here is linked to."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError

from syncer.models import ActivityType, Person
from syncer.salesforce.kinds import BadValue
from syncer.sync.context import Context
from syncer.sync.fields.object_map import PERSON_COLUMNS, ObjectMap, received_columns
from syncer.sync.identity.candidates import Outdated, check_still_theirs
from syncer.sync.merge import Value
from syncer.sync.persons.record import Reading, RemoteRecord
from syncer.sync.store import former_ids, links, persons, tombstones
from syncer.sync.store.activity import Journal
from syncer.sync.store.links import LinkRow
from syncer.sync.store.transactions import repeated, write_transaction
from syncer.sync.store.value_errors import is_race


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person made from a record; ``bad`` are the values that can't be stored here, ``altered`` the fields whose
    values can't be stored quite as they are."""

    record: RemoteRecord
    columns: Mapping[str, Any]
    bad: Mapping[str, BadValue]
    altered: frozenset[str]


def create_persons(
    context: Context, fields: ObjectMap, reading: Reading, records: Sequence[RemoteRecord]
) -> tuple[int, list[RemoteRecord]]:
    """Make persons of a batch. Return how many, and the records that have got one from somebody else meanwhile (Sync
    Person to SFDC), or have become others: they are matched again. One by one then, so that one record stands in no
    other's way."""
    try:
        return _insert(context, fields, reading, records), []
    except (IntegrityError, Outdated) as error:
        if isinstance(error, IntegrityError) and not is_race(error):
            raise
        if len(records) == 1:
            return 0, list(records)
    made = [create_persons(context, fields, reading, [record]) for record in records]
    return sum(count for count, _ in made), [record for _, busy in made for record in busy]


@repeated
def _insert(context: Context, fields: ObjectMap, reading: Reading, records: Sequence[RemoteRecord]) -> int:
    """Persons, links and `New Person` entries. Four statements."""
    if not records:
        return 0
    journal = Journal(context)
    new = dict(zip(_uuids(records), (_new_person(fields, record) for record in records), strict=True))
    with write_transaction(context):
        rows = [(key, one.columns, one.record.object, one.record.id) for key, one in new.items()]
        inserted = [(pk, new[key]) for pk, key in persons.insert(context, rows)]
        links.insert(context, [_link_row(context, fields, reading, pk, one) for pk, one in inserted])
        check_still_theirs(context, [record.id for record in records], reading)
        for pk, one in inserted:
            _log(journal, pk, one)
        tombstones.remove(context, [record.id for record in records])
        former_ids.remove(context, [record.id for record in records])
        journal.write()
    return len(inserted)


def _new_person(fields: ObjectMap, record: RemoteRecord) -> NewPerson:
    """The columns of a person made from a record, and the values that could not be stored."""
    empty: dict[str, Any] = {name: (None if field.null else "") for name, field in PERSON_COLUMNS.items()}
    columns: dict[str, Any] = empty | {"custom": {}}
    bad: dict[str, BadValue] = {}
    for field in fields.fields:
        if not field.rule.receive or (value := record.values.get(field.person_field)) is None:
            continue
        try:
            columns |= received_columns(columns, fields, {field.person_field: value})
        except BadValue as error:
            bad[field.person_field] = error
    received = {field.person_field for field in fields.fields if field.rule.receive}
    return NewPerson(record, columns, bad, (record.made_storable & received) - bad.keys())


def _link_row(context: Context, fields: ObjectMap, reading: Reading, person_id: int, one: NewPerson) -> LinkRow:
    record = one.record
    return LinkRow(
        person_id=person_id,
        object=record.object,
        record_id=record.id,
        base=_base(fields, one),
        system_modstamp=record.stamp,
        read_at=reading.asked_at,
        read_sequence=reading.sequence,
        owner_id=record.owner_id,
        owner_name=record.owner_name,
        owner_email=record.owner_email,
        account_id=record.account_id,
        received_at=context.now(),
        sent_at=None,
    )


def _base(fields: ObjectMap, one: NewPerson) -> dict[str, Value]:
    """What both sides have now: what was received, and what is empty on both."""
    values = one.record.values
    return {
        f.person_field: values[f.person_field]
        for f in fields.fields
        if f.person_field in values
        and f.person_field not in one.bad
        and (f.rule.receive or values[f.person_field] is None)
    }


def _log(journal: Journal, person_id: int, one: NewPerson) -> None:
    record = one.record
    journal.entry(
        person_id,
        record.name,
        ActivityType.NEW_PERSON,
        f"Received from Salesforce: {record.object} {record.id}.",
        actor="Salesforce",
        detail={"source": "Salesforce", "object": record.object, "id": record.id},
    )
    for field in sorted(one.altered):
        journal.made_storable(person_id, record.name, field, record.values[field])
    for field, error in one.bad.items():
        journal.not_stored(person_id, record.name, field, record.values[field], error)


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
