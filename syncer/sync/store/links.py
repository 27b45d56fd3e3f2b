"""The links of persons to their records (``SalesforceRecord``): every write of that table.

A condition of a write names columns of the same row only. Where a link may have been changed by a newer request, the
caller holds its person locked (``locking.lock``). The number of the request that has read or sent last never falls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest

from syncer.models import UNSETTLED, SalesforceRecord
from syncer.models.expressions import PatchJSON
from syncer.sync.context import Context
from syncer.sync.merge import Value
from syncer.sync.persons.record import Reading
from syncer.sync.store import bulk_sql

_TABLE = SalesforceRecord._meta.db_table


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link as it is after a record was read. The names are those of the model's columns."""

    person_id: int
    object: str
    record_id: str
    base: Mapping[str, Value]
    system_modstamp: datetime | None
    read_at: datetime | None
    read_sequence: int
    owner_id: str
    owner_name: str
    owner_email: str
    account_id: str
    received_at: datetime | None
    sent_at: datetime | None
    weak_base: bool = False
    undecided: int | None = None
    awaits_sending: bool = False


@dataclass(frozen=True, slots=True)
class AgreedRow:
    """What an update leaves with the link: the new base, and what is known of the record's state."""

    person_id: int
    base: Mapping[str, Value]
    system_modstamp: datetime | None
    read_at: datetime | None
    read_sequence: int
    sent_at: datetime | None


#: Columns that are the same for all rows of a batch.
_COMMON = ("organisation", "merged_into", "agreed_at")
_READ = [field.name for field in fields(LinkRow)]
_AGREED = [field.name for field in fields(AgreedRow)]


def write(context: Context, rows: Iterable[LinkRow]) -> None:
    """Store the links of persons whose records were read; an earlier link of theirs is replaced."""
    common = [context.organisation, "", context.now()]
    bulk_sql.insert(
        SalesforceRecord, [*_READ, *_COMMON], [[*_values(row, _READ), *common] for row in rows], conflict=_replace()
    )


def _replace() -> str:
    """When the person has a link already, all of it is replaced. A record that was read is visible."""
    newer = bulk_sql.greatest(f"{_TABLE}.read_sequence", "excluded.read_sequence")
    columns = {name: f"excluded.{name}" for name in (*_READ, *_COMMON) if name != "person_id"}
    columns |= {"hidden_since": "NULL", "read_sequence": newer}
    return "(person_id) DO UPDATE SET " + ", ".join(f"{name} = {value}" for name, value in columns.items())


def insert(context: Context, rows: Iterable[LinkRow]) -> None:
    """Store the links of new persons. Raises IntegrityError when somebody else has linked one of the records."""
    common = [context.organisation, "", context.now()]
    bulk_sql.insert(SalesforceRecord, [*_READ, *_COMMON], [[*_values(row, _READ), *common] for row in rows])


def agree(context: Context, rows: Iterable[AgreedRow]) -> None:
    """Store what was agreed on by updates."""
    now = context.now()
    columns = [name for name in _AGREED if name != "person_id"]
    bulk_sql.update(
        SalesforceRecord,
        [*columns, "agreed_at"],
        [[*_values(row, _AGREED), now] for row in rows],
        keys=("person_id",),
        growing=("read_sequence",),
    )


def undecided(organisation: str, sobject: str, limit: int, *, may_send: bool) -> list[str]:
    """Records of which a field could not be decided when they were read, and perhaps can be now: the person was edited
    since, or what waits for sending to be allowed can be sent. And those not read yet since a lead became them."""
    rows = SalesforceRecord.objects.filter(
        UNSETTLED,
        organisation=organisation,
        object=sobject,
        hidden_since__isnull=True,
        person__sfdc_is_deleted=False,
    )
    now = Q(undecided__isnull=False, person__revision__gt=F("undecided")) | Q(weak_base=True)
    if may_send:
        now |= Q(undecided__isnull=False, awaits_sending=True)
    rows = rows.filter(now)
    return list(rows.order_by("person_id").values_list("record_id", flat=True)[:limit])


def mark_compared(context: Context, person_ids: Iterable[int], reading: Reading) -> None:
    """What a complete read found as it was: it is there, and was compared."""
    SalesforceRecord.objects.filter(person_id__in=list(person_ids), read_sequence__lt=reading.sequence).update(
        read_sequence=reading.sequence, read_at=reading.asked_at, agreed_at=context.now()
    )


