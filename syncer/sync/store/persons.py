"""Persons as the engine writes them: every write of that table from here. People write it by forms, in code, in SQL."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from syncer.models import Person, SfdcType
from syncer.models.triggers import to_be_sent
from syncer.sync.context import Context
from syncer.sync.fields.object_map import PERSON_COLUMNS
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import bulk_sql
from syncer.sync.store.locking import lock_as_they_are
from syncer.sync.store.transactions import repeated, write_transaction

#: A person as it was loaded, the columns to be written, and when it counts as changed.
Write = tuple[PersonState, Mapping[str, Any], datetime]


def update(writes: Sequence[Write]) -> None:
    """Write columns of persons who are as they were loaded, in one statement for all."""
    names = sorted({name for _, columns, _ in writes for name in columns})
    rows = []
    for person, columns, changed_at in writes:
        present = {
            **person.values,
            "sfdc_type": person.sfdc_type,
            "sfdc_id": person.sfdc_id,
            "sfdc_is_deleted": person.sfdc_is_deleted,
        }
        rows.append([person.id, person.revision, *(columns.get(n, present[n]) for n in names), changed_at])
    bulk_sql.update(Person, [*names, "updated_at"], rows, keys=("id", "revision"))


def insert(
    context: Context, rows: Iterable[tuple[uuid.UUID, Mapping[str, Any], str, str]]
) -> list[tuple[int, uuid.UUID]]:
    """Make persons for records: UUID, columns, object and record id. Return the id of each, by UUID, in any order."""
    names, now = [*PERSON_COLUMNS, "custom"], context.now()
    made = bulk_sql.insert(
        Person,
        ["uuid", "revision", *names, "sfdc_type", "sfdc_id", "sfdc_is_deleted", "created_at", "updated_at"],
        [[key, 1, *(columns[n] for n in names), sobject, pk, False, now, now] for key, columns, sobject, pk in rows],
        returning=("id", "uuid"),
    )
    return [(pk, key) for pk, key in made]


def copy(persons: Sequence[PersonState]) -> list[int]:
    """Make a second person with the values of each, not in Salesforce yet. Return their ids, in this order."""
    twins = [
        Person(**{name: p.values[name] for name in PERSON_COLUMNS}, custom=dict(p.values["custom"])) for p in persons
    ]
    return [twin.pk for twin in Person.objects.bulk_create(twins)]


def mark_deleted(context: Context, person_ids: Iterable[int]) -> None:
    """Their records were deleted in Salesforce."""
    Person.objects.filter(id__in=list(person_ids)).update(sfdc_is_deleted=True, updated_at=context.now())


def become_contacts(context: Context, contacts: Mapping[int, str]) -> None:
    """Their leads were converted: person → the contact's id."""
    bulk_sql.update(
        Person,
        ["sfdc_type", "sfdc_id", "sfdc_is_deleted", "updated_at"],
        [[person_id, SfdcType.CONTACT, contact, False, context.now()] for person_id, contact in contacts.items()],
        keys=("id",),
    )


def unlink(person_ids: Iterable[int], changed_at: datetime | None = None) -> None:
    """They are persons who are not in Salesforce."""
    columns: dict[str, Any] = {"sfdc_type": SfdcType.NONE, "sfdc_id": "", "sfdc_is_deleted": False}
    if changed_at is not None:
        columns["updated_at"] = changed_at
    Person.objects.filter(id__in=list(person_ids)).update(**columns)


@repeated
def give_new_uuids(context: Context, person_ids: Iterable[int]) -> list[int]:
    """Their UUIDs are spent: they are the external ids of records that are others' now. Return who was not busy."""
    with write_transaction(context):
        free = list(lock_as_they_are(context, person_ids))
        bulk_sql.update(Person, ["uuid"], [[pk, uuid.uuid4()] for pk in free], keys=("id",))
    return free


def take_in(context: Context, winner_id: int, filled: Mapping[str, Any], edits: Mapping[str, Any]) -> None:
    """What the winner of a merge takes from the loser: blanks that are filled, which both sides agree on, and values
    that have to be sent."""
    if filled:
        Person.objects.filter(id=winner_id).update(**filled)
    if edits:
        with to_be_sent():
            Person.objects.filter(id=winner_id).update(**edits, updated_at=context.now())


def delete(person_id: int) -> None:
    """The person was merged into another one."""
    Person.objects.filter(id=person_id).delete()


def delete_here(person_ids: Collection[int]) -> int:
    """Somebody deletes these persons; their records stay. Return how many there were."""
    return Person.objects.filter(id__in=person_ids).delete()[1].get(Person._meta.label, 0)