def hide(context: Context, person_ids: Iterable[int], reading: Reading) -> set[int]:
    """Mark links whose records are not shown any more, unless a newer request has seen them. Return whose were marked
    by this."""
    visible = SalesforceRecord.objects.filter(
        person_id__in=list(person_ids), hidden_since__isnull=True, read_sequence__lte=reading.sequence
    )
    hidden = set(visible.values_list("person_id", flat=True))
    SalesforceRecord.objects.filter(person_id__in=hidden).update(
        hidden_since=context.now(), read_sequence=_at_least(reading.sequence)
    )
    return hidden


def mark_deleted(person_ids: Iterable[int], sequence: int, *, read_at: datetime | None = None) -> None:
    """The records are deleted there; no state of theirs counts as merged. ``read_at``: when that was read."""
    links = SalesforceRecord.objects.filter(person_id__in=list(person_ids))
    if read_at is None:
        links.update(system_modstamp=None, read_sequence=_at_least(sequence))
    else:
        links.update(system_modstamp=None, read_sequence=_at_least(sequence), read_at=read_at, hidden_since=None)


def mark_merged(survivors: Mapping[int, str]) -> None:
    """Keep which record the deleted one was merged into (person → record id), until that one's person is known."""
    bulk_sql.update(SalesforceRecord, ["merged_into"], [[*pair] for pair in survivors.items()], keys=("person_id",))


def become_contacts(converted: Mapping[int, datetime], contacts: Mapping[int, str], reading: Reading) -> None:
    """The leads of these persons were converted (person → the stamp that gave them), of some of them (person → contact)
    to a contact that is known: what was agreed with the lead is a weak base. Raises IntegrityError when somebody else
    has linked one of the contacts."""
    bulk_sql.update(
        SalesforceRecord,
        ["object", "record_id", "owner_id", "owner_name", "owner_email", "account_id"],
        [[person_id, "Contact", contact, "", "", "", ""] for person_id, contact in contacts.items()],
        keys=("person_id",),
    )
    bulk_sql.update(
        SalesforceRecord,
        ["weak_base", "system_modstamp", "read_sequence", "read_at", "hidden_since"],
        [
            [person_id, True, None, reading.sequence, max(reading.asked_at, stamp), None]
            for person_id, stamp in converted.items()
        ],
        keys=("person_id",),
        growing=("read_sequence",),
    )


def set_owners(owners: Mapping[int, tuple[str, str, str, datetime]], sequence: int) -> None:
    """Records were given to others here (person → the owner's id, name and address, and the time up to which that is no
    news). The rest of a record may have changed with its owner (flows, sharing): its stamp is forgotten, so that the
    next cycle reads it."""
    bulk_sql.update(
        SalesforceRecord,
        ["owner_id", "owner_name", "owner_email", "read_at", "system_modstamp", "read_sequence"],
        [[person_id, *owner, None, sequence] for person_id, owner in owners.items()],
        keys=("person_id",),
        growing=("read_sequence",),
    )


def rename_owners(rows: Sequence[tuple[int, str, str, str]]) -> None:
    """Owners are called otherwise now: person, the owner's id (which has to be the link's still), name, address."""
    bulk_sql.update(
        SalesforceRecord, ["owner_name", "owner_email"], [[*row] for row in rows], keys=("person_id", "owner_id")
    )


def forget_field(sobject: str, person_field: str) -> None:
    """What was agreed on a field in its old type means nothing any more."""
    SalesforceRecord.objects.filter(object=sobject).update(base=PatchJSON("base", {person_field: None}))


def read_anew(bases: Mapping[int, Mapping[str, Value]]) -> None:
    """Take back what was agreed (person → what still is), and count the records as not merged."""
    bulk_sql.update(
        SalesforceRecord,
        ["base", "system_modstamp"],
        [[person_id, dict(base), None] for person_id, base in sorted(bases.items())],
        keys=("person_id",),
    )


def move_to(organisation: str, person_ids: Iterable[int]) -> None:
    """Link these persons with the records of the same ids in another organisation, with which nothing is agreed yet."""
    SalesforceRecord.objects.filter(person_id__in=list(person_ids)).exclude(organisation=organisation).update(
        organisation=organisation, base={}, weak_base=False, system_modstamp=None, read_at=None, merged_into=""
    )


def forget(person_ids: Iterable[int], *, except_in: str = "") -> None:
    """Persons are not linked any more; ``except_in``: but those who are in this organisation stay."""
    links = SalesforceRecord.objects.filter(person_id__in=list(person_ids))
    if except_in:
        links = links.exclude(organisation=except_in)
    links.delete()


def _at_least(sequence: int) -> Greatest:
    return Greatest("read_sequence", models.Value(sequence))


def _values(row: LinkRow | AgreedRow, names: Iterable[str]) -> list[Any]:
    return [dict(row.base) if name == "base" else getattr(row, name) for name in names]
